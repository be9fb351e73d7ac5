"""The rules of the product, pure: standard library only, no I/O, no async, no framework."""
