"""Where a multipart body is cut before the parser gets it, so that no verdict depends on its chunks. Pure.

The parser looks as far ahead as its input goes. How TCP cut a body would decide whether it sees a bare line feed
among headers or a header line one byte too long, and how much of a part it gives away before it refuses it. So it
gets one header line at a time, and of content never more than up to the next place where its verdict may turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from storage.domain.errors import MalformedBody

_CRLF = b"\r\n"


class _Place(Enum):
    """What the next byte belongs to."""

    CONTENT = auto()
    DELIMITER_END = auto()
    HEADERS = auto()
    EPILOGUE = auto()


class BodyCuts:
    """Cut chunks in order; say `content_begins` when the piece that ended a part's headers has been parsed."""

    def __init__(self, boundary: bytes, header_bytes: int) -> None:
        """`header_bytes`: how long one header line may be, without its line end."""
        self._delimiter = _CRLF + b"--" + boundary
        self._header_bytes = header_bytes
        self._place = _Place.CONTENT
        self._behind = _CRLF
        """The last bytes of the place; a body begins as a line does."""
        self._line_bytes = 0
        self._stops: list[int] = []

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """`chunk` up to the end of the form, in order. Parse each piece before asking for the next one. Raises
        MalformedBody for a header line that is too long."""
        start = 0
        while start < len(chunk) and self._place is not _Place.EPILOGUE:
            match self._place:
                case _Place.CONTENT:
                    end = self._content_end(chunk, start)
                case _Place.DELIMITER_END:
                    end = self._delimiter_end(chunk, start)
                case _:
                    end = self._line_end(chunk, start)
            yield chunk[start:end]
            start = end

    def content_begins(self, *stops: int) -> None:
        """A part's headers are over. A piece ends wherever one of `stops`, in bytes of its content, is reached."""
        self._place, self._behind = _Place.CONTENT, b""
        self._stops = sorted(stop for stop in stops if stop > 0)

    def _content_end(self, chunk: bytes, start: int) -> int:
        """After the next delimiter, at a stop before it, or where the chunk ends."""
        after_delimiter = self._after_delimiter(chunk, start)
        end = len(chunk) if after_delimiter is None else after_delimiter
        if self._stops:
            end = min(end, start + self._stops[0])
        self._stops = [stop - (end - start) for stop in self._stops if stop > end - start]
        if end == after_delimiter:
            self._place, self._behind = _Place.DELIMITER_END, b""
        else:
            longest = len(self._delimiter) - 1
            self._behind = (self._behind + chunk[max(start, end - longest) : end])[-longest:]
        return end

    def _after_delimiter(self, chunk: bytes, start: int) -> int | None:
        """Where the next delimiter ends; it may have begun in an earlier chunk."""
        size = len(self._delimiter)
        seam = self._behind + chunk[start : start + size - 1]
        if (place := seam.find(self._delimiter)) >= 0:
            return start + place + size - len(self._behind)
        place = chunk.find(self._delimiter, start)
        return place + size if place >= 0 else None

    def _delimiter_end(self, chunk: bytes, start: int) -> int:
        """After the two bytes that say what follows; the parser refuses any but CRLF and `--`."""
        end = min(len(chunk), start + 2 - len(self._behind))
        self._behind += chunk[start:end]
        if len(self._behind) == len(_CRLF):
            self._place = _Place.EPILOGUE if self._behind == b"--" else _Place.HEADERS
        return end

    def _line_end(self, chunk: bytes, start: int) -> int:
        end = chunk.find(b"\n", start) + 1
        self._line_bytes += (end or len(chunk)) - start
        line_end_bytes = 2 if end else 1  # a line under way may end in the CR of its line end
        if self._line_bytes > self._header_bytes + line_end_bytes:
            raise MalformedBody("a part's header line is too long")
        if end:
            self._line_bytes = 0
        return end or len(chunk)
