"""A submission: one student's answers to one section, and what became of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from storage.domain.draft_grade import DraftGrade
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


_HANDING_IN = {Action.SUBMIT, Action.REPLACE}
_GRADED_OR_HANDED_IN = _HANDING_IN | {Action.CHECK}


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
