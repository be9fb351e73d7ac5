"""A real server for each test, gone afterwards whatever the test did with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server_process import ServerProcess


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[ServerProcess]:
    """Where a test starts a server itself, or other commands."""
    server = ServerProcess(tmp_path)
    yield server
    server.make_sure_it_ended()


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
