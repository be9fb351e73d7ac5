"""Uploads: multipart bodies streamed to disk while they are checked (API document, "Submit … Answers").

An upload's way: Tornado reads a chunk and awaits `receive` → the parser and the form turn it into file
operations → the draft carries them out a batch at a time → at the end the intake makes it a submission → 201.
Under an Idempotency-Key that has its 201 already, a comparison takes the draft's place.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import ClassVar

import structlog
from pydantic import BaseModel

from handlers.errors import as_service_error
from handlers.protocol.body_phase import Phase
from handlers.protocol.form_schemas import speaking, writing
from handlers.protocol.idempotency_key import read_key, read_upload_id
from handlers.protocol.multipart_stream import MultipartStream
from handlers.protocol.operations import Documented, Form, Json, Operation, Parameter
from handlers.protocol.speaking_form import SpeakingPlan
from handlers.protocol.submission_models import SpeakingCreated, WritingSubmission
from handlers.protocol.upload_form import FormPlan, UploadForm
from handlers.protocol.upload_quota import Share
from handlers.protocol.writing_form import WritingPlan
from handlers.request_body import BodyHandler
from handlers.upload_progress import UploadProgress
from storage.domain.errors import (
    AlreadySubmitted,
    Busy,
    InProgress,
    InvalidForm,
    InvalidRequest,
    KeyReused,
    MalformedBody,
    MissingFields,
    NotFound,
    NotMultipart,
    NotStored,
    ServiceError,
    StorageFull,
    TooLarge,
    TooManyUploads,
    UnknownReference,
    UnsupportedMedia,
)
from storage.domain.people import STUDENTS
from storage.domain.submission import Section, Submission
from storage.draft import Draft
from storage.repeat import Repeat

log = structlog.get_logger(__name__)

BATCH_BYTES = 1 << 20
"""One thread hop for this much: smaller batches cost hops, larger ones memory. The usual Writing upload, three
photos of 300 KB, is one hop as a whole."""

_REFUSALS = (
    AlreadySubmitted,
    Busy,
    InProgress,
    InvalidForm,
    KeyReused,
    MalformedBody,
    MissingFields,
    NotFound,
    NotMultipart,
    NotStored,
    StorageFull,
    TooManyUploads,
    UnknownReference,
    UnsupportedMedia,
)
_HEADERS = (
    Parameter(
        "Idempotency-Key",
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
        "The same form sent again under it gives the first 201 again, anything else is 422.",
        "header",
    ),
    Parameter(
        "X-Upload-Id",
        {"type": "string"},
        "8 to 64 letters, digits and hyphens: progress is published under it. Any other value is ignored.",
        "header",
    ),
)


def _documented(path: str, summary: str, form: Form, created: type[BaseModel]) -> Documented:
    upload = Operation(
        summary,
        {201: Json(created)},
        description="The same contents sent again give the first 201 again.",
        body=form,
        parameters=_HEADERS,
        refusals=_REFUSALS,
    )
    return Documented(path, tag="uploads", post=upload)


class UploadHandler(BodyHandler):
    """A subclass says which section, and by which plan its form is read."""

    access = STUDENTS
    section: ClassVar[Section]
    plan: ClassVar[type[FormPlan]]
    _receiver: Draft | Repeat | None = None
    _share: Share | None = None
    _key: str | None = None
    _first: Submission | None = None
    """The submission that has the 201 under our key, if there is one."""
    _submission_id: int | None = None
    _pinned_bytes = 0

    async def admit(self) -> None:
        headers, services = self.request.headers, self.services
        person = self.principal.person
        self._key = read_key(headers.get("Idempotency-Key"))
        self._share = services.quota.enter(person.id)
        if self._key is not None:
            services.keys_in_progress.enter((person.id, self._key), self)
            self._first = await services.intake.first_under(person, self._key)
        try:
            self._stream = MultipartStream(headers.get("Content-Type", ""), services.stream_limits)
            self.check_declared_length(services.body_limits.request_bytes)
        except (InvalidRequest, TooLarge) as error:
            raise self._or_reused(error) from error
        self._form = UploadForm(self.plan(), services.form_limits)
        self._progress = UploadProgress(
            services.hub, person.id, read_upload_id(headers.get("X-Upload-Id")), self.declared_bytes
        )
        if self._first is not None and self._key is not None:
            self._receiver = Repeat(services.vault, self._first, self._key)
        else:
            self._receiver = Draft(services.vault)
        services.metrics.uploads_in_flight.inc()

    def receive(self, chunk: bytes) -> Awaitable[None] | None:
        receiver = self._receiving
        if self._share is not None and self._first is None:
            self._share.take(len(chunk))
        try:
            self._check_received_length()
            for event in self._stream.feed(chunk):
                for operation in self._form.take(event):
                    receiver.add(operation)
        except (InvalidRequest, TooLarge) as error:
            return self._refuse_after_contents(receiver, self._or_reused(error))
        # What is pending are views: they keep the chunks they came in, heads and texts included.
        self._pinned_bytes = self._pinned_bytes + len(chunk) if receiver.pending_bytes else 0
        if self._pinned_bytes >= BATCH_BYTES or self._progress.is_due():
            self._pinned_bytes = 0
            return self._flush(receiver)
        return None

    async def post(self) -> None:
        receiver = self._receiving
        try:
            submission = await self._complete(receiver)
        except Exception as error:
            self.refusal = as_service_error(error)
            await receiver.discard()
            self._progress.refused(self.received_bytes, receiver.progress, self.refusal)
            raise
        self._submission_id = submission.id
        self._progress.accepted(self.received_bytes, receiver.progress)
        self.write_json(self.representations.created(submission), status=201)

    async def release(self) -> None:
        """Nothing of an unfinished upload stays, on the disk or in anybody's count."""
        try:
            if self._receiver is not None:
                await self._receiver.discard()
                if self.phase is Phase.REFUSED and self.refusal is not None:
                    self._progress.refused(self.received_bytes, self._receiver.progress, self.refusal)
        finally:  # counted for good, some few of these would keep everybody out
            if self._key is not None:
                self.services.keys_in_progress.leave((self.principal.person.id, self._key), self)
            if self._share is not None:
                self._share.leave()

    def is_coming(self, silent_seconds: float) -> bool:
        if self.phase is Phase.COMPLETING:
            return True
        return self.phase in {Phase.NEW, Phase.RECEIVING} and not self.is_silent(silent_seconds)

    def ended(self) -> None:
        """One line says how each upload was."""
        if self._receiver is None:
            return  # refused on its headers
        metrics = self.services.metrics
        metrics.uploads_in_flight.dec()
        metrics.upload_bytes.inc(self.received_bytes)
        outcome = self._outcome()
        metrics.uploads.labels(self.section, outcome).inc()
        log.info(
            "upload ended",
            outcome=outcome,
            status=None if outcome == "aborted" else self.get_status(),
            cause=self.refusal.code if self.refusal else None,
            submission=self._submission_id,
            section=self.section,
            user=self.user_id,
            bytes=self.received_bytes,
            seconds=round(time.monotonic() - self.began, 3),
            request_id=self.request_id,
        )

    @property
    def _receiving(self) -> Draft | Repeat:
        if self._receiver is None:
            raise ServiceError  # a body is only received after `admit`
        return self._receiver

    def _check_received_length(self) -> None:
        if self.received_bytes > self.services.body_limits.request_bytes:
            raise TooLarge

    async def _flush(self, receiver: Draft | Repeat) -> None:
        received_bytes = self.received_bytes
        await receiver.flush()
        self._progress.report(received_bytes, receiver.progress)

    async def _refuse_after_contents(self, receiver: Draft | Repeat, error: ServiceError) -> None:
        """What is wrong with a file's content is said before what is wrong with the form after it, wherever the
        body was cut into chunks."""
        await receiver.flush()
        raise error

    async def _complete(self, receiver: Draft | Repeat) -> Submission:
        intake, person = self.services.intake, self.principal.person
        try:
            self._stream.close()
            sheet = self._form.complete()
        except InvalidRequest as error:
            await self._refuse_after_contents(receiver, self._or_reused(error))
            raise
        if isinstance(receiver, Repeat):
            return intake.repeat(receiver.first, receiver.key, sheet, await receiver.sha256_by_field())
        if self._key is not None:
            await self.services.keys_in_progress.let_earlier_end((person.id, self._key), self)
        return await intake.admit(receiver, sheet, person, self._key)

    def _or_reused(self, error: ServiceError) -> ServiceError:
        """What cannot be right cannot be what the first 201 stands for: under its key that comes first."""
        return KeyReused() if self._first is not None else error

    def _outcome(self) -> str:
        if self._submission_id is not None:
            return "created"
        if self.phase is Phase.ABORTED:
            return "aborted"
        return "refused" if self.get_status() < 500 else "failed"


class WritingUploadHandler(UploadHandler):
    section = Section.WRITING
    plan = WritingPlan
    documented = _documented(
        "/multilevel/testcheck/writing/", "Hand in Writing photos", writing(), WritingSubmission
    )


class SpeakingUploadHandler(UploadHandler):
    section = Section.SPEAKING
    plan = SpeakingPlan
    documented = _documented(
        "/multilevel/testcheck/speaking/", "Hand in Speaking recordings", speaking(), SpeakingCreated
    )
