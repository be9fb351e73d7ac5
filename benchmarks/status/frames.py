"""As much of RFC 6455's framing as a client needs whose server never fragments. Pure.

Every client frame is masked, as section 5.3 demands, with a key of zeros: the server does all its work, and the
load generator, which must not be the limit, does none.
"""

from __future__ import annotations

import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FINAL, _MASKED, _NO_KEY = 0x80, 0x80, bytes(4)
Frame = tuple[int, int, int]
"""Opcode, and where the payload begins and ends."""


class BadFrame(Exception):
    """Something no server here should send: a fragment, a compressed or a masked frame."""


def client_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes((_FINAL | opcode, _MASKED | size))
    elif size < 1 << 16:
        head = struct.pack(">BBH", _FINAL | opcode, _MASKED | 126, size)
    else:
        head = struct.pack(">BBQ", _FINAL | opcode, _MASKED | 127, size)
    return head + _NO_KEY + payload


def next_frame(data: bytes, at: int) -> Frame | None:
    """The frame that begins at `at`; None if it is not all there. Raises BadFrame."""
    have = len(data) - at
    if have < 2:
        return None
    first, size, begin = data[at], data[at + 1], at + 2
    if size == 126:
        if have < 4:
            return None
        size, begin = data[at + 2] << 8 | data[at + 3], at + 4
    elif size == 127:
        if have < 10:
            return None
        size, begin = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
    elif size > 127:
        raise BadFrame("a masked frame from the server")
    if begin + size > len(data):
        return None
    if first & 0xF0 != _FINAL or first == _FINAL | CONTINUATION:
        raise BadFrame(f"first byte {first:#x}: a fragment, or extension bits though none was agreed on")
    return first & 0x0F, begin, begin + size
