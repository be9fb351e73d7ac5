"""Submissions as MongoDB documents. Field names appear here, in `indexes.py`, and in what only reads them:
`review_queue.py`, `review_figures.py` and `review_export.py`.

A document is the submission's own shape plus three fields of the store: `_id` (the submission's id),
`identity` (what must be unique for one student) and `last_action` (which event the change stream reports).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from collections.abc import Collection as Some
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from storage.database import ASCENDING, DESCENDING, Database, DuplicateKeyError, ReturnDocument
from storage.database import unavailable_while_down as available
from storage.domain.people import Person
from storage.domain.ports import Duplicate, FreshIds, Page, Position, QueueFilter, SubmissionFiles
from storage.domain.submission import (
    Action,
    Claim,
    Receipt,
    Section,
    Status,
    StoredFile,
    Submission,
)
from storage.domain.submission_life import ALLOWED, MAX_RECEIPTS
from storage.group_commit import GroupCommit
from storage.indexes import SUBMISSIONS
from storage.review_queue import SortedList, held_by_nobody, queue_list
from storage.sequences import Sequences

Document = dict[str, Any]

_SUBMISSION = TypeAdapter(Submission)
_STORED_FILES = TypeAdapter(tuple[StoredFile, ...])
_FILE_PATH, _COPY_PATH = "answers.files.path", "answers.files.examined.copies.path"
_PAGE = 100
"""Submissions read at once when all are gone through: some hundred files."""
_ENDS_DRAFT = {Action.MARK, Action.CHECK, Action.REOPEN, Action.REPLACE}
_LOOKS_AT_MARKS = {Action.CLAIM, Action.TAKE_OVER, Action.MARK, Action.CHECK}


def submission_from(document: Mapping[str, Any]) -> Submission:
    """The submission a document holds; the store's own fields are left behind."""
    return _SUBMISSION.validate_python({**document, "id": document["_id"]})


def last_action_of(document: Mapping[str, Any]) -> Action:
    return Action(document["last_action"])


