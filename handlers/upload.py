"""Uploads: multipart bodies streamed to disk while they are checked (API document, "Submit … Answers").

An upload's way: Tornado reads a chunk and awaits `receive` → the parser and the form turn it into file
operations → the draft carries them out a batch at a time → at the end the intake makes it a submission → 201.
"""

from __future__ import annotations

import time
from typing import ClassVar

import structlog

from handlers.errors import as_service_error
from handlers.protocol.body_phase import Phase
from handlers.protocol.multipart_stream import MultipartStream
from handlers.protocol.speaking_form import SpeakingPlan
from handlers.protocol.upload_form import FormPlan, UploadForm
from handlers.protocol.writing_form import WritingPlan
from handlers.request_body import BodyHandler
from storage.domain.answer_sheet import AnswerSheet
from storage.domain.errors import ServiceError, TooLarge
from storage.domain.people import STUDENTS
from storage.domain.submission import Section
from storage.media_vault import Draft

log = structlog.get_logger(__name__)

BATCH_BYTES = 512 << 10
"""One thread hop for this much: smaller batches cost hops, larger ones memory. In the prototypes 20 uploads at once
grew the process by 20 MB with this and by 44 MB with 1 MiB."""


class UploadHandler(BodyHandler):
    """A subclass says which section, and by which plan its form is read."""

    access = STUDENTS
    section: ClassVar[Section]
    plan: ClassVar[type[FormPlan]]
    _draft: Draft | None = None

    async def admit(self) -> None:
        limits = self.services.body_limits
        self._stream = MultipartStream(
            self.request.headers.get("Content-Type", ""), self.services.stream_limits
        )
        self.check_declared_length(limits.request_bytes)
        self._form = UploadForm(self.plan(), self.services.form_limits)
        self._draft = self.services.vault.new_draft()
        self._began = time.monotonic()
        self._created = False
        self.services.metrics.uploads_in_flight.inc()

    async def receive(self, chunk: bytes) -> None:
        if self.received_bytes > self.services.body_limits.request_bytes:
            raise TooLarge
        draft = self._require_draft()
        for event in self._stream.feed(chunk):
            for operation in self._form.take(event):
                draft.add(operation)
        if draft.pending_bytes >= BATCH_BYTES:
            await draft.flush()

    async def post(self) -> None:
        draft = self._require_draft()
        try:
            sheet = await self._complete_form(draft)
            submission = await self.services.intake.admit(draft, sheet, self.principal.person)
        except Exception as error:
            self.refusal = as_service_error(error)
            await draft.discard()
            raise
        self._created = True
        self.write_json(self.representations.created(submission), status=201)

    async def release(self) -> None:
        """Nothing of an unfinished upload stays on the disk."""
        if self._draft is not None:
            await self._draft.discard()

    def ended(self) -> None:
        """One line says how each upload was."""
        if self._draft is None:
            return  # refused on its headers
        metrics = self.services.metrics
        metrics.uploads_in_flight.dec()
        metrics.upload_bytes.inc(self.received_bytes)
        outcome = self._outcome()
        metrics.uploads.labels(self.section, outcome).inc()
        log.info(
            "upload ended",
            outcome=outcome,
            status=self.get_status(),
            cause=self.refusal.code if self.refusal else None,
            section=self.section,
            user=self.user_id,
            bytes=self.received_bytes,
            seconds=round(time.monotonic() - self._began, 3),
            request_id=self.request_id,
        )

    async def _complete_form(self, draft: Draft) -> AnswerSheet:
        """The checked form. What is wrong with a file's content is said before what is wrong with the form, as it
        would have been had the batch been written earlier."""
        try:
            self._stream.close()
            return self._form.complete()
        except ServiceError:
            await draft.flush()
            raise

    def _require_draft(self) -> Draft:
        if self._draft is None:
            raise ServiceError  # a body is only received after `admit`
        return self._draft

    def _outcome(self) -> str:
        if self._created:
            return "created"
        if self.phase is Phase.ABORTED:
            return "aborted"
        return "refused" if self.get_status() < 500 else "failed"


class WritingUploadHandler(UploadHandler):
    section = Section.WRITING
    plan = WritingPlan


class SpeakingUploadHandler(UploadHandler):
    section = Section.SPEAKING
    plan = SpeakingPlan
