"""Range requests on one file (RFC 9110, section 14). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from storage.domain.errors import RangeNotSatisfiable

_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `first` to `last`, both included, of a file of `size_bytes`."""

    first: int
    last: int
    size_bytes: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    @property
    def content_range(self) -> str:
        return f"bytes {self.first}-{self.last}/{self.size_bytes}"


def read_range(header: str | None, if_range: str | None, etag: str, size_bytes: int) -> ByteRange | None:
    """The one range to send, or None for the whole file: without a Range, with several, with one that is not
    understood (14.2: ignored), or when If-Range names another version (13.1.5: strong comparison).

    Raises RangeNotSatisfiable if the range lies outside the file.
    """
    match = _ONE_RANGE.fullmatch(header or "")
    if match is None or (if_range is not None and if_range.strip() != etag):
        return None
    first, last = match.groups()
    if not first:
        if not last:
            return None
        length = min(int(last), size_bytes)
        if length == 0:
            raise RangeNotSatisfiable(size_bytes)
        return ByteRange(size_bytes - length, size_bytes - 1, size_bytes)
    if last and int(last) < int(first):
        return None
    if int(first) >= size_bytes:
        raise RangeNotSatisfiable(size_bytes)
    return ByteRange(int(first), min(int(last or size_bytes - 1), size_bytes - 1), size_bytes)
