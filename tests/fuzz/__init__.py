"""Searches for faults that run for as long as they are given; not part of the suite."""
