"""Runs the real `run.py` as a process of its own, as an operator would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60.0
STOP_SECONDS = 40.0
PRODUCT = ("run.py",)


class ServerProcess:
    """One server below `folder`, on a free port. `environment` holds TURANTALIM_… overrides.

    Examinations are off unless it says otherwise: they add files and publications when they come to it, where
    tests of uploads, disks and sockets look at every one.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("TURANTALIM_")
        } | {
            "TURANTALIM_SERVER__PORT": "0",
            "TURANTALIM_SERVER__STATE_DIR": str(folder / "var"),
            "TURANTALIM_MEDIA__ROOT": str(folder / "media"),
            "TURANTALIM_LOGS__FORMAT": "json",
            "TURANTALIM_EXAMINATION__ENABLED": "false",
            **environment,
        }
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self, *entry: str) -> ServerProcess:
        """Start and wait for the line that says it serves. `entry`: Python's arguments instead of `run.py`."""
        with (self.folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, *(entry or PRODUCT)],
                cwd=HOME,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        watchdog = threading.Timer(START_SECONDS, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        assert line.startswith("listening on "), f"the server did not start: {self.log()}"
        self.url = line.removeprefix("listening on ").strip()
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def media_root(self) -> Path:
        return Path(self._environment["TURANTALIM_MEDIA__ROOT"])

    @property
    def state_dir(self) -> Path:
        return Path(self._environment["TURANTALIM_SERVER__STATE_DIR"])

    def setting(self, name: str) -> str | None:
        """What its environment says about `SECTION__KEY`, if anything."""
        return self._environment.get(f"TURANTALIM_{name}")

    @property
    def websocket_url(self) -> str:
        return self.url.replace("http://", "ws://") + "/connection/websocket"

    def stop(self) -> int:
        """SIGTERM, as systemd does; returns the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """kill -9."""
        return self._end(signal.SIGKILL)

    def ended(self) -> int:
        """The exit code of one that ends without being told to by us, once it has."""
        return self._end(None)

    def make_sure_it_ended(self) -> None:
        """For the end of a test, which may have stopped it, killed it, or failed before."""
        if self._process is not None:
            self.kill()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another `run.py` command with this server's settings."""
        return subprocess.run(
            [sys.executable, *PRODUCT, *arguments],
            cwd=HOME,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def token(self, user: str, role: str = "student", name: str | None = None) -> str:
        named = ["--name", name] if name else []
        return self.run("token", "--user", user, "--role", role, *named).stdout.strip()

    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def log_lines(self, level: str) -> list[dict[str, Any]]:
        """The log's JSON lines of one level; a line that is no JSON counts as an error."""
        lines = []
        for text in self.log().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                line = {"level": "error", "event": text}
            if line["level"] == level:
                lines.append(line)
        return lines

    def _end(self, number: int | None) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        if number is not None:
            process.send_signal(number)
        code = process.wait(STOP_SECONDS)
        if process.stdout is not None:
            process.stdout.close()
        return code
