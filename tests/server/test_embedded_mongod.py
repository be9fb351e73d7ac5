"""EmbeddedMongod on the real binary: it starts, stops, dies, comes back, and keeps what was acknowledged."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.embedded_mongod import REPLICA_SET, EmbeddedMongod, MongodUnavailable, find_binary, library_path
from server.settings import HOME
from tests.e2e.processes import is_running
from tests.server.mongod_process import (
    describes_itself,
    kill_mongod,
    note,
    noted,
    pid_of,
    port_of,
    throw_away,
    wait_until,
)

SERVER = """
import sys
from pathlib import Path
from server.embedded_mongod import EmbeddedMongod
from server.logs import configure_logs
from server.settings import Logs

configure_logs(Logs())
mongod = EmbeddedMongod(Path(sys.argv[1]))
mongod.start()
try:
    print(mongod.uri, flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    print("died" if mongod.ensure_running() else "lives", flush=True)
mongod.stop()
"""
"""What a server does with its mongod, without the rest."""


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedMongod]:
    mongod = EmbeddedMongod(tmp_path)
    yield mongod
    throw_away(mongod, tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that has started a mongod in `tmp_path`."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)],
        cwd=HOME,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


def uri_of(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    return server.stdout.readline().strip()


def test_starts_as_the_primary_of_a_replica_set_on_loopback(tmp_path: Path) -> None:
    folder = tmp_path / "my exam server" / "état"
    embedded = EmbeddedMongod(folder)
    with pytest.raises(MongodUnavailable, match="ever started"):
        EmbeddedMongod(folder).running_uri()
    embedded.start()
    assert EmbeddedMongod(folder).running_uri() == embedded.uri
    answer = describes_itself(embedded.uri)
    embedded.stop()
    assert (answer["setName"], answer["isWritablePrimary"]) == (REPLICA_SET, True)
    assert answer["hosts"] == [f"127.0.0.1:{embedded.port}"]


def test_keeps_its_data_and_its_port_from_one_start_to_the_next(
    embedded: EmbeddedMongod, tmp_path: Path
) -> None:
    embedded.start()
    first, uri = pid_of(tmp_path), embedded.uri
    note(uri, 1, 2, 3)
    embedded.stop()
    embedded.stop()
    assert not is_running(first)
    embedded.start()
    assert embedded.uri == uri
    assert noted(uri) == [1, 2, 3]


@pytest.mark.expects_errors
def test_starts_again_what_was_killed_and_has_everything(embedded: EmbeddedMongod, tmp_path: Path) -> None:
    embedded.start()
    assert not embedded.ensure_running()
    uri = embedded.uri
    note(uri, 1, 2, 3)
    first = kill_mongod(tmp_path)
    assert embedded.ensure_running()
    assert not embedded.ensure_running()
    assert noted(uri) == [1, 2, 3]
    assert pid_of(tmp_path) != first
    note(uri, 4)


def test_is_ended_by_the_kernel_when_its_server_is_killed(
    server: subprocess.Popen[str], tmp_path: Path
) -> None:
    uri_of(server)
    mongod = pid_of(tmp_path)
    assert is_running(mongod)
    server.kill()
    wait_until(lambda: not is_running(mongod))


def test_the_next_start_takes_over_at_once_from_a_server_that_was_killed(
    server: subprocess.Popen[str], embedded: EmbeddedMongod, tmp_path: Path
) -> None:
    uri = uri_of(server)
    note(uri, 1, 2, 3)
    first = pid_of(tmp_path)
    server.kill()
    embedded.start()
    assert not is_running(first)
    assert noted(embedded.uri) == [1, 2, 3]
    assert describes_itself(embedded.uri)["isWritablePrimary"]


def test_takes_over_from_a_mongod_that_outlived_its_server(embedded: EmbeddedMongod, tmp_path: Path) -> None:
    embedded.start()
    note(embedded.uri, 1)
    embedded.stop()
    data = tmp_path / "mongo" / "data"
    port = port_of(tmp_path)
    command = f"{find_binary()} --dbpath {data} --port {port} --bind_ip 127.0.0.1 --replSet {REPLICA_SET}"
    quiet = subprocess.DEVNULL
    libraries = os.environ | library_path(tmp_path / "mongo")
    with subprocess.Popen(command.split(), stdout=quiet, stderr=quiet, env=libraries) as left_behind:
        note(f"mongodb://127.0.0.1:{port}/?directConnection=true", 2)
        embedded.start()
        assert left_behind.wait(30) == 0
    assert noted(embedded.uri) == [1, 2]


def test_becomes_primary_on_another_port_when_its_own_was_taken(
    embedded: EmbeddedMongod, tmp_path: Path
) -> None:
    embedded.start()
    note(embedded.uri, 1, 2, 3)
    before = embedded.port
    embedded.stop()
    with socket.create_server(("127.0.0.1", before)):
        embedded.start()
        assert embedded.port != before
        assert port_of(tmp_path) == embedded.port
        assert noted(embedded.uri) == [1, 2, 3]
        assert describes_itself(embedded.uri)["hosts"] == [f"127.0.0.1:{embedded.port}"]
        note(embedded.uri, 4)


def test_finds_its_way_when_nobody_remembers_its_port(embedded: EmbeddedMongod, tmp_path: Path) -> None:
    embedded.start()
    note(embedded.uri, 1, 2, 3)
    embedded.stop()
    (tmp_path / "mongo" / "port").unlink()
    embedded.start()
    assert noted(embedded.uri) == [1, 2, 3]


@pytest.mark.parametrize("sign", ["mongod.lock", "storage.bson"])
def test_starts_after_a_first_start_that_was_killed(
    server: subprocess.Popen[str], embedded: EmbeddedMongod, tmp_path: Path, sign: str
) -> None:
    wait_until((tmp_path / "mongo" / "data" / sign).exists)
    server.kill()
    embedded.start()
    note(embedded.uri, 1)


def test_ctrl_c_reaches_the_server_and_not_its_mongod(server: subprocess.Popen[str], tmp_path: Path) -> None:
    uri_of(server)
    mongod = pid_of(tmp_path)
    os.killpg(server.pid, signal.SIGINT)
    assert server.stdout is not None
    assert server.stdout.readline() == "lives\n"
    assert server.wait(30) == 0
    assert not is_running(mongod)
