"""Drafts of grades over HTTP: kept for the holder of the claim, shown to nobody else, published never."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from storage.domain.people import Role
from tests.conftest import Tokens
from tests.handlers.plain_socket import connected_socket
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import QUEUE, Cast, Json, grade, read, result_path, review_path, writing_grade
from tests.handlers.uploads import submit_speaking, submit_writing

pytestmark = pytest.mark.gen_test(timeout=30)

SECRET = "nobody-else-may-read-this"
INVALID, CLAIMED, NOT_CLAIMED = Refusal(400, "invalid"), Refusal(409, "claimed"), Refusal(409, "not_claimed")


async def claim(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    assert (await client.post(f"{path}claim/", headers=headers)).status_code == 200


async def save(client: httpx.AsyncClient, path: str, headers: dict[str, str], **parts: Any) -> Json:
    """The draft as the answer to the save has it."""
    answer = await client.patch(path, headers=headers, json={"revision": 1} | parts)
    assert answer.status_code == 200, answer.text
    draft: Json = answer.json()["draft"]
    return draft


async def test_a_draft_is_kept_for_the_holder_of_the_claim(client: httpx.AsyncClient, cast: Cast) -> None:
    path = review_path(await submit_writing(client, cast.student))
    await claim(client, path, cast.reviewer)
    assert (await read(client, path, cast.reviewer))["draft"] is None
    first = await save(client, path, cast.reviewer, score={"task1_score": 20})
    assert (first["draft_revision"], first["score"], first["feedback"]) == (1, {"task1_score": 20}, {})
    second = await save(client, path, cast.reviewer, draft_revision=1, feedback={"task2_comment": "Short."})
    shown = await read(client, path, cast.reviewer)
    assert shown["draft"] == second
    assert (second["score"], second["feedback"]) == ({"task1_score": 20}, {"task2_comment": "Short."})
    assert (second["criteria"], second["comments"]) == ({}, [])
    assert (shown["revision"], shown["status"], len(shown["history"])) == (1, "pending", 1)


async def test_nobody_else_ever_sees_a_draft(client: httpx.AsyncClient, cast: Cast, tokens: Tokens) -> None:
    submission = await submit_speaking(client, cast.student)
    path = review_path(submission)
    await claim(client, path, cast.reviewer)
    await save(client, path, cast.reviewer, feedback={"comment": SECRET})
    for headers in (cast.colleague, cast.admin):
        assert (await read(client, path, headers))["draft"] is None
        for answer in (
            await client.get(path, headers=headers),
            await client.get(QUEUE, headers=headers),
            await client.get(result_path(submission), headers=headers),
            await client.put(path, headers=headers, json=grade()),
            await client.patch(path, headers=headers, json={"revision": 1}),
        ):
            assert SECRET not in answer.text
    for url in (result_path(submission), "/multilevel/test-results/"):
        assert SECRET not in (await client.get(url, headers=cast.student)).text
    assert SECRET not in (await client.get(QUEUE, headers=cast.reviewer)).text


async def test_saving_a_draft_publishes_nothing(
    client: httpx.AsyncClient, cast: Cast, base_url: str, tokens: Tokens
) -> None:
    async with connected_socket(base_url, tokens.mint("8", Role.REVIEWER)) as desk:
        await desk.subscribe("queue:speaking")
        path = review_path(await submit_speaking(client, cast.student))
        await claim(client, path, cast.reviewer)
        for _ in range(3):
            await save(client, path, cast.reviewer, feedback={"comment": SECRET})
        await client.delete(f"{path}claim/", headers=cast.reviewer)
        heard = [await desk.publication() for _ in range(3)]
    assert [each.data["type"] for each in heard] == [
        "submission.created",
        "submission.claimed",
        "submission.released",
    ]
    assert SECRET not in str(heard)


async def test_only_the_holder_of_the_claim_saves(client: httpx.AsyncClient, cast: Cast) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    NOT_CLAIMED.check(await client.patch(path, headers=cast.reviewer, json={"revision": 1}))
    await claim(client, path, cast.reviewer)
    for headers in (cast.colleague, cast.admin):
        CLAIMED.check(await client.patch(path, headers=headers, json={"revision": 1}))
    Refusal(403, "forbidden").check(await client.patch(path, headers=cast.student, json={"revision": 1}))


async def test_a_draft_outlives_its_claim_until_another_reviewer_saves(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    await claim(client, path, cast.reviewer)
    kept = await save(client, path, cast.reviewer, score={"total_score": 60})
    await client.delete(f"{path}claim/", headers=cast.reviewer)
    assert (await read(client, path, cast.reviewer))["draft"] is None
    await claim(client, path, cast.colleague)
    assert (await read(client, path, cast.colleague))["draft"] is None
    await client.delete(f"{path}claim/", headers=cast.colleague)
    await claim(client, path, cast.reviewer)
    assert (await read(client, path, cast.reviewer))["draft"] == kept
    await client.delete(f"{path}claim/", headers=cast.reviewer)
    await claim(client, path, cast.colleague)
    others = await save(client, path, cast.colleague, draft_revision=0, feedback={"comment": "Mine."})
    assert others["score"] == {}
    await client.delete(f"{path}claim/", headers=cast.colleague)
    await claim(client, path, cast.reviewer)
    assert (await read(client, path, cast.reviewer))["draft"] is None


async def test_whoever_saves_works_and_keeps_the_claim(client: httpx.AsyncClient, cast: Cast) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    claimed = (await client.post(f"{path}claim/", headers=cast.reviewer)).json()["claim"]
    answer = await client.patch(path, headers=cast.reviewer, json={"revision": 1})
    renewed = answer.json()["claim"]
    assert (await read(client, path, cast.reviewer))["claim"] == renewed
    assert renewed["reviewer"] == claimed["reviewer"]
    assert renewed["expires_at"] > claimed["expires_at"]


async def test_a_grade_ends_the_draft(client: httpx.AsyncClient, cast: Cast) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    await claim(client, path, cast.reviewer)
    await save(client, path, cast.reviewer, score={"total_score": 60})
    checked = await client.put(path, headers=cast.reviewer, json=grade())
    assert (checked.status_code, checked.json()["draft"]) == (200, None)
    Refusal(409, "already_checked").check(
        await client.patch(path, headers=cast.reviewer, json={"revision": 2})
    )
    await client.post(f"{path}reopen/", headers=cast.admin)
    await claim(client, path, cast.reviewer)
    assert (await read(client, path, cast.reviewer))["draft"] is None
    Refusal(409, "stale_revision").check(
        await client.patch(path, headers=cast.reviewer, json={"revision": 1})
    )


@pytest.mark.settings(submissions={"resubmission": "replace_pending"})
async def test_other_contents_end_the_draft(client: httpx.AsyncClient, cast: Cast) -> None:
    path = review_path(await submit_writing(client, cast.student))
    await claim(client, path, cast.reviewer)
    await save(client, path, cast.reviewer, score={"task1_score": 20})
    await submit_writing(client, cast.student, seed=1)
    await claim(client, path, cast.reviewer)
    assert (await read(client, path, cast.reviewer))["draft"] is None


WRONG: list[tuple[Json, str]] = [
    ({"score": {"task1_score": 25}}, "score.task1_score"),
    ({"score": {"task1_score": "20"}}, "score.task1_score"),
    ({"score": {"total_score": 20}}, "score.total_score"),
    ({"score": []}, "score"),
    ({"feedback": {"comment": "x"}}, "feedback.comment"),
    ({"criteria": {"task1_score": {"Grammar": 1}}}, "criteria.task1_score"),
    ({"comments": [{"text": "x", "question": 1, "at_seconds": 0}]}, "comments.0.question"),
    ({"comments": [{"text": ""}]}, "comments.0.text"),
    ({"draft_revision": -1}, "draft_revision"),
    ({"draft_revision": "1"}, "draft_revision"),
    ({"revision": None}, "revision"),
    ({"status": "checked"}, "status"),
]


async def test_what_could_not_be_part_of_a_grade_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, cast: Cast, subtests: pytest.Subtests
) -> None:
    path = review_path(await submit_writing(client, cast.student))
    await claim(client, path, cast.reviewer)
    kept = await save(client, path, cast.reviewer, score={"task1_score": 20})
    for parts, field in WRONG:
        with subtests.test(f"{parts}"):
            answer = await client.patch(path, headers=cast.reviewer, json={"revision": 1} | parts)
            INVALID.check(answer)
            assert field in answer.json()["details"]
    assert (await read(client, path, cast.reviewer))["draft"] == kept


async def test_null_takes_away(client: httpx.AsyncClient, cast: Cast) -> None:
    path = review_path(await submit_writing(client, cast.student))
    await claim(client, path, cast.reviewer)
    photo = (await read(client, path, cast.reviewer))["questions"][0]["images"][0]["id"]
    comments = [{"text": "x", "image_id": photo, "box": {"x": 0, "y": 0, "width": 1, "height": 1}}]
    body = writing_grade()
    full = await save(
        client, path, cast.reviewer, score=body["score"], feedback=body["feedback"], comments=comments
    )
    assert full["comments"] == comments
    emptied = await save(
        client, path, cast.reviewer, score={"task1_score": None}, feedback=None, comments=None
    )
    assert (emptied["score"], emptied["feedback"], emptied["comments"]) == ({"task2_score": 45}, {}, [])
