"""The next submission, and claims that an admin takes over (design section 3, *Reviews*)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from storage.domain.people import Role
from tests.conftest import Tokens
from tests.handlers.plain_socket import connected_socket
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import QUEUE, Cast, Json, grade, read, review_path, unsigned
from tests.handlers.uploads import submit_speaking, submit_writing

pytestmark = pytest.mark.gen_test(timeout=30)

NEXT = f"{QUEUE}next/"
CLAIMED, INVALID = Refusal(409, "claimed"), Refusal(400, "invalid")
TAKE_OVER = {"take_over": True}
SHORT_LEASE = pytest.mark.settings(reviews={"lease_seconds": 1.0})


async def ask_next(client: httpx.AsyncClient, who: dict[str, str], **content: Any) -> Json | None:
    """The submission that was claimed, None where there is none."""
    answer = await client.post(NEXT, headers=who, **content)
    if answer.status_code == 204:
        assert answer.content == b""
        return None
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert isinstance(shown, dict)
    return shown


async def ids_of_next(client: httpx.AsyncClient, who: dict[str, str], **content: Any) -> list[int]:
    """All that are left for `who`, in the order they come."""
    found = []
    while (shown := await ask_next(client, who, **content)) is not None:
        found.append(shown["id"])
    return found


async def test_the_next_one_is_the_oldest_that_nobody_holds(client: httpx.AsyncClient, cast: Cast) -> None:
    created = [await submit_speaking(client, cast.student, 101 + place) for place in range(4)]
    await client.post(f"{review_path(created[0])}claim/", headers=cast.colleague)
    await client.put(review_path(created[1]), headers=cast.reviewer, json=grade())
    shown = await ask_next(client, cast.reviewer)
    assert shown is not None
    assert (shown["id"], shown["claim"]["reviewer"]["id"]) == (created[2]["id"], "7")
    assert unsigned(shown) == unsigned(await read(client, review_path(created[2]), cast.reviewer))
    assert await ids_of_next(client, cast.reviewer) == [created[3]["id"]]


@pytest.mark.parametrize("where", ["json", "params"])
async def test_the_next_one_of_a_section_or_an_exam(
    where: str, client: httpx.AsyncClient, cast: Cast
) -> None:
    written = await submit_writing(client, cast.student)
    spoken = await submit_speaking(client, cast.student)
    assert await ids_of_next(client, cast.reviewer, **{where: {"exam_id": 457}}) == []
    assert await ids_of_next(client, cast.reviewer, **{where: {"section_type": "speaking"}}) == [spoken["id"]]
    both: Json = {"section_type": "writing", "exam_id": 456}
    assert await ids_of_next(client, cast.reviewer, **{where: both}) == [written["id"]]


@SHORT_LEASE
async def test_an_expired_lease_keeps_nothing_from_being_next(client: httpx.AsyncClient, cast: Cast) -> None:
    created = await submit_speaking(client, cast.student)
    await client.post(f"{review_path(created)}claim/", headers=cast.colleague)
    async with asyncio.timeout(20):
        while (shown := await ask_next(client, cast.reviewer)) is None:
            pass
    assert shown["claim"]["reviewer"]["id"] == "7"


async def test_wrong_filters_of_the_next_one_are_named(
    client: httpx.AsyncClient, cast: Cast, subtests: pytest.Subtests
) -> None:
    created = await submit_speaking(client, cast.student)
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("section_type", {"json": {"section_type": "reading"}}),
        ("exam_id", {"json": {"exam_id": "456"}}),
        ("exam_id", {"json": {"exam_id": 0}}),
        ("exam_id", {"json": {"exam_id": 1 << 53}}),
        ("status", {"json": {"status": "checked"}}),
        ("section_type", {"params": {"section_type": "reading"}}),
        ("exam_id", {"params": {"exam_id": "x"}}),
    ]
    for name, content in wrong:
        with subtests.test(str(content)):
            answer = await client.post(NEXT, headers=cast.reviewer, **content)
            INVALID.check(answer)
            assert list(answer.json()["details"]) == [name]
    assert (await read(client, review_path(created), cast.reviewer))["claim"] is None


async def test_the_next_one_is_for_reviewers_who_post(client: httpx.AsyncClient, cast: Cast) -> None:
    Refusal(401, "unauthenticated").check(await client.post(NEXT))
    Refusal(403, "forbidden").check(await client.post(NEXT, headers=cast.student))
    answer = await client.get(NEXT, headers=cast.reviewer)
    Refusal(405, "method_not_allowed").check(answer)
    assert answer.headers["Allow"] == "POST, OPTIONS"
    assert await ask_next(client, cast.admin) is None
    assert (await client.post(NEXT.rstrip("/"), headers=cast.admin)).status_code == 204


async def test_an_admin_takes_a_claim_over(client: httpx.AsyncClient, cast: Cast) -> None:
    created = await submit_speaking(client, cast.student)
    path = review_path(created)
    await client.post(f"{path}claim/", headers=cast.colleague)
    CLAIMED.check(await client.post(f"{path}claim/", headers=cast.admin, json={"take_over": False}))
    answer = await client.post(f"{path}claim/", headers=cast.admin, json=TAKE_OVER)
    assert answer.status_code == 200, answer.text
    assert answer.json()["claim"]["reviewer"] == {"id": "1", "name": "Head"}
    entry = (await read(client, path, cast.reviewer))["history"][-1]
    assert (entry["action"], entry["by"], entry["revision"]) == ("taken_over", {"id": "1", "name": "Head"}, 1)
    assert entry["taken_from"] == {"id": "8", "name": "Reviewer 8"}
    assert entry["at"] >= created["submitted_at"]
    assert (entry["before"], entry["after"]) == (None, None)
    refused = await client.put(path, headers=cast.colleague, json=grade())
    CLAIMED.check(refused)
    assert refused.json()["current"]["claim"] == answer.json()["claim"]
    assert (await client.put(path, headers=cast.admin, json=grade())).status_code == 200


async def test_a_claim_that_is_taken_over_changes_no_grade(client: httpx.AsyncClient, cast: Cast) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    await client.put(path, headers=cast.colleague, json=grade())
    await client.post(f"{path}reopen/", headers=cast.admin)
    await client.post(f"{path}claim/", headers=cast.colleague)
    await client.post(f"{path}claim/", headers=cast.admin, json=TAKE_OVER)
    await client.put(path, headers=cast.admin, json=grade(3, 50))
    _, checked, reopened, taken, again = (await read(client, path, cast.reviewer))["history"]
    assert (taken["before"], taken["after"]) == (None, None)
    assert checked["after"] == reopened["before"] == again["before"]


async def test_only_an_admin_takes_over(client: httpx.AsyncClient, cast: Cast) -> None:
    created = await submit_speaking(client, cast.student)
    path = f"{review_path(created)}claim/"
    held = await client.post(path, headers=cast.colleague)
    for who in (cast.reviewer, cast.colleague):
        Refusal(403, "forbidden").check(await client.post(path, headers=who, json=TAKE_OVER))
    shown = await read(client, review_path(created), cast.admin)
    assert (shown["claim"], len(shown["history"])) == (held.json()["claim"], 1)


async def test_a_claim_s_body_is_refused_when_it_is_wrong(client: httpx.AsyncClient, cast: Cast) -> None:
    path = f"{review_path(await submit_speaking(client, cast.student))}claim/"
    for body in ('{"take_over": 1}', '{"take_over": "true"}', '{"takeover": true}', "[]", "null", " ", "x"):
        INVALID.check(await client.post(path, headers=cast.admin, content=body))
    assert (await client.post(path, headers=cast.admin, json={})).status_code == 200


async def test_the_others_see_a_taken_over_claim_and_a_next_one_at_once(
    base_url: str, client: httpx.AsyncClient, cast: Cast, tokens: Tokens
) -> None:
    async with (
        connected_socket(base_url, tokens.mint("9", Role.REVIEWER)) as reviewer,
        connected_socket(base_url, tokens.mint("42")) as student,
    ):
        await reviewer.subscribe("queue:speaking")
        path = review_path(await submit_speaking(client, cast.student))
        await ask_next(client, cast.colleague)
        await client.post(f"{path}claim/", headers=cast.admin, json=TAKE_OVER)
        await client.put(path, headers=cast.admin, json=grade())
        heard = [(await reviewer.publication()).data for _ in range(4)]
        assert [each["type"] for each in heard] == [
            "submission.created",
            "submission.claimed",
            "submission.claimed",
            "submission.checked",
        ]
        assert [each["submission"]["claim"]["reviewer"]["id"] for each in heard[1:3]] == ["8", "1"]
        own = [(await student.publication()).data["type"] for _ in range(2)]
        assert own == ["submission.created", "submission.checked"]


async def test_filters_of_the_queue_are_about_whoever_asks(client: httpx.AsyncClient, cast: Cast) -> None:
    written = await submit_writing(client, cast.student)
    spoken = [await submit_speaking(client, cast.student, 101 + place) for place in range(3)]
    await client.post(f"{review_path(written)}claim/", headers=cast.reviewer)
    await client.post(f"{review_path(spoken[0])}claim/", headers=cast.colleague)
    await client.put(review_path(spoken[1]), headers=cast.colleague, json=grade())

    async def ids(who: dict[str, str], **query: object) -> list[int]:
        answer = await client.get(QUEUE, headers=who, params={name: str(query[name]) for name in query})
        assert answer.status_code == 200, answer.text
        assert answer.json()["counts"] == {"pending": 3, "checked": 1}
        return [each["id"] for each in answer.json()["results"]]

    assert await ids(cast.reviewer, claimed_by="me") == [written["id"]]
    assert await ids(cast.colleague, claimed_by="me") == [spoken[0]["id"]]
    assert await ids(cast.colleague, claimed_by="me", exam_id=456) == []
    assert await ids(cast.colleague, status="checked", checked_by="me") == [spoken[1]["id"]]
    assert await ids(cast.reviewer, status="checked", checked_by="me") == []
    assert await ids(cast.reviewer, exam_id=456) == [written["id"]]
    assert await ids(cast.reviewer, waiting_since=spoken[0]["submitted_at"]) == [
        written["id"],
        spoken[0]["id"],
    ]
    answer = await client.get(QUEUE, headers=cast.reviewer, params={"checked_by": "me"})
    INVALID.check(answer)
    assert list(answer.json()["details"]) == ["checked_by"]
