"""What the upload intake and the review desk ask of their surroundings; the comments are the contract. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from storage.domain.people import Person
from storage.domain.submission import (
    Action,
    Claim,
    Receipt,
    Section,
    Status,
    StoredFile,
    Submission,
)


@dataclass(frozen=True, slots=True)
class FreshIds:
    """Ids nobody else will get: one submission, one manual review, and files from `first_file` up."""

    submission: int
    manual_review: int
    first_file: int


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list: the sort key and the id of the last row shown."""

    moment: datetime
    id: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, and where the next ones start (None: there are none)."""

    submissions: tuple[Submission, ...]
    next: Position | None


@dataclass(frozen=True, slots=True)
class Holder:
    """The reviewer with this user id, as far as their claims are in force at `moment`."""

    id: str
    moment: datetime


@dataclass(frozen=True, slots=True)
class Viewer:
    """A reviewer, to whom what they gave the first of two marks is closed; `decides`: to whom what two marks did
    not settle is open."""

    id: str
    decides: bool


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which submissions of the queue are meant: those to which all that is not None applies.

    `waiting_since`: submitted at that moment or before. `waiting_since` and `claimed_by` are for pending ones,
    `checked_by`, a user id, is for checked ones.
    """

    status: Status = Status.PENDING
    section: Section | None = None
    exam_id: int | None = None
    waiting_since: datetime | None = None
    claimed_by: Holder | None = None
    checked_by: str | None = None
    viewer: Viewer | None = None
    """None: all of them, whoever may grade them."""
    awaits_decision: bool = False
    """Pending ones whose two marks lie too far apart, for a viewer who decides; False: those as well as others."""


@dataclass(frozen=True, slots=True)
class SubmissionFiles:
    """A submission's id, and the files its document points at: originals, and copies as if they were files too."""

    submission: int
    files: tuple[StoredFile, ...]


class Duplicate(Exception):
    """A unique index refused a second submission for one student, section and user test, or for one
    Idempotency-Key of a student (promise 4)."""


class Submissions(Protocol):
    """Submission documents. Every method raises Unavailable while there is no MongoDB primary."""

    async def fresh_ids(self, files: int) -> FreshIds:
        """Reserve ids. Ids of a submission that is then not inserted are never used again."""

    async def insert(self, submission: Submission) -> None:
        """Record it, acknowledged by a majority and the journal (promise 1); raises Duplicate."""

    async def save(
        self, before: Submission, after: Submission, action: Action, actor: Person, moment: datetime
    ) -> bool:
        """Write what differs between `before` and `after` if nothing stands against it: the status and revision
        are still those of `before`, and no other reviewer's claim is in the way at `moment`. One guarded
        update; False means it lost and changed nothing. Raises Duplicate like `insert`."""

    async def acknowledge(self, submission: Submission, receipt: Receipt | None) -> bool:
        """Have a 201 for a submission that was only found, not written, stand like any other (promise 1), and have
        it remembered if it has a `receipt`. False, and nothing is changed, if the submission has other contents or
        that key by now. Raises Duplicate if another submission of the student has the key."""

    async def unexamined(self, limit: int) -> tuple[int, ...]:
        """Ids of submissions whose files were not looked at yet, the newest first."""

    async def record_examined(self, before: Submission, after: Submission) -> bool:
        """Write what was found out of the files of `before`, unless others took their place or somebody else has
        written it; False then. Whoever claims or grades meanwhile neither hinders it nor is hindered."""

    async def expired_claims(self, moment: datetime, limit: int) -> tuple[Submission, ...]:
        """Submissions whose claim ran out by `moment` and is still there, the oldest first."""

    async def find(self, submission_id: int) -> Submission | None: ...

    async def find_review(self, manual_review_id: int) -> Submission | None: ...

    async def find_same(self, submission: Submission) -> Submission | None:
        """The submission whose student, section and user test, or contents, are those of `submission`."""

    async def find_by_key(self, student_id: str, key: str) -> Submission | None:
        """The submission that holds the receipt of the student's Idempotency-Key `key`, once it is durable."""

    async def find_owner(self, path: str) -> str | None:
        """The user id whose submission holds the file at `path`, or None."""

    async def referenced(self, paths: Collection[str]) -> set[str]:
        """Those of `paths` that a document points at."""

    async def owners(self, paths: Collection[str]) -> dict[str, list[int]]:
        """The ids of the submissions whose documents point at each of `paths`, one for every time they do; a path
        that none points at is left out."""

    def all_files(self) -> AsyncIterator[tuple[SubmissionFiles, ...]]:
        """The files of all submissions, by ascending id, in batches. Each is a query of its own, so that whoever
        takes an hour over one finds the next still there. Submissions recorded meanwhile may be left out."""

    async def of_student(self, student_id: str, after: Position | None, limit: int) -> Page:
        """A student's own, newest first."""

    async def queue(self, wanted: QueueFilter, after: Position | None, limit: int) -> Page:
        """Pending ones oldest first, checked ones newest review first."""

    async def claim_next(self, wanted: QueueFilter, claim: Claim, moment: datetime) -> Submission | None:
        """Give `claim` to the oldest of the pending ones that nobody holds at `moment`, and return it; None if
        there is none. One guarded update: of any number who ask at once each gets another one."""

    async def counts(self, section: Section | None) -> dict[Status, int]: ...
