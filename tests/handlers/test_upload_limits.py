"""Limits on how many uploads there may be, how large together, and how long one may take (promise 8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from handlers.base import Application
from tests.e2e.processes import eventually
from tests.forms import encode, file
from tests.handlers.kept import Kept
from tests.handlers.refusals import Headers, Refusal, covers
from tests.handlers.reviews import Cast
from tests.handlers.uploads import FORM, send, upload_head, writing_form
from tests.handlers.wire import Wire, connect
from tests.media_samples import padded, photo
from tests.people import WRITING

pytestmark = pytest.mark.gen_test(timeout=30)

BODY = encode(writing_form())
LARGE = encode([file("task1_image2", padded(photo(), 3 << 20)), *writing_form()])


@asynccontextmanager
async def under_way(base_url: str, body: bytes, *senders: Headers) -> AsyncIterator[list[Wire]]:
    """An upload of each sender that has brought all but its last bytes."""
    async with AsyncExitStack() as stack:
        wires = []
        for headers in senders:
            wire = await stack.enter_async_context(connect(base_url))
            await wire.send(upload_head(WRITING, len(body), headers), body[:-10])
            wires.append(wire)
        yield wires


async def uploads_under_way(client: httpx.AsyncClient, number: int) -> None:
    while f"turantalim_uploads_in_flight {number}.0" not in (await client.get("/metrics")).text:
        pass


@covers(429, "too_many_uploads")
@pytest.mark.settings(limits={"uploads_per_user": 2})
async def test_one_student_has_so_many_uploads_at_once(
    refusal: Refusal, client: httpx.AsyncClient, base_url: str, cast: Cast
) -> None:
    async with under_way(base_url, BODY, cast.student, cast.student) as wires:
        await uploads_under_way(client, 2)
        answer = await refusal.expect_of(client, "POST", WRITING, cast.student | FORM, content=BODY)
        assert int(answer.headers["Retry-After"]) > 0
        assert (await send(client, WRITING, writing_form(), cast.other_student)).status_code == 201
        await wires[0].send(BODY[-10:])
        assert (await wires[0].answer()).status_code == 201
        await uploads_under_way(client, 1)
        assert (await send(client, WRITING, writing_form(2), cast.student)).status_code == 201


@covers(503, "busy")
@pytest.mark.settings(limits={"uploads": 2})
async def test_all_students_together_have_so_many_uploads_at_once(
    refusal: Refusal, client: httpx.AsyncClient, base_url: str, cast: Cast
) -> None:
    async with under_way(base_url, BODY, cast.student, cast.other_student) as wires:
        await uploads_under_way(client, 2)
        answer = await refusal.expect_of(client, "POST", WRITING, cast.student | FORM, content=BODY)
        assert int(answer.headers["Retry-After"]) > 0
        for wire in wires:
            wire.abort()
        await uploads_under_way(client, 0)
        assert (await send(client, WRITING, writing_form(), cast.student)).status_code == 201


@pytest.mark.settings(limits={"draft_bytes": 5 << 20})
async def test_all_uploads_together_have_so_many_bytes_on_the_disk(
    client: httpx.AsyncClient, base_url: str, cast: Cast, kept: Kept
) -> None:
    async with under_way(base_url, LARGE, cast.student) as (wire,):
        await eventually(lambda: sum(path.stat().st_size for path in kept.files()) > 2 << 20)
        busy = await client.post(WRITING, content=LARGE, headers=cast.other_student | FORM)
        Refusal(503, "busy").check(busy)
        assert (await send(client, WRITING, writing_form(), cast.other_student)).status_code == 201
        await wire.send(LARGE[-10:])
        assert (await wire.answer()).status_code == 201
    again = await client.post(WRITING, content=LARGE, headers=cast.other_student | FORM)
    Refusal(409, "already_submitted").check(again)


async def test_refused_uploads_leave_nothing_counted(
    client: httpx.AsyncClient, base_url: str, cast: Cast, app: Application
) -> None:
    quota = app.services.quota
    await send(client, WRITING, writing_form()[:-1], cast.student)
    await client.post(WRITING, content=b"", headers=cast.student | FORM)
    await client.post(WRITING, json={}, headers=cast.student)
    async with under_way(base_url, LARGE, cast.student) as (wire,):
        wire.abort()
    await eventually(lambda: quota.uploads == 0)
    assert (quota.uploads, quota.draft_bytes) == (0, 0)


@pytest.mark.settings(limits={"request_seconds": 0.5})
async def test_a_whole_upload_may_take_so_long(base_url: str, cast: Cast, kept: Kept) -> None:
    """However steadily it comes: this one is never idle and never below the minimum rate."""
    async with connect(base_url) as wire:
        await wire.send(upload_head(WRITING, len(LARGE), cast.student))
        sending = asyncio.ensure_future(_trickle(wire))
        answer = await wire.answer()
        sending.cancel()
    Refusal(408, "too_slow").check(answer)
    assert answer.headers["Connection"] == "close"
    await kept.assert_nothing()


@pytest.mark.settings(limits={"idle_seconds": 1.0, "min_bytes_per_second": 8000, "request_seconds": 60})
async def test_a_phone_at_16_kb_a_second_succeeds(base_url: str, cast: Cast) -> None:
    """Its packets come one by one, with pauses shorter than the idle time."""
    form = encode([*writing_form(), file("task1_image2", padded(photo(64, 48), 24_000))])
    async with connect(base_url) as wire:
        await wire.send(upload_head(WRITING, len(form), cast.student))
        for place in range(0, len(form), 1400):
            await wire.send(form[place : place + 1400])
            await asyncio.sleep(1400 / 16_000)
        assert (await wire.answer()).status_code == 201


@pytest.mark.settings(limits={"part_headers": 2, "boundary_chars": 30})
async def test_headers_of_a_part_and_the_boundary_are_bounded(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="exam_id"\r\nA: b\r\nC: d\r\n\r\n456\r\n--x--\r\n'
    headers = cast.student | {"Content-Type": "multipart/form-data; boundary=x"}
    Refusal(400, "malformed_body").check(await client.post(WRITING, content=body, headers=headers))
    Refusal(400, "malformed_body").check(
        await client.post(WRITING, content=BODY, headers=cast.student | FORM)
    )
    await kept.assert_nothing()


async def _trickle(wire: Wire) -> None:
    for place in range(0, len(LARGE) - 10, 2048):
        await wire.send(LARGE[place : place + 2048])
        await asyncio.sleep(0.02)
