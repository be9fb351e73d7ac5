"""Which servers are compared, how each is started, and what takes part in which test."""

from __future__ import annotations

import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median
from string import Template
from typing import Any

from pymongo import MongoClient

from benchmarks.common.processes import Process, free_port
from benchmarks.upload.install import HERE, ROOT, Installed

PEER_SOURCES = HERE / "peers"
_PROBES = 25
_GUNICORN_THREADS = 32
"""One a connection of the small test; 4 and 8 were no faster."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every server is given: the same database server, the same secret, a disk, a core."""

    disk: Path
    mongo_uri: str
    secret: str
    core: int | None


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one server lives on the disk, and its port."""

    home: Path
    media: Path
    port: int


@dataclass(frozen=True, slots=True)
class Server:
    """A competitor. `serves_forms`: it knows tokens, forms and MongoDB, and has a /healthz."""

    name: str
    label: str
    command: Callable[[Spot], list[str]]
    env: Mapping[str, str]
    is_ours: bool = False
    serves_forms: bool = True
    raw_put: bool = False


class Running:
    """A server that was started."""

    def __init__(self, server: Server, around: Surroundings) -> None:
        home = around.disk / server.name
        self.server = server
        self._mongo_uri = around.mongo_uri
        self._spot = spot = Spot(home, home / "media", free_port())
        for folder in (home, spot.media, home / "tmp"):
            folder.mkdir(exist_ok=True)
        env = _our_env(spot, around) if server.is_ours else _peer_env(server, spot, around)
        cwd = ROOT if server.is_ours else home
        self.process = Process(server.command(spot), env | dict(server.env), cwd, home / "log", around.core)
        self.port = spot.port
        try:
            self.process.await_listening(spot.port)
        except BaseException:
            self.process.stop()
            raise

    def stored_digests(self) -> list[str]:
        """The sha256 of each uploaded file on the disk, sorted."""
        return sorted(sha256(path.read_bytes()).hexdigest() for path in self._files(self._spot.media))

    def stored_bytes(self) -> int:
        return sum(path.stat().st_size for path in self._files(self._spot.media))

    def documents(self) -> int:
        """How many submissions its database holds."""
        with MongoClient[dict[str, Any]](self._mongo_uri) as client:
            return client[self.server.name]["submissions"].count_documents({})

    def empty_files(self) -> None:
        """Give back the space of what was uploaded, but delete nothing before the end of the run.

        ext4 without a journal does not take an inode again that was deleted in the last minutes, and looks at each
        of them every time it makes a file: rounds after a clean-up spent up to half of their CPU time on that.
        """
        for folder in (self._spot.media, self._spot.home / "tmp"):
            for path in self._files(folder):
                os.truncate(path, 0)

    def seconds_to_make_a_file(self) -> float:
        """In the folder where this server makes its own; what was made stays, empty."""
        drafts = sorted(self._spot.media.glob(".drafts/*/"))
        folder = drafts[0] if drafts else self._spot.media
        seconds = []
        for _ in range(_PROBES):
            path = folder / f"probe-{uuid.uuid4().hex}"
            began = time.perf_counter()
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
            seconds.append(time.perf_counter() - began)
        return median(seconds)

    def _files(self, folder: Path) -> Iterator[Path]:
        """Those below that have anything in them."""
        for inner, _, names in os.walk(folder):
            paths = [Path(inner) / name for name in names]
            yield from (path for path in paths if path.stat().st_size)


def line_up(installed: Installed) -> list[Server]:
    """All that can run on this machine, ours first."""
    python = str(installed.python)

    def aiohttp(_: Spot) -> list[str]:
        return [python, str(PEER_SOURCES / "aiohttp_app.py")]

    servers = [
        Server("ours", "ours, like for like", _our_command, _like_for_like(), is_ours=True),
        Server("ours-safe", "ours, all promises", _our_command, {}, is_ours=True),
        Server("fastapi", "FastAPI + uvicorn", lambda spot: [python, *_uvicorn(spot)], {}),
        Server("aiohttp", "aiohttp, as documented", aiohttp, {"BENCH_CHUNK_BYTES": str(8 << 10)}),
        Server("aiohttp-1m", "aiohttp, 1 MiB chunks", aiohttp, {"BENCH_CHUNK_BYTES": str(1 << 20)}),
        Server("django", "Django + gunicorn", lambda spot: [python, *_gunicorn(spot)], {}),
    ]
    if (app := installed.express) is not None:
        node = {"NODE_ENV": "production"}
        servers.append(Server("express", "Express + multer", lambda _: ["node", str(app)], node))
    if (nginx := installed.nginx) is not None:
        servers.append(
            Server(
                "nginx",
                "nginx, raw PUT",
                lambda spot: _nginx(nginx, spot),
                {},
                serves_forms=False,
                raw_put=True,
            )
        )
    limit = "recv → write in Python" if sys.executable in installed.recv_write else "recv → write in C"
    servers.append(
        Server(
            "recv-write", limit, lambda _: list(installed.recv_write), {}, serves_forms=False, raw_put=True
        )
    )
    return servers


def knows_hashing() -> bool:
    """Whether our server can be told not to hash."""
    return re.search(r"^  hashing:", (ROOT / "config.yaml").read_text(), re.MULTILINE) is not None


def _like_for_like() -> dict[str, str]:
    """As the peers: nothing fsynced, nothing hashed, nothing logged that went well."""
    off = {"TURANTALIM_MEDIA__FSYNC": "false", "TURANTALIM_LOGS__LEVEL": "warning"}
    return off | {"TURANTALIM_MEDIA__HASHING": "false"} if knows_hashing() else off


def _our_command(_: Spot) -> list[str]:
    return [sys.executable, str(ROOT / "run.py")]


def _our_env(spot: Spot, around: Surroundings) -> dict[str, str]:
    return {
        "TURANTALIM_SERVER__PORT": str(spot.port),
        "TURANTALIM_SERVER__STATE_DIR": str(spot.home / "state"),
        "TURANTALIM_MEDIA__ROOT": str(spot.media),
        "TURANTALIM_MONGO__URI": around.mongo_uri,
        "TURANTALIM_MONGO__DATABASE": spot.home.name,
        "TURANTALIM_AUTH__SECRET": around.secret,
    }


def _peer_env(server: Server, spot: Spot, around: Surroundings) -> dict[str, str]:
    return {
        "PORT": str(spot.port),
        "TMPDIR": str(spot.home / "tmp"),
        "PYTHONPATH": str(PEER_SOURCES),
        "BENCH_MEDIA": str(spot.media),
        "BENCH_MONGO_URI": around.mongo_uri,
        "BENCH_MONGO_DATABASE": server.name,
        "BENCH_SECRET": around.secret,
    }


def _uvicorn(spot: Spot) -> list[str]:
    how = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return ["-m", "uvicorn", "fastapi_app:app", "--host", "127.0.0.1", "--port", str(spot.port), *how]


def _gunicorn(spot: Spot) -> list[str]:
    how = [
        "--worker-class",
        "gthread",
        "--workers",
        "1",
        "--threads",
        str(_GUNICORN_THREADS),
        "--keep-alive",
        "75",
    ]
    bind = f"127.0.0.1:{spot.port}"
    return ["-m", "gunicorn", "django_app:application", "--bind", bind, "--timeout", "120", *how]


def _nginx(nginx: Path, spot: Spot) -> list[str]:
    (spot.media / ".tmp").mkdir(exist_ok=True)
    template = Template((PEER_SOURCES / "nginx.conf.template").read_text())
    conf = spot.home / "nginx.conf"
    conf.write_text(template.substitute(home=spot.home, media=spot.media, port=spot.port))
    return [str(nginx), "-p", str(spot.home), "-c", str(conf), "-e", str(spot.home / "error.log")]
