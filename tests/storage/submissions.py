"""Submissions in numbers: each with ids, files and contents of its own, so that all fit into one collection."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from storage.domain.grading import Grade
from storage.domain.people import Person
from storage.domain.submission import (
    Action,
    HistoryEntry,
    Section,
    Status,
    Submission,
)
from storage.domain.submission_life import checked
from tests.submissions import (
    REVIEWER,
    SPEAKING,
    SPEAKING_GRADE,
    STUDENT,
    SUBMITTED,
    WRITING,
    WRITING_GRADE,
)

_GRADES = {Section.WRITING: WRITING_GRADE, Section.SPEAKING: SPEAKING_GRADE}


def pending(
    number: int,
    section: Section = Section.WRITING,
    student: Person = STUDENT,
    submitted_at: datetime = SUBMITTED,
) -> Submission:
    """Submission `number`, its manual review 10,000 on."""
    example = WRITING if section is Section.WRITING else SPEAKING
    answers = tuple(
        replace(
            answer,
            files=tuple(
                replace(file, id=100 * number + file.id, path=f"{section}/{number}-{file.id}.bin")
                for file in answer.files
            ),
        )
        for answer in example.answers
    )
    return replace(
        example,
        id=number,
        manual_review_id=10_000 + number,
        student=student,
        submitted_at=submitted_at,
        answers=answers,
        content_digest=f"{number:064x}",
        user_test_id=number,
        history=(HistoryEntry(Action.SUBMIT, submitted_at, student, 1),),
    )


def graded(
    number: int,
    section: Section = Section.WRITING,
    student: Person = STUDENT,
    submitted_at: datetime = SUBMITTED,
    checked_at: datetime = SUBMITTED + timedelta(hours=1),
) -> Submission:
    """The same, checked."""
    return checked(pending(number, section, student, submitted_at), grade_of(section, checked_at))


def grade_of(section: Section, checked_at: datetime, reviewer: Person = REVIEWER) -> Grade:
    return replace(_GRADES[section], reviewer=reviewer, checked_at=checked_at)


def is_pending(submission: Submission) -> bool:
    return submission.status is Status.PENDING


def paths_of(*submissions: Submission) -> set[str]:
    """Where the files of `submissions` are, relative to the media root."""
    return {file.path for submission in submissions for file in submission.files}
