"""The bytes of a server's WebSocket frames (RFC 6455, section 5.2). Pure."""

from __future__ import annotations

from collections.abc import Iterator

_FINAL, _TEXT, _CONTINUATION = 0x80, 0x1, 0x0
_ONE_BYTE_LENGTHS, _TWO_BYTE_LENGTHS = 126, 1 << 16
FRAGMENT_BYTES = 64 << 10
"""Of a long message: a reader of 16 kB/s is seen to take one every few seconds, and between two of them a pong or a
close still finds its place (section 5.4)."""


def text_frame(payload: bytes) -> bytes:
    """One whole, unmasked, uncompressed text message: the same bytes for every client it goes to."""
    return _frame(_FINAL | _TEXT, payload)


def text_frames(payload: bytes) -> Iterator[bytes]:
    """A text message of any length, in frames of at most FRAGMENT_BYTES of it."""
    opcode = _TEXT
    view = memoryview(payload)
    while len(view) > FRAGMENT_BYTES:
        yield _frame(opcode, view[:FRAGMENT_BYTES])
        view, opcode = view[FRAGMENT_BYTES:], _CONTINUATION
    yield _frame(_FINAL | opcode, view)


def _frame(first: int, payload: bytes | memoryview) -> bytes:
    size = len(payload)
    if size < _ONE_BYTE_LENGTHS:
        head = bytes((first, size))
    elif size < _TWO_BYTE_LENGTHS:
        head = bytes((first, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 127)) + size.to_bytes(8, "big")
    return head + payload
