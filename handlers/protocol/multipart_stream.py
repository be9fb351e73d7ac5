"""A multipart/form-data body as a stream of events, whatever its chunks (RFC 7578, RFC 2046). Pure.

The only file that knows the `multipart` package. Its push parser is used without `strict`: strict mode
refuses a form whose last CRLF happens to arrive in a chunk of its own ("unexpected data after end"), which
a slow phone does every day. What strict mode adds otherwise is checked here, and so is where the parser's verdict
would depend on the chunks: the boundary's characters, what stands before it, line feeds in headers, names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from storage.domain.errors import MalformedBody, NotMultipart

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
"""RFC 2046, section 5.1.1: 1 to 70 characters, not ending in a space."""
_PREAMBLE_BYTES = 1024
"""What may stand before the first boundary (RFC 2046: to be ignored); no known client sends anything."""


@dataclass(frozen=True, slots=True)
class PartStarted:
    """A new part. `filename` is None for a text field and "" for a file input nobody filled in."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartBytes:
    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnded:
    pass


PartEvent = PartStarted | PartBytes | PartEnded
_ENDED = PartEnded()


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How many parts a body may have and headers each of them, how long a header line and the boundary may be."""

    parts: int
    header_bytes: int
    headers: int = 8
    boundary_chars: int = 70


class MultipartStream:
    """Feed chunks of any size in order, then close. Raises NotMultipart or MalformedBody; then it is over."""

    def __init__(self, content_type: str, limits: StreamLimits) -> None:
        """`content_type` is the request's header; raises NotMultipart unless it is multipart/form-data."""
        media_type, options = parse_options_header(content_type)
        if media_type.lower() != "multipart/form-data":
            raise NotMultipart
        boundary = options.get("boundary", "")
        if not _BOUNDARY.fullmatch(boundary) or len(boundary) > limits.boundary_chars:
            raise MalformedBody("the boundary of the Content-Type is missing or not valid")
        self._limits = limits
        self._parser = PushMultipartParser(
            boundary,
            max_header_size=limits.header_bytes + 1,
            max_header_count=limits.headers,
            max_segment_count=limits.parts,
        )
        self._dash_boundary = b"--" + boundary.encode()
        self._opening: bytes | None = b""

    def feed(self, chunk: bytes) -> Iterator[PartEvent]:
        """The events of a non-empty chunk. Consume them all before the next chunk."""
        if self._opening is not None:
            chunk = self._open(self._opening + chunk)
            if not chunk:
                return
        try:
            for event in self._parser.parse(chunk):
                if event is None:
                    yield _ENDED
                elif isinstance(event, MultipartSegment):
                    yield self._started(event)
                else:
                    yield PartBytes(event)
        except MultipartError as error:
            raise MalformedBody(error.args[0]) from error

    def close(self) -> None:
        """Say that the body is over; raises MalformedBody if the closing boundary never came."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise MalformedBody("the body ends before its closing boundary") from error

    def _open(self, opening: bytes) -> bytes:
        """The body from its first boundary on, or nothing as long as that has not come. The parser itself would
        take or refuse what stands before it depending on the chunks."""
        place = opening.find(self._dash_boundary)
        if place > 0 and opening[place - 2 : place] != b"\r\n":
            raise MalformedBody("the first boundary does not begin a line")
        skipped = place if place >= 0 else len(opening) - len(self._dash_boundary)
        if skipped > _PREAMBLE_BYTES:
            raise MalformedBody("there is no boundary where the body begins")
        self._opening = opening if place < 0 else None
        return b"" if place < 0 else opening[place:]

    def _started(self, segment: MultipartSegment) -> PartStarted:
        for name, value in segment.headerlist:
            if len(f"{name}: {value}".encode()) > self._limits.header_bytes:
                raise MalformedBody("a part's header line is too long")
            if "\n" in value:
                raise MalformedBody("a part's header has a bare line feed")
        if not segment.name:
            raise MalformedBody("a part has no name")
        return PartStarted(segment.name, segment.filename)
