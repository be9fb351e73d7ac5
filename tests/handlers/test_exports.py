"""`export.csv` over HTTP: rows, filters, and readers of every pace."""

from __future__ import annotations

import csv
import io
import re

import httpx
import pytest

from handlers.base import Application
from tests.handlers.long_export import COMMENT, EXPORT, MANY, SLOW_READER_BYTES, causes
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import Cast, review_path, writing_grade
from tests.handlers.uploads import submit_speaking, submit_writing
from tests.handlers.wire import connect, request_head

pytestmark = pytest.mark.gen_test(timeout=60)


async def rows(client: httpx.AsyncClient, cast: Cast, **query: str) -> list[dict[str, str]]:
    answer = await client.get(EXPORT, params=query, headers=cast.admin)
    assert answer.status_code == 200, answer.text
    text = answer.content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


async def test_a_line_a_submission(client: httpx.AsyncClient, cast: Cast) -> None:
    written = await submit_writing(client, cast.student)
    spoken = await submit_speaking(client, cast.other_student)
    await client.put(review_path(written), headers=cast.reviewer, json=writing_grade())
    first, second = await rows(client, cast)
    assert (first["id"], second["id"]) == (str(written["id"]), str(spoken["id"]))
    assert (first["student_name"], first["total_score"], first["reviewer_name"]) == (
        "Aziza",
        "65.5",
        "Admin User",
    )
    assert (second["status"], second["total_score"], second["student_id"]) == ("pending", "", "43")


async def test_it_is_a_file_for_excel_that_nobody_keeps(client: httpx.AsyncClient, cast: Cast) -> None:
    answer = await client.get(EXPORT, headers=cast.admin)
    assert answer.content.startswith(b"\xef\xbb\xbfid,")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert re.fullmatch(
        r'attachment; filename="manual-reviews-\d{4}-\d\d-\d\d\.csv"', answer.headers["Content-Disposition"]
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Transfer-Encoding"] == "chunked"
    head = await client.head(EXPORT, headers=cast.admin)
    assert (head.status_code, head.content) == (200, b"")
    assert "Content-Length" not in head.headers
    assert head.headers["Content-Disposition"] == answer.headers["Content-Disposition"]


async def test_filters_are_those_of_the_queue_and_times(client: httpx.AsyncClient, cast: Cast) -> None:
    written = await submit_writing(client, cast.student)
    await submit_speaking(client, cast.student)
    await client.put(review_path(written), headers=cast.reviewer, json=writing_grade())
    for query, sections in (
        ({"status": "checked"}, ["writing"]),
        ({"status": "pending"}, ["speaking"]),
        ({"section_type": "speaking"}, ["speaking"]),
        ({"exam_id": "456"}, ["writing"]),
        ({"exam_id": "457"}, []),
        ({"submitted_since": "2026-01-01"}, ["writing", "speaking"]),
        ({"submitted_until": "2026-01-01"}, []),
        ({"checked_since": "2026-01-01"}, ["writing"]),
        ({"checked_until": "2026-01-01T00:00:00Z"}, []),
        ({"status": "", "exam_id": "", "page": "3"}, ["writing", "speaking"]),
    ):
        assert [row["section_type"] for row in await rows(client, cast, **query)] == sections, query


async def test_a_malformed_filter_is_named(client: httpx.AsyncClient, cast: Cast) -> None:
    for name, value in (
        ("status", "open"),
        ("section_type", "reading"),
        ("exam_id", "one"),
        ("submitted_since", "yesterday"),
        ("submitted_until", "2026-13-01"),
        ("checked_since", "2026-11-24T09:00:00"),
        ("checked_until", "1"),
    ):
        answer = await client.get(EXPORT, params={name: value}, headers=cast.admin)
        Refusal(400, "invalid").check(answer)
        assert answer.json()["details"].keys() == {name}
        assert "Content-Disposition" not in answer.headers


async def test_it_is_for_admins(client: httpx.AsyncClient, cast: Cast) -> None:
    Refusal(401, "unauthenticated").check(await client.get(EXPORT))
    for headers in (cast.student, cast.reviewer):
        Refusal(403, "forbidden").check(await client.get(EXPORT, headers=headers))
    Refusal(405, "method_not_allowed").check(await client.post(EXPORT, headers=cast.admin))


@pytest.mark.usefixtures("long_export")
async def test_a_slow_reader_gets_all_and_slows_nobody(
    client: httpx.AsyncClient, base_url: str, cast: Cast
) -> None:
    async with connect(base_url, receive_buffer_bytes=SLOW_READER_BYTES) as slow:
        await slow.send(request_head("GET", EXPORT, {**cast.admin, "Connection": "close"}))
        await slow.head()
        assert len(await rows(client, cast)) == MANY
        content = await slow.rest()
    assert content.endswith(b"\r\n0\r\n\r\n")
    assert content.count(COMMENT[:100].encode()) >= MANY


async def test_a_client_of_http_1_0_knows_the_end_by_the_closing(
    base_url: str, client: httpx.AsyncClient, cast: Cast
) -> None:
    await submit_writing(client, cast.student)
    head = request_head("GET", EXPORT, {**cast.admin, "Connection": "keep-alive"}).replace(
        b"HTTP/1.1", b"HTTP/1.0"
    )
    async with connect(base_url) as wire:
        await wire.send(head)
        await wire.head()
        content = await wire.rest()
    assert (content[:3], content.count(b"\r\n"), content[-2:]) == (b"\xef\xbb\xbf", 2, b"\r\n")


@pytest.mark.usefixtures("long_export")
async def test_a_reader_that_hangs_up_is_no_error(base_url: str, cast: Cast, app: Application) -> None:
    """An error in the log fails this test."""
    async with connect(base_url, receive_buffer_bytes=SLOW_READER_BYTES) as wire:
        await wire.send(request_head("GET", EXPORT, cast.admin))
        await wire.head()
        wire.abort()
    await app.in_flight.drained()


@pytest.mark.usefixtures("long_export")
@pytest.mark.settings(limits={"idle_seconds": 0.2})
async def test_a_reader_that_stops_is_let_go(
    base_url: str, cast: Cast, app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(base_url, receive_buffer_bytes=SLOW_READER_BYTES) as wire:
        await wire.send(request_head("GET", EXPORT, cast.admin))
        await wire.head()
        await app.in_flight.drained()
        with pytest.raises(ConnectionResetError):
            await wire.rest()
    assert causes(caplog) == ["the reader stopped"]
