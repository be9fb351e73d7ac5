"""A refusal is readable also for a client that writes its whole body before it reads a byte (promise 7).

Exchanges take place on loopback and through `tests.latency_proxy`, where a reset by the server destroys an answer
that is still on its way.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace

import httpx
import pytest

from handlers.request_body import BodyHandler
from tests.handlers.kept import Kept
from tests.handlers.refused_uploads import FRAMINGS, KINDS, LIMITS, RefusedUpload, RefusedUploads
from tests.handlers.wire import connect, next_answer, on_a_socket, write_then_read
from tests.latency_proxy import Link, latency_proxy

pytestmark = [pytest.mark.gen_test(timeout=60), LIMITS]

BEYOND = pytest.mark.settings(limits={"drain_bytes": 256 << 10})
"""The answer goes out while most of the body is still to come."""


@pytest.mark.parametrize("budget", ["within", pytest.param("beyond", marks=BEYOND)])
@pytest.mark.parametrize("kind", KINDS)
async def test_who_writes_all_before_reading_reads_why(
    kind: str, budget: str, base_url: str, refused: RefusedUploads, kept: Kept
) -> None:
    async with refused.of(kind) as upload, latency_proxy(base_url) as far, kept.unchanged():
        ways = [(url, framing) for url in (base_url, far) for framing in FRAMINGS]
        answers = await asyncio.gather(
            *(write_then_read(url, upload.request(framing)) for url, framing in ways)
        )
        for answer in answers:
            upload.check(answer)


@BEYOND
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("kind", KINDS)
async def test_without_the_linger_the_answer_is_lost_on_its_way(
    kind: str, framing: str, base_url: str, refused: RefusedUploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the tests here can fail: this is what they would see of a server that closes at once."""
    monkeypatch.setattr(BodyHandler, "_answer_early", BodyHandler._answer)
    async with refused.of(kind) as upload, latency_proxy(base_url) as far:
        with pytest.raises(ConnectionError):
            await write_then_read(far, upload.request(framing))


@pytest.mark.settings(limits={"drain_bytes": 256 << 10, "linger_seconds": 3})
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_client_has_the_linger_to_look_for_an_early_answer(
    framing: str, base_url: str, refused: RefusedUploads
) -> None:
    """These write on for a second or so after it was sent: two with pauses, one as fast as its network takes it."""

    def with_pauses(connection: socket.socket) -> httpx.Response:
        piece_bytes = len(request) // 10
        for place in range(0, len(request), piece_bytes):
            connection.sendall(request[place : place + piece_bytes])
            time.sleep(0.1)
        return next_answer(connection)

    narrow = Link(bytes_per_second=6 << 20, under_way_bytes=512 << 10)
    async with (
        refused.of("no picture") as upload,
        latency_proxy(base_url) as far,
        latency_proxy(base_url, narrow) as slow,
    ):
        request = upload.request(framing)
        began = time.monotonic()
        answers = await asyncio.gather(
            on_a_socket(base_url, with_pauses), on_a_socket(far, with_pauses), write_then_read(slow, request)
        )
        assert time.monotonic() - began > 1.0
        for answer in answers:
            upload.check(answer)


@pytest.mark.settings(limits={"drain_seconds": 0.5})
async def test_a_steady_drain_is_answered_after_its_time(refused: RefusedUploads, kept: Kept) -> None:
    async with refused.of("no token") as upload:
        await answered_before_its_end(refused.base_url, upload, bytes_per_second=2 << 20)
    await kept.assert_nothing()


@pytest.mark.settings(limits={"min_bytes_per_second": 100_000})
async def test_a_drain_below_the_minimum_rate_is_answered_before_its_end(
    refused: RefusedUploads, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handlers.protocol.pace._WINDOW_SECONDS", 1.0)
    async with refused.of("no token") as upload:
        await answered_before_its_end(refused.base_url, upload, bytes_per_second=50_000)
    await kept.assert_nothing()


@pytest.mark.parametrize("kind", ["no token", "a reviewer", "compressed", "no form", "a request too large"])
@pytest.mark.settings(limits={"request_bytes": 2 << 20})
async def test_who_asks_before_sending_reads_why_whether_it_waits_or_not(
    kind: str, base_url: str, refused: RefusedUploads
) -> None:
    """One that does not is allowed to (RFC 9110, 10.1.1): its body is on its way when the answer comes."""
    async with refused.of(kind) as upload, latency_proxy(base_url) as far:
        asking = replace(upload, headers=upload.headers | {"Expect": "100-continue"})
        for url in (base_url, far):
            upload.check(await write_then_read(url, asking.head()))
            upload.check(await write_then_read(url, asking.request()))


async def answered_before_its_end(base_url: str, upload: RefusedUpload, bytes_per_second: int) -> None:
    """Send `upload` so slowly that the answer comes first, and go on a little, as nobody looks for it yet."""
    pause_seconds = 0.05
    piece = bytes(int(bytes_per_second * pause_seconds))
    async with connect(base_url) as wire:
        await wire.send(upload.head())
        answer = asyncio.ensure_future(wire.answer())
        while not answer.done():
            await wire.send(piece)
            await asyncio.sleep(pause_seconds)
        await wire.send(piece)
        upload.check(await answer)
        assert await wire.is_closed()
