"""End to end: the real `run.py` and clients we did not write."""
