"""The lists: the reviewers' queue while it moves, and a student's own results (design section 3, *Answers*)."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import httpx
import pytest

from tests.handlers.refusals import Refusal
from tests.handlers.reviews import (
    QUEUE,
    Cast,
    Headers,
    Json,
    grade,
    read,
    review_path,
    unsigned,
    writing_grade,
)
from tests.handlers.uploads import submit_speaking, submit_writing
from tests.handlers.wire import connect, request_head

pytestmark = pytest.mark.gen_test(timeout=30)

RESULTS = "/multilevel/test-results/"


async def submit_many(client: httpx.AsyncClient, cast: Cast, number: int) -> list[int]:
    """So many speaking submissions, one after the other; their ids."""
    return [(await submit_speaking(client, cast.student, 101 + place))["id"] for place in range(number)]


async def read_list(client: httpx.AsyncClient, path: str, headers: Headers, **query: object) -> Json:
    return await read(client, f"{path}?{urlencode(query)}", headers)


def ids(page: Json) -> list[int]:
    return [submission["id"] for submission in page["results"]]


async def pages(
    client: httpx.AsyncClient, path: str, headers: Headers, **query: object
) -> AsyncIterator[Json]:
    """The pages of a list, each asked for when it is wanted."""
    page = await read_list(client, path, headers, **query)
    yield page
    while page["next"] is not None:
        page = await read_list(client, path, headers, **query, cursor=page["next"])
        yield page


async def test_pending_ones_come_oldest_first_and_are_shown_whole(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    first = await submit_writing(client, cast.student)
    second = await submit_speaking(client, cast.other_student)
    queue = await read(client, QUEUE, cast.reviewer)
    assert queue.keys() == {"results", "next", "counts"}
    assert (ids(queue), queue["next"]) == ([first["id"], second["id"]], None)
    assert queue["counts"] == {"pending": 2, "checked": 0}
    shown = queue["results"][0]
    assert shown["student"] == {"id": "42", "name": "Aziza"}
    assert shown["claim"] is None
    assert unsigned(shown).items() >= unsigned(first).items()
    assert queue["results"][1]["student"] == {"id": "43", "name": None}


async def test_checked_ones_come_with_the_newest_review_first(client: httpx.AsyncClient, cast: Cast) -> None:
    submissions = [await submit_speaking(client, cast.student, 101 + place) for place in range(3)]
    for submission in (submissions[1], submissions[0]):
        await client.put(review_path(submission), headers=cast.reviewer, json=grade())
    checked = await read_list(client, QUEUE, cast.reviewer, status="checked")
    assert ids(checked) == [submissions[0]["id"], submissions[1]["id"]]
    assert ids(await read_list(client, QUEUE, cast.reviewer, status="pending")) == [submissions[2]["id"]]
    assert checked["counts"] == {"pending": 1, "checked": 2}


async def test_counts_are_over_the_section_only(client: httpx.AsyncClient, cast: Cast) -> None:
    written = await submit_writing(client, cast.student)
    await submit_many(client, cast, 3)
    await client.put(review_path(written), headers=cast.reviewer, json=writing_grade())
    for section, pending, checked in (("writing", 0, 1), ("speaking", 3, 0), ("", 3, 1)):
        for status in ("pending", "checked"):
            page = await read_list(client, QUEUE, cast.reviewer, section_type=section, status=status, limit=1)
            assert page["counts"] == {"pending": pending, "checked": checked}
            if section:
                assert {each["section_type"] for each in page["results"]} <= {section}


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
async def test_paging_shows_everything_once_and_in_order(
    limit: int, client: httpx.AsyncClient, cast: Cast
) -> None:
    created = await submit_many(client, cast, 5)
    seen = [ids(page) async for page in pages(client, QUEUE, cast.reviewer, limit=limit)]
    assert [each for page in seen for each in page] == created
    assert [len(page) for page in seen[:-1]] == [limit] * (len(seen) - 1)
    own = [ids(page) async for page in pages(client, RESULTS, cast.student, limit=limit)]
    assert [each for page in own for each in page] == created[::-1]


async def test_paging_misses_nothing_while_the_queue_moves(client: httpx.AsyncClient, cast: Cast) -> None:
    created = await submit_many(client, cast, 6)
    seen: list[int] = []
    async for page in pages(client, QUEUE, cast.reviewer, limit=2):
        seen += ids(page)
        if len(seen) == 2:
            for gone in (page["results"][0], page["results"][1]):
                await client.put(review_path(gone), headers=cast.reviewer, json=grade())
            created.append((await submit_speaking(client, cast.other_student))["id"])
    assert seen == created


async def test_paging_through_checked_ones_misses_nothing_while_more_are_checked(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    submissions = [await submit_speaking(client, cast.student, 101 + place) for place in range(5)]
    for submission in submissions[:4]:
        await client.put(review_path(submission), headers=cast.reviewer, json=grade())
    seen: list[int] = []
    async for page in pages(client, QUEUE, cast.reviewer, status="checked", limit=2):
        if not seen:
            await client.put(review_path(submissions[4]), headers=cast.reviewer, json=grade())
        seen += ids(page)
    assert seen == [submission["id"] for submission in reversed(submissions[:4])]


@pytest.mark.parametrize("path", [QUEUE, RESULTS])
async def test_a_malformed_query_names_what_is_wrong(
    path: str, client: httpx.AsyncClient, cast: Cast
) -> None:
    await submit_many(client, cast, 1)
    headers = cast.reviewer if path == QUEUE else cast.student
    for name, values in {
        "status": ["open", "PENDING", "pending,checked"],
        "section_type": ["reading", "Writing"],
        "limit": ["0", "-1", "201", "1.0", "1e2", "ten", "٣", "9" * 30],
        "cursor": [
            "x",
            "!!!",
            "MTIz",
            encoded("1-"),
            encoded("-1"),
            encoded("1-2-3"),
            encoded("9" * 15 + "-1"),
        ],
    }.items():
        for value in values:
            answer = await client.get(path, params={name: value}, headers=headers)
            Refusal(400, "invalid").check(answer)
            assert answer.json()["details"].keys() == {name}, value


async def test_a_query_that_is_no_text_is_a_client_s_mistake(base_url: str, cast: Cast) -> None:
    """An error in the log fails this test."""
    async with connect(base_url) as wire:
        await wire.send(request_head("GET", f"{QUEUE}?cursor=%ff", cast.reviewer))
        Refusal(400, "invalid").check(await wire.answer())


async def test_the_largest_limit_and_empty_arguments_are_fine(client: httpx.AsyncClient, cast: Cast) -> None:
    created = await submit_many(client, cast, 2)
    for query in ("limit=200", "limit=1&limit=2", "status=&section_type=&cursor=&limit=", "page=3"):
        assert ids(await read(client, f"{QUEUE}?{query}", cast.reviewer)) == created


async def test_a_student_lists_their_own_results_whatever_their_status(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    written = await submit_writing(client, cast.student)
    await submit_writing(client, cast.other_student)
    spoken = await submit_speaking(client, cast.student)
    await client.put(review_path(written), headers=cast.reviewer, json=writing_grade())
    await client.post(f"{review_path(spoken)}claim/", headers=cast.reviewer)
    listed = await read(client, RESULTS, cast.student)
    assert listed.keys() == {"results", "next"}
    assert [(each["id"], each["status"]) for each in listed["results"]] == [
        (spoken["id"], "pending"),
        (written["id"], "checked"),
    ]
    for each in listed["results"]:
        assert each.keys().isdisjoint({"claim", "student", "history"})


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
