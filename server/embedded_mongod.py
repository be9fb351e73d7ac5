"""An own MongoDB below the state directory, for `mongo.uri: embedded`.

One `mongod`, a one-member replica set on a free loopback port, started and stopped with the server. The kernel
ends it when the server dies (PR_SET_PDEATHSIG), so that none is left behind; the next start waits until it has
closed its files, and stops one that outlived its server all the same.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import structlog

from server.parent_death import dies_with
from storage.database import await_primary, rename_member

log = structlog.get_logger(__name__)

REPLICA_SET = "turantalim"
_START_SECONDS = 60.0
"""Recovery after a kill -9 replays the journal; a fresh start takes one second."""
_STOP_SECONDS = 30.0
_CACHE_GB = "0.25"
"""WiredTiger's smallest: submissions are a few kilobytes, and the machine's memory is for the page cache."""
_OPLOG_MB = "990"
"""MongoDB's smallest default; weeks of submissions."""
_HINTS = {
    "libcurl.so.4: cannot open": "apt install libcurl4, or install requirements.txt anew: its pycurl brings one",
    "libcrypto.so.3: cannot open": "OpenSSL 3 is needed (Debian 12, Ubuntu 22.04 or newer)",
    "Address already in use": "another program took the port; start again",
    "No space left on device": "the disk is full",
    "Writing to log file failed": "the disk is full, or failing",
    "Read-only file system": "the disk can only be read",
    "Permission denied": "the user this server runs as cannot write there",
}


class MongodUnavailable(Exception):
    """The embedded MongoDB cannot start; the message says why and what to do."""


class EmbeddedMongod:
    """Start before the event loop, from the main thread; all methods block."""

    def __init__(self, state_dir: Path) -> None:
        self._home = state_dir / "mongo"
        self._data = self._home / "data"
        self._log = self._home / "mongod.log"
        self._port_file = self._home / "port"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def running_uri(self) -> str:
        """The URI of the one that a running server has; raises MongodUnavailable if there is none."""
        try:
            self.port = int(self._port_file.read_text())
        except (OSError, ValueError) as error:
            raise MongodUnavailable(f"no embedded MongoDB was ever started in {self._home}") from error
        return self.uri

    def start(self) -> None:
        """Start it and wait until it is primary; raises MongodUnavailable."""
        began = time.monotonic()
        binary = find_binary()
        self._data.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._await_predecessor()
        known_port, has_data = self._known_port(), (self._data / "WiredTiger").exists()
        self.port = known_port if known_port and _is_free(known_port) else _free_port()
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.1"))
        try:
            if has_data and known_port != self.port:
                self._move(binary)
            self._spawn(binary)
            initiate = known_port is None or not has_data
            await_primary(self.port, REPLICA_SET, _START_SECONDS, initiate=initiate, alive=self._check_alive)
        except TimeoutError:
            self.stop()
            raise MongodUnavailable(f"mongod did not become primary in time; see {self._log}") from None
        self._port_file.write_text(str(self.port))
        log.info("embedded mongod is primary", port=self.port, seconds=round(time.monotonic() - began, 2))

    def ensure_running(self) -> bool:
        """Start it again if it died; True if that was needed. Returns at once: the driver waits for the primary.

        Must be called from the main thread: the kernel ends a child with the thread that made it.
        """
        if self._process is None or self._process.poll() is None:
            return False
        log.error("embedded mongod died, starting it again", exit_code=self._process.returncode)
        self._spawn(find_binary())
        return True

    def look_after(self) -> None:
        """`ensure_running`, but what prevents it is only logged: there is a next time."""
        try:
            self.ensure_running()
        except (OSError, MongodUnavailable) as error:
            log.error("embedded mongod cannot be started, trying again", cause=str(error))

    def stop(self) -> None:
        """Ask it to end, and wait; its data is flushed then. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            log.error("embedded mongod did not stop in time, killing it; its journal has everything")
            process.kill()
            process.wait()

    def _known_port(self) -> int | None:
        """The port under which it last was primary; None if it never was, as far as anyone remembers."""
        try:
            return int(self._port_file.read_text())
        except (OSError, ValueError):
            return None

    def _move(self, binary: Path) -> None:
        """Tell the replica set, if there is one in the data, its new port before it looks for itself at the old."""
        self._spawn(binary, alone=True)
        host = f"127.0.0.1:{self.port}"
        rename_member(self.port, host, _START_SECONDS, alive=self._check_alive)
        self._port_file.write_text(
            str(self.port)
        )  # now: a kill before the next line must not leave two truths
        self.stop()

    def _spawn(self, binary: Path, *, alone: bool = False) -> None:
        command = [
            str(binary),
            *("--dbpath", str(self._data)),
            *("--port", str(self.port)),
            *("--bind_ip", "127.0.0.1"),
            *(() if alone else ("--replSet", REPLICA_SET)),
            *("--logpath", str(self._log), "--logappend"),
            *("--wiredTigerCacheSizeGB", _CACHE_GB),
            *("--oplogSize", _OPLOG_MB),
            "--nounixsocket",
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # There is no secondary to hand over to: do not wait fifteen seconds for one when stopping.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"),
        ]
        with (self._home / "mongod.out").open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603  # our own arguments
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | library_path(self._home),
                start_new_session=True,  # Ctrl-C in a terminal is for the server, which then stops it in order
                preexec_fn=dies_with(os.getpid(), signal.SIGTERM),  # noqa: PLW1509  # one system call, no lock
            )

    def _check_alive(self) -> None:
        if self._process is None or self._process.poll() is None:
            return
        said = (self._home / "mongod.out").read_text(errors="replace")
        said += self._log.read_text(errors="replace") if self._log.exists() else ""
        hint = next((hint for sign, hint in _HINTS.items() if sign in said), f"see {self._log}")
        code, self._process = self._process.returncode, None
        raise MongodUnavailable(f"mongod ended with code {code}: {hint} ({_last_words(said)})")

    def _await_predecessor(self) -> None:
        """Wait for the mongod of a server that died here to close its files, then make sure it has."""
        deadline = time.monotonic() + _STOP_SECONDS
        asked = False
        while (pid := self._predecessor()) is not None:
            if not asked:
                log.warning("taking over from an earlier server's mongod", pid=pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                asked = True
            if time.monotonic() > deadline:
                raise MongodUnavailable(f"process {pid}, an earlier mongod on {self._data}, does not stop")
            time.sleep(0.05)

    def _predecessor(self) -> int | None:
        """A mongod that still runs on our data. Its command line tells; its own lock file is empty at first."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile, or sees another file system
                words = (process / "cmdline").read_bytes().split(b"\0")
                for option, folder in pairwise(words):
                    seen = process / "root" / os.fsdecode(folder).lstrip("/")
                    if option == b"--dbpath" and seen.samefile(self._data):
                        return int(process.name)
        return None


