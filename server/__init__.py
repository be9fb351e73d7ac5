"""Process and wiring: settings, collaborators, routes, lifecycle, embedded MongoDB, logs."""
