"""Places that hold over processes: never one too many, and none left taken by the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from server.settings import HOME
from server.shared_slots import SharedSlots

TAKER = """
import sys
from pathlib import Path
from server.shared_slots import SharedSlots
slots = SharedSlots(Path(sys.argv[1]), int(sys.argv[2]))
print("open", flush=True)
for line in sys.stdin:
    command, name, times = line.split()
    if command == "take":
        print(sum(slots.take(name) for _ in range(int(times))), flush=True)
    else:
        for _ in range(int(times)):
            slots.free(name)
        print("freed", flush=True)
"""


class Taker:
    """A process of its own that takes places when told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, command: str, name: str, times: int = 1) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command} {name} {times}\n")
        self._process.stdin.flush()

    def told(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def take(self, name: str, times: int = 1) -> int:
        """How many of so many it got."""
        self.tell("take", name, times)
        return int(self.told())

    def free(self, name: str, times: int = 1) -> None:
        self.tell("free", name, times)
        assert self.told() == "freed"

    def kill(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def takers(folder: Path, slots: int, number: int = 1) -> Iterator[list[Taker]]:
    with ExitStack() as stack:
        found = []
        for _ in range(number):
            process = subprocess.Popen(
                [sys.executable, "-c", TAKER, str(folder), str(slots)],
                cwd=HOME,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            found.append(Taker(process))
        for taker in found:
            assert taker.told() == "open"
        yield found


@pytest.fixture
def slots(tmp_path: Path) -> Iterator[SharedSlots]:
    slots = SharedSlots(tmp_path / "slots", 5)
    yield slots
    slots.close()


def test_a_name_has_so_many_places_and_gets_another_when_one_is_given_back(slots: SharedSlots) -> None:
    assert [slots.take("42") for _ in range(7)] == [True] * 5 + [False] * 2
    slots.free("42")
    assert [slots.take("42") for _ in range(2)] == [True, False]


def test_names_do_not_take_each_others_places(slots: SharedSlots) -> None:
    names = [f"user-{number}" for number in range(1000)]
    assert all(slots.take(name) for name in names for _ in range(5))
    assert not any(slots.take(name) for name in names)


def test_another_process_finds_what_is_left_and_what_is_given_back(tmp_path: Path) -> None:
    folder = tmp_path / "slots"
    slots = SharedSlots(folder, 5)
    with takers(folder, 5) as (other,):
        assert [slots.take("42") for _ in range(2)] == [True, True]
        assert other.take("42", 5) == 3
        assert not slots.take("42")
        other.free("42", 2)
        assert [slots.take("42") for _ in range(3)] == [True, True, False]
        slots.free("42")
        assert other.take("42", 5) == 1
    slots.close()


def test_the_places_of_a_killed_process_are_free_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "slots"
    slots = SharedSlots(folder, 5)
    with takers(folder, 5) as (other,):
        assert other.take("42", 5) == 5
        assert not slots.take("42")
        other.kill()
        assert [slots.take("42") for _ in range(6)] == [True] * 5 + [False]
    slots.close()


def test_four_processes_that_rush_for_the_same_places_get_just_those(tmp_path: Path) -> None:
    with takers(tmp_path / "slots", 64, number=4) as rushing:
        for taker in rushing:
            taker.tell("take", "42", 40)
        got = [int(taker.told()) for taker in rushing]
        assert sum(got) == 64
        rushing[0].free("42", got[0])
        assert [taker.take("42", got[0] + 1) for taker in rushing[1:]] == [got[0], 0, 0]


def test_a_file_that_someone_else_in_the_process_opens_and_closes_frees_nothing(tmp_path: Path) -> None:
    """As the other kind of locks of fcntl(2) would."""
    folder = tmp_path / "slots"
    slots = SharedSlots(folder, 1)
    assert slots.take("42")
    for file in folder.iterdir():
        file.read_bytes()
    with takers(folder, 1) as (other,):
        assert other.take("42") == 0
        slots.free("42")
        assert other.take("42") == 1
    slots.close()


def test_closing_gives_everything_back_and_leaves_the_files_empty(tmp_path: Path) -> None:
    folder = tmp_path / "slots"
    slots = SharedSlots(folder, 1)
    assert slots.take("42")
    slots.close()
    again = SharedSlots(folder, 1)
    assert again.take("42")
    again.close()
    assert sum(file.stat().st_size for file in folder.iterdir()) == 0


def test_as_many_places_as_can_be_set_are_addressed(tmp_path: Path) -> None:
    slots = SharedSlots(tmp_path / "slots", 1 << 61)
    assert slots.take("42")
    slots.free("42")
    slots.close()