def find_binary() -> Path:
    """`mongod` on PATH, else the one of the wheel in requirements.txt; raises MongodUnavailable."""
    if (on_path := shutil.which("mongod")) is not None:
        return Path(on_path)
    if (wheel := importlib.util.find_spec("fiftyone")) is not None:
        for folder in wheel.submodule_search_locations or ():
            binary = Path(folder) / "db" / "bin" / "mongod"
            if binary.is_file():
                return binary
    raise MongodUnavailable(
        "there is no mongod for this machine: install MongoDB 6.0 or newer, or set mongo.uri "
        "(TURANTALIM_MONGO__URI) to the mongodb:// URI of a replica set"
    )


def _last_words(said: str) -> str:
    """The last error mongod logged, or the last line it wrote at all."""
    lines = [line for line in said.splitlines() if line.strip()]
    for line in reversed(lines):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            if entry["s"] in {"E", "F"}:
                return f"{entry['msg']}: {entry.get('attr', {}).get('error', '')}"[:500]
    return lines[-1][:500] if lines else "it said nothing"


def library_path(home: Path) -> dict[str, str]:
    """Where mongod finds libcurl.so.4 on a machine that has none: in the wheel of pycurl, under that name."""
    if ctypes.util.find_library("curl") is not None:
        return {}
    spec = importlib.util.find_spec("pycurl")
    if spec is None or spec.origin is None:
        return {}
    origin = Path(spec.origin).parent
    for folder in (origin / "pycurl.libs", origin.parent / "pycurl.libs"):
        for library in folder.glob("libcurl-*.so.4*"):
            link = home / "lib" / "libcurl.so.4"
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(library)
            return {"LD_LIBRARY_PATH": f"{link.parent}:{folder}"}
    return {}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
