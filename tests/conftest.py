"""The real parts every test shares: one mongod for the run, a server of its own for each test."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from handlers.base import Application
from server.embedded_mongod import EmbeddedMongod
from server.http_server import CHUNK_BYTES, UploadServer
from server.logs import configure_logs
from server.services import Built
from server.settings import Logs, Settings
from storage.domain.people import Person, Role
from tests import serving
from tests.serving import SECRET


@pytest.fixture(scope="session", autouse=True)
def logs() -> None:
    configure_logs(Logs(format="json", level="debug"))


@pytest.fixture(autouse=True)
def no_unexpected_errors(request: pytest.FixtureRequest, logs: None) -> Iterator[None]:
    """A test during which an error is logged fails, unless it is marked `expects_errors`."""
    seen: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(self.format(record))

    collector = Collector(logging.ERROR)
    logging.getLogger().addHandler(collector)
    yield
    logging.getLogger().removeHandler(collector)
    if request.node.get_closest_marker("expects_errors") is None:
        assert not seen, f"unexpected errors in the log: {seen}"


@pytest.fixture(scope="session")
def shared_embedded_mongod(tmp_path_factory: pytest.TempPathFactory, logs: None) -> Iterator[EmbeddedMongod]:
    """One real MongoDB for the whole run; each test has a database of its own in it."""
    embedded = EmbeddedMongod(tmp_path_factory.mktemp("mongod"))
    embedded.start()
    yield embedded
    embedded.stop()


@pytest.fixture(scope="session")
def mongod(shared_embedded_mongod: EmbeddedMongod) -> EmbeddedMongod:
    """The run's own; a module whose tests stop theirs has another of this name."""
    return shared_embedded_mongod


@pytest.fixture(scope="session")
def mongo_client(shared_embedded_mongod: EmbeddedMongod) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](shared_embedded_mongod.uri) as client:
        yield client


@pytest.fixture
def database_name(mongo_client: MongoClient[dict[str, Any]]) -> Iterator[str]:
    """A database for one test, dropped in the end: each index is a file, and mongod keeps thousands of them open
    until it may open no more."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    mongo_client.drop_database(name)


@pytest.fixture
def shared_mongod(mongod: EmbeddedMongod, database_name: str) -> dict[str, str]:
    """Settings of a server on the run's own MongoDB, which starts and stops two seconds sooner with it."""
    return {
        "TURANTALIM_MONGO__URI": mongod.uri,
        "TURANTALIM_MONGO__DATABASE": database_name,
        "TURANTALIM_AUTH__DEV_LOGIN": "true",
    }


@pytest.fixture
def settings(
    mongod: EmbeddedMongod, database_name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Settings:
    """Settings of a server in `tmp_path`; `@pytest.mark.settings(limits={"answers": 1})` changes some."""
    sections: dict[str, dict[str, Any]] = {
        "server": {"state_dir": tmp_path},
        "mongo": {"uri": mongod.uri, "database": database_name},
        "media": {"root": tmp_path / "media", "reserve_bytes": 0},
        "auth": {"secret": SECRET, "dev_login": True},
    }
    for marker in reversed(list(request.node.iter_markers("settings"))):  # the closest one has the last word
        for section, values in marker.kwargs.items():
            sections.setdefault(section, {}).update(values)
    return Settings(**sections)  # type: ignore[arg-type]


@pytest.fixture
def built(io_loop: IOLoop, settings: Settings) -> Iterator[Built]:
    with serving.collaborators(io_loop, settings) as built:
        yield built


@pytest.fixture
def app(io_loop: IOLoop, built: Built) -> Iterator[Application]:
    with serving.application(io_loop, built) as application:
        yield application


@pytest.fixture
def http_server(io_loop: IOLoop, app: Application, _unused_port: Any) -> Iterator[HTTPServer]:
    """pytest-tornado's own gives HTTPServer no options; ours serves as `server/lifecycle.py` does."""
    server = UploadServer(app, chunk_size=CHUNK_BYTES)
    server.add_socket(_unused_port[0])
    yield server
    serving.stop(io_loop, server)


@pytest.fixture
def another_base_url(io_loop: IOLoop, base_url: str, settings: Settings) -> Iterator[str]:
    """A second server on the same MongoDB and media root, as a second process or machine would be."""
    with (
        serving.collaborators(io_loop, settings) as built,
        serving.application(io_loop, built) as application,
        serving.listening(io_loop, application) as url,
    ):
        yield url


@pytest.fixture
def base_url(http_server: HTTPServer, http_port: int) -> str:
    return f"http://127.0.0.1:{http_port}"


class Tokens:
    """Mints tokens as `python run.py token` does."""

    def __init__(self, built: Built) -> None:
        self._auth = built.services.auth

    def mint(
        self, user: str = "42", role: Role = Role.STUDENT, name: str | None = None, ttl_seconds: int = 600
    ) -> str:
        return self._auth.mint(Person(user, name), role, ttl_seconds)

    def header(self, user: str = "42", role: Role = Role.STUDENT, name: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.mint(user, role, name)}"}


@pytest.fixture
def tokens(built: Built) -> Tokens:
    return Tokens(built)
