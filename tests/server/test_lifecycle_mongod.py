"""A server and its embedded mongod: stopped at an awkward moment, and when the mongod cannot be started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from server.settings import HOME
from tests.e2e.processes import is_running
from tests.e2e.server_process import ServerProcess
from tests.server.mongod_process import has_mongod, kill_mongod, pid_of, wait_until
from tests.storage.small_disk import read_only


def is_ready(server: ServerProcess) -> bool:
    return httpx.get(f"{server.url}/readyz", timeout=30).status_code == 200


def test_told_to_stop_the_moment_it_listens_it_stops_in_order(installation: ServerProcess) -> None:
    assert installation.start().stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_ended_while_it_starts_it_leaves_no_mongod(tmp_path: Path, number: int) -> None:
    environment = {
        "TURANTALIM_SERVER__PORT": "0",
        "TURANTALIM_SERVER__STATE_DIR": str(tmp_path / "var"),
        "TURANTALIM_MEDIA__ROOT": str(tmp_path / "media"),
    }
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        [sys.executable, "run.py"], cwd=HOME, env=os.environ | environment, stdout=quiet, stderr=quiet
    ) as starting:
        wait_until(lambda: has_mongod(tmp_path / "var"))
        mongod = pid_of(tmp_path / "var")
        starting.send_signal(number)
        starting.wait(60)
    wait_until(lambda: not is_running(mongod))


def test_a_mongod_that_cannot_be_started_for_a_while_is_started_as_soon_as_it_can(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, TURANTALIM_MONGO__TIMEOUT_SECONDS="0.5").start()
    state = tmp_path / "var"
    try:
        assert is_ready(server)
        with read_only(state):
            dead = kill_mongod(state)
            wait_until(lambda: len(server.log_lines("error")) > 0)
            assert not is_ready(server)
        wait_until(lambda: is_ready(server))
        assert pid_of(state) != dead
        assert server.stop() == 0
        assert not has_mongod(state)
    finally:
        server.make_sure_it_ended()
