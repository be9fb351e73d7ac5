"""A submission, its life, and why an action on it is refused. Pure.

`pending` → (claim, renew, release, replace)* → `checked` → (reopen) → `pending`. The table `ALLOWED` is
the whole of it. The store repeats the same conditions in the filter of one guarded update; when that matches
nothing, `refusal` explains why from the document as it then is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from storage.domain.draft_grade import DraftGrade
from storage.domain.errors import (
    AlreadyChecked,
    AlreadyMarked,
    AlreadySubmitted,
    AwaitsDecision,
    ClaimedByAnother,
    Conflict,
    NotChecked,
    NotClaimed,
    StaleRevision,
)
from storage.domain.examination import Examined
from storage.domain.grading import Grade
from storage.domain.people import Person


class Section(StrEnum):
    WRITING = "writing"
    SPEAKING = "speaking"


class Status(StrEnum):
    PENDING = "pending"
    CHECKED = "checked"


class Action(StrEnum):
    """What people do to a submission. The past tense of it is the event others see."""

    SUBMIT = "submitted"
    REPLACE = "replaced"
    CLAIM = "claimed"
    RENEW = "renewed"
    TAKE_OVER = "taken_over"
    """An admin claims what another reviewer holds."""
    RELEASE = "released"
    EXPIRE = "expired"
    """Nobody did it: a claim's lease ran out."""
    DRAFT = "drafted"
    """A reviewer's unfinished grade was saved: nobody else hears of it."""
    MARK = "marked"
    """Double marking: a grade was given that is not the result yet."""
    CHECK = "checked"
    REOPEN = "reopened"
    ACKNOWLEDGE = "acknowledged"
    """A repeat under a new Idempotency-Key got the first 201 again: nothing changed but the receipts."""
    EXAMINE = "examined"
    """Nobody did it: its files were looked at, see `storage/media_examiner.py`."""


ALLOWED: dict[Action, Status] = {
    Action.REPLACE: Status.PENDING,
    Action.CLAIM: Status.PENDING,
    Action.RENEW: Status.PENDING,
    Action.TAKE_OVER: Status.PENDING,
    Action.RELEASE: Status.PENDING,
    Action.EXPIRE: Status.PENDING,
    Action.DRAFT: Status.PENDING,
    Action.MARK: Status.PENDING,
    Action.CHECK: Status.PENDING,
    Action.REOPEN: Status.CHECKED,
}
"""The status an action needs."""

_BY_UNMARKED = {Action.CLAIM, Action.TAKE_OVER, Action.RENEW, Action.DRAFT, Action.MARK, Action.CHECK}
"""What is not for those who gave the first of two marks."""

_HANDING_IN = {Action.SUBMIT, Action.REPLACE}
_GRADED_OR_HANDED_IN = _HANDING_IN | {Action.CHECK}
_DESPITE_A_CLAIM = {Action.REPLACE, Action.TAKE_OVER}

_WRONG_STATUS: dict[Action, type[Conflict]] = {
    Action.REPLACE: AlreadySubmitted,
    Action.REOPEN: NotChecked,
}


