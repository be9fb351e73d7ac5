"""However a refused upload ends, its connection is closed and nothing of it stays: no request in flight, no draft,
no share of a quota, no task, and no error in the log (`no_unexpected_errors`)."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tornado.iostream import IOStream

from handlers.base import Application
from handlers.upload import UploadHandler
from tests.e2e.processes import eventually
from tests.handlers.kept import Kept
from tests.handlers.refused_uploads import LIMITS, RefusedUploads
from tests.handlers.wire import WAIT_SECONDS, connect, next_answer, on_a_socket, request_head, reset_on_close
from tests.latency_proxy import latency_proxy

EARLY = pytest.mark.settings(limits={"drain_bytes": 256 << 10})
BUDGETS = pytest.mark.parametrize("budget", ["within", pytest.param("beyond", marks=EARLY)])
KINDS = pytest.mark.parametrize("kind", ["no token", "a file too large"])
"""One refused on its headers, and one that has a draft on the disk by then."""
DEPARTURES = pytest.mark.parametrize("departs", ["closing", "resetting"])

pytestmark = [pytest.mark.gen_test(timeout=30), pytest.mark.settings(limits={"linger_seconds": 0.2}), LIMITS]


class Gate:
    """Holds every refused upload where it lets go of its draft, as a busy disk does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._release = UploadHandler.release
        self._open = asyncio.Event()
        self.reached = asyncio.Event()
        monkeypatch.setattr(UploadHandler, "release", self._held())

    def open(self) -> None:
        self._open.set()

    def _held(self) -> Callable[[UploadHandler], Coroutine[Any, Any, None]]:
        async def release(handler: UploadHandler) -> None:
            self.reached.set()
            await self._open.wait()
            await self._release(handler)

        return release


class Ends:
    """Looks for what a request must have let go of."""

    def __init__(self, app: Application, kept: Kept) -> None:
        self._app = app
        self._kept = kept

    async def assert_reached(self) -> None:
        """Nothing is in flight, counted or kept, and of the connections no task is left."""
        await asyncio.wait_for(self._app.in_flight.drained(), WAIT_SECONDS)
        await eventually(lambda: not [task for task in asyncio.all_tasks() if is_of_a_connection(task)])
        quota = self._app.services.quota
        assert (quota.uploads, quota.draft_bytes) == (0, 0)
        await self._kept.assert_nothing()


@pytest.fixture
def ends(app: Application, kept: Kept) -> Ends:
    return Ends(app, kept)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def is_of_a_connection(task: asyncio.Task[Any]) -> bool:
    """Tornado serves each in a task of its own, and each request in another; ours for refusals have names."""
    return any(name in repr(task) for name in ("_server_request_loop", "_execute", "answer ", "release "))


async def served_meanwhile(base_url: str) -> None:
    """Let the server answer someone else: by then it has noticed what was done on the connections before."""
    async with connect(base_url) as wire:
        await wire.send(request_head("GET", "/healthz", {"Connection": "close"}))
        await wire.rest()


def leave(connection: socket.socket, departs: str) -> None:
    if departs == "resetting":
        reset_on_close(connection)
    connection.close()


def is_closed_for_good(connection: socket.socket) -> bool:
    """Past a half-close: whoever writes on is told that nobody reads any more."""
    patience = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < patience:
        try:
            connection.sendall(b"\0")
        except ConnectionError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("sends", ["all of it", "a part of it"])
@BUDGETS
@KINDS
@pytest.mark.settings(limits={"drain_seconds": 0.2})
async def test_a_client_that_never_closes_is_closed(
    kind: str, budget: str, sends: str, refused: RefusedUploads, ends: Ends
) -> None:
    """Nor stops to write."""
    async with refused.of(kind) as upload:

        def stay(connection: socket.socket) -> bool:
            request = upload.request()
            connection.sendall(request[: len(request) // 2] if sends == "a part of it" else request)
            upload.check(next_answer(connection))
            return not connection.recv(1) and is_closed_for_good(connection)

        assert await on_a_socket(refused.base_url, stay)
    await ends.assert_reached()


@EARLY
@DEPARTURES
@KINDS
async def test_a_client_may_leave_after_any_number_of_bytes(
    kind: str, departs: str, refused: RefusedUploads, ends: Ends
) -> None:
    """In its headers, on the way to the refusal, in the drain, at the early answer, long after it, at the end; and
    one that has read the answer."""

    def send_so_much(size_bytes: int) -> Callable[[socket.socket], None]:
        def client(connection: socket.socket) -> None:
            connection.sendall(request[:size_bytes])
            leave(connection, departs)

        return client

    def read(connection: socket.socket) -> None:
        connection.sendall(request)
        upload.check(next_answer(connection))
        leave(connection, departs)

    async with refused.of(kind) as upload, latency_proxy(refused.base_url) as far:
        request = upload.request()
        places = [100, len(upload.head()), *range(64 << 10, 4 << 20, 192 << 10), len(request)]
        clients = [read, *(send_so_much(place) for place in places)]
        for url in (refused.base_url, far):
            await asyncio.gather(*(on_a_socket(url, client) for client in clients))
        await ends.assert_reached()


@DEPARTURES
@BUDGETS
async def test_a_client_may_leave_before_its_answer_can_be_sent(
    budget: str, departs: str, refused: RefusedUploads, ends: Ends, gate: Gate
) -> None:
    async with refused.of("a file too large") as upload, connect(refused.base_url) as wire:
        sending = asyncio.create_task(wire.send(upload.request()))
        await gate.reached.wait()
        if budget == "within":
            await sending
        await served_meanwhile(refused.base_url)
        sending.cancel()
        if departs == "resetting":
            wire.reset()
        else:
            wire.abort()
        await served_meanwhile(refused.base_url)
        gate.open()
        await ends.assert_reached()


@pytest.mark.settings(limits={"drain_seconds": 0.1})
async def test_a_body_that_ends_while_its_early_answer_waits_is_answered_once(
    refused: RefusedUploads, ends: Ends, gate: Gate
) -> None:
    async with refused.of("a file too large") as upload, connect(refused.base_url) as wire:
        await wire.send(upload.head(), upload.body[:-10])
        await eventually(lambda: any(task.get_name().startswith("answer ") for task in asyncio.all_tasks()))
        await wire.send(upload.body[-10:])
        await served_meanwhile(refused.base_url)
        gate.open()
        upload.check(await wire.answer())
        assert await wire.is_closed()
    await ends.assert_reached()


@EARLY
async def test_an_answer_that_nobody_takes_does_not_hold_the_connection(
    refused: RefusedUploads, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that asks for much and reads nothing leaves no room for the refusal of what it sends next."""

    def full(stream: IOStream, piece: memoryview) -> int:
        raise BlockingIOError

    def send_and_stay(connection: socket.socket) -> bool:
        connection.sendall(upload.request())
        return is_closed_for_good(connection)

    async with refused.of("no token") as upload:
        monkeypatch.setattr(IOStream, "write_to_fd", full)
        assert await on_a_socket(refused.base_url, send_and_stay)
        monkeypatch.undo()
        await ends.assert_reached()
