"""What the files of a submission are called in its zip."""

from __future__ import annotations

from dataclasses import replace

from handlers.protocol.archive_names import archive_name, named_files
from storage.domain.submission import Submission
from tests.submissions import SPEAKING, WRITING


def names(submission: Submission) -> list[str]:
    return [name for name, _ in named_files(submission)]


def test_photos_are_named_by_task_and_place() -> None:
    assert archive_name(WRITING) == "writing-12"
    assert names(WRITING) == ["writing-12-task1-1", "writing-12-task1-2", "writing-12-task2-1"]
    assert [file for _, file in named_files(WRITING)] == list(WRITING.files)


def test_recordings_are_named_by_their_question() -> None:
    assert names(SPEAKING) == ["speaking-123-1-question101", "speaking-123-2-question102"]


def test_recordings_of_parts_are_named_by_their_part() -> None:
    answers = tuple(
        replace(answer, kind=f"part{number}", number=number, question=None)
        for answer, number in zip(SPEAKING.answers, (1, 3), strict=True)
    )
    assert names(replace(SPEAKING, answers=answers)) == ["speaking-123-part1", "speaking-123-part3"]
