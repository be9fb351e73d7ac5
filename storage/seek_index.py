"""Whether a recording can be sought in from its outside: the elements and boxes of WebM and MP4. Blocking."""

from __future__ import annotations

from io import BufferedReader
from pathlib import Path

_SEGMENT, _CUES = 0x18538067, 0x1C53BB6B
"""RFC 9559, 5.1."""
_FRAGMENT = b"moof"


def has_index(source: Path) -> bool:
    """True unless it is a WebM or an MP4 that was written while it was recorded, and never gone back into."""
    size_bytes = source.stat().st_size
    with source.open("rb") as file:
        match source.suffix:
            case ".webm":
                return _has_cues(file, size_bytes)
            case ".m4a":
                return not _is_fragmented(file, size_bytes)
            case _:
                return True


def _has_cues(file: BufferedReader, size_bytes: int) -> bool:
    """Elements are an id and a size, each as long as its first bits say, and so many bytes (RFC 8794, 4 to 6)."""
    while (first := file.read(1)) and (more := 8 - first[0].bit_length()) < 4:
        element = int.from_bytes(first + file.read(more), "big")
        if element == _CUES:
            return True
        if not (first := file.read(1)) or (more := 8 - first[0].bit_length()) > 7:
            return False
        bits = 7 * (more + 1)
        size = int.from_bytes(first + file.read(more), "big") & ((1 << bits) - 1)
        if element == _SEGMENT:  # go on in it
            continue
        if size > size_bytes:  # broken, or all ones, which is unknown: so a browser writes its clusters
            return False
        file.seek(size, 1)
    return False


def _is_fragmented(file: BufferedReader, size_bytes: int) -> bool:
    """How long it is only all of its fragments tell (ISO/IEC 14496-12, 4.2: boxes of a size and a name)."""
    while len(head := file.read(16)) >= 8:
        if head[4:8] == _FRAGMENT:
            return True
        size, header = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(head[8:16], "big"), 16
        if not header <= size <= size_bytes:  # to the end of the file, or broken
            return False
        file.seek(size - len(head), 1)
    return False
