"""What storage tests share: a vault on a real disk, and a database of its own in the run's one mongod."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from server.embedded_mongod import EmbeddedMongod
from storage.database import Database
from storage.indexes import ensure_indexes
from storage.media_type import MediaTypeDetector
from storage.media_vault import MediaVault, VaultSettings
from storage.submission_store import SubmissionStore
from tests.server.mongod_process import throw_away


@pytest.fixture(scope="session")
def detector() -> MediaTypeDetector:
    return MediaTypeDetector()


@pytest.fixture
def media_root(tmp_path: Path) -> Path:
    return tmp_path / "media"


@pytest.fixture
def vault(media_root: Path, detector: MediaTypeDetector) -> Iterator[MediaVault]:
    opened = MediaVault(VaultSettings(media_root, reserve_bytes=0), detector)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def database(io_loop: IOLoop, mongod: EmbeddedMongod, database_name: str) -> Iterator[Database]:
    fresh = Database(mongod.uri, database_name, timeout_seconds=5)
    io_loop.run_sync(lambda: ensure_indexes(fresh))
    yield fresh
    fresh.close()


@pytest.fixture
def store(database: Database) -> SubmissionStore:
    return SubmissionStore(database)


@pytest.fixture
def own_mongod(tmp_path: Path) -> Iterator[EmbeddedMongod]:
    """A MongoDB that the test may kill."""
    embedded = EmbeddedMongod(tmp_path / "own")
    embedded.start()
    yield embedded
    throw_away(embedded, tmp_path / "own")


@pytest.fixture
def own_database(io_loop: IOLoop, own_mongod: EmbeddedMongod) -> Iterator[Database]:
    """A database in `own_mongod` that gives up on it soon."""
    fresh = Database(own_mongod.uri, "test", timeout_seconds=0.5)
    io_loop.run_sync(lambda: ensure_indexes(fresh))
    yield fresh
    fresh.close()
