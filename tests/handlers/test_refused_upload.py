"""How a refusal reaches its client, whatever the client does meanwhile; nothing of it stays (promises 2 and 7)."""

from __future__ import annotations

import httpx
import pytest

from handlers.base import Application
from handlers.upload import BATCH_BYTES
from tests.e2e.processes import eventually
from tests.forms import encode, file
from tests.handlers.kept import Kept
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import Cast
from tests.handlers.uploads import (
    chunked_head,
    page,
    upload_head,
    whole_upload,
    without,
    writing_form,
)
from tests.handlers.wire import Wire, connect, request_head, write_then_read
from tests.media_samples import not_media, padded, photo
from tests.people import WRITING

pytestmark = pytest.mark.gen_test(timeout=60)

LARGE_BYTES = 8 << 20
"""More than the sockets of both sides take before somebody reads."""


def large_page() -> bytes:
    return encode([file("task1_image2", padded(photo(), LARGE_BYTES)), *writing_form()])


async def assert_header_and_deed_agree(wire: Wire, answer: httpx.Response) -> None:
    """A connection said to be closed is closed; any other takes the next request."""
    if answer.headers.get("Connection") == "close":
        assert await wire.is_closed()
    else:
        await wire.send(request_head("GET", "/healthz", {}))
        assert (await wire.answer()).status_code == 200


async def in_flight(client: httpx.AsyncClient) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    return float(next(line for line in lines if line.startswith("turantalim_uploads_in_flight ")).split()[1])


REFUSED = {
    "no token": Refusal(401, "unauthenticated"),
    "compressed": Refusal(415, "unsupported_encoding"),
    "no form": Refusal(400, "not_multipart"),
    "unknown file": Refusal(400, "invalid_form"),
    "no picture": Refusal(415, "unsupported_media_type"),
    "too large": Refusal(413, "too_large"),
}


@pytest.mark.parametrize("why", REFUSED)
async def test_who_writes_all_before_reading_reads_why(
    why: str, base_url: str, cast: Cast, kept: Kept
) -> None:
    first = {
        "unknown file": [file("task3_image1", page())],
        "no picture": [file("task1_image9", not_media()["pdf"])],
        "too large": [file("task1_image9", padded(photo(), (10 << 20) + 1))],
    }
    changes = {
        "no token": {"Authorization": ""},
        "compressed": {"Content-Encoding": "gzip"},
        "no form": {"Content-Type": "application/octet-stream"},
    }
    large = file("task1_image2", padded(photo(), LARGE_BYTES))
    body = encode([*first.get(why, []), large, *writing_form()])
    head = upload_head(WRITING, len(body), cast.student | changes.get(why, {}))
    REFUSED[why].check(await write_then_read(base_url, head + body))
    await kept.assert_nothing()


@pytest.mark.settings(limits={"image_bytes": 1 << 16, "drain_bytes": 1 << 20})
async def test_beyond_the_drain_budget_the_answer_comes_before_the_end(
    base_url: str, cast: Cast, kept: Kept
) -> None:
    """What is left after it is for the client to notice: the connection closes."""
    async with connect(base_url) as wire:
        await wire.send(upload_head(WRITING, LARGE_BYTES, cast.student), large_page()[: 3 << 20])
        answer = await wire.answer()
        Refusal(413, "too_large").check(answer)
        assert answer.headers["Connection"] == "close"
        assert await wire.is_closed()
    await kept.assert_nothing()


@pytest.mark.settings(limits={"drain_seconds": 0.2})
async def test_who_stops_after_a_refusal_reads_it_before_the_end(base_url: str, kept: Kept) -> None:
    async with connect(base_url) as wire:
        await wire.send(upload_head(WRITING, LARGE_BYTES, {}), large_page()[:1000])
        answer = await wire.answer()
        Refusal(401, "unauthenticated").check(answer)
        assert answer.headers["Connection"] == "close"
        assert await wire.is_closed()
    await kept.assert_nothing()


