"""Criteria and anchored comments over HTTP: what is taken, and that the student reads it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.conftest import Tokens
from tests.handlers.plain_socket import connected_socket
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import QUEUE, Cast, Json, grade, read, result_path, review_path, writing_grade
from tests.handlers.uploads import submit_speaking, submit_writing

pytestmark = pytest.mark.gen_test(timeout=30)

INVALID = Refusal(400, "invalid")
TASK1 = [
    {"name": "Grammar", "maximum": 12.75, "step": 0.25},
    {"name": "Structure", "maximum": 12, "step": 0.5},
]
RUBRICS = {"writing": {"task1_score": TASK1}}
WITH_RUBRIC = pytest.mark.settings(reviews={"rubrics": RUBRICS})
CRITERIA = {"task1_score": {"Grammar": 12.5, "Structure": 8}}
BOX = {"x": 0.1, "y": 0.25, "width": 0.5, "height": 0.125}


async def given(client: httpx.AsyncClient, submission: Json, cast: Cast, body: Json) -> Json:
    answer = await client.put(review_path(submission), headers=cast.reviewer, json=body)
    assert answer.status_code == 200, answer.text
    content: Json = answer.json()
    return content


@WITH_RUBRIC
async def test_criteria_make_the_score_and_are_shown_to_the_student(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    submission = await submit_writing(client, cast.student)
    assert (submission["criteria"], submission["comments"]) == (None, [])
    assert (await read(client, review_path(submission), cast.reviewer))["rubric"] == RUBRICS["writing"]
    checked = await given(client, submission, cast, writing_grade() | {"criteria": CRITERIA})
    assert checked["criteria"] == CRITERIA
    assert (await read(client, result_path(submission), cast.student))["criteria"] == CRITERIA


@WITH_RUBRIC
async def test_criteria_that_do_not_make_the_score_are_refused(
    client: httpx.AsyncClient, cast: Cast, subtests: pytest.Subtests
) -> None:
    submission = await submit_writing(client, cast.student)
    wrong: list[tuple[Any, str]] = [
        (None, "criteria.task1_score"),
        ({}, "criteria.task1_score"),
        ({"task1_score": {"Grammar": 12.25, "Structure": 8}}, "criteria.task1_score"),
        ({"task1_score": {"Grammar": 12.5}}, "criteria.task1_score.Structure"),
        ({"task1_score": {"Grammar": "12.5", "Structure": 8}}, "criteria.task1_score.Grammar"),
        (CRITERIA | {"task2_score": {"Grammar": 1}}, "criteria.task2_score"),
        ([], "criteria"),
    ]
    for criteria, field in wrong:
        with subtests.test(f"{criteria}"):
            body = writing_grade() | {"criteria": criteria}
            answer = await client.put(review_path(submission), headers=cast.reviewer, json=body)
            INVALID.check(answer)
            assert field in answer.json()["details"]
    answer = await client.put(review_path(submission), headers=cast.reviewer, json=writing_grade())
    INVALID.check(answer)
    assert "criteria.task1_score" in answer.json()["details"]
    assert (await read(client, result_path(submission), cast.student))["status"] == "pending"


@WITH_RUBRIC
async def test_a_section_without_a_rubric_is_scored_as_a_whole(client: httpx.AsyncClient, cast: Cast) -> None:
    submission = await submit_speaking(client, cast.student)
    assert (await read(client, review_path(submission), cast.reviewer))["rubric"] is None
    body = grade() | {"criteria": {"total_score": {"Fluency": 70}}}
    INVALID.check(await client.put(review_path(submission), headers=cast.reviewer, json=body))
    assert (await given(client, submission, cast, grade()))["criteria"] is None


async def test_comments_on_photos_are_shown_to_the_student(client: httpx.AsyncClient, cast: Cast) -> None:
    submission = await submit_writing(client, cast.student)
    photo = submission["questions"][1]["images"][0]["id"]
    comments = [{"text": "Which word is this?", "image_id": photo, "box": BOX}]
    checked = await given(client, submission, cast, writing_grade() | {"comments": comments})
    assert checked["comments"] == comments
    assert (await read(client, result_path(submission), cast.student))["comments"] == comments
    (listed,) = (await read(client, f"{QUEUE}?status=checked", cast.reviewer))["results"]
    assert listed["comments"] == comments


async def test_comments_on_recordings_are_shown_to_the_student(client: httpx.AsyncClient, cast: Cast) -> None:
    submission = await submit_speaking(client, cast.student)
    number = submission["questions"][0]["question_number"]
    comments = [{"text": "Wrong stress.", "question": number, "at_seconds": 3.25}]
    checked = await given(client, submission, cast, grade() | {"comments": comments})
    assert checked["comments"] == comments
    assert (await read(client, result_path(submission), cast.student))["comments"] == comments


@WITH_RUBRIC
async def test_the_students_socket_brings_criteria_and_comments(
    client: httpx.AsyncClient, cast: Cast, base_url: str, tokens: Tokens
) -> None:
    """Every frame is held against asyncapi.yaml, too."""
    async with connected_socket(base_url, tokens.mint("42")) as student:
        submission = await submit_writing(client, cast.student)
        photo = submission["questions"][0]["images"][0]["id"]
        comments = [{"text": "x", "image_id": photo, "box": BOX}]
        checked = await given(
            client, submission, cast, writing_grade() | {"criteria": CRITERIA, "comments": comments}
        )
        _, heard = [(await student.publication()).data["submission"] for _ in range(2)]
        speaking = await submit_speaking(client, cast.student)
        notes = [{"text": "x", "question": speaking["questions"][0]["question_number"], "at_seconds": 1}]
        await given(client, speaking, cast, grade() | {"comments": notes})
        _, spoken = [(await student.publication()).data["submission"] for _ in range(2)]
    assert (heard["criteria"], heard["comments"]) == (checked["criteria"], checked["comments"])
    assert (heard["criteria"], heard["comments"]) == (CRITERIA, comments)
    assert (spoken["criteria"], spoken["comments"]) == (None, notes)


async def test_comments_on_anothers_answers_are_refused(
    client: httpx.AsyncClient, cast: Cast, subtests: pytest.Subtests
) -> None:
    submission = await submit_writing(client, cast.student)
    other = await submit_writing(client, cast.other_student)
    photo = submission["questions"][0]["images"][0]["id"]
    foreign = other["questions"][0]["images"][0]["id"]
    wrong: list[tuple[Any, str]] = [
        ([{"text": "x", "image_id": foreign, "box": BOX}], "comments.0.image_id"),
        ([{"text": "x", "question": 1, "at_seconds": 1}], "comments.0.question"),
        ([{"text": "x", "image_id": photo, "box": BOX | {"width": 0.95}}], "comments.0.box"),
        ([{"text": "x", "image_id": photo, "box": {"x": 0}}], "comments.0.box.y"),
        ([{"text": "x", "image_id": photo, "box": BOX, "page": 1}], "comments.0.page"),
        ([{"text": "x", "image_id": str(photo), "box": BOX}], "comments.0.image_id"),
        ([{"image_id": photo, "box": BOX}], "comments.0.text"),
        ([{"text": "x"}], "comments.0"),
        ([{"text": "x", "image_id": photo, "box": BOX}] * 51, "comments"),
        (None, "comments"),
    ]
    for comments, field in wrong:
        with subtests.test(f"{comments!r:.60}"):
            body = writing_grade() | {"comments": comments}
            answer = await client.put(review_path(submission), headers=cast.reviewer, json=body)
            INVALID.check(answer)
            assert field in answer.json()["details"]
    assert (await read(client, result_path(submission), cast.student))["status"] == "pending"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_of_too_many_comments_none_is_looked_at(
    method: str, client: httpx.AsyncClient, cast: Cast
) -> None:
    """As many as a body holds would keep everybody waiting for a second, and be answered by 10 MB."""
    path = review_path(await submit_writing(client, cast.student))
    body = {"revision": 1, "score": {}, "comments": [{}] * 80_000}
    answer = await client.request(method, path, headers=cast.reviewer, json=body)
    INVALID.check(answer)
    assert answer.json()["details"].keys() == {"comments"}


@pytest.mark.settings(reviews={"rubrics": {"speaking": {"total_score": [{"name": "All", "maximum": 75}]}}})
async def test_the_history_has_what_was_before_and_after_each_grade(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    submission = await submit_speaking(client, cast.student)
    path = review_path(submission)
    number = submission["questions"][0]["question_number"]
    comments = [{"text": "Wrong stress.", "question": number, "at_seconds": 3.25}]
    first = grade(score=60) | {"criteria": {"total_score": {"All": 60}}, "comments": comments}
    await given(client, submission, cast, first)
    await client.post(f"{path}reopen/", headers=cast.admin)
    second = grade(revision=3, score=65, comment="Better.") | {"criteria": {"total_score": {"All": 65}}}
    await client.put(path, headers=cast.colleague, json=second)
    submitted, checked, reopened, regraded = (await read(client, path, cast.admin))["history"]
    assert (submitted["before"], submitted["after"]) == (None, None)
    assert (checked["before"], reopened["after"]) == (None, None)
    assert checked["after"] == reopened["before"] == regraded["before"]
    assert checked["after"] == {
        "score": {"total_score": 60, "max_score": 75},
        "feedback": {"comment": "Good."},
        "criteria": {"total_score": {"All": 60}},
        "comments": comments,
        "reviewer": {"id": "7", "name": "Admin User"},
        "reviewed_at": checked["at"],
    }
    assert regraded["after"]["score"]["total_score"] == 65
    assert (regraded["after"]["comments"], regraded["after"]["reviewer"]["id"]) == ([], "8")


@pytest.mark.settings(submissions={"resubmission": "replace_pending"})
async def test_a_grade_for_pages_that_were_replaced_is_stale_whatever_it_comments_on(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    submission = await submit_writing(client, cast.student)
    photo = submission["questions"][0]["images"][0]["id"]
    await submit_writing(client, cast.student, seed=1)
    body = writing_grade() | {"comments": [{"text": "x", "image_id": photo, "box": BOX}]}
    answer = await client.put(review_path(submission), headers=cast.reviewer, json=body)
    Refusal(409, "stale_revision").check(answer)
