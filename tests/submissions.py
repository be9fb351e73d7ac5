"""Example people, grades and submissions for tests; `dataclasses.replace` makes others of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from storage.domain.grading import Grade
from storage.domain.people import Person
from storage.domain.submission import (
    Action,
    Answer,
    Claim,
    HistoryEntry,
    Section,
    Status,
    StoredFile,
    Submission,
)

SUBMITTED = datetime(2025, 10, 8, 12, 30, 45, 123_000, tzinfo=UTC)
NOW = SUBMITTED + timedelta(hours=1)
CHECKED = SUBMITTED + timedelta(hours=3)

STUDENT = Person("42", "Aziza")
REVIEWER = Person("7", "Admin User")
COLLEAGUE = Person("8")
ADMIN = Person("1", "Head")

WRITING_GRADE = Grade(
    score={"task1_score": 20.5, "task2_score": 45.0, "total_score": 65.5},
    feedback={"task1_comment": "Good structure.", "task2_comment": "Excellent essay."},
    reviewer=REVIEWER,
    checked_at=CHECKED,
)
SPEAKING_GRADE = Grade(
    score={"total_score": 70.0},
    feedback={"comment": "Good pronunciation and fluency."},
    reviewer=COLLEAGUE,
    checked_at=CHECKED,
)


def stored_file(number: int, path: str, media_type: str = "image/jpeg") -> StoredFile:
    return StoredFile(
        id=number,
        path=path,
        media_type=media_type,
        size_bytes=1000 + number,
        sha256=f"{number:064x}",
        uploaded_at=SUBMITTED,
    )


WRITING = Submission(
    id=789,
    manual_review_id=12,
    student=STUDENT,
    section=Section.WRITING,
    status=Status.PENDING,
    revision=1,
    submitted_at=SUBMITTED,
    answers=(
        Answer(1, "letter", (stored_file(1, "writing/a.jpg"), stored_file(2, "writing/b.jpg"))),
        Answer(2, "essay", (stored_file(3, "writing/c.png", "image/png"),)),
    ),
    content_digest="d" * 64,
    user_test_id=123,
    exam_id=456,
    history=(HistoryEntry(Action.SUBMIT, SUBMITTED, STUDENT, 1),),
)

SPEAKING = Submission(
    id=390,
    manual_review_id=123,
    student=STUDENT,
    section=Section.SPEAKING,
    status=Status.PENDING,
    revision=1,
    submitted_at=SUBMITTED,
    answers=(
        Answer(1, "speaking", (stored_file(4, "speaking/a.webm", "audio/webm"),), 101),
        Answer(2, "speaking", (stored_file(5, "speaking/b.mp3", "audio/mpeg"),), 102),
    ),
    content_digest="e" * 64,
    history=(HistoryEntry(Action.SUBMIT, SUBMITTED, STUDENT, 1),),
)


def claim_of(reviewer: Person, expires_at: datetime = NOW + timedelta(minutes=15)) -> Claim:
    return Claim(reviewer, expires_at)
