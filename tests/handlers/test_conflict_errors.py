"""The error table's conflicts: each says what is so now (design section 3, *Reviews* and *Doing it twice*)."""

from __future__ import annotations

import httpx
import pytest

from tests.forms import encode
from tests.handlers.kept import Kept
from tests.handlers.refusals import Refusal, covers
from tests.handlers.reviews import Cast, Json, grade, read, review_path, unsigned
from tests.handlers.uploads import FORM, send, submit_speaking, submit_writing, writing_form
from tests.people import WRITING

pytestmark = pytest.mark.gen_test(timeout=30)

Action = tuple[str, str]
"""A method, and the path below the review's own."""


def assert_shows(answer: httpx.Response, now: Json) -> None:
    """`current` is the whole document as its detail shows it; links may have been signed anew."""
    assert unsigned(answer.json()["current"]) == unsigned(now)


@covers(409, "already_submitted")
async def test_other_contents_for_a_submitted_section_are_a_conflict(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    first = await submit_writing(client, cast.student)
    async with kept.unchanged():
        answer = await refusal.expect_of(
            client, "POST", WRITING, cast.student | FORM, content=encode(writing_form(seed=1))
        )
    assert answer.json()["id"] == first["id"]
    assert unsigned(answer.json()["current"]) == unsigned(first)


@covers(409, "stale_revision")
async def test_a_grade_for_an_older_revision_is_a_conflict(
    refusal: Refusal,
    client: httpx.AsyncClient,
    cast: Cast,
) -> None:
    submission = await submit_speaking(client, cast.student)
    path = review_path(submission)
    await client.put(path, headers=cast.colleague, json=grade())
    await client.post(f"{path}reopen/", headers=cast.admin)
    answer = await refusal.expect_of(client, "PUT", path, cast.reviewer, json=grade())
    assert answer.json()["current"]["revision"] == 3
    assert_shows(answer, await read(client, review_path(submission), cast.reviewer))


@covers(409, "claimed")
@pytest.mark.parametrize(
    "action",
    [("POST", "claim/"), ("DELETE", "claim/"), ("PUT", "")],
    ids=["claim", "release", "grade"],
)
async def test_what_another_reviewer_holds_is_a_conflict(
    refusal: Refusal,
    action: Action,
    client: httpx.AsyncClient,
    cast: Cast,
) -> None:
    submission = await submit_speaking(client, cast.student)
    path = review_path(submission)
    await client.post(f"{path}claim/", headers=cast.reviewer)
    method, below = action
    body = grade() if method == "PUT" else None
    answer = await refusal.expect_of(client, method, path + below, cast.colleague, json=body)
    assert answer.json()["current"]["claim"]["reviewer"] == {"id": "7", "name": "Admin User"}
    assert_shows(answer, await read(client, review_path(submission), cast.colleague))


@covers(409, "already_checked")
@pytest.mark.parametrize("action", [("POST", "claim/"), ("PUT", "")], ids=["claim", "grade"])
async def test_what_is_checked_is_a_conflict(
    refusal: Refusal,
    action: Action,
    client: httpx.AsyncClient,
    cast: Cast,
) -> None:
    submission = await submit_speaking(client, cast.student)
    path = review_path(submission)
    await client.put(path, headers=cast.colleague, json=grade())
    method, below = action
    body = grade(revision=2) if method == "PUT" else None
    answer = await refusal.expect_of(client, method, path + below, cast.reviewer, json=body)
    assert answer.json()["current"]["status"] == "checked"
    assert_shows(answer, await read(client, review_path(submission), cast.reviewer))


@covers(409, "not_claimed")
async def test_a_draft_without_a_claim_is_a_conflict(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast
) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    answer = await refusal.expect_of(client, "PATCH", path, cast.reviewer, json={"revision": 1})
    assert answer.json()["current"]["claim"] is None
    assert_shows(answer, await read(client, path, cast.reviewer))


@covers(409, "stale_draft")
async def test_a_draft_from_an_older_draft_is_a_conflict(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast
) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    await client.post(f"{path}claim/", headers=cast.reviewer)
    await client.patch(
        path, headers=cast.reviewer, json={"revision": 1, "feedback": {"comment": "First tab."}}
    )
    second_tab = {"revision": 1, "draft_revision": 0, "feedback": {"comment": "Second tab."}}
    answer = await refusal.expect_of(client, "PATCH", path, cast.reviewer, json=second_tab)
    assert answer.json()["current"]["draft"]["feedback"] == {"comment": "First tab."}
    assert_shows(answer, await read(client, path, cast.reviewer))


@covers(409, "already_marked")
@pytest.mark.settings(reviews={"second_mark_percent": 100})
@pytest.mark.parametrize("action", [("POST", "claim/"), ("PUT", "")], ids=["claim", "grade"])
async def test_a_second_mark_of_the_same_reviewer_is_a_conflict(
    refusal: Refusal, action: Action, client: httpx.AsyncClient, cast: Cast
) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    await client.put(path, headers=cast.reviewer, json=grade())
    method, below = action
    body = grade() if method == "PUT" else None
    answer = await refusal.expect_of(client, method, path + below, cast.reviewer, json=body)
    assert_shows(answer, await read(client, path, cast.reviewer))


@covers(409, "awaits_decision")
@pytest.mark.settings(reviews={"second_mark_percent": 100})
@pytest.mark.parametrize(
    "action", [("POST", "claim/"), ("PUT", ""), ("PATCH", "")], ids=["claim", "grade", "draft"]
)
async def test_what_an_admin_decides_is_a_conflict_for_reviewers(
    refusal: Refusal, action: Action, client: httpx.AsyncClient, cast: Cast
) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    await client.put(path, headers=cast.reviewer, json=grade(score=30))
    await client.put(path, headers=cast.colleague, json=grade(score=70))
    method, below = action
    body = {"PUT": grade(), "PATCH": {"revision": 1}}.get(method)
    answer = await refusal.expect_of(client, method, path + below, cast.reviewer, json=body)
    assert answer.json()["current"]["awaits_decision"]
    assert_shows(answer, await read(client, path, cast.reviewer))


@covers(409, "not_checked")
async def test_reopening_what_is_pending_is_a_conflict(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast
) -> None:
    submission = await submit_speaking(client, cast.student)
    answer = await refusal.expect_of(client, "POST", f"{review_path(submission)}reopen/", cast.admin)
    assert answer.json()["current"]["status"] == "pending"
    assert_shows(answer, await read(client, review_path(submission), cast.admin))


async def test_a_student_s_conflict_shows_no_claim(client: httpx.AsyncClient, cast: Cast) -> None:
    first = await submit_writing(client, cast.student)
    await client.post(f"{review_path(first)}claim/", headers=cast.reviewer)
    answer = await send(client, WRITING, writing_form(seed=1), cast.student)
    assert answer.status_code == 409
    assert answer.json()["current"].keys().isdisjoint({"claim", "student", "history"})
