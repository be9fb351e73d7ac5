"""Twenty reviewers drain a queue of five hundred at once: each submission claimed and graded once, oldest first."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from server.services import Built
from storage.domain.people import Role
from storage.domain.submission import Section, Status
from tests.conftest import Tokens
from tests.handlers.plain_socket import PlainSocket, connected_socket
from tests.handlers.reviews import QUEUE, Headers, Json, grade, review_path
from tests.storage.submissions import pending
from tests.submissions import SUBMITTED

REVIEWERS, SUBMISSIONS = 20, 500
NEXT = f"{QUEUE}next/"


async def fill(built: Built) -> None:
    """Two in the same second each: then the id decides."""
    store = built.services.submissions
    await asyncio.gather(
        *(
            store.insert(
                pending(number, Section.SPEAKING, submitted_at=SUBMITTED + timedelta(seconds=number // 2))
            )
            for number in range(1, SUBMISSIONS + 1)
        )
    )


async def drain(client: httpx.AsyncClient, headers: Headers) -> list[Json]:
    """One reviewer at work: next, grade, next … until there is nothing left; what they graded."""
    graded = []
    while (answer := await client.post(NEXT, headers=headers)).status_code == 200:
        claimed = answer.json()
        done = await client.put(review_path(claimed), headers=headers, json=grade(claimed["revision"]))
        assert done.status_code == 200, done.text
        graded.append(done.json())
    assert answer.status_code == 204, answer.text
    return graded


async def claims_heard(socket: PlainSocket) -> list[int]:
    """Which submissions were claimed, in the order of the claims' offsets, once all are checked."""
    claims: list[tuple[int, int]] = []
    checked = 0
    while checked < SUBMISSIONS:
        heard = await socket.publication()
        checked += heard.data["type"] == "submission.checked"
        if heard.data["type"] == "submission.claimed":
            claims.append((heard.offset, heard.data["submission"]["id"]))
    return [submission_id for _, submission_id in sorted(claims)]


@pytest.mark.gen_test(timeout=90)
async def test_twenty_reviewers_drain_a_queue_of_five_hundred_each_once_and_in_order(
    base_url: str, client: httpx.AsyncClient, built: Built, tokens: Tokens
) -> None:
    await fill(built)
    reviewers = [tokens.header(str(100 + number), Role.REVIEWER) for number in range(REVIEWERS)]
    async with connected_socket(base_url, tokens.mint("1", Role.ADMIN)) as socket:
        await socket.subscribe("queue:speaking")
        hearing = asyncio.create_task(claims_heard(socket))
        graded = await asyncio.gather(*(drain(client, headers) for headers in reviewers))
        claims = await hearing
    assert sorted(claims) == list(range(1, SUBMISSIONS + 1))
    assert sorted(each["id"] for mine in graded for each in mine) == sorted(claims)
    for number, mine in enumerate(graded):
        for each in mine:
            assert [entry["action"] for entry in each["history"]] == ["submitted", "checked"]
            assert each["history"][-1]["by"]["id"] == str(100 + number)
    assert await built.services.submissions.counts(None) == {
        Status.PENDING: 0,
        Status.CHECKED: SUBMISSIONS,
    }
    # Fair: none is passed over by more than the reviewers who act in the same moment.
    for place, submission_id in enumerate(claims, start=1):
        assert abs(place - submission_id) < REVIEWERS
