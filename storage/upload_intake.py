"""From a whole, checked form and its draft to one pending submission (promises 1, 2 and 4)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import structlog

from storage.catalogue import Catalogue
from storage.domain.answer_sheet import AnswerSheet
from storage.domain.clock import Clock
from storage.domain.errors import AlreadySubmitted, NotFound, NotStored, Unavailable
from storage.domain.file_operations import KeptFile
from storage.domain.people import Person
from storage.domain.ports import Duplicate, FreshIds, Submissions
from storage.domain.submission import (
    Action,
    Answer,
    HistoryEntry,
    Status,
    StoredFile,
    Submission,
    refusal,
    replaced,
)
from storage.media_vault import Draft, MediaVault

log = structlog.get_logger(__name__)


_ATTEMPTS = 5
"""More replacements of one submission than ever come at the same moment."""


class Resubmission(StrEnum):
    """What other contents for a section already submitted mean (`submissions.resubmission`)."""

    REJECT = "reject"
    REPLACE_PENDING = "replace_pending"


class UploadIntake:
    """Turns uploads into submissions."""

    def __init__(
        self,
        vault: MediaVault,
        submissions: Submissions,
        catalogue: Catalogue,
        resubmission: Resubmission,
        clock: Clock,
    ) -> None:
        self._vault = vault
        self._submissions = submissions
        self._catalogue = catalogue
        self._resubmission = resubmission
        self._clock = clock

    async def admit(self, draft: Draft, sheet: AnswerSheet, student: Person) -> Submission:
        """Keep the files for good, then record the submission; what is returned is durable.

        The same contents sent again give the submission of the first time. Raises AlreadySubmitted for other
        contents, UnknownReference and NotFound with an enforced catalogue, UnsupportedMedia and StorageFull
        from the draft, NotStored when MongoDB does not answer.
        """
        await self._catalogue.check(sheet)
        earlier = await self._named_by(sheet, student)
        moment = self._clock()
        kept = await draft.keep(sheet.section, moment)
        try:
            ids = await self._submissions.fresh_ids(len(kept))
            new = _submission(sheet, student, kept, ids, moment)
            if earlier is not None:
                return await self._resubmit(earlier, new)
            try:
                await self._submissions.insert(new)
            except Duplicate:
                return await self._resubmit(await self._submissions.find_same(new), new)
        except Unavailable as error:
            # MongoDB may have the document or not: the files stay, and the sweep takes them if it has not.
            log.error("submission not recorded", student=student.id, files=[file.path for file in kept])
            raise NotStored from error
        finally:
            self._vault.settled(file.path for file in kept)
        log.info("submission created", submission=new.id, student=student.id, section=new.section)
        return new

    async def _named_by(self, sheet: AnswerSheet, student: Person) -> Submission | None:
        """The student's own earlier result of this section that `test_result_id` names, or None."""
        if sheet.test_result_id is None:
            return None
        named = await self._submissions.find(sheet.test_result_id)
        if named is not None and named.student.id == student.id and named.section == sheet.section:
            return named
        if self._catalogue.enforced:
            raise NotFound
        return None

    async def _resubmit(self, earlier: Submission | None, new: Submission) -> Submission:
        """A second submission where there can be one: the first one again, a replacement, or a conflict."""
        for _ in range(_ATTEMPTS):
            if earlier is None:  # taken away by an operator since it stood in the way
                raise Unavailable
            if earlier.content_digest == new.content_digest:
                await self._remove_unless(earlier, new)
                return earlier
            if not self._may_replace(earlier, new):
                break
            if await self._replace(earlier, after := replaced(earlier, new)):
                await self._remove_unless(after, earlier)
                log.info("submission replaced", submission=earlier.id, student=new.student.id)
                return after
            earlier = await self._submissions.find(earlier.id)
        if earlier is None:
            raise Unavailable
        await self._remove_unless(earlier, new)
        raise AlreadySubmitted(earlier)

    async def _remove_unless(self, kept: Submission, given_up: Submission) -> None:
        """Remove the files of `given_up`, none of which may be among those of `kept`: a write the driver had to
        repeat can find its own first attempt in its way (promise 2)."""
        still = {file.path for file in kept.files}
        await self._vault.remove(file.path for file in given_up.files if file.path not in still)

    def _may_replace(self, earlier: Submission, new: Submission) -> bool:
        return (
            self._resubmission is Resubmission.REPLACE_PENDING
            and refusal(earlier, Action.REPLACE, new.student, new.submitted_at) is None
        )

    async def _replace(self, earlier: Submission, after: Submission) -> bool:
        """False if somebody was faster, or another submission of the student has exactly these contents."""
        try:
            return await self._submissions.save(
                earlier, after, Action.REPLACE, after.student, after.submitted_at
            )
        except Duplicate:
            return False


def _submission(
    sheet: AnswerSheet, student: Person, kept: tuple[KeptFile, ...], ids: FreshIds, moment: datetime
) -> Submission:
    files = {
        file.field: StoredFile(
            ids.first_file + place, file.path, file.media_type, file.size_bytes, file.sha256, moment
        )
        for place, file in enumerate(kept)
    }
    return Submission(
        id=ids.submission,
        manual_review_id=ids.manual_review,
        student=student,
        section=sheet.section,
        status=Status.PENDING,
        revision=1,
        submitted_at=moment,
        answers=tuple(
            Answer(
                answer.number, answer.kind, tuple(files[field] for field in answer.fields), answer.question
            )
            for answer in sheet.answers
        ),
        content_digest=sheet.content_digest({file.field: file.sha256 for file in kept}),
        user_test_id=sheet.user_test_id,
        exam_id=sheet.exam_id,
        external_result_id=sheet.test_result_id,
        history=(HistoryEntry(Action.SUBMIT, moment, student, 1),),
    )
