"""What becomes of a body, accepted or refused: two ways of cutting it must come to the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from handlers.protocol.multipart_stream import MultipartStream
from handlers.protocol.upload_form import FormPlan, UploadForm
from storage.domain.answer_sheet import AnswerSheet
from storage.domain.errors import ServiceError
from storage.domain.file_operations import CloseFile, FileOperation, OpenFile, WriteBytes
from tests.forms import FORM_LIMITS, STREAM_LIMITS, ReceivedFile, content_type, joined


@dataclass(frozen=True, slots=True)
class Refused:
    kind: type[ServiceError]
    code: str
    details: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The files that were complete, and what was said in the end."""

    files: list[ReceivedFile]
    outcome: AnswerSheet | Refused


def judge(plan: FormPlan, chunks: Iterable[bytes], header: str | None = None) -> Verdict:
    """Receive a body to its end or its refusal; checks that the operations are in order and within the limits."""
    operations: list[FileOperation] = []
    try:
        stream, form = MultipartStream(header or content_type(), STREAM_LIMITS), UploadForm(plan, FORM_LIMITS)
        for chunk in chunks:
            for event in stream.feed(chunk):
                operations += form.take(event)
        stream.close()
        outcome: AnswerSheet | Refused = form.complete()
    except ServiceError as error:
        outcome = Refused(type(error), error.code, error.details)
    else:
        assert not operations or isinstance(operations[-1], CloseFile)
    return Verdict(_complete_files(operations), outcome)


def _complete_files(operations: list[FileOperation]) -> list[ReceivedFile]:
    closed = max(
        (place for place, each in enumerate(operations, 1) if isinstance(each, CloseFile)), default=0
    )
    _check_open_file(operations[closed:])
    files = joined(operations[:closed])
    assert all(len(file.content) <= FORM_LIMITS.file_bytes(file.kind) for file in files)
    return files


def _check_open_file(operations: list[FileOperation]) -> None:
    """What a refusal left open: one file at most, with something in it, within its limit."""
    if not operations:
        return
    opened, *writes = operations
    assert isinstance(opened, OpenFile)
    assert writes
    sizes = [len(write.data) for write in writes if isinstance(write, WriteBytes)]
    assert len(sizes) == len(writes)
    assert 0 < sum(sizes) <= FORM_LIMITS.file_bytes(opened.kind)
