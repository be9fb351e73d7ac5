"""Sockets while MongoDB hangs: told to come back, never closed for good (promise 6)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers import status_snapshots
from server.embedded_mongod import EmbeddedMongod
from tests.conftest import Tokens
from tests.e2e.processes import hang
from tests.handlers.plain_socket import connected_socket, open_socket
from tests.server.mongod_process import pid_of

STUDENTS, ATTEMPTS = 12, 7
"""More than have their turn at once, each coming back more often than they may have sockets."""


@pytest.fixture
def mongod(tmp_path: Path, logs: None) -> Iterator[EmbeddedMongod]:
    """One that the test may stop."""
    embedded = EmbeddedMongod(tmp_path)
    embedded.start()
    yield embedded
    embedded.stop()


@pytest.mark.gen_test(timeout=60)
@pytest.mark.expects_errors
async def test_nobody_is_closed_for_good_while_mongodb_hangs(
    tmp_path: Path, base_url: str, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come back as the SDKs do, with a close frame first, and wait longer than a snapshot may take."""
    monkeypatch.setattr(status_snapshots, "_WAIT_SECONDS", 0.4)
    codes: Counter[int | None] = Counter()

    async def insist(user: str) -> None:
        for _ in range(ATTEMPTS):
            async with open_socket(base_url) as attempt:
                await attempt.send({"id": 1, "connect": {"token": tokens.mint(user)}})
                codes[await attempt.close_code()] += 1

    async with connected_socket(base_url, tokens.mint()):
        hang(pid_of(tmp_path))
        try:
            await asyncio.gather(*(insist(str(number)) for number in range(100, 100 + STUDENTS)))
        finally:
            os.kill(pid_of(tmp_path), signal.SIGCONT)
    assert codes == {3004: STUDENTS * ATTEMPTS}
    async with connected_socket(base_url, tokens.mint("100")) as back:
        assert await back.is_alive()
