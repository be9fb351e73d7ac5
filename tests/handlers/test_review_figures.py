"""`stats/` over HTTP: what it says, to whom, and which questions it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.handlers.refusals import Refusal
from tests.handlers.reviews import QUEUE, Cast, Headers, Json, grade, read, review_path, writing_grade
from tests.handlers.uploads import submit_speaking, submit_writing

pytestmark = pytest.mark.gen_test(timeout=30)

STATS = f"{QUEUE}stats/"


async def stats(client: httpx.AsyncClient, headers: Headers, **query: str) -> Json:
    return await read(client, f"{STATS}?{urlencode(query)}", headers)


async def check_two(client: httpx.AsyncClient, cast: Cast) -> tuple[Json, Json]:
    """One of each section pending, one of each checked by another reviewer; the pending ones."""
    written = await submit_writing(client, cast.student, 1)
    spoken = await submit_speaking(client, cast.student, 101)
    done = (
        await submit_writing(client, cast.student, 2, seed=1),
        await submit_speaking(client, cast.student, 102),
    )
    for submission, reviewer, body in (
        (done[0], cast.reviewer, writing_grade()),
        (done[1], cast.colleague, grade()),
    ):
        answer = await client.put(review_path(submission), headers=reviewer, json=body)
        assert answer.status_code == 200
    return written, spoken


def numbers(of: Json) -> tuple[Any, ...]:
    return of["pending"], of["checked_today"], of["checked"], len(of["reviewers"])


async def test_an_admin_sees_all_that_waits_and_who_did_what(client: httpx.AsyncClient, cast: Cast) -> None:
    written, spoken = await check_two(client, cast)
    found = await stats(client, cast.admin)
    assert found.keys() == {"as_of", "time_zone", "today", "since", "until", "sections", "total"}
    assert found["time_zone"] == "Asia/Tashkent"
    assert numbers(found["total"]) == (2, 2, 2, 2)
    for section, oldest in (("writing", written), ("speaking", spoken)):
        of = found["sections"][section]
        assert numbers(of) == (1, 1, 1, 1)
        assert of["oldest_pending"]["submitted_at"] == oldest["submitted_at"]
        waited = moment(found["as_of"]) - moment(oldest["submitted_at"])
        assert of["oldest_pending"]["waiting_seconds"] == pytest.approx(waited.total_seconds())
    assert found["total"]["oldest_pending"] == found["sections"]["writing"]["oldest_pending"]
    first, second = found["total"]["reviewers"]
    assert [(each["id"], each["name"]) for each in (first, second)] == [
        ("7", "Admin User"),
        ("8", "Reviewer 8"),
    ]
    assert first.keys() == {"id", "name", "checked_today", "checked", "median_turnaround_seconds"}
    assert first["median_turnaround_seconds"] >= 0
    assert found["sections"]["writing"]["reviewers"] == [first]


async def test_a_reviewer_sees_the_totals_and_themselves(client: httpx.AsyncClient, cast: Cast) -> None:
    await check_two(client, cast)
    everybody = await stats(client, cast.admin)
    for reviewer, place in ((cast.reviewer, 0), (cast.colleague, 1)):
        own = await stats(client, reviewer)
        assert own["total"]["reviewers"] == [everybody["total"]["reviewers"][place]]
        own["total"]["reviewers"] = everybody["total"]["reviewers"]
        assert own["total"] == everybody["total"]
        for section in own["sections"].values():
            assert {each["id"] for each in section["reviewers"]} <= {
                everybody["total"]["reviewers"][place]["id"]
            }


async def test_nothing_yet_is_no_error(client: httpx.AsyncClient, cast: Cast) -> None:
    for of in (found := await stats(client, cast.reviewer))["sections"].values():
        assert of == found["total"]
    assert found["total"] == {
        "pending": 0,
        "oldest_pending": None,
        "checked_today": 0,
        "checked": 0,
        "median_turnaround_seconds": None,
        "reviewers": [],
    }


async def test_a_range_counts_what_was_checked_in_it(client: httpx.AsyncClient, cast: Cast) -> None:
    await check_two(client, cast)
    now = datetime.now(UTC)
    for query, checked in (
        ({}, 2),
        ({"since": f"{now - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"}, 2),
        ({"until": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}, 0),
        ({"since": "2025-10-01", "until": "2025-10-31"}, 0),
    ):
        found = await stats(client, cast.admin, **query)
        assert (found["total"]["checked"], found["total"]["checked_today"]) == (checked, 2), query
    assert (found["since"], found["until"]) == ("2025-09-30T19:00:00.000Z", "2025-10-31T19:00:00.000Z")


@pytest.mark.settings(reviews={"time_zone": "UTC"})
async def test_days_begin_where_the_settings_say(client: httpx.AsyncClient, cast: Cast) -> None:
    found = await stats(client, cast.reviewer, since="2025-10-01", until="2025-10-31")
    assert (found["time_zone"], found["since"]) == ("UTC", "2025-10-01T00:00:00.000Z")
    assert found["today"]["since"] == f"{moment(found['as_of']):%Y-%m-%d}T00:00:00.000Z"


async def test_a_malformed_range_names_what_is_wrong(client: httpx.AsyncClient, cast: Cast) -> None:
    for query, name in (
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-11-24T09:00:00"}, "until"),
        ({"since": "2999-01-01"}, "since"),
        ({"since": "2020-01-01"}, "since"),
        ({"since": "2020-01-02", "until": "2020-01-01"}, "since"),
    ):
        answer = await client.get(STATS, params=query, headers=cast.reviewer)
        Refusal(400, "invalid").check(answer)
        assert answer.json()["details"].keys() == {name}, query


async def test_it_is_for_reviewers_and_only_read(client: httpx.AsyncClient, cast: Cast) -> None:
    Refusal(401, "unauthenticated").check(await client.get(STATS))
    Refusal(403, "forbidden").check(await client.get(STATS, headers=cast.student))
    refused = await client.post(STATS, headers=cast.admin)
    Refusal(405, "method_not_allowed").check(refused)
    assert refused.headers["Allow"] == "GET, HEAD, OPTIONS"
    head = await client.head(STATS.rstrip("/"), headers=cast.reviewer)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["Content-Length"]) > 0


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
