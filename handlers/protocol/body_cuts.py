"""Takes a multipart body apart into its files' contents and the heads of its parts, whatever its chunks. Pure.

The parser looks as far ahead as its input goes: how TCP cut a body would decide what it sees of a broken one. So it
gets the head of each part whole, from the delimiter to the empty line, or not at all; and contents, which are most
of a body, are found here in one pass and never copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from storage.domain.errors import MalformedBody

_CRLF = b"\r\n"
_EMPTY_LINE = b"\r\n\r\n"
_CLOSING = b"--"
"""What follows the last delimiter in the place of a line end."""


@dataclass(frozen=True, slots=True)
class Content:
    """Some of a part's content; never empty. A view of the chunk it came in."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class Head:
    """A delimiter with all that stands between it and the content after it, or the closing one."""

    data: bytes


class BodyCuts:
    """Cut chunks in order; say `content_begins` when the head of a part has been parsed."""

    def __init__(self, boundary: bytes, header_bytes: int, headers: int) -> None:
        """`header_bytes`: how long one header line may be, without its line end; `headers`: how many of them a part
        may have. The first chunk begins with the whole first boundary."""
        self._delimiter = _CRLF + b"--" + boundary
        self._header_bytes = header_bytes
        self._head_bytes = (headers + 1) * (header_bytes + len(_CRLF))
        self._prefix_bytes = len(self._delimiter) - len(_CRLF)
        """Of the delimiter that comes next: a body begins as a line does, so its first one has no line end."""
        self._in_content = self._is_over = False
        self._held = b""
        """The end of the last chunk: what may be the beginning of a delimiter, or is that of a head."""
        self._delimiter_at = -1
        """Where the next delimiter of this chunk begins; the end of a chunk without one, -1 if nobody looked."""
        self._line_at = 0
        """Where the unfinished line of a held head begins: what is before it was looked at."""
        self._stops: list[int] = []

    def pieces(self, chunk: bytes) -> Iterator[Content | Head]:
        """`chunk` up to the end of the form, in order. Deal with each piece before asking for the next one. Raises
        MalformedBody for a head that is too long or has a bare line feed."""
        if self._held:
            chunk, self._held = self._held + chunk, b""
        start, self._delimiter_at = 0, -1
        while start < len(chunk) and not self._is_over:
            if self._in_content and (end := self._content_end(chunk, start)) > start:
                yield Content(memoryview(chunk)[start:end])
            elif self._held or not (end := self._head_end(chunk, start)):
                return
            else:
                self._in_content, self._line_at = False, 0
                yield Head(chunk[start:end])
            start = end

    def content_begins(self, *stops: int) -> None:
        """A part's head is over. A piece ends wherever one of `stops`, in bytes of its content, is reached."""
        self._in_content = True
        self._prefix_bytes = len(self._delimiter)
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

    def _head_end(self, chunk: bytes, start: int) -> int:
        """After the empty line of the head at `start`, or after the closing delimiter; 0, and the head is held, if
        more of it must come."""
        after = start + self._prefix_bytes
        following = chunk[after : after + len(_CRLF)]
        if following == _CLOSING:
            self._is_over = True
            return after + len(_CLOSING)
        if len(following) == len(_CRLF) and following != _CRLF:
            return after + len(_CRLF)  # the parser refuses it
        most = after + self._head_bytes
        line = max(after, start + self._line_at)
        end = chunk.find(_EMPTY_LINE, max(after, line - len(_CRLF)), most)
        self._check_lines(chunk[line : end if end >= 0 else most])
        if end >= 0:
            return end + len(_EMPTY_LINE)
        if len(chunk) >= most:
            raise MalformedBody("a part has too many headers")
        last = chunk.rfind(_CRLF, line)
        self._line_at = (last + len(_CRLF) if last >= 0 else line) - start
        self._held = chunk[start:]
        return 0

    def _check_lines(self, lines: bytes) -> None:
        """Lines of a head, the last one perhaps not whole; a CR at its end may be half of its line end."""
        for line in lines.split(_CRLF):
            if len(line.removesuffix(b"\r")) > self._header_bytes:
                raise MalformedBody("a part's header line is too long")
            if b"\n" in line:
                raise MalformedBody("a part's header has a bare line feed")
