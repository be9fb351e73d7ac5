"""The review desk's figures as JSON, and who may see whose. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from handlers.protocol.representations import iso, reviewer_json
from storage.domain.figures import Checks, Figures, QueueFigures, ReviewerFigures
from storage.domain.people import Principal, Role

Json = dict[str, Any]


def figures_json(figures: Figures, time_zone: str, reader: Principal) -> Json:
    """What `reader` may see: everybody's totals, and of the reviewers an admin all, a reviewer only themselves. A
    person's pace is between them and whoever leads them."""

    def of_queue(queue: QueueFigures) -> Json:
        oldest = queue.oldest_submitted_at
        return {
            "pending": queue.pending,
            "oldest_pending": _waiting(oldest, figures.as_of) if oldest else None,
            **_checks(queue.today, queue.checks),
            "reviewers": [_reviewer(each) for each in queue.reviewers if _may_see(reader, each)],
        }

    return {
        "as_of": iso(figures.as_of),
        "time_zone": time_zone,
        "today": {"since": iso(figures.today.since), "until": iso(figures.today.until)},
        "since": iso(figures.span.since),
        "until": iso(figures.span.until),
        "sections": {section.value: of_queue(queue) for section, queue in figures.sections.items()},
        "total": of_queue(figures.total),
    }


def _may_see(reader: Principal, each: ReviewerFigures) -> bool:
    return reader.role is Role.ADMIN or reader.person.id == each.reviewer.id


def _waiting(since: datetime, now: datetime) -> Json:
    # Two machines' clocks may differ: nobody waits for less than no time.
    seconds = max(0.0, (now - since).total_seconds())
    return {"submitted_at": iso(since), "waiting_seconds": round(seconds, 3)}


def _reviewer(each: ReviewerFigures) -> Json:
    return reviewer_json(each.reviewer) | _checks(each.today, each.checks)


def _checks(today: Checks, checks: Checks) -> Json:
    median = checks.median_turnaround_seconds
    return {
        "checked_today": today.number,
        "checked": checks.number,
        "median_turnaround_seconds": None if median is None else round(median, 3),
    }
