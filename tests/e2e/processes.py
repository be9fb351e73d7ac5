"""Processes as the kernel sees them, through /proc: which run, and in how much memory."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

WAIT_SECONDS = 30.0
"""How long a process is waited for that should come or go."""


def is_running(pid: int) -> bool:
    """A zombie, dead but not yet reaped, does not run."""
    return _state(Path(f"/proc/{pid}")) != "Z"


def hang(pid: int) -> None:
    """SIGSTOP, and wait until each of its threads has stopped: on a busy machine some go on for milliseconds."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + WAIT_SECONDS
    while any(_state(task) not in "TZ" for task in Path(f"/proc/{pid}/task").iterdir()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.001)


def resident_bytes(pid: int) -> int:
    return _memory(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """The most it ever took since it started or `forget_peak` was called."""
    return _memory(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """See proc(5), /proc/pid/clear_refs."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that nobody announces; TimeoutError if it never comes."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110  # neither a disk nor a process sets an event of ours
            await asyncio.sleep(0.02)


def refuses_connections(url: str) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10).close()
    except ConnectionRefusedError:
        return True
    return False


def free_port() -> int:
    """A port nobody has now, for a server that is to come back under the same address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _state(process: Path) -> str:
    """See proc(5), /proc/pid/stat; of one that is no more, that of a zombie."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def _memory(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) << 10
