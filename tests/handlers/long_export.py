"""An export that is more than any socket takes before somebody reads, and why it was cut off."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from server.services import Built
from storage.domain.submission import Submission
from tests.handlers.reviews import QUEUE
from tests.storage.submissions import graded

EXPORT = f"{QUEUE}export.csv"
SLOW_READER_BYTES = 4096
MANY = 1200
COMMENT = "x" * 20_000
"""Of each of so many submissions."""


async def keep_many(built: Built) -> None:
    submissions = built.services.submissions
    await asyncio.gather(*(submissions.insert(_commented(number)) for number in range(1, MANY + 1)))


def causes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why answers were cut off, as the log says."""
    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [line["cause"] for line in lines if line["event"] == "answer cut off"]


def _commented(number: int) -> Submission:
    submission = graded(number)
    assert submission.grade is not None
    grade = replace(submission.grade, feedback={"task1_comment": COMMENT, "task2_comment": ""})
    return replace(submission, grade=grade, history=submission.history[:1])
