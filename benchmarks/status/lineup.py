"""Which servers are compared, and how each is started."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.processes import Process, free_port
from benchmarks.status import seeding
from benchmarks.status.dialects import Centrifugo, Dialect, Plain, Seat, SocketIo
from benchmarks.status.install import SOURCES, Installed

PING_SECONDS = 10
"""Of every server, so that the ten seconds a test takes have everyone's pings in them. Our default is 25."""
_OUTGOING_BYTES = 1 << 20
"""The bound for a slow client where a peer has one; our default."""
_PONG_SECONDS, _BACKLOG = 8, 4096
_starts = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every server is given: the same database server, the same secret, a disk, a core. `ours` is the tree
    that is measured as ours."""

    disk: Path
    mongo_uri: str
    secret: str
    core: int | None
    ours: Path


@dataclass(frozen=True, slots=True)
class Server:
    """A competitor. `command` is given the port and our tree; `is_limit`: it can only fan out."""

    name: str
    label: str
    command: Callable[[int, Path], list[str]]
    dialect: Dialect
    env: Mapping[str, str]
    is_ours: bool = False
    is_limit: bool = False


class Running:
    """A fresh process of a server, with a database of its own."""

    def __init__(self, server: Server, around: Surroundings) -> None:
        self.server = server
        self.port = free_port()
        self._around = around
        self._database = f"{server.name}-{next(_starts)}"
        home = around.disk / self._database
        home.mkdir()
        env = _our_env(self.port, home, around) if server.is_ours else self._peer_env(around)
        command = server.command(self.port, around.ours)
        cwd = around.ours if server.is_ours else home
        self.process = Process(command, env | dict(server.env), cwd, home / "log", around.core)
        try:
            self.process.await_listening(self.port)
        except BaseException:
            self.process.stop()
            raise

    def seed(self, owners: Sequence[Seat]) -> list[int]:
        """A pending submission for each; their `manual_review_id`s in this order."""
        if self.server.is_ours:
            return seeding.uploaded(self.port, owners)
        return seeding.inserted(self._around.mongo_uri, self._database, owners)

    def _peer_env(self, around: Surroundings) -> dict[str, str]:
        return {
            "PORT": str(self.port),
            "PYTHONPATH": str(SOURCES),
            "BENCH_MONGO_URI": around.mongo_uri,
            "BENCH_MONGO_DATABASE": self._database,
            "BENCH_SECRET": around.secret,
            "BENCH_PING_SECONDS": str(PING_SECONDS),
            "BENCH_OUTGOING_BYTES": str(_OUTGOING_BYTES),
        }


def line_up(installed: Installed) -> list[Server]:
    """All that can run on this machine, ours first."""
    python = str(installed.python)

    def script(name: str) -> Callable[[int, Path], list[str]]:
        return lambda _port, _ours: [python, str(SOURCES / f"{name}.py")]

    servers = [
        Server("ours", "ours", _our_command, Centrifugo(), {}, is_ours=True),
        Server("socketio", "python-socketio, Tornado", script("socketio_app"), SocketIo(), {}),
        Server("uvicorn", "Starlette, uvicorn", _uvicorn(python, "starlette_app"), Plain(), {}),
        Server("aiohttp", "aiohttp", script("aiohttp_app"), Plain(), {}),
        Server("channels", "Django Channels, uvicorn", _uvicorn(python, "channels_app"), Plain(), {}),
    ]
    if (app := installed.ws) is not None:
        node = {"NODE_ENV": "production"}
        servers.append(Server("ws", "node ws", lambda _port, _ours: ["node", str(app)], Plain(), node))
    if (binary := installed.send_all) is not None:
        limit = "send() in C"
        servers.append(Server("send", limit, lambda _port, _ours: [str(binary)], Plain(), {}, is_limit=True))
    return servers


def _uvicorn(python: str, app: str) -> Callable[[int, Path], list[str]]:
    how = [
        *("--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio"),
        *("--ws-ping-interval", str(PING_SECONDS), "--ws-ping-timeout", str(_PONG_SECONDS)),
        *("--ws-per-message-deflate", "false", "--backlog", str(_BACKLOG)),
        *("--no-access-log", "--log-level", "warning"),
    ]
    return lambda port, _: [
        *(python, "-m", "uvicorn", f"{app}:app", "--host", "127.0.0.1", "--port", str(port)),
        *how,
    ]


def _our_command(_: int, ours: Path) -> list[str]:
    python = ours / ".venv" / "bin" / "python"
    return [str(python) if python.exists() else sys.executable, str(ours / "run.py")]


def _our_env(port: int, home: Path, around: Surroundings) -> dict[str, str]:
    """As it is configured, but for what would not be like for like: a log line a request, and the pings."""
    return {
        "TURANTALIM_SERVER__PORT": str(port),
        "TURANTALIM_SERVER__STATE_DIR": str(home / "state"),
        "TURANTALIM_MEDIA__ROOT": str(home / "media"),
        "TURANTALIM_MONGO__URI": around.mongo_uri,
        "TURANTALIM_MONGO__DATABASE": home.name,
        "TURANTALIM_AUTH__SECRET": around.secret,
        "TURANTALIM_LOGS__LEVEL": "warning",
        "TURANTALIM_STATUS__PING_SECONDS": str(PING_SECONDS),
    }
