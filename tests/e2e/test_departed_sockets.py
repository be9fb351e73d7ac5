"""Sockets left while MongoDB is away: whoever comes back finds their place free (promise 6)."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
import websockets

from tests.e2e.processes import hang
from tests.e2e.server_process import ServerProcess
from tests.handlers.plain_socket import connected_socket, open_socket
from tests.handlers.tokens import signed
from tests.server.mongod_process import pid_of
from tests.serving import SECRET


@pytest.mark.gen_test(timeout=90)
async def test_a_stop_while_snapshots_are_waited_for_is_nobodys_error(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, TURANTALIM_AUTH__SECRET=SECRET).start()
    mongod = pid_of(server.state_dir)
    try:
        async with AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(open_socket(server.url)) for _ in range(8)]
            hang(mongod)
            for number, waiting in enumerate(sockets):
                token = signed(user_id=str(number))
                await waiting.send({"id": 1, "connect": {"token": token}})
            os.kill(server.pid, signal.SIGTERM)
            assert [await waiting.close_code() for waiting in sockets] == [3001] * 8
            os.kill(mongod, signal.SIGCONT)
            assert server.ended() == 0
    finally:
        with suppress(ProcessLookupError):
            os.kill(mongod, signal.SIGCONT)
        server.make_sure_it_ended()
    assert server.log_lines("error") == []


@pytest.mark.gen_test(timeout=90)
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("more", [(), ({"id": 2, "subscribe": {"channel": "queue:writing"}},)])
async def test_who_left_while_their_snapshot_was_waited_for_does_not_count(
    tmp_path: Path, processes: int, more: tuple[dict[str, object], ...]
) -> None:
    """3504 would be for good. `more`: commands that nobody will read, behind which the peer's end is hidden."""
    server = ServerProcess(
        tmp_path, TURANTALIM_AUTH__SECRET=SECRET, TURANTALIM_SERVER__PROCESSES=str(processes)
    ).start()
    token = signed(user_id="42")
    mongod = pid_of(server.state_dir)
    try:
        hang(mongod)
        for _ in range(5 * processes):
            leaving = await websockets.connect(server.websocket_url, proxy=None, ping_interval=None)
            await leaving.send(f'{{"id": 1, "connect": {{"token": "{token}"}}}}')
            for command in more:
                await leaving.send(str(command))
            leaving.transport.abort()
            await leaving.wait_closed()
        async with open_socket(server.url) as back:
            await back.send({"id": 1, "connect": {"token": token}})
            os.kill(mongod, signal.SIGCONT)
            assert "connect" in await back.reply(1)
        async with connected_socket(server.url, token) as again:
            assert await again.is_alive()
    finally:
        os.kill(mongod, signal.SIGCONT)
        server.make_sure_it_ended()
    assert server.log_lines("error") == []
