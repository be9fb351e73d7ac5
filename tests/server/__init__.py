"""Tests of the process: settings, embedded MongoDB, commands, lifecycle."""
