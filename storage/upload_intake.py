"""From a whole, checked form and its draft to one pending submission (promises 1, 2 and 4)."""

from __future__ import annotations

import contextlib
import itertools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import structlog

from storage.catalogue import Catalogue
from storage.domain.answer_sheet import AnswerSheet
from storage.domain.clock import Clock
from storage.domain.errors import (
    AlreadySubmitted,
    KeyReused,
    NotFound,
    NotStored,
    StorageFull,
    Unavailable,
)
from storage.domain.file_operations import KeptFile
from storage.domain.people import Person
from storage.domain.ports import Duplicate, FreshIds, Submissions
from storage.domain.submission import (
    Action,
    Answer,
    HistoryEntry,
    Receipt,
    Status,
    StoredFile,
    Submission,
)
from storage.domain.submission_life import (
    acknowledged,
    recorded_as,
    refusal,
    replaced,
)
from storage.draft import Draft
from storage.media_vault import MediaVault
from storage.patience import Patience

log = structlog.get_logger(__name__)

_ATTEMPTS = 5
"""More replacements of one submission than ever come at the same moment."""


class Resubmission(StrEnum):
    """What other contents for a section already submitted mean (`submissions.resubmission`)."""

    REJECT = "reject"
    REPLACE_PENDING = "replace_pending"


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """`wait_seconds`: how long a complete upload waits for a MongoDB that is away (`mongo.wait_seconds`)."""

    resubmission: Resubmission
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class _HandedIn:
    """Whose form it is, and under which Idempotency-Key it came."""

    sheet: AnswerSheet
    student: Person
    key: str | None


