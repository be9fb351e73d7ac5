"""The one JSON shape of a submission, and who sees how much of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from handlers.protocol.list_query import read_cursor
from handlers.protocol.media_link import MediaLinks
from handlers.protocol.representations import Json, Representations, iso
from storage.domain.examination import CopyUse, Examined, FileCopy, MediaWarning
from storage.domain.people import Person
from storage.domain.ports import Page, Position
from storage.domain.submission import Status, Submission
from storage.domain.submission_life import checked, reopened, with_examined
from tests.submissions import (
    ADMIN,
    CHECKED,
    COLLEAGUE,
    NOW,
    REVIEWER,
    SPEAKING,
    SPEAKING_GRADE,
    SUBMITTED,
    WRITING,
    WRITING_GRADE,
    claim_of,
)

LINKS = MediaLinks((b"k" * 32,), ttl_seconds=3600)
SHOWN = Representations(LINKS, NOW)
CHECKED_WRITING = checked(WRITING, WRITING_GRADE)
CHECKED_SPEAKING = checked(SPEAKING, SPEAKING_GRADE)
WRITES: list[Callable[[Submission], Json]] = [
    SHOWN.for_student,
    SHOWN.for_reviewer,
    SHOWN.in_detail,
    SHOWN.created,
]


def file_json(number: int, path: str, media_type: str) -> Json:
    return {
        "id": number,
        "url": LINKS.url(path, NOW.timestamp()),
        "uploaded_at": "2025-10-08T12:30:45.123Z",
        "media_type": media_type,
        "size_bytes": 1000 + number,
        "sha256": f"{number:064x}",
    }


VIEW = FileCopy(CopyUse.VIEW, "writing/a-view.jpg", "image/jpeg", 900, "f" * 64)
THUMBNAIL = replace(VIEW, use=CopyUse.THUMBNAIL, path="writing/a-thumb.jpg")


def test_an_examined_photo_is_shown_by_its_copy_and_described_by_its_original() -> None:
    found = Examined((MediaWarning.TINY,), (VIEW, THUMBNAIL), width=300, height=400)
    seen = SHOWN.for_student(with_examined(WRITING, {"writing/a.jpg": found}))
    assert seen["is_examined"]
    assert seen["warnings"] == [
        {"code": "tiny", "warning": MediaWarning.TINY.sentence, "question_number": 1, "file_id": 1}
    ]
    assert seen["questions"][0]["images"] == [
        file_json(1, "writing/a.jpg", "image/jpeg")
        | {
            "url": LINKS.url(VIEW.path, NOW.timestamp()),
            "original_url": "/media/writing/a.jpg",
            "width": 300,
            "height": 400,
            "thumbnail_url": LINKS.url(THUMBNAIL.path, NOW.timestamp()),
        },
        file_json(2, "writing/b.jpg", "image/jpeg"),
    ]


def test_waveforms_are_in_the_detail_only() -> None:
    found = Examined(duration_seconds=1.5, codec="opus", bitrate=64_000, peaks=bytes([0, 50, 100]))
    examined = with_examined(SPEAKING, {"speaking/a.webm": found})
    expected = file_json(4, "speaking/a.webm", "audio/webm") | {
        "original_url": "/media/speaking/a.webm",
        "duration_seconds": 1.5,
        "codec": "opus",
        "bitrate": 64_000,
    }
    assert SHOWN.for_reviewer(examined)["questions"][0]["audio"] == expected
    assert SHOWN.in_detail(examined)["questions"][0]["audio"] == expected | {"peaks": [0, 50, 100]}


def test_a_pending_writing_submission_as_its_student_sees_it() -> None:
    assert SHOWN.for_student(WRITING) == {
        "id": 789,
        "test_result_id": 789,
        "manual_review_id": 12,
        "revision": 1,
        "section_type": "writing",
        "status": "pending",
        "user_test_id": 123,
        "exam_id": 456,
        "submitted_at": "2025-10-08T12:30:45.123Z",
        "reviewed_at": None,
        "is_examined": False,
        "warnings": [],
        "questions": [
            {
                "question_number": 1,
                "question_type": "letter",
                "images": [
                    file_json(1, "writing/a.jpg", "image/jpeg"),
                    file_json(2, "writing/b.jpg", "image/jpeg"),
                ],
            },
            {
                "question_number": 2,
                "question_type": "essay",
                "images": [file_json(3, "writing/c.png", "image/png")],
            },
        ],
        "score": None,
        "feedback": None,
        "criteria": None,
        "comments": [],
        "reviewer": None,
    }


def test_speaking_questions_hold_one_recording_each() -> None:
    assert SHOWN.for_student(SPEAKING)["questions"] == [
        {
            "question_number": 1,
            "question_type": "speaking",
            "question": 101,
            "audio": file_json(4, "speaking/a.webm", "audio/webm"),
        },
        {
            "question_number": 2,
            "question_type": "speaking",
            "question": 102,
            "audio": file_json(5, "speaking/b.mp3", "audio/mpeg"),
        },
    ]


def test_a_checked_writing_result_says_what_the_api_document_shows() -> None:
    result = SHOWN.for_student(CHECKED_WRITING)
    assert result["status"] == "checked"
    assert result["revision"] == 2
    assert result["reviewed_at"] == "2025-10-08T15:30:45.123Z"
    assert result["score"] == {"task1_score": 20.5, "task2_score": 45.0, "total_score": 65.5, "max_score": 75}
    assert result["feedback"] == {"task1_comment": "Good structure.", "task2_comment": "Excellent essay."}
    assert result["reviewer"] == {"name": "Admin User", "reviewed_at": "2025-10-08T15:30:45.123Z"}


def test_a_checked_speaking_result_says_what_the_api_document_shows() -> None:
    result = SHOWN.for_student(CHECKED_SPEAKING)
    assert result["score"] == {"total_score": 70.0, "max_score": 75}
    assert result["feedback"] == {"comment": "Good pronunciation and fluency."}


def test_a_reviewer_without_a_name_is_shown_by_id() -> None:
    assert SHOWN.for_student(CHECKED_SPEAKING)["reviewer"]["name"] == "Reviewer 8"
    held = replace(WRITING, claim=claim_of(COLLEAGUE))
    assert SHOWN.for_reviewer(held)["claim"]["reviewer"] == {"id": "8", "name": "Reviewer 8"}


def test_a_student_never_sees_claims_nor_history() -> None:
    held = replace(CHECKED_WRITING, claim=claim_of(REVIEWER))
    assert {"claim", "student", "history"}.isdisjoint(SHOWN.for_student(held))
    assert {"claim", "student", "history"}.isdisjoint(SHOWN.created(held))


def test_a_reviewer_sees_what_the_student_sees_and_whose_it_is_and_who_holds_it() -> None:
    held = replace(WRITING, claim=claim_of(REVIEWER))
    assert SHOWN.for_reviewer(held) == SHOWN.for_student(held) | {
        "student": {"id": "42", "name": "Aziza"},
        "claim": {"reviewer": {"id": "7", "name": "Admin User"}, "expires_at": "2025-10-08T13:45:45.123Z"},
        "awaits_decision": False,
    }


@pytest.mark.parametrize("since_seconds", [0, 1])
def test_a_claim_that_is_over_is_not_shown(since_seconds: int) -> None:
    held = replace(WRITING, claim=claim_of(REVIEWER, NOW - timedelta(seconds=since_seconds)))
    assert SHOWN.for_reviewer(held)["claim"] is None


def test_the_detail_adds_all_that_ever_happened() -> None:
    submission = reopened(CHECKED_WRITING, ADMIN, CHECKED + timedelta(minutes=1))
    detail = SHOWN.in_detail(submission)
    history = detail.pop("history")
    assert detail == SHOWN.for_reviewer(submission) | {"rubric": None, "draft": None, "marks": []}
    grade = {
        "score": {"task1_score": 20.5, "task2_score": 45.0, "total_score": 65.5, "max_score": 75},
        "feedback": {"task1_comment": "Good structure.", "task2_comment": "Excellent essay."},
        "criteria": None,
        "comments": [],
        "reviewer": {"id": "7", "name": "Admin User"},
        "reviewed_at": "2025-10-08T15:30:45.123Z",
    }
    assert history == [
        {
            "action": "submitted",
            "at": "2025-10-08T12:30:45.123Z",
            "by": {"id": "42", "name": "Aziza"},
            "revision": 1,
            "score": None,
            "feedback": None,
            "before": None,
            "after": None,
        },
        {
            "action": "checked",
            "at": "2025-10-08T15:30:45.123Z",
            "by": {"id": "7", "name": "Admin User"},
            "revision": 2,
            "score": {"task1_score": 20.5, "task2_score": 45.0, "total_score": 65.5, "max_score": 75},
            "feedback": {"task1_comment": "Good structure.", "task2_comment": "Excellent essay."},
            "before": None,
            "after": grade,
        },
        {
            "action": "reopened",
            "at": "2025-10-08T15:31:45.123Z",
            "by": {"id": "1", "name": "Head"},
            "revision": 3,
            "score": None,
            "feedback": None,
            "before": grade,
            "after": None,
        },
    ]


def test_a_reopened_submission_shows_no_grade_outside_its_history() -> None:
    shown = SHOWN.for_student(reopened(CHECKED_WRITING, ADMIN, CHECKED))
    assert shown["status"] == "pending"
    assert (shown["reviewed_at"], shown["score"], shown["feedback"], shown["reviewer"]) == (None,) * 4


def test_a_created_writing_submission_is_what_its_student_sees() -> None:
    assert SHOWN.created(WRITING) == SHOWN.for_student(WRITING)


def test_a_created_speaking_submission_adds_the_message_of_the_api_document() -> None:
    assert SHOWN.created(SPEAKING) == SHOWN.for_student(SPEAKING) | {
        "message": "Speaking test muvaffaqiyatli yuklandi. Admin tomonidan tekshiriladi.",
        "audios_count": 2,
    }


@pytest.mark.parametrize("submission", [WRITING, SPEAKING, CHECKED_WRITING, CHECKED_SPEAKING])
@pytest.mark.parametrize("write", WRITES)
def test_every_shape_is_plain_json(write: Callable[[Submission], Json], submission: Submission) -> None:
    shape = write(submission)
    assert orjson.loads(orjson.dumps(shape)) == shape


def test_a_list_of_results_ends_with_a_null_cursor() -> None:
    assert SHOWN.results(Page((WRITING, SPEAKING), None)) == {
        "results": [SHOWN.for_student(WRITING), SHOWN.for_student(SPEAKING)],
        "next": None,
    }


def test_a_list_says_where_it_goes_on() -> None:
    position = Position(SUBMITTED, 390)
    assert read_cursor(SHOWN.results(Page((SPEAKING,), position))["next"]) == position
    assert read_cursor(SHOWN.queue(Page((SPEAKING,), position), {})["next"]) == position


def test_the_queue_shows_reviewers_shapes_and_counts() -> None:
    counts = {Status.PENDING: 5, Status.CHECKED: 2}
    queue = SHOWN.queue(Page((WRITING,), None), counts)
    assert queue == {
        "results": [SHOWN.for_reviewer(WRITING)],
        "next": None,
        "counts": {"pending": 5, "checked": 2},
    }
    assert orjson.loads(orjson.dumps(queue)) == queue


def test_a_students_snapshot_shows_students_shapes() -> None:
    assert SHOWN.snapshot([WRITING], 1_843_200_000) == {
        "submissions": [SHOWN.for_student(WRITING)],
        "as_of": 1_843_200_000,
    }


def test_a_queue_snapshot_shows_reviewers_shapes_and_counts() -> None:
    assert SHOWN.queue_snapshot([SPEAKING], 7, {Status.PENDING: 1, Status.CHECKED: 0}) == {
        "submissions": [SHOWN.for_reviewer(SPEAKING)],
        "as_of": 7,
        "counts": {"pending": 1, "checked": 0},
    }


@pytest.mark.parametrize(
    ("microsecond", "expected"),
    [
        (0, "2025-10-08T12:30:45.000Z"),
        (999, "2025-10-08T12:30:45.000Z"),
        (7_000, "2025-10-08T12:30:45.007Z"),
        (999_999, "2025-10-08T12:30:45.999Z"),
    ],
)
def test_times_are_utc_in_milliseconds(microsecond: int, expected: str) -> None:
    assert iso(datetime(2025, 10, 8, 12, 30, 45, microsecond, tzinfo=UTC)) == expected


def test_a_student_without_a_name_is_shown_without_one() -> None:
    assert SHOWN.for_reviewer(replace(WRITING, student=Person("42")))["student"] == {"id": "42", "name": None}
