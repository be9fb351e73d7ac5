"""The review desk's figures, counted by MongoDB from an index alone; see `storage/domain/figures.py`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from storage.database import ASCENDING, Database
from storage.database import unavailable_while_down as available
from storage.domain.clock import Clock
from storage.domain.figures import (
    NONE_CHECKED,
    Checks,
    Figures,
    Period,
    QueueFigures,
    ReviewerFigures,
    Span,
    span_of,
)
from storage.domain.people import Person
from storage.domain.submission import Section, Status
from storage.indexes import CHECKED_REVISION, FIGURES, SUBMISSIONS

Document = dict[str, Any]
Stages = list[Mapping[str, Any]]

_FRESH_SECONDS = 5.0
"""How long figures are given again: a page of them that every reviewer has open costs one count in so long."""
_MAX_KEPT = 32
"""Different periods asked for within that time; the oldest are forgotten first."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Whose checks: one section's or both's (None), one reviewer's or all's (None)."""

    section: Section | None = None
    reviewer_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Pending:
    number: int
    oldest_submitted_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Checked:
    """What a span holds, by group, and what its reviewers are called."""

    checks: Mapping[_Group, Checks]
    names: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class _Kept:
    figures: asyncio.Task[Figures]
    began: float


class ReviewFigures:
    """Figures over the submissions. A day begins at midnight in `time_zone`."""

    def __init__(self, database: Database, time_zone: tzinfo, clock: Clock) -> None:
        self._submissions = database.collection(SUBMISSIONS)
        self._time_zone = time_zone
        self._clock = clock
        self._kept: dict[Period, _Kept] = {}

    async def of(self, asked: Period) -> Figures:
        """The figures now, or those of up to five seconds ago; whoever asks for the same while they are counted
        waits for that. Raises InvalidRequest (see `span_of`), and Unavailable while there is no primary."""
        moment = time.monotonic()
        kept = self._kept.get(asked)
        if kept is None or (kept.figures.done() and moment - kept.began >= _FRESH_SECONDS):
            kept = _Kept(asyncio.create_task(self._count(asked)), moment)
            self._kept.pop(asked, None)  # so that it is the newest
            self._kept[asked] = kept
            while len(self._kept) > _MAX_KEPT:
                del self._kept[next(iter(self._kept))]
        try:
            return await asyncio.shield(kept.figures)
        except Exception:
            if self._kept.get(asked) is kept:
                del self._kept[asked]
            raise

    async def _count(self, asked: Period) -> Figures:
        now = self._clock()
        today, span = self._today(now), span_of(asked, now)
        pending = {section: await self._pending(section) for section in Section}
        done_today, done = await self._checked(today), await self._checked(span)
        in_all = _Pending(
            sum(each.number for each in pending.values()),
            min(filter(None, (each.oldest_submitted_at for each in pending.values())), default=None),
        )
        return Figures(
            as_of=now,
            today=today,
            span=span,
            sections={
                section: _figures(section, waiting, done_today, done) for section, waiting in pending.items()
            },
            total=_figures(None, in_all, done_today, done),
        )

    def _today(self, now: datetime) -> Span:
        midnight = now.astimezone(self._time_zone).replace(hour=0, minute=0, second=0, microsecond=0)
        # The next midnight, by the calendar: a day of a clock change has 23 or 25 hours.
        return Span(midnight.astimezone(now.tzinfo), (midnight + timedelta(days=1)).astimezone(now.tzinfo))

    async def _pending(self, section: Section) -> _Pending:
        wanted = {"status": Status.PENDING, "section": section}
        with available():
            number = await self._submissions.count_documents(wanted)
            oldest = await self._submissions.find_one(
                wanted, {"submitted_at": 1}, sort=[("submitted_at", ASCENDING), ("_id", ASCENDING)]
            )
        return _Pending(number, oldest["submitted_at"] if oldest else None)

    async def _checked(self, span: Span) -> _Checked:
        checks: dict[_Group, Checks] = {}
        names: dict[str, str | None] = {}
        with available():
            async for row in self._submissions.aggregate(_checks_in(span), hint=FIGURES):
                section, reviewer_id = row["_id"].get("section"), row["_id"].get("reviewer")
                seconds = row["median"] / 1000
                checks[_Group(Section(section) if section else None, reviewer_id)] = Checks(
                    row["number"], seconds
                )
                if reviewer_id is not None:
                    names[reviewer_id] = row["name"]
        return _Checked(checks, names)


def _checks_in(span: Span) -> Stages:
    """One row a group: `_id` names its section and its reviewer, where it is of one.

    MongoDB 6.0 has no $median (7.0 does): the middle of the sorted turnarounds it is. They stand in its memory,
    once a submission; what leaves it is a row a group.
    """
    section, reviewer = {"section": "$_id.section"}, {"reviewer": "$_id.reviewer"}
    joined = {"input": "$parts", "initialValue": [], "in": {"$concatArrays": ["$$value", "$$this"]}}
    middle = {"$divide": [{"$subtract": [{"$size": "$turnarounds"}, 1]}, 2]}
    return [
        {
            "$match": {
                "status": Status.CHECKED,
                "grade.checked_at": {"$gte": span.since, "$lt": span.until},
                "revision": {"$gte": CHECKED_REVISION},  # or the index is not for this query
            }
        },
        {
            "$group": {
                "_id": {"section": "$section", "reviewer": "$grade.reviewer.id"},
                "name": {"$max": "$grade.reviewer.name"},
                "turnarounds": {"$push": {"$subtract": ["$grade.checked_at", "$submitted_at"]}},
            }
        },
        {"$set": {"groups": [{}, section, reviewer, section | reviewer]}},
        {"$unwind": "$groups"},
        {"$group": {"_id": "$groups", "name": {"$max": "$name"}, "parts": {"$push": "$turnarounds"}}},
        {"$set": {"turnarounds": {"$reduce": joined}}},
        {"$set": {"turnarounds": {"$sortArray": {"input": "$turnarounds", "sortBy": 1}}}},
        {
            "$project": {
                "name": 1,
                "number": {"$size": "$turnarounds"},
                "median": {
                    "$avg": [
                        {"$arrayElemAt": ["$turnarounds", {"$toInt": {rounded: middle}}]}
                        for rounded in ("$floor", "$ceil")
                    ]
                },
            }
        },
    ]


def _figures(section: Section | None, pending: _Pending, today: _Checked, done: _Checked) -> QueueFigures:
    everyone = _Group(section)
    return QueueFigures(
        pending=pending.number,
        oldest_submitted_at=pending.oldest_submitted_at,
        today=today.checks.get(everyone, NONE_CHECKED),
        checks=done.checks.get(everyone, NONE_CHECKED),
        reviewers=tuple(_of_reviewers(section, today, done)),
    )


def _of_reviewers(section: Section | None, today: _Checked, done: _Checked) -> Iterable[ReviewerFigures]:
    for reviewer_id in sorted({*today.names, *done.names}):
        group = _Group(section, reviewer_id)
        if group in today.checks or group in done.checks:
            name = today.names.get(reviewer_id) or done.names.get(reviewer_id)
            yield ReviewerFigures(
                Person(reviewer_id, name),
                today.checks.get(group, NONE_CHECKED),
                done.checks.get(group, NONE_CHECKED),
            )
