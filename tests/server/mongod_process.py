"""An embedded mongod from the outside: its process, its end, and whether it kept what it was given."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient, WriteConcern
from pymongo.collection import Collection

from server.embedded_mongod import EmbeddedMongod
from tests.e2e.processes import WAIT_SECONDS, is_running


def pid_of(state_dir: Path) -> int:
    """The mongod that serves the data below `state_dir`; ProcessLookupError if none does."""
    data = state_dir / "mongo" / "data"
    try:
        pid = int((data / "mongod.lock").read_text())  # its own id, until it ends in order
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ValueError):
        raise ProcessLookupError from None
    if str(data).encode() not in words:
        raise ProcessLookupError
    return pid


def has_mongod(state_dir: Path) -> bool:
    try:
        return is_running(pid_of(state_dir))
    except ProcessLookupError:
        return False


def port_of(state_dir: Path) -> int:
    return int((state_dir / "mongo" / "port").read_text())


def kill_mongod(state_dir: Path) -> int:
    """kill -9; returns which process that was, once it is no more."""
    pid = pid_of(state_dir)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_running(pid) and _threads_of(pid) <= 1)
    return pid


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that nobody announces; TimeoutError if it never comes."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


def throw_away(embedded: EmbeddedMongod, state_dir: Path) -> None:
    """End it without the second that it takes to end in order."""
    if has_mongod(state_dir):
        kill_mongod(state_dir)
    embedded.stop()


def _threads_of(pid: int) -> int:
    """A process whose first thread is a zombie can be waited for only when its other threads are gone."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir()))
    except FileNotFoundError:
        return 0


@contextmanager
def notes(uri: str) -> Iterator[Collection[dict[str, Any]]]:
    """A collection to write to and to read again, acknowledged as submissions are."""
    with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=int(WAIT_SECONDS * 1000)) as client:
        yield client["test"].get_collection("notes", write_concern=WriteConcern("majority", j=True))


def note(uri: str, *numbers: int) -> None:
    with notes(uri) as collection:
        collection.insert_many([{"_id": number} for number in numbers])


def noted(uri: str) -> list[int]:
    """Everything noted so far, read from the primary."""
    with notes(uri) as collection:
        return sorted(row["_id"] for row in collection.find())


def describes_itself(uri: str) -> dict[str, Any]:
    """MongoDB's answer to `hello`."""
    with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=int(WAIT_SECONDS * 1000)) as client:
        return client.admin.command("hello")
