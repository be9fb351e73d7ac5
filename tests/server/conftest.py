"""A real server for each test, gone afterwards whatever the test did with it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.embedded_mongod import EmbeddedMongod
from tests.e2e.server_process import ServerProcess


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[ServerProcess]:
    """Where a test starts a server itself, or other commands."""
    server = ServerProcess(tmp_path)
    yield server
    server.make_sure_it_ended()


@pytest.fixture
def shared_mongod(mongod: EmbeddedMongod) -> dict[str, str]:
    """Settings of a server on the run's own MongoDB, which starts and stops two seconds sooner with it."""
    return {
        "TURANTALIM_MONGO__URI": mongod.uri,
        "TURANTALIM_MONGO__DATABASE": f"test-{uuid.uuid4().hex[:12]}",
        "TURANTALIM_AUTH__DEV_LOGIN": "true",
    }


@pytest.fixture
def quick_server(tmp_path: Path, shared_mongod: dict[str, str]) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path, **shared_mongod)
    try:
        yield server.start()
    finally:
        server.make_sure_it_ended()


@pytest.fixture
def server(installation: ServerProcess) -> ServerProcess:
    return installation.start()
