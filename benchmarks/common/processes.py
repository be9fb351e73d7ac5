"""A server's process: started on its core, measured with its children, stopped by its own id."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_START_SECONDS = 60
_STOP_SECONDS = 15
_TICKS = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG = 1
_KIB = 1024
_FORGET_PEAK = "5"  # proc(5), clear_refs


class NotStarted(Exception):
    """A server ended, or did not listen in time; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core the servers get and which the load generator; None leaves it to the kernel."""

    server: int | None
    client: int | None


def choose_cores() -> Cores:
    available = sorted(os.sched_getaffinity(0))
    return Cores(available[0], available[1]) if len(available) > 1 else Cores(None, None)


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Run this thread, and whatever it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Process:
    """A running server and its children."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path, core: int | None
    ) -> None:
        self._log = log
        with log.open("ab") as output, on_core(core):
            self._popen = subprocess.Popen(  # noqa: S603  # our own arguments
                list(command),
                cwd=cwd,
                env=os.environ | env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the benchmark, which then stops it in order
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509  # one system call, no lock, no allocation
            )

    def await_listening(self, port: int) -> None:
        """Raises NotStarted."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            if self._popen.poll() is not None or time.monotonic() > deadline:
                raise NotStarted(f"exit code {self._popen.poll()}; {self.last_words()}")
            time.sleep(0.05)

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        """Ask it to end, and wait; it takes its children along. Idempotent."""
        if self._popen.poll() is not None:
            return
        self._popen.terminate()
        try:
            self._popen.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in reversed(self._tree()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._popen.wait()

    def cpu_seconds(self) -> float:
        """User and system time of the whole tree so far."""
        ticks = 0
        for pid in self._tree():
            with contextlib.suppress(OSError):
                # proc(5), stat: the fields behind the name in brackets; 14 and 15 of the line are utime and stime.
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICKS

    def forget_peak(self) -> int:
        """Let the peak memory count from now; returns the present bytes of the whole tree."""
        for pid in self._tree():
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text(_FORGET_PEAK)
        return self.present_bytes()

    def present_bytes(self) -> int:
        """Resident memory of the whole tree."""
        return self._memory("VmRSS")

    def peak_bytes(self) -> int:
        return self._memory("VmHWM")

    def _memory(self, name: str) -> int:
        total = 0
        for pid in self._tree():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith(f"{name}:"):
                        total += int(line.split()[1]) * _KIB
        return total

    def _tree(self) -> list[int]:
        """Its id and those of all its descendants, parents first."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parent = int(entry.read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.parent.name))
        tree = [self._popen.pid]
        for pid in tree:
            tree += children.get(pid, [])
        return tree


def busy_seconds(core: int | None) -> float:
    """How long a core (None: all together) has done anything for anyone, or was taken away by the hypervisor."""
    name = "cpu " if core is None else f"cpu{core} "
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(name))
    # proc(5), stat: user nice system idle iowait irq softirq steal
    user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def kernel_bytes() -> int:
    """What the kernel holds in its own objects and in the buffers of TCP sockets, for anyone on the machine."""
    # proc(5), meminfo; sockstat counts pages of buffers.
    slab = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("Slab:"))
    sockets = Path("/proc/net/sockstat").read_text().partition("TCP:")[2].splitlines()[0].split()
    pages = int(sockets[sockets.index("mem") + 1])
    return int(slab.split()[1]) * _KIB + pages * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _die_with(parent: int) -> Callable[[], None] | None:
    """Run in the child: have the kernel end it when the benchmark dies, so that no server is left behind."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange
