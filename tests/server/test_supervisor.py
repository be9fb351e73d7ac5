"""Supervisor: workers start, are replaced, finish what they began when told to stop, and never outlive it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.settings import HOME
from server.supervisor import restart_delay
from tests.e2e.processes import hang, is_running
from tests.server.mongod_process import wait_until

PROGRAM = """
import os, signal, sys, threading, time
from pathlib import Path
from server.logs import configure_logs
from server.settings import Logs
from server.supervisor import Supervisor

folder, processes = Path(sys.argv[1]), int(sys.argv[2])
configure_logs(Logs(format="json"))

def say(line):
    os.write(1, line.encode() + b"\\n")

class Job:
    def work(self, number, is_ready):
        if (folder / f"fails-{number}").exists():
            return int((folder / f"fails-{number}").read_text())
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        say(f"worker {number} {os.getpid()}")
        is_ready()
        signal.sigwait([signal.SIGTERM])
        while (folder / f"busy-{number}").exists():
            time.sleep(0.01)
        say(f"finished {number}")
        return 0

    def all_ready(self):
        say("all ready")

    def look_after(self):
        (folder / "looked").touch()

    def died(self, number):
        say(f"died {number}")

    def stopping(self):
        say("stopping")

if (folder / "thread").exists():
    threading.Thread(target=time.sleep, args=(float((folder / "thread").read_text()),), daemon=True).start()
status = Supervisor(Job(), processes).run()
say(f"status {status}")
sys.exit(status)
"""
"""Workers that say who they are, and that finish when told to as soon as `busy-NUMBER` is gone."""


class Supervised:
    """The program, in a session of its own, and all it has said."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.process: subprocess.Popen[bytes]

    def start(self, processes: int = 2) -> Supervised:
        with (self._folder / "said").open("ab") as said, (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(self._folder), str(processes)],
                cwd=HOME,
                stdout=said,
                stderr=log,
                start_new_session=True,
            )
        return self

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def said(self) -> list[str]:
        return (self._folder / "said").read_text().splitlines()

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self._folder / "log").read_text().splitlines()]

    def events(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log() if line["event"] == event]

    def workers(self, number: int) -> list[int]:
        """The process ids of that worker, the latest last."""
        return [int(line.split()[2]) for line in self.said() if line.startswith(f"worker {number} ")]

    def until(self, line: str) -> None:
        wait_until(lambda: line in self.said())

    def told(self, number: int) -> None:
        self.process.send_signal(number)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    (tmp_path / "log").touch()
    supervised = Supervised(tmp_path)
    yield supervised
    supervised.end()


def test_all_are_ready_once_and_at_sigterm_all_finish(supervised: Supervised, tmp_path: Path) -> None:
    supervised.start(3).until("all ready")
    wait_until((tmp_path / "looked").exists)
    workers = [supervised.workers(number)[0] for number in range(3)]
    assert all(is_running(pid) for pid in workers)
    supervised.told(signal.SIGTERM)
    assert supervised.process.wait(30) == 0
    said = supervised.said()
    assert said.count("all ready") == said.count("stopping") == 1
    assert {f"finished {number}" for number in range(3)} <= set(said[said.index("stopping") :])
    assert not any(is_running(pid) for pid in workers)
    assert [line for line in supervised.log() if line["level"] != "info"] == []


def test_a_killed_worker_is_replaced_at_once_and_the_others_are_left_alone(supervised: Supervised) -> None:
    supervised.start().until("all ready")
    (other,), (dead,) = supervised.workers(0), supervised.workers(1)
    os.kill(dead, signal.SIGKILL)
    wait_until(lambda: len(supervised.workers(1)) == 2)
    (told,) = supervised.events("worker died, starting another")
    assert (told["worker"], told["pid"], told["exit_code"], told["delay_seconds"]) == (1, dead, -9, 0.0)
    assert not Path(f"/proc/{dead}").exists()
    assert supervised.workers(0) == [other]
    assert is_running(other)
    supervised.told(signal.SIGTERM)
    assert supervised.process.wait(30) == 0
    assert supervised.said().count("all ready") == 1


