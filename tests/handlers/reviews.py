"""What reviewers send and read, and who acts in the tests of the edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

Json = dict[str, Any]
Headers = dict[str, str]

QUEUE = "/multilevel/manual-reviews/"


@dataclass(frozen=True, slots=True)
class Cast:
    """Who acts, as the headers their requests carry."""

    student: Headers
    other_student: Headers
    reviewer: Headers
    colleague: Headers
    """Another reviewer, whose token has no name."""
    admin: Headers


def review_path(submission: Json) -> str:
    return f"{QUEUE}{submission['manual_review_id']}/"


def result_path(submission: Json) -> str:
    return f"/multilevel/test-result/{submission['id']}/"


def grade(revision: int = 1, score: float = 70, comment: str = "Good.") -> Json:
    """The body that grades a speaking submission."""
    return {"revision": revision, "score": {"total_score": score}, "feedback": {"comment": comment}}


def writing_grade(revision: int = 1, task1: float = 20.5, task2: float = 45) -> Json:
    return {
        "revision": revision,
        "score": {"task1_score": task1, "task2_score": task2},
        "feedback": {"task1_comment": "Good structure.", "task2_comment": "Excellent essay."},
    }


async def read(client: httpx.AsyncClient, path: str, headers: Mapping[str, str]) -> Json:
    """The body of a 200."""
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert isinstance(content, dict)
    return content


def unsigned(content: Any) -> Any:
    """`content` with the queries of its links cut off: they depend on when they were made."""
    if isinstance(content, dict):
        return {
            name: value.partition("?")[0] if name == "url" else unsigned(value)
            for name, value in content.items()
        }
    if isinstance(content, list):
        return [unsigned(item) for item in content]
    return content
