"""What an export of the reviews holds, and which of them it is asked for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage.domain.figures import ALL_TIME, Period
from storage.domain.grading import Grade
from storage.domain.people import Person
from storage.domain.submission import Section, Status


@dataclass(frozen=True, slots=True)
class ExportFilter:
    """Which submissions are wanted; None, and a period without bounds: all."""

    status: Status | None = None
    section: Section | None = None
    exam_id: int | None = None
    submitted: Period = ALL_TIME
    checked: Period = ALL_TIME
    """Of the grade that stands: one with a bound leaves the pending ones out."""


@dataclass(frozen=True, slots=True)
class ExportRow:
    """A submission without its files and its history."""

    id: int
    manual_review_id: int
    section: Section
    status: Status
    revision: int
    student: Person
    submitted_at: datetime
    user_test_id: int | None = None
    exam_id: int | None = None
    grade: Grade | None = None
