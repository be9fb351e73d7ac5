"""A multipart/form-data body as a stream of events, whatever its chunks (RFC 7578, RFC 2046). Pure.

The only file that knows the `multipart` package. Its push parser is used without `strict`: strict mode
refuses a form whose last CRLF happens to arrive in a chunk of its own ("unexpected data after end"), which
a slow phone does every day. What strict mode adds otherwise is checked here: the boundary's length and
characters, and a name on every part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from storage.domain.errors import MalformedBody, NotMultipart

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
"""RFC 2046, section 5.1.1: 1 to 70 characters, not ending in a space."""
_PART_HEADERS = 8
"""RFC 7578 knows three headers a part; browsers send two."""


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
    """How many parts a body may have, and how long one header line of a part may be."""

    parts: int
    header_bytes: int


class MultipartStream:
    """Feed chunks of any size in order, then close. Raises NotMultipart or MalformedBody; then it is over."""

    def __init__(self, content_type: str, limits: StreamLimits) -> None:
        """`content_type` is the request's header; raises NotMultipart unless it is multipart/form-data."""
        media_type, options = parse_options_header(content_type)
        if media_type.lower() != "multipart/form-data":
            raise NotMultipart
        boundary = options.get("boundary", "")
        if not _BOUNDARY.fullmatch(boundary):
            raise MalformedBody("the boundary of the Content-Type is missing or not valid")
        self._parser = PushMultipartParser(
            boundary,
            max_header_size=limits.header_bytes,
            max_header_count=_PART_HEADERS,
            max_segment_count=limits.parts,
        )

    def feed(self, chunk: bytes) -> Iterator[PartEvent]:
        """The events of a non-empty chunk. Consume them all before the next chunk."""
        try:
            for event in self._parser.parse(chunk):
                if event is None:
                    yield _ENDED
                elif isinstance(event, MultipartSegment):
                    yield _started(event)
                else:
                    yield PartBytes(event)
        except MultipartError as error:
            raise MalformedBody(str(error)) from error

    def close(self) -> None:
        """Say that the body is over; raises MalformedBody if the closing boundary never came."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise MalformedBody("the body ends before its closing boundary") from error


def _started(segment: MultipartSegment) -> PartStarted:
    if not segment.name:
        raise MalformedBody("a part has no name")
    return PartStarted(segment.name, segment.filename)