class SubmissionStore:
    """The `Submissions` port on MongoDB."""

    def __init__(self, database: Database) -> None:
        self._submissions = database.collection(SUBMISSIONS)
        self._acknowledged = database.acknowledged(SUBMISSIONS)
        self._sequences = Sequences(database)
        self._inserts = GroupCommit(lambda documents: database.insert_each(SUBMISSIONS, documents))

    async def fresh_ids(self, files: int) -> FreshIds:
        return await self._sequences.take(files)

    async def insert(self, submission: Submission) -> None:
        try:
            await self._inserts.add(_document(submission) | {"last_action": Action.SUBMIT})
        except DuplicateKeyError as error:
            raise Duplicate from error

    async def save(
        self, before: Submission, after: Submission, action: Action, actor: Person, moment: datetime
    ) -> bool:
        old, new = _document(before), _document(after)
        said = _always_said(action)
        changes = {name: value for name, value in new.items() if value != old[name] or name in said}
        guard = {
            "_id": before.id,
            "status": ALLOWED[action],
            "revision": before.revision,
            **_claim_guard(action, actor, moment, before),
            **_replaced_guard(action, before),
            **_draft_guard(action, before),
            **_marks_guard(action, before),
        }
        if "history" in changes:  # a claim taken over leaves an entry and no revision: none is overwritten
            guard["history"] = {"$size": len(before.history)}
        try:
            with available():
                result = await self._submissions.update_one(
                    guard, {"$set": changes | {"last_action": action}}
                )
        except DuplicateKeyError as error:
            raise Duplicate from error
        return result.matched_count == 1

    async def acknowledge(self, submission: Submission, receipt: Receipt | None) -> bool:
        guard: Document = {"_id": submission.id, "content_digest": submission.content_digest}
        change: Document = {"$set": {"last_action": Action.ACKNOWLEDGE}}
        if receipt is not None:
            guard["receipts.key"] = {"$ne": receipt.key}
            change["$push"] = {"receipts": {"$each": [asdict(receipt)], "$slice": -MAX_RECEIPTS}}
        try:
            with available():
                result = await self._submissions.update_one(guard, change)
        except DuplicateKeyError as error:
            raise Duplicate from error
        return result.matched_count == 1

    async def unexamined(self, limit: int) -> tuple[int, ...]:
        with available():
            found = self._submissions.find({"is_examined": {"$in": [False, None]}}, {"_id": 1})
            documents = await found.sort("_id", DESCENDING).limit(limit).to_list(limit)
        return tuple(document["_id"] for document in documents)

    async def record_examined(self, before: Submission, after: Submission) -> bool:
        # Only a replacement changes the answers, which are then those of other files.
        guard = {
            "_id": before.id,
            "is_examined": {"$ne": True},
            "answers.files.path": {"$all": [file.path for file in before.files]},
        }
        changes = {"answers": _document(after)["answers"], "is_examined": True, "last_action": Action.EXAMINE}
        with available():
            result = await self._submissions.update_one(guard, {"$set": changes})
        return result.matched_count == 1

    async def expired_claims(self, moment: datetime, limit: int) -> tuple[Submission, ...]:
        with available():
            found = self._submissions.find({"claim.expires_at": {"$lte": moment}})
            documents = await found.sort("claim.expires_at", ASCENDING).limit(limit).to_list(limit)
        return tuple(submission_from(document) for document in documents)

    async def find(self, submission_id: int) -> Submission | None:
        return await self._find({"_id": submission_id})

    async def find_review(self, manual_review_id: int) -> Submission | None:
        return await self._find({"manual_review_id": manual_review_id})

    async def find_same(self, submission: Submission) -> Submission | None:
        return await self._find({"student.id": submission.student.id, "identity": _identity(submission)})

    async def find_by_key(self, student_id: str, key: str) -> Submission | None:
        # Whoever asks gives a 201 for it: an insert that is still on its way to the journal is none yet.
        with available():
            document = await self._acknowledged.find_one({"student.id": student_id, "receipts.key": key})
        return submission_from(document) if document else None

    async def find_owner(self, path: str) -> str | None:
        with available():
            document = await self._submissions.find_one(_pointing_at([path]), {"student.id": 1})
        return document["student"]["id"] if document else None

    async def referenced(self, paths: Some[str]) -> set[str]:
        return set(await self.owners(paths))

    async def owners(self, paths: Some[str]) -> dict[str, list[int]]:
        # A stray file's name need not be text, which no document could hold and the driver would not send.
        wanted = {path for path in paths if path.encode(errors="ignore").decode() == path}
        owners: dict[str, list[int]] = {}
        with available():
            cursor = self._submissions.find(
                _pointing_at(list(wanted)), {_FILE_PATH: 1, _COPY_PATH: 1, "_id": 1}
            )
            async for document in cursor:
                for path in _paths(document):
                    if path in wanted:
                        owners.setdefault(path, []).append(document["_id"])
        return owners

    async def all_files(self) -> AsyncIterator[tuple[SubmissionFiles, ...]]:
        wanted: Document = {}
        while True:
            with available():
                page = self._submissions.find(wanted, {"answers.files": 1}).sort("_id", ASCENDING)
                documents = await page.limit(_PAGE).to_list(_PAGE)
            if not documents:
                return
            yield tuple(SubmissionFiles(document["_id"], _files(document)) for document in documents)
            wanted = {"_id": {"$gt": documents[-1]["_id"]}}

    async def of_student(self, student_id: str, after: Position | None, limit: int) -> Page:
        own = SortedList({"student.id": student_id}, "submitted_at", DESCENDING, "of_student")
        return await self._page(own, after, limit)

    async def queue(self, wanted: QueueFilter, after: Position | None, limit: int) -> Page:
        return await self._page(queue_list(wanted), after, limit)

    async def claim_next(self, wanted: QueueFilter, claim: Claim, moment: datetime) -> Submission | None:
        # MongoDB walks the index in its order, past what is held; whoever finds the first free one taken in the
        # same moment goes on from there.
        waiting = queue_list(wanted)
        with available():
            document = await self._submissions.find_one_and_update(
                waiting.wanted | held_by_nobody(moment),
                {"$set": {"claim": asdict(claim), "last_action": Action.CLAIM}},
                sort=waiting.order,
                hint=waiting.index,
                return_document=ReturnDocument.AFTER,
            )
        return submission_from(document) if document else None

    async def counts(self, section: Section | None) -> dict[Status, int]:
        wanted: Document = {"section": section} if section else {}
        with available():
            return {
                status: await self._submissions.count_documents({"status": status, **wanted})
                for status in Status
            }

    async def _find(self, wanted: Document) -> Submission | None:
        with available():
            document = await self._submissions.find_one(wanted)
        return submission_from(document) if document else None

    async def _page(self, rows: SortedList, after: Position | None, limit: int) -> Page:
        found = self._submissions.find(rows.after(after)).sort(rows.order).hint(rows.index)
        with available():
            documents = await found.limit(limit + 1).to_list(limit + 1)
        shown = documents[:limit]
        submissions = tuple(submission_from(document) for document in shown)
        return Page(submissions, rows.position(shown[-1]) if len(documents) > limit else None)


