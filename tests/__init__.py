"""The test suite: it mirrors the tree; `e2e` drives the whole server."""
