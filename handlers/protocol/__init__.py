"""The wire formats, pure: no I/O, no async; forms, bodies, ranges, socket messages, representations."""