def test_one_that_keeps_dying_is_put_off_more_and_more_and_comes_back(
    supervised: Supervised, tmp_path: Path
) -> None:
    supervised.start().until("all ready")
    (tmp_path / "fails-1").write_text("1")
    os.kill(supervised.workers(1)[0], signal.SIGKILL)
    wait_until(lambda: len(supervised.events("worker died, starting another")) >= 4)
    delays = [line["delay_seconds"] for line in supervised.events("worker died, starting another")]
    assert delays[:4] == [0.0, 0.25, 0.5, 1.0]
    (tmp_path / "fails-1").unlink()
    wait_until(lambda: len(supervised.workers(1)) == 2)
    supervised.told(signal.SIGTERM)
    assert supervised.process.wait(30) == 0


def test_told_to_stop_while_it_waits_to_start_one_it_stops(supervised: Supervised, tmp_path: Path) -> None:
    supervised.start().until("all ready")
    (tmp_path / "fails-1").write_text("1")
    os.kill(supervised.workers(1)[0], signal.SIGKILL)
    wait_until(lambda: len(supervised.events("worker died, starting another")) >= 3)
    supervised.told(signal.SIGTERM)
    assert supervised.process.wait(30) == 0
    assert len(supervised.workers(1)) == 1


@pytest.mark.parametrize("number", [0, 1])
def test_one_that_cannot_start_at_first_ends_all_with_its_status(
    supervised: Supervised, tmp_path: Path, number: int
) -> None:
    (tmp_path / f"fails-{number}").write_text("2")
    supervised.start()
    assert supervised.process.wait(30) == 2
    assert "all ready" not in supervised.said()
    assert not any(is_running(pid) for pid in supervised.workers(0))
    assert len(supervised.workers(0)) == number  # the first one fails alone


def test_ctrl_c_reaches_everyone_and_everyone_finishes(supervised: Supervised, tmp_path: Path) -> None:
    (tmp_path / "busy-1").touch()
    supervised.start().until("all ready")
    os.killpg(supervised.process.pid, signal.SIGINT)
    supervised.until("finished 0")
    assert is_running(supervised.workers(1)[0])
    assert "finished 1" not in supervised.said()
    (tmp_path / "busy-1").unlink()
    assert supervised.process.wait(30) == 0
    assert "finished 1" in supervised.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_all_at_once(supervised: Supervised, tmp_path: Path, number: int) -> None:
    (tmp_path / "busy-1").touch()
    supervised.start().until("all ready")
    supervised.told(number)
    supervised.until("stopping")
    supervised.told(number)
    assert supervised.process.wait(30) == -number
    wait_until(lambda: not is_running(supervised.workers(1)[0]))


def test_killed_it_takes_its_workers_with_it(supervised: Supervised) -> None:
    supervised.start().until("all ready")
    workers = [supervised.workers(number)[0] for number in range(2)]
    hang(workers[1])  # even one that does nothing any more
    supervised.told(signal.SIGKILL)
    supervised.process.wait(30)
    wait_until(lambda: not any(is_running(pid) for pid in workers))


def test_one_that_dies_while_it_stops_is_told_and_the_status(supervised: Supervised, tmp_path: Path) -> None:
    (tmp_path / "busy-1").touch()
    supervised.start().until("all ready")
    supervised.told(signal.SIGTERM)
    supervised.until("finished 0")
    os.kill(supervised.workers(1)[0], signal.SIGKILL)
    assert supervised.process.wait(30) == 1
    (told,) = supervised.events("worker died while it stopped")
    assert (told["worker"], told["exit_code"]) == (1, -9)


def test_it_waits_for_threads_that_end_and_does_not_fork_beside_others(
    supervised: Supervised, tmp_path: Path
) -> None:
    (tmp_path / "thread").write_text("0.3")
    supervised.start().until("all ready")
    supervised.told(signal.SIGTERM)
    assert supervised.process.wait(30) == 0
    (tmp_path / "thread").write_text("60")
    supervised.start()
    assert supervised.process.wait(30) == 1
    assert "a supervisor has no threads" in (tmp_path / "log").read_text()
    assert supervised.said().count("all ready") == 1


def test_the_delay_grows_to_a_few_seconds_and_no_further() -> None:
    delays = [restart_delay(deaths) for deaths in range(1, 1000)]
    assert delays[0] == 0
    assert delays == sorted(delays)
    assert delays[-1] == 4