class Needs(StrEnum):
    """What a pending submission waits for. Where one mark is enough, the first is the grade."""

    FIRST_MARK = "first"
    SECOND_MARK = "second"
    DECISION = "decision"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One uploaded file in its final place. `path` is relative to the media root and made by the server."""

    id: int
    path: str
    media_type: str
    size_bytes: int
    sha256: str
    uploaded_at: datetime
    examined: Examined | None = None
    """None until it was looked at."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One question's files. `kind` is the API's `question_type`; `question` a catalogue id where one was sent."""

    number: int
    kind: str
    files: tuple[StoredFile, ...]
    question: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease: the submission is this reviewer's until `expires_at`, unless renewed or released."""

    reviewer: Person
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """Who did what when, which revision came of it, and the grade then given, if one was. `taken_from` held the
    claim that was taken over."""

    action: Action
    at: datetime
    by: Person
    revision: int
    grade: Grade | None = None
    taken_from: Person | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """What a student handed in with one upload."""

    submitted_at: datetime
    answers: tuple[Answer, ...]
    user_test_id: int | None
    exam_id: int | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A 201 that was given under an Idempotency-Key (design section 3, *Doing it twice*).

    `fingerprint` stands for everything that upload said, `revision` is what its 201 showed. `replaced` is what it
    handed in, once other contents took its place; until then that is the submission's own.
    """

    key: str
    fingerprint: str
    revision: int
    replaced: Contents | None = None


MAX_RECEIPTS = 50
"""Of one submission; the oldest go. An honest client needs one key a submission, a stubborn one a few."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One student's answers to one section, with what became of them. `id` is the API's `test_result_id`."""

    id: int
    manual_review_id: int
    student: Person
    section: Section
    status: Status
    revision: int
    submitted_at: datetime
    answers: tuple[Answer, ...]
    content_digest: str
    user_test_id: int | None = None
    exam_id: int | None = None
    external_result_id: int | None = None
    grade: Grade | None = None
    claim: Claim | None = None
    draft: DraftGrade | None = None
    """Of whoever saved one last, and theirs to see alone; kept while they do not hold the claim."""
    marks: tuple[Grade, ...] = ()
    """Double marking: those of its present contents, while no result came of them."""
    history: tuple[HistoryEntry, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    is_examined: bool = False
    """Whether its present files were looked at."""

    def claim_at(self, moment: datetime) -> Claim | None:
        """The claim in force at `moment`; an expired one counts for nothing."""
        return self.claim if self.claim is not None and self.claim.expires_at > moment else None

    @property
    def needs(self) -> Needs:
        return (Needs.FIRST_MARK, Needs.SECOND_MARK, Needs.DECISION)[len(self.marks)]

    def is_marked_by(self, person: Person) -> bool:
        return any(mark.reviewer.id == person.id for mark in self.marks)

    @property
    def was_graded(self) -> bool:
        """Whether its present contents ever had a result, reopened since or not."""
        last = next(entry for entry in reversed(self.history) if entry.action in _GRADED_OR_HANDED_IN)
        return last.action is Action.CHECK

    @property
    def marking(self) -> tuple[HistoryEntry, ...]:
        """The marks in the history that no result came of yet."""
        if self.status is Status.CHECKED:
            return ()
        checks = [place for place, entry in enumerate(self.history) if entry.action is Action.CHECK]
        since = self.history[checks[-1] + 1 if checks else 0 :]
        return tuple(entry for entry in since if entry.action is Action.MARK)

    @property
    def files(self) -> tuple[StoredFile, ...]:
        return tuple(file for answer in self.answers for file in answer.files)

    @property
    def recordings(self) -> frozenset[int]:
        """The numbers of the questions that were answered by speaking."""
        spoken = self.answers if self.section is Section.SPEAKING else ()
        return frozenset(answer.number for answer in spoken)

    @property
    def photos(self) -> frozenset[int]:
        """The ids of the photos."""
        return frozenset(file.id for file in self.files) if self.section is Section.WRITING else frozenset()

    @property
    def paths(self) -> set[str]:
        """Of its files and of all copies made of them."""
        copies = {copy.path for file in self.files if file.examined for copy in file.examined.copies}
        return copies | {file.path for file in self.files}

    @property
    def contents_revision(self) -> int:
        """The revision that its present contents made."""
        return next(entry.revision for entry in reversed(self.history) if entry.action in _HANDING_IN)

    def receipt(self, key: str) -> Receipt | None:
        return next((receipt for receipt in self.receipts if receipt.key == key), None)


def refusal(
    submission: Submission, action: Action, actor: Person, moment: datetime, revision: int | None = None
) -> Conflict | None:
    """Why `actor` cannot do `action` at `moment`, or None if nothing stands against it.

    A `revision` is what the actor believes the present one to be (design promise 5). A reviewer's claim keeps
    other reviewers from claiming, renewing, releasing and checking, never the student from replacing, nor an admin
    from taking over (which is for admins, whoever asks here). A draft needs a claim.
    """
    if submission.status is not ALLOWED[action]:
        return _WRONG_STATUS.get(action, AlreadyChecked)(submission)
    if revision is not None and revision != submission.revision:
        return StaleRevision(submission)
    claim = submission.claim_at(moment)
    if claim is not None and claim.reviewer.id != actor.id and action not in _DESPITE_A_CLAIM:
        return ClaimedByAnother(submission)
    if claim is None and action is Action.DRAFT:
        return NotClaimed(submission)
    return None


def marking_refusal(submission: Submission, action: Action, actor: Person, decides: bool) -> Conflict | None:
    """Why double marking keeps `actor` from `action`, or None. Who gave the first mark does not give the second;
    between two that do not agree, only who `decides` may choose, which takes a grade and no claim."""
    if action not in _BY_UNMARKED or submission.needs is Needs.FIRST_MARK:
        return None
    if submission.needs is Needs.DECISION:
        return None if decides and action is Action.CHECK else AwaitsDecision(submission)
    return AlreadyMarked(submission) if submission.is_marked_by(actor) else None


def claimed(before: Submission, reviewer: Person, expires_at: datetime) -> Submission:
    """The claim is `reviewer`'s until `expires_at`. Claims do not change the revision."""
    return replace(before, claim=Claim(reviewer, expires_at))


def taken_over(before: Submission, by: Person, at: datetime, expires_at: datetime) -> Submission:
    """The claim is `by`'s, whoever held it; the history says from whom it was taken. No revision comes of it."""
    holder = before.claim.reviewer if before.claim is not None else None
    entry = HistoryEntry(Action.TAKE_OVER, at, by, before.revision, taken_from=holder)
    return replace(claimed(before, by, expires_at), history=(*before.history, entry))


def released(before: Submission) -> Submission:
    return replace(before, claim=None)


def drafted(before: Submission, draft: DraftGrade) -> Submission:
    """The draft is kept until there is a grade, or other contents. It does not change the revision."""
    return replace(before, draft=draft)


def marked(before: Submission, mark: Grade) -> Submission:
    """Graded by one of two: kept in the history for good, no result, and the revision as it was, since its student
    is not to know."""
    entry = HistoryEntry(Action.MARK, mark.checked_at, mark.reviewer, before.revision, mark)
    marks, history = (*before.marks, mark), (*before.history, entry)
    return replace(before, claim=None, draft=None, marks=marks, history=history)


def agreed(before: Submission, mark: Grade, grade: Grade) -> Submission:
    """`mark` is the second and agrees with the first: `grade` is what both make together."""
    return checked(marked(before, mark), grade)


def checked(before: Submission, grade: Grade) -> Submission:
    """Graded: one revision on, nobody's claim, the grade kept in the history for good (promise 5)."""
    entry = HistoryEntry(Action.CHECK, grade.checked_at, grade.reviewer, before.revision + 1, grade)
    return _revised(before, entry, status=Status.CHECKED, grade=grade)


def reopened(before: Submission, by: Person, at: datetime) -> Submission:
    """Pending again; the earlier grade stays in the history, in the entry of its check."""
    entry = HistoryEntry(Action.REOPEN, at, by, before.revision + 1)
    return _revised(before, entry, status=Status.PENDING, grade=None)


def replaced(before: Submission, new: Submission) -> Submission:
    """The contents of `new` under the ids of `before` (`submissions.resubmission: replace_pending`)."""
    entry = HistoryEntry(Action.REPLACE, new.submitted_at, new.student, before.revision + 1)
    return _revised(
        before,
        entry,
        submitted_at=new.submitted_at,
        answers=new.answers,
        is_examined=False,
        content_digest=new.content_digest,
        user_test_id=before.user_test_id if before.user_test_id is not None else new.user_test_id,
        exam_id=new.exam_id,
        receipts=(*(_outlived(receipt, before) for receipt in before.receipts), *_renumbered(new, entry))[
            -MAX_RECEIPTS:
        ],
    )


def acknowledged(submission: Submission, receipt: Receipt | None = None) -> Submission:
    """The submission as the 201 showed it that acknowledged its contents, or those of `receipt`: pending, whatever
    became of it since."""
    as_it_was = replace(
        submission,
        status=Status.PENDING,
        revision=submission.contents_revision,
        grade=None,
        claim=None,
        answers=_unexamined(submission.answers),
        is_examined=False,
    )
    if receipt is None:
        return as_it_was
    then = receipt.replaced
    if then is None:
        return replace(as_it_was, revision=receipt.revision)
    return replace(
        as_it_was,
        revision=receipt.revision,
        submitted_at=then.submitted_at,
        answers=_unexamined(then.answers),
        user_test_id=then.user_test_id,
        exam_id=then.exam_id,
    )


def with_examined(before: Submission, found: Mapping[str, Examined]) -> Submission:
    """With what was found out of its files, by their paths. No revision: nobody has to look again for it."""
    answers = tuple(
        replace(
            answer,
            files=tuple(replace(file, examined=found.get(file.path, file.examined)) for file in answer.files),
        )
        for answer in before.answers
    )
    return replace(before, answers=answers, is_examined=True)


def _unexamined(answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
    return tuple(
        replace(answer, files=tuple(replace(file, examined=None) for file in answer.files))
        for answer in answers
    )


def recorded_as(new: Submission, found: Submission) -> Submission | None:
    """`new` as it once was recorded in `found`, or None: for a write whose answer was lost, and whose contents may
    have been replaced since by another upload of the student."""
    if found.id == new.id:
        return new
    for entry in found.history:
        if entry.action is Action.REPLACE and entry.at == new.submitted_at:
            return replace(new, id=found.id, manual_review_id=found.manual_review_id, revision=entry.revision)
    return None


def _outlived(receipt: Receipt, before: Submission) -> Receipt:
    """`receipt` with the contents it speaks of, which the submission is about to lose."""
    if receipt.replaced is not None:
        return receipt
    contents = Contents(before.submitted_at, _unexamined(before.answers), before.user_test_id, before.exam_id)
    return replace(receipt, replaced=contents)


def _renumbered(new: Submission, entry: HistoryEntry) -> tuple[Receipt, ...]:
    return tuple(replace(receipt, revision=entry.revision) for receipt in new.receipts)


def _revised(before: Submission, entry: HistoryEntry, **changes: Any) -> Submission:
    ended: dict[str, Any] = {"claim": None, "draft": None, "marks": ()}
    history = (*before.history, entry)
    return replace(before, revision=entry.revision, history=history, **(ended | changes))