@pytest.mark.parametrize("expectation", ["100-continue", "100-Continue"])
async def test_who_asks_before_sending_is_refused_before_sending(
    expectation: str, base_url: str, cast: Cast
) -> None:
    for headers, refusal in (
        ({}, Refusal(401, "unauthenticated")),
        (cast.reviewer, Refusal(403, "forbidden")),
        (cast.student | {"Content-Length": str(1 << 40)}, Refusal(413, "too_large")),
    ):
        async with connect(base_url) as wire:
            await wire.send(upload_head(WRITING, LARGE_BYTES, headers | {"Expect": expectation}))
            answer = await wire.answer()
            refusal.check(answer)
            assert answer.headers["Connection"] == "close"
            assert await wire.is_closed()


@pytest.mark.settings(limits={"image_bytes": 1 << 16})
@pytest.mark.parametrize("why", ["no token", "missing field", "too large", "no picture"])
async def test_after_a_refusal_header_and_deed_agree(why: str, base_url: str, cast: Cast) -> None:
    form = {
        "no token": writing_form(),
        "missing field": without(writing_form(), "exam_id"),
        "too large": [*writing_form(), file("task1_image2", padded(photo(), 1 << 17))],
        "no picture": [*writing_form(), file("task1_image2", not_media()["text"])],
    }[why]
    async with connect(base_url) as wire:
        await wire.send(whole_upload(WRITING, form, {} if why == "no token" else cast.student))
        answer = await wire.answer()
        assert answer.status_code >= 400
        await assert_header_and_deed_agree(wire, answer)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nowhere"), ("GET", "/multilevel/test-results/"), ("HEAD", "/readyz/x"), ("BREW", "/healthz")],
)
async def test_after_a_refusal_without_a_body_header_and_deed_agree(
    method: str, path: str, base_url: str
) -> None:
    async with connect(base_url) as wire:
        await wire.send(request_head(method, path, {}))
        answer = await wire.answer(method)
        assert answer.status_code >= 400
        await assert_header_and_deed_agree(wire, answer)


async def test_a_connection_takes_one_upload_after_the_other(base_url: str, cast: Cast) -> None:
    async with connect(base_url) as wire:
        for user_test_id in (1, 2, 3):
            await wire.send(whole_upload(WRITING, writing_form(user_test_id), cast.student))
            answer = await wire.answer()
            assert answer.status_code == 201
            assert answer.headers.get("Connection") != "close"


@pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
async def test_a_peer_gone_in_mid_body_leaves_nothing(
    framing: str, client: httpx.AsyncClient, base_url: str, cast: Cast, kept: Kept
) -> None:
    body = encode([file("task1_image1", padded(photo(), LARGE_BYTES))])
    part = body[: 3 * BATCH_BYTES]
    async with connect(base_url) as wire:
        if framing == "chunked":
            await wire.send(chunked_head(WRITING, cast.student), b"%x\r\n" % len(body), part)
        else:
            await wire.send(upload_head(WRITING, len(body), cast.student), part)
        await eventually(lambda: kept.files() != [])
        assert await in_flight(client) == 1
        wire.abort()
    await eventually(lambda: kept.files() == [])
    await kept.assert_nothing()
    assert await in_flight(client) == 0


async def test_a_peer_gone_while_its_refused_body_is_drained_leaves_nothing(
    base_url: str, kept: Kept, app: Application
) -> None:
    async with connect(base_url) as wire:
        await wire.send(upload_head(WRITING, LARGE_BYTES, {}), large_page()[: 1 << 20])
        wire.abort()
    await app.in_flight.drained()
    await kept.assert_nothing()


async def test_broken_framing_leaves_nothing(base_url: str, cast: Cast, kept: Kept, app: Application) -> None:
    body = encode(writing_form())
    for framing in (
        {"Content-Length": "-5"},
        {"Content-Length": "5x"},
        {"Content-Length": "5", "Transfer-Encoding": "chunked"},
        {"Transfer-Encoding": "gzip, chunked"},
    ):
        async with connect(base_url) as wire:
            await wire.send(upload_head(WRITING, len(body), cast.student | framing), body)
            assert (await wire.rest()).startswith(b"HTTP/1.1 400 ")
    async with connect(base_url) as wire:
        await wire.send(chunked_head(WRITING, cast.student), b"4\r\nabcd\r\nzz\r\n")
        assert (await wire.rest()).startswith(b"HTTP/1.1 400 ")
    await app.in_flight.drained()
    await kept.assert_nothing()
