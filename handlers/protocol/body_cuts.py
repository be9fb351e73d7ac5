"""Takes a multipart body apart into its files' contents and the bytes around them, whatever its chunks. Pure.

The parser looks as far ahead as its input goes. How TCP cut a body would decide whether it sees a bare line feed
among headers or a header line one byte too long. So it gets what stands around the contents, one header line at a
time; and contents, which are nearly all of a body, are found here in one pass and never copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from storage.domain.errors import MalformedBody

_CRLF = b"\r\n"


class _Place(Enum):
    """What the next byte belongs to."""

    BODY = auto()
    CONTENT = auto()
    DELIMITER_END = auto()
    HEADERS = auto()
    EPILOGUE = auto()


@dataclass(frozen=True, slots=True)
class Content:
    """Some of a part's content; never empty. A view of the chunk it came in."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class Markup:
    """Bytes for the parser: a delimiter, the two bytes that end one, a header line or some of it."""

    data: bytes


class BodyCuts:
    """Cut chunks in order; say `content_begins` when the markup that ended a part's headers has been parsed."""

    def __init__(self, boundary: bytes, header_bytes: int) -> None:
        """`header_bytes`: how long one header line may be, without its line end. The first chunk begins with the
        whole first boundary."""
        self._delimiter = _CRLF + b"--" + boundary
        self._header_bytes = header_bytes
        self._place = _Place.BODY
        self._held = b""
        """The end of the last chunk that may be the beginning of a delimiter."""
        self._delimiter_at = -1
        """Where the next delimiter of this chunk begins; the end of a chunk without one, -1 if nobody looked."""
        self._end_bytes = 0
        self._line_bytes = 0
        self._stops: list[int] = []

    def pieces(self, chunk: bytes) -> Iterator[Content | Markup]:
        """`chunk` up to the end of the form, in order. Deal with each piece before asking for the next one. Raises
        MalformedBody for a header line that is too long."""
        if self._held:
            chunk, self._held = self._held + chunk, b""
        start = 0
        self._delimiter_at = -1
        while start < len(chunk) and self._place is not _Place.EPILOGUE:
            if self._place is _Place.CONTENT and (end := self._content_end(chunk, start)) > start:
                yield Content(memoryview(chunk)[start:end])
            elif self._held:
                return
            else:
                end = self._markup_end(chunk, start)
                yield Markup(chunk[start:end])
            start = end

    def content_begins(self, *stops: int) -> None:
        """A part's headers are over. A piece ends wherever one of `stops`, in bytes of its content, is reached."""
        self._place = _Place.CONTENT
        self._stops = sorted(stop for stop in stops if stop > 0)

    def _content_end(self, chunk: bytes, start: int) -> int:
        """Where content ends for now: at a delimiter, at a stop before it, at what may become a delimiter, or where
        the chunk ends."""
        if self._delimiter_at < start:  # no delimiter found yet, or one that is dealt with
            found = chunk.find(self._delimiter, start)
            self._delimiter_at = found if found >= 0 else len(chunk)
        end = self._delimiter_at
        if end == len(chunk):
            end = self._hold_back(chunk, start)
        if self._stops and end - start > self._stops[0]:
            end, self._held = start + self._stops[0], b""
        self._stops = [stop - (end - start) for stop in self._stops if stop > end - start]
        return end

    def _hold_back(self, chunk: bytes, start: int) -> int:
        """Where the beginning of a delimiter at the end of `chunk` begins; its first byte is its only CR."""
        begin = chunk.rfind(b"\r", max(start, len(chunk) - len(self._delimiter) + 1))
        if begin < 0 or not self._delimiter.startswith(chunk[begin:]):
            return len(chunk)
        self._held = chunk[begin:]
        return begin

    def _markup_end(self, chunk: bytes, start: int) -> int:
        match self._place:
            case _Place.DELIMITER_END:
                return self._delimiter_end(chunk, start)
            case _Place.HEADERS:
                return self._line_end(chunk, start)
            case place:
                self._place, self._end_bytes = _Place.DELIMITER_END, 0
                return start + len(self._delimiter) - (len(_CRLF) if place is _Place.BODY else 0)

    def _delimiter_end(self, chunk: bytes, start: int) -> int:
        """After the two bytes that say what follows; the parser refuses any but CRLF and `--`."""
        end = min(len(chunk), start + len(_CRLF) - self._end_bytes)
        self._end_bytes += end - start
        if self._end_bytes == len(_CRLF):
            self._place = _Place.EPILOGUE if chunk[end - 1] == ord("-") else _Place.HEADERS
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
