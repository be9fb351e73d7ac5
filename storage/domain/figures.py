"""What the review desk has done and has to do, in numbers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.domain.errors import InvalidRequest
from storage.domain.people import Person
from storage.domain.submission import Section

DEFAULT_PERIOD = timedelta(days=30)
MAX_PERIOD = timedelta(days=366)
"""A whole leap year. What was checked in the period is gone through, so it must have an end: a school that checks
200,000 a year has all of them in it, which takes about a second."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` up to, but not at, `until`; None: no bound on that side."""

    since: datetime | None = None
    until: datetime | None = None


ALL_TIME = Period()


@dataclass(frozen=True, slots=True)
class Span:
    """A period with both its ends."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Checks:
    """What was checked in a span: how many, and the median of the seconds from submission to check."""

    number: int
    median_turnaround_seconds: float | None


NONE_CHECKED = Checks(0, None)


@dataclass(frozen=True, slots=True)
class ReviewerFigures:
    """One reviewer's checks today and in the span."""

    reviewer: Person
    today: Checks
    checks: Checks


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """One section's, or those of both. `oldest_submitted_at`: of the pending ones; None if there are none."""

    pending: int
    oldest_submitted_at: datetime | None
    today: Checks
    checks: Checks
    reviewers: tuple[ReviewerFigures, ...]
    """By id; only who checked something today or in the span."""


@dataclass(frozen=True, slots=True)
class Figures:
    """All of it as of one moment. A submission counts for whoever gave the grade that stands: a reopened one for
    nobody, one that was graded again for who did it last."""

    as_of: datetime
    today: Span
    span: Span
    sections: Mapping[Section, QueueFigures]
    total: QueueFigures


def span_of(asked: Period, now: datetime) -> Span:
    """The span that is meant: up to now, and the 30 days before its end, where nothing else is said.

    Raises InvalidRequest for one that ends before it begins, or is longer than `MAX_PERIOD`.
    """
    until = asked.until or now
    since = asked.since or _earlier(until, DEFAULT_PERIOD)
    if since >= until:
        raise InvalidRequest(details={"since": ["Ensure this is before `until`, or now."]})
    if until - since > MAX_PERIOD:
        raise InvalidRequest(
            details={"since": [f"Ensure this is at most {MAX_PERIOD.days} days before `until`."]}
        )
    return Span(since, until)


def _earlier(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment - by
    except OverflowError:
        return datetime.min.replace(tzinfo=moment.tzinfo)
