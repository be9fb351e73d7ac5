"""The requests and answers that the API document shows, and whether an answer has all that an example has."""

from __future__ import annotations

import re
from typing import Any

import httpx

from tests.media_samples import RECORDINGS, photo, recording
from tests.people import File

Json = dict[str, Any]
Files = dict[str, File]

WRITING_TEXTS = {"user_test_id": "123", "exam_id": "456", "section_type": "writing"}
SPEAKING_TEXTS = {"user_test_id": "123", "exam_id": "456", "section_type": "speaking"}


def writing_files() -> Files:
    """Two pages of the letter, three of the essay; the last one a screenshot."""
    names = ["task1_image1", "task1_image2", "task2_image1", "task2_image2"]
    files = {
        name: (f"writing_{name}.jpg", photo(160, 120, seed=seed), "image/jpeg")
        for seed, name in enumerate(names)
    }
    return files | {"task2_image3": ("screenshot.png", photo(160, 120, format="PNG"), "image/png")}


def speaking_form() -> tuple[dict[str, str], Files]:
    """Eight questions, each answered in another of the supported formats."""
    kinds = ["mp3", "wav", "webm", "m4a", "ogg-opus", "flac", "mp4", "webm-live"]
    declared = RECORDINGS | {"mp3": "audio/mp3", "webm-live": "audio/webm;codecs=opus"}
    texts = {f"answers[{place}][question]": str(101 + place) for place in range(8)}
    files = {
        f"answers[{place}][speaking_audio]": (
            f"recording_{place}.{kind}",
            recording(kind, 0.2),
            declared[kind],
        )
        for place, kind in enumerate(kinds)
    }
    return texts, files


def part_files() -> Files:
    return {
        f"part{number}_audio": (
            f"speaking_part{number}.webm",
            recording("webm", 0.2, seed=number),
            "audio/webm",
        )
        for number in (1, 2, 3)
    }


async def post(
    client: httpx.AsyncClient, path: str, texts: dict[str, str], files: Files, headers: dict[str, str]
) -> httpx.Response:
    return await client.post(path, data=texts, files=files, headers=headers)


WRITING_CREATED: Json = {
    "id": 789,
    "user_test_id": 123,
    "exam_id": 456,
    "section_type": "writing",
    "status": "pending",
    "submitted_at": "2025-10-08T12:30:45.123456Z",
    "questions": [
        {
            "question_number": 1,
            "question_type": "letter",
            "images": [
                {
                    "id": 1,
                    "url": "/media/writing/task1/image1.jpg",
                    "uploaded_at": "2025-10-08T12:30:45Z",
                }
            ],
        },
        {
            "question_number": 2,
            "question_type": "essay",
            "images": [
                {
                    "id": 2,
                    "url": "/media/writing/task2/image1.jpg",
                    "uploaded_at": "2025-10-08T12:30:45Z",
                }
            ],
        },
    ],
}

WRITING_REFUSED: Json = {
    "error": "Missing required fields",
    "details": {
        "user_test_id": ["This field is required."],
        "task1_image1": ["No file was submitted."],
    },
}

WRITING_RESULT: Json = {
    "id": 789,
    "user_test_id": 123,
    "section_type": "writing",
    "status": "checked",
    "submitted_at": "2025-10-08T12:30:45Z",
    "reviewed_at": "2025-10-08T15:45:30Z",
    "score": {"task1_score": 20.5, "task2_score": 45.0, "total_score": 65.5, "max_score": 75},
    "feedback": {
        "task1_comment": "Good structure, but grammar needs improvement.",
        "task2_comment": "Excellent essay with clear arguments.",
    },
    "reviewer": {"name": "Admin User", "reviewed_at": "2025-10-08T15:45:30Z"},
}

SPEAKING_CREATED: Json = {
    "test_result_id": 390,
    "status": "pending",
    "message": "Speaking test muvaffaqiyatli yuklandi. Admin tomonidan tekshiriladi.",
    "manual_review_id": 123,
    "audios_count": 8,
}

SPEAKING_REFUSED: Json = {
    "error": "Ma'lumotlar noto'g'ri formatda yuborilgan: Kamida bitta javob yuborilishi kerak"
}

SPEAKING_RESULT: Json = {
    "id": 790,
    "user_test_id": 123,
    "section_type": "speaking",
    "status": "checked",
    "submitted_at": "2025-10-08T12:30:45Z",
    "reviewed_at": "2025-10-08T16:20:15Z",
    "score": {"total_score": 70, "max_score": 75},
    "feedback": {"comment": "Good pronunciation and fluency. Grammar needs some work."},
    "reviewer": {"name": "Admin User", "reviewed_at": "2025-10-08T16:20:15Z"},
}

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")
_MEDIA_URL = re.compile(r"/media/[a-z0-9./]+(\?[a-z0-9=&]+)?")
_FORMS = (_TIME, _MEDIA_URL)
_MADE_BY_THE_SERVER = {"id", "test_result_id", "manual_review_id", "url"}


def assert_has_all_of(example: Any, answer: Any, where: str = "answer") -> None:
    """`answer` has every field of `example` with its type; times and links have their form, other values are equal.

    Every item of a list is like the example's first one.
    """
    if isinstance(example, dict):
        assert isinstance(answer, dict), where
        assert answer.keys() >= example.keys(), f"{where} lacks {example.keys() - answer.keys()}"
        for name, value in example.items():
            if name in _MADE_BY_THE_SERVER:
                assert_like(value, answer[name], f"{where}.{name}")
            else:
                assert_has_all_of(value, answer[name], f"{where}.{name}")
    elif isinstance(example, list) and example and isinstance(example[0], dict) and "id" in example[0]:
        assert answer, where
        for place, item in enumerate(answer):
            assert_has_all_of(example[0], item, f"{where}[{place}]")
    elif isinstance(example, list):
        assert len(answer) == len(example), where
        for place, item in enumerate(example):
            assert_has_all_of(item, answer[place], f"{where}[{place}]")
    elif isinstance(example, str) and _TIME.fullmatch(example):
        assert_like(example, answer, where)
    else:
        assert answer == example, where
        assert isinstance(answer, bool) is isinstance(example, bool), where


def assert_like(example: Any, answer: Any, where: str) -> None:
    """Of the example's type and, if it is a time or a link, of its form."""
    assert type(answer) is type(example), where
    for form in _FORMS:
        if isinstance(example, str) and form.fullmatch(example):
            assert form.fullmatch(answer), f"{where}: {answer}"