def _document(submission: Submission) -> Document:
    document: Document = _SUBMISSION.dump_python(submission)
    document["_id"] = document.pop("id")
    document["identity"] = _identity(submission)
    return document


def _pointing_at(paths: list[str]) -> Document:
    return {"$or": [{path: {"$in": paths}} for path in (_FILE_PATH, _COPY_PATH)]}


def _paths(document: Mapping[str, Any]) -> Iterator[str]:
    for answer in document["answers"]:
        for file in answer["files"]:
            yield file["path"]
            for copy in (file.get("examined") or {}).get("copies", ()):
                yield copy["path"]


def _files(document: Mapping[str, Any]) -> tuple[StoredFile, ...]:
    originals = _STORED_FILES.validate_python(
        [file for answer in document["answers"] for file in answer["files"]]
    )
    copies = tuple(
        replace(
            file,
            path=copy.path,
            media_type=copy.media_type,
            size_bytes=copy.size_bytes,
            sha256=copy.sha256,
            examined=None,
        )
        for file in originals
        if file.examined
        for copy in file.examined.copies
    )
    return originals + copies


def _identity(submission: Submission) -> str:
    """What one student can have only once: a section of a user test, else one set of contents."""
    test = submission.user_test_id
    return (
        f"{submission.section}:{test}"
        if test is not None
        else f"{submission.section}::{submission.content_digest}"
    )


def _replaced_guard(action: Action, before: Submission) -> Document:
    """A replacement rewrites the receipts, and its files are removed with all copies of them: no receipt may have
    been added, and no copy made, since `before` was read."""
    if action is not Action.REPLACE:
        return {}
    count = len(before.receipts)
    guard: Document = {
        "is_examined": True if before.is_examined else {"$ne": True},
        f"receipts.{count}": {"$exists": False},
    }
    if count:  # of many, the oldest goes when one is added
        guard[f"receipts.{count - 1}.key"] = before.receipts[-1].key
    return guard


def _always_said(action: Action) -> set[str]:
    """What is written also where it did not change: the guard may let a claim or a draft pass that was made since
    the document was read."""
    if action is Action.DRAFT:
        return set()
    return {"claim", "draft"} if action in _ENDS_DRAFT else {"claim"}


def _draft_guard(action: Action, before: Submission) -> Document:
    """A draft is merged into the one before: none may have been saved since `before` was read."""
    if action is not Action.DRAFT:
        return {}
    if before.draft is None:
        return {"draft": None}
    return {"draft.number": before.draft.number}


def _marks_guard(action: Action, before: Submission) -> Document:
    """A mark does not change the revision: none may have been given since `before` was read."""
    if action not in _LOOKS_AT_MARKS:
        return {}
    return {f"marks.{len(before.marks)}": {"$exists": False}}


def _claim_guard(action: Action, actor: Person, moment: datetime, before: Submission) -> Document:
    mine = {"claim.reviewer.id": actor.id, "claim.expires_at": {"$gt": moment}}
    free = {"$or": [{"claim": None}, {"claim.expires_at": {"$lte": moment}}]}
    match action:
        case Action.CLAIM:
            return free
        case Action.RENEW | Action.RELEASE | Action.DRAFT:
            return mine
        case Action.TAKE_OVER:  # from whom the history says
            holder = before.claim.reviewer.id if before.claim else None
            return {"claim.reviewer.id": holder, "claim.expires_at": {"$gt": moment}}
        case Action.EXPIRE:
            return {"claim.expires_at": {"$lte": moment}}
        case Action.CHECK | Action.MARK:
            return {"$or": [*free["$or"], mine]}
        case _:
            return {}
