"""Multipart forms as clients write them, cut into chunks, and what the protocol layer makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

from handlers.protocol.multipart_stream import (
    MultipartStream,
    PartBytes,
    PartEnded,
    PartStarted,
    StreamLimits,
)
from handlers.protocol.upload_form import FormLimits, FormPlan, UploadForm
from storage.domain.answer_sheet import AnswerSheet
from storage.domain.file_operations import CloseFile, FileOperation, OpenFile, WriteBytes
from storage.domain.media_rules import MediaKind

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
STREAM_LIMITS = StreamLimits(parts=40, header_bytes=512)
FORM_LIMITS = FormLimits(
    image_bytes=200, audio_bytes=300, images_per_task=4, answers=8, fields=30, field_bytes=60
)


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form; `filename` is None for text and "" for a file input nobody filled in."""

    name: str
    content: bytes
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file as the draft would get it, its writes joined."""

    field: str
    kind: MediaKind
    content: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """What an upload form asked of the draft, and the sheet at its end."""

    files: list[ReceivedFile]
    sheet: AnswerSheet


def text(name: str, value: object) -> Part:
    return Part(name, str(value).encode())


def file(name: str, content: bytes = b"\xff\xd8\xff content", filename: str = "page.jpg") -> Part:
    return Part(name, content, filename)


def empty_input(name: str) -> Part:
    """What a browser sends for `<input type=file>` nobody filled in."""
    return Part(name, b"", "")


def encode(parts: Iterable[Part], boundary: str = BOUNDARY) -> bytes:
    """A body as browsers write it (WHATWG HTML, "multipart/form-data encoding algorithm")."""
    return frame(map(part_bytes, parts), boundary)


def part_bytes(part: Part) -> bytes:
    """`part` as `frame` takes it: header lines, an empty line, the content."""
    head = f'Content-Disposition: form-data; name="{_quoted(part.name)}"'
    if part.filename is not None:
        head += f'; filename="{_quoted(part.filename)}"\r\nContent-Type: application/octet-stream'
    return head.encode() + b"\r\n\r\n" + part.content


def frame(raw_parts: Iterable[bytes], boundary: str = BOUNDARY) -> bytes:
    """Raw parts (header lines, empty line, content) between delimiters, with the final CRLF browsers send."""
    delimiter = b"--" + boundary.encode()
    return b"".join(b"%b\r\n%b\r\n" % (delimiter, part) for part in raw_parts) + delimiter + b"--\r\n"


def content_type(boundary: str = BOUNDARY) -> str:
    return f"multipart/form-data; boundary={boundary}"


def cut(body: bytes, places: Iterable[int]) -> list[bytes]:
    """`body` in chunks that end at `places`; no chunk is empty."""
    ends = sorted({place for place in places if 0 < place < len(body)})
    return [body[start:end] for start, end in zip([0, *ends], [*ends, len(body)], strict=True) if end > start]


def byte_by_byte(body: bytes) -> list[bytes]:
    return cut(body, range(len(body)))


def in_two(body: bytes) -> Iterable[list[bytes]]:
    """Every way to cut `body` once."""
    return (cut(body, [place]) for place in range(1, len(body)))


def read_parts(
    chunks: Iterable[bytes], header: str | None = None, limits: StreamLimits = STREAM_LIMITS
) -> list[Part]:
    """The parts a stream finds in `chunks` and the end of the body; checks that its events come in order."""
    stream = MultipartStream(header or content_type(), limits)
    parts: list[Part] = []
    inside = False
    for chunk in chunks:
        for event in stream.feed(chunk):
            match event:
                case PartStarted(name, filename):
                    assert not inside
                    inside = True
                    parts.append(Part(name, b"", filename))
                case PartBytes(data):
                    assert inside
                    assert data
                    parts[-1] = Part(parts[-1].name, parts[-1].content + data, parts[-1].filename)
                case PartEnded():
                    assert inside
                    inside = False
    stream.close()
    assert not inside
    return parts


def receive(plan: FormPlan, parts: Iterable[Part], limits: FormLimits = FORM_LIMITS) -> Received:
    """Send a form of `parts` in one chunk, to the end."""
    return receive_chunks(plan, [encode(parts)], limits)


def receive_chunks(
    plan: FormPlan, chunks: Iterable[bytes], limits: FormLimits = FORM_LIMITS, header: str | None = None
) -> Received:
    stream, form = MultipartStream(header or content_type(), STREAM_LIMITS), UploadForm(plan, limits)
    operations: list[FileOperation] = []
    for chunk in chunks:
        for event in stream.feed(chunk):
            operations += form.take(event)
    stream.close()
    return Received(joined(operations), form.complete())


def joined(operations: Iterable[FileOperation]) -> list[ReceivedFile]:
    """Whole files; checks that each is opened, written with something, and closed, one after the other."""
    files: list[ReceivedFile] = []
    opened: OpenFile | None = None
    content = b""
    for operation in operations:
        match operation:
            case OpenFile():
                assert opened is None
                opened, content = operation, b""
            case WriteBytes(data):
                assert opened is not None
                assert data
                content += data
            case CloseFile():
                assert opened is not None
                assert content
                files.append(ReceivedFile(opened.field, opened.kind, content))
                opened = None
    assert opened is None
    return files


_SHARDS = [
    b"\r",
    b"\n",
    b"\r\n",
    b"-",
    b"--",
    b"\r\n--",
    b"\r\n--" + BOUNDARY[:-1].encode(),
    b"\x00",
    b"\xff",
]
_WHOLE_DELIMITER = b"--" + BOUNDARY.encode()

contents: st.SearchStrategy[bytes] = (
    st.lists(st.one_of(st.sampled_from(_SHARDS), st.binary(max_size=6)), max_size=8)
    .map(b"".join)
    .filter(lambda content: _WHOLE_DELIMITER not in content)
)
"""Contents made to look like delimiters, without holding one."""


@st.composite
def chunkings(draw: st.DrawFn, body: bytes) -> list[bytes]:
    """`body` cut anywhere, from one chunk to one byte each."""
    if draw(st.booleans()):
        size = draw(st.integers(1, 60))
        return cut(body, range(0, len(body), size))
    return cut(body, draw(st.lists(st.integers(1, max(1, len(body))), max_size=40)))


def _quoted(value: str) -> str:
    return value.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
