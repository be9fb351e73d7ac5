"""Reviewers at once: each submission is graded and held by one of them (promise 5)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

import httpx
import pytest

from storage.domain.people import Role
from tests.conftest import Tokens
from tests.handlers.kept import Kept
from tests.handlers.reviews import Cast, grade, read, review_path, writing_grade
from tests.handlers.uploads import send, submit_speaking, submit_writing, writing_form
from tests.people import WRITING, files_of

pytestmark = pytest.mark.gen_test(timeout=30)

AT_ONCE = 20
ROUNDS = 5


def statuses(answers: Iterable[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


async def open_connections(client: httpx.AsyncClient, number: int = AT_ONCE) -> None:
    """Requests that are to race need a connection each; made on the way, they would come one after the other."""
    await asyncio.gather(*(client.get("/readyz") for _ in range(number)))


async def test_two_reviewers_never_both_grade_one_revision(client: httpx.AsyncClient, cast: Cast) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    await open_connections(client)
    answers = await asyncio.gather(
        client.put(path, headers=cast.reviewer, json=grade(score=60)),
        client.put(path, headers=cast.colleague, json=grade(score=70)),
    )
    assert statuses(answers) == {200: 1, 409: 1}
    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    assert lost.json()["current"]["score"] == won.json()["score"]
    assert lost.json()["current"]["reviewer"] == won.json()["reviewer"]
    history = (await read(client, path, cast.admin))["history"]
    assert [entry["action"] for entry in history] == ["submitted", "checked"]


async def test_one_of_many_reviewers_gets_the_claim(
    client: httpx.AsyncClient, cast: Cast, tokens: Tokens
) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    await open_connections(client)
    answers = await asyncio.gather(
        *(
            client.post(f"{path}claim/", headers=tokens.header(str(number), Role.REVIEWER))
            for number in range(100, 100 + AT_ONCE)
        )
    )
    assert statuses(answers) == {200: 1, 409: AT_ONCE - 1}
    holder = next(answer for answer in answers if answer.status_code == 200).json()["claim"]
    assert (await read(client, path, cast.admin))["claim"] == holder


async def test_a_reviewer_who_claims_and_releases_in_many_tabs_at_once_may(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    await open_connections(client)
    for _ in range(ROUNDS):
        claims = await asyncio.gather(
            *(client.post(f"{path}claim/", headers=cast.reviewer) for _ in range(AT_ONCE))
        )
        assert statuses(claims) == {200: AT_ONCE}
        releases = await asyncio.gather(
            *(client.delete(f"{path}claim/", headers=cast.reviewer) for _ in range(AT_ONCE))
        )
        assert statuses(releases) == {204: AT_ONCE}
        assert (await read(client, path, cast.admin))["claim"] is None


async def test_a_submission_reopened_twice_at_once_is_reopened_once(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    await client.put(path, headers=cast.reviewer, json=grade())
    await open_connections(client)
    answers = await asyncio.gather(
        *(client.post(f"{path}reopen/", headers=cast.admin) for _ in range(AT_ONCE))
    )
    assert statuses(answers) == {200: 1, 409: AT_ONCE - 1}
    assert (await read(client, path, cast.admin))["revision"] == 3


async def test_grading_ends_a_claim_made_at_the_same_moment(client: httpx.AsyncClient, cast: Cast) -> None:
    for seed in range(ROUNDS):
        path = review_path(await submit_speaking(client, cast.student, seed=seed))
        await open_connections(client)
        graded, *_ = await asyncio.gather(
            client.put(path, headers=cast.reviewer, json=grade()),
            *(client.post(f"{path}claim/", headers=cast.reviewer) for _ in range(4)),
        )
        assert graded.status_code == 200
        assert (await read(client, path, cast.admin))["claim"] is None


@pytest.mark.settings(submissions={"resubmission": "replace_pending"})
async def test_a_grade_is_never_for_pages_the_reviewer_did_not_see(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    """The student replaces what the reviewer grades in the same moment: one of the two is refused."""
    for number in range(1, ROUNDS + 1):
        first = await submit_writing(client, cast.student, number)
        await open_connections(client, 4)
        graded, replaced = await asyncio.gather(
            client.put(review_path(first), headers=cast.reviewer, json=writing_grade()),
            send(client, WRITING, writing_form(number, seed=1), cast.student),
        )
        assert sorted((graded.status_code // 100, replaced.status_code // 100)) == [2, 4]
        now = await read(client, review_path(first), cast.reviewer)
        assert (now["revision"], now["status"]) == (2, "checked" if graded.status_code == 200 else "pending")
        assert len(kept.files()) == 2 * number
        for each in files_of(now):
            assert (await client.get(each["url"])).status_code == 200