class UploadIntake:
    """Turns uploads into submissions."""

    def __init__(
        self,
        vault: MediaVault,
        submissions: Submissions,
        catalogue: Catalogue,
        rules: IntakeRules,
        clock: Clock,
    ) -> None:
        self._vault = vault
        self._submissions = submissions
        self._catalogue = catalogue
        self._rules = rules
        self._clock = clock

    async def first_under(self, student: Person, key: str) -> Submission | None:
        """The submission whose 201 was given under the student's Idempotency-Key; None if there is none, or
        nobody can tell now: then the unique index tells when the upload is recorded."""
        try:
            # One short try: a sender who has not begun yet must not wait for a MongoDB that hangs.
            return await Patience(0).with_(lambda: self._submissions.find_by_key(student.id, key))
        except Unavailable:
            return None

    def repeat(
        self, first: Submission, key: str, sheet: AnswerSheet, sha256_by_field: Mapping[str, str]
    ) -> Submission:
        """The first 201's submission for an upload under the same `key`; raises KeyReused for other contents."""
        return _as_first_given(first, key, sheet.fingerprint(sheet.content_digest(sha256_by_field)))

    async def admit(
        self, draft: Draft, sheet: AnswerSheet, student: Person, key: str | None = None
    ) -> Submission:
        """Keep the files for good, then record the submission; what is returned is durable.

        The same contents sent again, or anything sent under a `key` that stands for the same, give the submission
        as the first 201 showed it. While MongoDB is away this waits for it, up to a bound, as the student's bytes
        are here. Raises AlreadySubmitted for other contents, KeyReused for other contents under the key,
        UnknownReference and NotFound with an enforced catalogue, UnsupportedMedia and StorageFull from the draft,
        NotStored when MongoDB does not come back.
        """
        patience = Patience(self._rules.wait_seconds)
        try:
            named = await patience.with_(lambda: self._check(sheet, student))
        except Unavailable as error:
            raise NotStored from error
        moment = self._clock()
        kept = await draft.keep(sheet.section, moment)
        try:
            ids = await patience.with_(lambda: self._submissions.fresh_ids(len(kept)))
            new = _submission(_HandedIn(sheet, student, key), kept, ids, moment)
            tries = itertools.count()
            return await patience.with_(lambda: self._record(new, named, is_retry=next(tries) > 0))
        except Unavailable as error:
            # MongoDB may have the document or not: the files stay, and the sweep takes them if it has not.
            log.error("submission not recorded", student=student.id, files=[file.path for file in kept])
            raise NotStored from error
        finally:
            self._vault.settled(file.path for file in kept)

    async def _check(self, sheet: AnswerSheet, student: Person) -> Submission | None:
        """The student's own earlier result of this section that `test_result_id` names, or None; raises what is
        wrong with the ids of the form."""
        await self._catalogue.check(sheet)
        if sheet.test_result_id is None:
            return None
        named = await self._submissions.find(sheet.test_result_id)
        if named is not None and named.student.id == student.id and named.section == sheet.section:
            return named
        if self._catalogue.enforced:
            raise NotFound
        return None

    async def _record(self, new: Submission, earlier: Submission | None, *, is_retry: bool) -> Submission:
        """What becomes of `new`: recorded; or `earlier`, which stands in its way, given again, replaced, or a
        conflict. Each step is one guarded write; whoever loses a race looks again. May be retried."""
        for _ in range(_ATTEMPTS):
            mine = recorded_as(new, earlier) if is_retry and earlier else None
            if mine and earlier and await self._submissions.acknowledge(earlier, None):
                return mine
            if earlier is None:
                if await self._insert(new):
                    return new
            elif earlier.content_digest == new.content_digest:
                if await self._acknowledge_again(earlier, new):
                    await self._remove_unless(earlier, new)
                    return acknowledged(earlier)
            elif not self._may_replace(earlier, new):
                break
            elif await self._replace(earlier, after := replaced(earlier, new)):
                await self._remove_unless(after, earlier)
                return after
            if (first := await self._under_key_of(new)) is not None:
                await self._remove_unless(first, new)
                return _as_first_given(first, new.receipts[0].key, new.receipts[0].fingerprint)
            earlier = await self._in_the_way(new, earlier)
        if earlier is None:
            raise Unavailable
        await self._remove_unless(earlier, new)
        raise AlreadySubmitted(earlier)

    async def _insert(self, new: Submission) -> bool:
        try:
            await self._submissions.insert(new)
        except Duplicate:
            return False
        return True

    async def _acknowledge_again(self, earlier: Submission, new: Submission) -> bool:
        """Have the 201 of `earlier` stand for `new` too, under its key if it has one."""
        receipts = [replace(receipt, revision=earlier.contents_revision) for receipt in new.receipts]
        try:
            return await self._submissions.acknowledge(earlier, receipts[0] if receipts else None)
        except Duplicate:
            return False

    async def _under_key_of(self, new: Submission) -> Submission | None:
        if not new.receipts:
            return None
        return await self._submissions.find_by_key(new.student.id, new.receipts[0].key)

    async def _in_the_way(self, new: Submission, earlier: Submission | None) -> Submission:
        found = await (self._submissions.find(earlier.id) if earlier else self._submissions.find_same(new))
        if found is None:  # taken away by an operator meanwhile
            raise Unavailable
        return found

    async def _remove_unless(self, kept: Submission, given_up: Submission) -> None:
        """Remove the files of `given_up`, none of which may be among those of `kept`: a write that had to be
        repeated can find its own first attempt in its way (promise 2). What cannot be removed the sweep takes."""
        with contextlib.suppress(Unavailable, StorageFull):
            await self._vault.remove(given_up.paths - kept.paths)

    def _may_replace(self, earlier: Submission, new: Submission) -> bool:
        return (
            self._rules.resubmission is Resubmission.REPLACE_PENDING
            and refusal(earlier, Action.REPLACE, new.student, new.submitted_at) is None
        )

    async def _replace(self, earlier: Submission, after: Submission) -> bool:
        """False if somebody was faster, or another submission of the student has these contents or the key."""
        try:
            return await self._submissions.save(
                earlier, after, Action.REPLACE, after.student, after.submitted_at
            )
        except Duplicate:
            return False


def _as_first_given(first: Submission, key: str, fingerprint: str) -> Submission:
    receipt = first.receipt(key)
    if receipt is None or receipt.fingerprint != fingerprint:
        raise KeyReused
    return acknowledged(first, receipt)


def _submission(
    handed_in: _HandedIn, kept: tuple[KeptFile, ...], ids: FreshIds, moment: datetime
) -> Submission:
    sheet, student, key = handed_in.sheet, handed_in.student, handed_in.key
    # Without hashes nothing can be known to be the same: then every upload counts as other contents.
    is_hashed = all(file.sha256 for file in kept)
    digest = (
        sheet.content_digest({file.field: file.sha256 for file in kept}) if is_hashed else uuid.uuid4().hex
    )
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
        content_digest=digest,
        user_test_id=sheet.user_test_id,
        exam_id=sheet.exam_id,
        external_result_id=sheet.test_result_id,
        history=(HistoryEntry(Action.SUBMIT, moment, student, 1),),
        receipts=(Receipt(key, sheet.fingerprint(digest), 1),) if key is not None else (),
    )
