"""A multipart/form-data body as a stream of events, whatever its chunks (RFC 7578, RFC 2046). Pure.

The only file that knows the `multipart` package. Its push parser is used without `strict`: strict mode
refuses a form whose last CRLF happens to arrive in a chunk of its own ("unexpected data after end"), which
a slow phone does every day. What strict mode adds otherwise is checked here: the boundary's characters and the
names.
What the parser would take or refuse depending on the chunks never reaches it as it came: what stands before the
first boundary is dropped here, and the rest is cut by `BodyCuts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from handlers.protocol.body_cuts import BodyCuts, Content
from storage.domain.errors import MalformedBody, NotMultipart

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
"""RFC 2046, section 5.1.1: 1 to 70 characters, not ending in a space."""
_PREAMBLE_BYTES = 1024
"""What may stand before the first boundary (RFC 2046: to be ignored); no known client sends anything."""
_HEADER_CHARSET = "latin-1"
"""Every byte is a character of it: a file name in a charset of long ago is no reason to refuse the file."""
_PARAMETER = re.compile(
    r'"(?:\\.|[^\\"])*"?|;[ \t]*(?P<key>name|filename\*?)[ \t]*=[ \t]*(?P<value>[^;"]*)', re.IGNORECASE
)
"""A parameter of a Content-Disposition, outside of quotes; its value is empty if it is in quotes itself. The parser
does not know `filename*=UTF-8''photo.jpg` (RFC 8187; older urllib3 sends it), and reads what should have been in
quotes up to the first character that makes it so."""

_USUAL = re.compile(r'form-data; name="[^"\\]*"(; filename="[^"\\]*")?')
"""What browsers and curl send: every parameter in quotes, nothing to look at twice."""


@dataclass(frozen=True, slots=True)
class PartStarted:
    """A new part. `filename` is None for a text field and "" for a file input nobody filled in."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartBytes:
    """Some of the part's content; a view, so that no byte of a photo is copied on its way to the disk."""

    data: bytes | memoryview


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
        self._parser = PushMultipartParser(
            boundary,
            max_header_size=limits.header_bytes + 1,  # it may count the CR of a line end; BodyCuts is exact
            max_header_count=limits.headers,
            max_segment_count=limits.parts,
            header_charset=_HEADER_CHARSET,
        )
        self._dash_boundary = b"--" + boundary.encode()
        self._cuts = BodyCuts(boundary.encode(), limits.header_bytes, limits.headers)
        self._opening: bytes | None = b""
        self._content_head = b""
        self._is_counted = False

    def feed(self, chunk: bytes) -> Iterator[PartEvent]:
        """The events of a non-empty chunk. Consume them all before the next chunk."""
        if self._opening is not None:
            chunk = self._open(self._opening + chunk)
        for piece in self._cuts.pieces(chunk):
            if isinstance(piece, Content) and not self._is_counted:
                yield PartBytes(piece.data)
                self._check_content_head(piece.data)
            else:
                yield from self._parse(bytes(piece.data))

    def close(self) -> None:
        """Say that the body is over; raises MalformedBody if the closing boundary never came."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise MalformedBody("the body ends before its closing boundary") from error

    def _open(self, opening: bytes) -> bytes:
        """The body from its first boundary on, or nothing as long as that has not come."""
        place = opening.find(self._dash_boundary)
        if place > 0 and opening[place - 2 : place] != b"\r\n":
            raise MalformedBody("the first boundary does not begin a line")
        skipped = place if place >= 0 else len(opening) - len(self._dash_boundary)
        if skipped > _PREAMBLE_BYTES:
            raise MalformedBody("there is no boundary where the body begins")
        self._opening = opening if place < 0 else None
        return b"" if place < 0 else opening[place:]

    def _parse(self, data: bytes) -> Iterator[PartEvent]:
        try:
            for event in self._parser.parse(data):
                if event is None:
                    yield _ENDED
                elif isinstance(event, MultipartSegment):
                    self._begin_content(event)
                    yield _started(event)
                else:
                    yield PartBytes(event)
                    self._check_content_head(event)
        except MultipartError as error:
            raise MalformedBody(error.args[0]) from error

    def _begin_content(self, segment: MultipartSegment) -> None:
        """Only the content of a part that says how long it is goes through the parser, which counts it."""
        declared_bytes = int(segment.header("Content-Length", -1))
        self._is_counted = declared_bytes >= 0
        self._content_head = b""
        self._cuts.content_begins(len(self._dash_boundary), declared_bytes)

    def _check_content_head(self, data: bytes | memoryview) -> None:
        """A part that ends without the empty line of its content would have the next part as its content. The form
        has seen `data` before, which may come byte by byte: its verdict is the first, whatever the chunks."""
        missing = len(self._dash_boundary) - len(self._content_head)
        if missing > 0:
            self._content_head += data[:missing]
            if self._content_head == self._dash_boundary:
                raise MalformedBody("a part has a boundary where its content should begin")


def _started(segment: MultipartSegment) -> PartStarted:
    dispositions = [value for name, value in segment.headerlist if name == "Content-Disposition"]
    if len(dispositions) > 1:
        raise MalformedBody("a part has two Content-Disposition headers")
    bare = {} if _USUAL.fullmatch(dispositions[0]) else _bare_parameters(dispositions[0])
    if not segment.name or bare.get("name") not in {None, "", segment.name}:
        raise MalformedBody("a part has no name, or one that needs quotes")
    try:
        name = segment.name.encode(_HEADER_CHARSET).decode()
    except UnicodeDecodeError:
        raise MalformedBody("a part's name is not UTF-8") from None
    return PartStarted(name, _filename(segment.filename, bare))


def _bare_parameters(disposition: str) -> dict[str, str]:
    """The parameters that are not in quotes."""
    matches = [match for match in _PARAMETER.finditer(disposition) if match["key"]]
    return {match["key"].lower(): match["value"].strip() for match in matches}


def _filename(quoted: str | None, bare: Mapping[str, str]) -> str | None:
    """For display only; that there is one says that the part is a file."""
    if quoted is not None:
        return _text(quoted)
    if "filename" in bare:
        return _text(bare["filename"])
    if "filename*" in bare:
        return unquote(bare["filename*"].rpartition("'")[2])
    return None


def _text(latin: str) -> str:
    return latin.encode(_HEADER_CHARSET).decode(errors="replace")
