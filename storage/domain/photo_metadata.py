"""JPEG and PNG without what they say about where and with what they were taken, to the byte. Pure.

Nothing is decoded: whole segments and chunks are left out, those that are needed to show the picture stay. So it
works at once, on a damaged photo too, and what is unknown is left out. Sources: ITU-T T.81, annex B (JPEG markers);
Exif 2.32, section 4 (the orientation); PNG specification, third edition, sections 5 and 11.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from itertools import islice

Part = slice | bytes
"""Some of the original, or something in its place."""

_SLICE_BYTES = 256 << 10
"""What is looked through in one go: other threads get their turn in between."""

_MAX_SEGMENTS, _MAX_PARTS = 50_000, 1_000
"""Of one photo, and of what is left of it; nothing is shown beyond. Cameras write some dozen segments, and PNG
chunks that follow each other are one part; made for it, 10 MiB could have millions: a quarter of a gigabyte."""

_SOI, _EOI, _SOS, _COM, _TEM = 0xD8, 0xD9, 0xDA, 0xFE, 0x01
_RESTARTS = range(0xD0, 0xD8)
_APPLICATION = range(0xE0, 0xF0)
_SHOWN_WITH = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
"""Application segments without which colours would be wrong: density, colour profile, colour transform."""
_EXIF = b"Exif\0\0"
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Without the fill bytes before it, which do no harm: looking for them takes a time quadratic in their number, in
which no other thread runs."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_SHOWN_WITH = {b"cHRM", b"cICP", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"bKGD", b"hIST", b"tRNS", b"pHYs"}
_PNG_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_ORIENTATION_TAG, _SHORT = 0x0112, 3


def shown_parts(content: bytes) -> list[Part]:
    """What is left of a photo, in order; nothing of what is neither JPEG nor PNG."""
    if content[:2] == bytes([0xFF, _SOI]):
        return list(islice(_merged(_jpeg(content)), _MAX_PARTS))
    if content[:8] == _PNG:
        return list(islice(_merged(_png(content)), _MAX_PARTS))
    return []


def size_of(parts: Iterable[Part]) -> int:
    return sum(len(part) if isinstance(part, bytes) else part.stop - part.start for part in parts)


def cut(parts: Iterable[Part], first: int, length: int) -> Iterator[Part]:
    """`length` bytes of `parts` from the byte `first` on."""
    for part in parts:
        size = size_of([part])
        begin, end = min(first, size), min(first + length, size)
        if begin < end:
            yield part[begin:end] if isinstance(part, bytes) else slice(part.start + begin, part.start + end)
        first -= begin
        length -= end - begin


def without_metadata(content: bytes) -> bytes:
    return b"".join(part if isinstance(part, bytes) else content[part] for part in shown_parts(content))


def orientation_in(exif: bytes) -> int:
    """From 1 to 8 (Exif 2.32, 4.6.4 A); 1, as it is, where it does not say."""
    tiff = exif.removeprefix(_EXIF)
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    (first,) = struct.unpack(order + "I", tiff[4:8])
    entries = tiff[first + 2 :]
    count = int.from_bytes(tiff[first : first + 2], "little" if order == "<" else "big")
    for start in range(0, min(12 * count, len(entries) - 11), 12):
        tag, kind = struct.unpack(order + "HH", entries[start : start + 4])
        if (tag, kind) == (_ORIENTATION_TAG, _SHORT):
            (value,) = struct.unpack(order + "H", entries[start + 8 : start + 10])
            return value if 1 <= value <= 8 else 1
    return 1


def _merged(parts: Iterator[Part]) -> Iterator[Part]:
    pending: slice | None = None
    for part in parts:
        if pending is not None and isinstance(part, slice) and pending.stop == part.start:
            pending = slice(pending.start, part.stop)
            continue
        if pending is not None:
            yield pending
            pending = None
        if isinstance(part, slice):
            pending = part
        else:
            yield part
    if pending is not None:
        yield pending


def _jpeg(content: bytes) -> Iterator[Part]:
    """Segment by segment; from where the structure breaks, nothing. After the end of the image phones put more
    images, each with metadata of its own."""
    yield slice(0, 2)
    position = 2
    for _ in range(_MAX_SEGMENTS):
        if position + 1 >= len(content) or content[position] != 0xFF:
            return
        marker = content[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == _EOI:
            yield slice(position, position + 2)
            return
        if marker in (_SOI, _TEM, *_RESTARTS):
            yield slice(position, position + 2)
            position += 2
            continue
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4], "big")
        if end < position + 4:
            return
        if marker == _SOS:
            end = _end_of_scan(content, end)
        if marker in _APPLICATION or marker == _COM:
            body = content[position + 4 : end]
            if marker in _SHOWN_WITH and body.startswith(_SHOWN_WITH[marker]):
                yield slice(position, end)
            elif body.startswith(_EXIF) and (orientation := orientation_in(body)) > 1:
                yield _exif_of(orientation)
        else:
            yield slice(position, min(end, len(content)))
        position = end


def _end_of_scan(content: bytes, position: int) -> int:
    while position < len(content):
        end = min(position + _SLICE_BYTES, len(content))
        if found := _MARKER_IN_SCAN.search(content, position, end):
            return found.start()
        if end == len(content):
            break
        position = end - 1  # a marker may lie across
    return len(content)


def _exif_of(orientation: int) -> bytes:
    """A segment that says nothing but which side is up."""
    entry = struct.pack(">HHIHH", _ORIENTATION_TAG, _SHORT, 1, orientation, 0)
    body = _EXIF + b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    return bytes([0xFF, 0xE1]) + struct.pack(">H", len(body) + 2) + body


def _png(content: bytes) -> Iterator[Part]:
    yield slice(0, len(_PNG))
    position = len(_PNG)
    for _ in range(_MAX_SEGMENTS):
        if position + 8 > len(content):
            return
        length = int.from_bytes(content[position : position + 4], "big")
        kind = content[position + 4 : position + 8]
        end = min(position + 12 + length, len(content))
        if kind in _PNG_CRITICAL or kind in _PNG_SHOWN_WITH:
            yield slice(position, end)
        if kind == b"IEND":
            return
        position = end
