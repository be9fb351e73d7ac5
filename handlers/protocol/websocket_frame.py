"""The bytes of a WebSocket frame from a server (RFC 6455, section 5.2). Pure."""

from __future__ import annotations

_FINAL_TEXT = 0x81
_ONE_BYTE_LENGTHS, _TWO_BYTE_LENGTHS = 126, 1 << 16


def text_frame(payload: bytes) -> bytes:
    """One whole, unmasked, uncompressed text message: the same bytes for every client it goes to."""
    size = len(payload)
    if size < _ONE_BYTE_LENGTHS:
        head = bytes((_FINAL_TEXT, size))
    elif size < _TWO_BYTE_LENGTHS:
        head = bytes((_FINAL_TEXT, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL_TEXT, 127)) + size.to_bytes(8, "big")
    return head + payload
