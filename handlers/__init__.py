"""The edge: bytes and JSON in and out. Imports storage, never server."""
