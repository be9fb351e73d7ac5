"""Tests of the pure part of the edge: no server, no sockets."""
