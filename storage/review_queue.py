"""How a list of submissions is asked of MongoDB: filter, order, the index that serves both, where a page begins.

The index is always named: MongoDB's planner would choose by what it once found, and an empty queue finds everything
as fast as any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage.database import ASCENDING, DESCENDING
from storage.domain.ports import Position, QueueFilter
from storage.domain.submission import Section, Status
from storage.indexes import SECOND_MARK

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SortedList:
    """A list of submissions: `wanted` is what is in it, `key` the field it is sorted by."""

    wanted: Document
    key: str
    direction: int
    index: str

    @property
    def order(self) -> list[tuple[str, int]]:
        return [(self.key, self.direction), ("_id", self.direction)]

    def after(self, position: Position | None) -> Document:
        """The filter for the rows after a position, by sort key and id, so that the list stays right while it
        moves. The first condition alone bounds the scan; the second leaves out what has the same moment."""
        if position is None:
            return self.wanted
        reaches, beyond = ("$gte", "$gt") if self.direction == ASCENDING else ("$lte", "$lt")
        return self.wanted | {
            self.key: self.wanted.get(self.key, {}) | {reaches: position.moment},
            "$or": [{self.key: {beyond: position.moment}}, {"_id": {beyond: position.id}}],
        }

    def position(self, row: Mapping[str, Any]) -> Position:
        moment: Any = row
        for name in self.key.split("."):
            moment = moment[name]
        return Position(moment, row["_id"])


def queue_list(of: QueueFilter) -> SortedList:
    wanted: Document = {"status": of.status}
    if of.exam_id is not None:
        wanted["exam_id"] = of.exam_id
    if of.waiting_since is not None:
        wanted["submitted_at"] = {"$lte": of.waiting_since}
    if of.claimed_by is not None:
        wanted["claim.reviewer.id"] = of.claimed_by.id
        wanted["claim.expires_at"] = {"$gt": of.claimed_by.moment}
    if of.checked_by is not None:
        wanted["grade.reviewer.id"] = of.checked_by
    if of.viewer is not None and of.status is Status.PENDING:
        wanted |= open_to(of.viewer.id, decides=of.viewer.decides)
    if of.awaits_decision:
        wanted[SECOND_MARK] = {"$exists": True}
    index = _index(of)
    if of.section is not None:
        wanted["section"] = of.section
    elif index in _BY_SECTION:
        wanted["section"] = {"$in": list(Section)}
    if of.status is Status.PENDING:
        return SortedList(wanted, "submitted_at", ASCENDING, index)
    return SortedList(wanted, "grade.checked_at", DESCENDING, index)


def held_by_nobody(moment: datetime) -> Document:
    """Never claimed, or released, or claimed with a lease that ran out by `moment`."""
    return {"claim.expires_at": {"$not": {"$gt": moment}}}


def open_to(reviewer_id: str, *, decides: bool) -> Document:
    """A filter that leaves out the pending submissions that are not for this reviewer: those they gave the first of
    two marks, and those between whose two marks only an admin (`decides`) chooses."""
    if decides:
        return {"$nor": [{"marks.0.reviewer.id": reviewer_id, SECOND_MARK: {"$exists": False}}]}
    return {"marks.reviewer.id": {"$ne": reviewer_id}, SECOND_MARK: {"$exists": False}}


_BY_SECTION = {"awaiting_decision", "queue_of_exam", "checked_of_exam", "checked_by", "checked_by_of_exam"}
"""Indexes in which the section stands before the sort key: MongoDB merges the lists of both sections in order (it
explodes the `$in` into one scan a value), which saves an index for each."""


def _index(of: QueueFilter) -> str:
    if of.status is Status.PENDING:
        if of.awaits_decision:
            return "awaiting_decision"
        if of.claimed_by is not None:
            return "claimed_by"
        if of.exam_id is not None:
            return "queue_of_exam"
        return "queue" if of.section is None else "queue_of_section"
    if of.checked_by is not None:
        return "checked_by" if of.exam_id is None else "checked_by_of_exam"
    if of.exam_id is not None:
        return "checked_of_exam"
    return "checked" if of.section is None else "checked_of_section"
