"""What reviewers do with one submission: claim, renew, release, grade, reopen (design section 3, *Reviews*)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.handlers.refusals import Refusal
from tests.handlers.reviews import (
    QUEUE,
    Cast,
    Json,
    grade,
    read,
    result_path,
    review_path,
    unsigned,
    writing_grade,
)
from tests.handlers.uploads import submit_speaking, submit_writing
from tests.handlers.wire import WAIT_SECONDS

pytestmark = pytest.mark.gen_test(timeout=30)

INVALID, CLAIMED = Refusal(400, "invalid"), Refusal(409, "claimed")
SHORT_LEASE = pytest.mark.settings(reviews={"lease_seconds": 1.0})


async def test_a_review_shows_media_claim_and_history(client: httpx.AsyncClient, cast: Cast) -> None:
    created = await submit_writing(client, cast.student)
    shown = await read(client, review_path(created), cast.reviewer)
    assert unsigned(shown).items() >= unsigned(created).items()
    assert (shown["claim"], shown["student"]) == (None, {"id": "42", "name": "Aziza"})
    (submitted,) = shown["history"]
    assert (submitted["action"], submitted["by"]["id"], submitted["revision"]) == ("submitted", "42", 1)
    assert submitted["at"] == created["submitted_at"]


async def test_a_claim_is_shown_to_all_reviewers_and_to_no_student(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    created = await submit_speaking(client, cast.student)
    answer = await client.post(f"{review_path(created)}claim/", headers=cast.reviewer)
    assert answer.status_code == 200
    claim = answer.json()["claim"]
    assert claim["reviewer"] == {"id": "7", "name": "Admin User"}
    assert claim["expires_at"].endswith("Z")
    assert (await read(client, review_path(created), cast.colleague))["claim"] == claim
    assert (await read(client, QUEUE, cast.colleague))["results"][0]["claim"] == claim
    assert (await read(client, result_path(created), cast.reviewer))["claim"] == claim
    assert "claim" not in await read(client, result_path(created), cast.student)


async def test_claims_change_no_revision_and_no_history(client: httpx.AsyncClient, cast: Cast) -> None:
    created = await submit_speaking(client, cast.student)
    path = f"{review_path(created)}claim/"
    for _ in range(2):
        assert (await client.post(path, headers=cast.reviewer)).json()["revision"] == 1
    assert (await client.delete(path, headers=cast.reviewer)).status_code == 204
    shown = await read(client, review_path(created), cast.reviewer)
    assert (shown["revision"], len(shown["history"])) == (1, 1)


async def test_claiming_again_renews_the_lease(client: httpx.AsyncClient, cast: Cast) -> None:
    path = f"{review_path(await submit_speaking(client, cast.student))}claim/"
    first = (await client.post(path, headers=cast.reviewer)).json()["claim"]
    async with asyncio.timeout(WAIT_SECONDS):
        while (again := (await client.post(path, headers=cast.reviewer)).json()["claim"]) == first:
            pass  # within one millisecond
    assert datetime.fromisoformat(again["expires_at"]) > datetime.fromisoformat(first["expires_at"])
    CLAIMED.check(await client.post(path, headers=cast.colleague))


async def test_a_released_claim_is_anyone_s(client: httpx.AsyncClient, cast: Cast) -> None:
    path = f"{review_path(await submit_speaking(client, cast.student))}claim/"
    await client.post(path, headers=cast.reviewer)
    answer = await client.delete(path, headers=cast.reviewer)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.delete(path, headers=cast.reviewer)).status_code == 204
    assert (await client.post(path, headers=cast.colleague)).status_code == 200


@SHORT_LEASE
async def test_a_claim_that_is_not_renewed_is_over(client: httpx.AsyncClient, cast: Cast) -> None:
    created = await submit_speaking(client, cast.student)
    path = f"{review_path(created)}claim/"
    await client.post(path, headers=cast.reviewer)
    CLAIMED.check(await client.put(review_path(created), headers=cast.colleague, json=grade()))
    async with asyncio.timeout(WAIT_SECONDS):
        while (await read(client, review_path(created), cast.colleague))["claim"] is not None:
            pass
    answer = await client.post(path, headers=cast.colleague)
    assert answer.json()["claim"]["reviewer"] == {"id": "8", "name": "Reviewer 8"}


@SHORT_LEASE
async def test_an_expired_claim_keeps_nobody_from_grading(client: httpx.AsyncClient, cast: Cast) -> None:
    created = await submit_speaking(client, cast.student)
    await client.post(f"{review_path(created)}claim/", headers=cast.reviewer)
    async with asyncio.timeout(WAIT_SECONDS):
        while (
            answer := await client.put(review_path(created), headers=cast.colleague, json=grade())
        ).status_code == 409:
            CLAIMED.check(answer)
    assert (answer.status_code, answer.json()["reviewer"]["name"]) == (200, "Reviewer 8")


async def test_a_grade_needs_no_claim_and_ends_the_one_there_is(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    unclaimed = await submit_speaking(client, cast.student)
    assert (await client.put(review_path(unclaimed), headers=cast.reviewer, json=grade())).status_code == 200
    held = await submit_speaking(client, cast.student, 102)
    await client.post(f"{review_path(held)}claim/", headers=cast.reviewer)
    answer = await client.put(review_path(held), headers=cast.reviewer, json=grade())
    assert answer.status_code == 200
    assert (answer.json()["claim"], answer.json()["status"], answer.json()["revision"]) == (
        None,
        "checked",
        2,
    )


async def test_a_grade_is_kept_with_who_and_when(client: httpx.AsyncClient, cast: Cast) -> None:
    created = await submit_writing(client, cast.student)
    graded = (await client.put(review_path(created), headers=cast.reviewer, json=writing_grade())).json()
    assert graded["score"] == {"task1_score": 20.5, "task2_score": 45, "total_score": 65.5, "max_score": 75}
    assert graded["feedback"] == writing_grade()["feedback"]
    assert graded["reviewer"] == {"name": "Admin User", "reviewed_at": graded["reviewed_at"]}
    checked = graded["history"][-1]
    assert (checked["action"], checked["by"], checked["revision"]) == (
        "checked",
        {"id": "7", "name": "Admin User"},
        2,
    )
    assert (checked["score"], checked["at"]) == (graded["score"], graded["reviewed_at"])
    assert unsigned(await read(client, review_path(created), cast.colleague)) == unsigned(graded)


LIMITS: list[tuple[str, Json]] = [
    ("writing", {"task1_score": 24.75, "task2_score": 50.25}),
    ("writing", {"task1_score": 0, "task2_score": 0.25}),
    ("speaking", {"total_score": 75}),
    ("speaking", {"total_score": 0.0}),
]


async def test_scores_reach_from_zero_to_their_limits(client: httpx.AsyncClient, cast: Cast) -> None:
    for number, (section, score) in enumerate(LIMITS, start=1):
        submit = submit_writing if section == "writing" else submit_speaking
        created = await submit(client, cast.student, number)
        answer = await client.put(
            review_path(created), headers=cast.reviewer, json={"revision": 1, "score": score}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["score"]["total_score"] == sum(score.values())
        assert set(answer.json()["feedback"].values()) == {""}


WRONG_GRADES: list[tuple[str, Any, str]] = [
    ("score", {}, "score.total_score"),
    ("score", {"total_score": 75.25}, "score.total_score"),
    ("score", {"total_score": -0.25}, "score.total_score"),
    ("score", {"total_score": 70.1}, "score.total_score"),
    ("score", {"total_score": "70"}, "score.total_score"),
    ("score", {"total_score": True}, "score.total_score"),
    ("score", {"total_score": None}, "score.total_score"),
    ("score", {"total_score": 70, "max_score": 75}, "score.max_score"),
    ("score", {"task1_score": 20, "task2_score": 40}, "score.task1_score"),
    ("score", None, "score"),
    ("feedback", {"comment": None}, "feedback.comment"),
    ("feedback", {"comment": "x" * 20_001}, "feedback.comment"),
    ("feedback", {"task1_comment": ""}, "feedback.task1_comment"),
    ("feedback", None, "feedback"),
    ("revision", 0, "revision"),
    ("revision", 1.5, "revision"),
    ("revision", "1", "revision"),
    ("revision", None, "revision"),
    ("reviewer", "me", "reviewer"),
]


async def test_a_grade_outside_the_rules_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, cast: Cast, subtests: pytest.Subtests
) -> None:
    created = await submit_speaking(client, cast.student)
    for name, value, field in WRONG_GRADES:
        with subtests.test(f"{name}: {value!r:.40}"):
            body = grade() | {name: value}
            answer = await client.put(review_path(created), headers=cast.reviewer, json=body)
            INVALID.check(answer)
            assert field in answer.json()["details"]
    assert (await read(client, review_path(created), cast.reviewer))["revision"] == 1


async def test_a_body_that_is_no_grade_is_refused(
    client: httpx.AsyncClient, cast: Cast, subtests: pytest.Subtests
) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", b'"grade"', b"[" * 10_000):
        with subtests.test(repr(body[:10])):
            answer = await client.put(path, headers=cast.reviewer, content=body)
            INVALID.check(answer)
            assert "GradeBody" not in answer.text


async def test_a_reopened_submission_keeps_every_grade(client: httpx.AsyncClient, cast: Cast) -> None:
    created = await submit_speaking(client, cast.student)
    path = review_path(created)
    await client.put(path, headers=cast.reviewer, json=grade(score=60))
    reopened = await client.post(f"{path}reopen/", headers=cast.admin)
    assert reopened.status_code == 200
    assert (reopened.json()["status"], reopened.json()["revision"]) == ("pending", 3)
    pending = await read(client, result_path(created), cast.student)
    assert [pending[name] for name in ("score", "feedback", "reviewer", "reviewed_at")] == [None] * 4
    await client.put(path, headers=cast.colleague, json=grade(revision=3, score=70))
    history = (await read(client, path, cast.admin))["history"]
    assert [(entry["action"], entry["by"]["id"], entry["revision"]) for entry in history] == [
        ("submitted", "42", 1),
        ("checked", "7", 2),
        ("reopened", "1", 3),
        ("checked", "8", 4),
    ]
    assert [entry["score"]["total_score"] for entry in history if entry["score"]] == [60, 70]
    assert (await read(client, result_path(created), cast.student))["score"]["total_score"] == 70


async def test_an_admin_may_do_all_a_reviewer_may(client: httpx.AsyncClient, cast: Cast) -> None:
    created = await submit_speaking(client, cast.student)
    path = review_path(created)
    await read(client, QUEUE, cast.admin)
    await read(client, result_path(created), cast.admin)
    assert (await client.post(f"{path}claim/", headers=cast.admin)).status_code == 200
    CLAIMED.check(await client.post(f"{path}claim/", headers=cast.reviewer))
    assert (await client.delete(f"{path}claim/", headers=cast.admin)).status_code == 204
    assert (await client.put(path, headers=cast.admin, json=grade())).status_code == 200
    assert (await client.post(f"{path}reopen/", headers=cast.admin)).status_code == 200


async def test_an_admin_is_kept_out_by_a_reviewer_s_claim(client: httpx.AsyncClient, cast: Cast) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    await client.post(f"{path}claim/", headers=cast.reviewer)
    CLAIMED.check(await client.put(path, headers=cast.admin, json=grade()))
    CLAIMED.check(await client.delete(f"{path}claim/", headers=cast.admin))
