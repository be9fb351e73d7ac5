"""The worker processes of a server, and connections to a certain one of them: the kernel tells who has which."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import websockets

from tests.e2e.processes import WAIT_SECONDS
from tests.e2e.server_process import ServerProcess
from tests.handlers.plain_socket import PlainSocket, socket_url
from tests.handlers.wire import Wire, next_answer, request_head

HEALTH = request_head("GET", "/healthz", {})


def workers_of(server: ServerProcess) -> list[int]:
    """Its worker processes, the oldest first: those of its children that run the same program."""
    program = _read(Path(f"/proc/{server.pid}/cmdline"))
    return sorted(pid for pid in children_of(server) if _read(Path(f"/proc/{pid}/cmdline")) == program)


def children_of(server: ServerProcess) -> list[int]:
    """Its workers and its mongod."""
    found = [int(process.name) for process in Path("/proc").glob("[0-9]*")]
    return [pid for pid in found if _parent(pid) == server.pid]


def clients_of(server: ServerProcess, worker: int) -> set[int]:
    """The ports from which the connections come that `worker` has accepted."""
    sockets = _sockets_of(worker)
    port = f":{urlsplit(server.url).port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        int(row[2].rpartition(":")[2], 16) for row in rows if row[1].endswith(port) and row[9] in sockets
    } - {0}


def connection_to(server: ServerProcess, worker: int) -> socket.socket:
    """A connection that `worker` has accepted and has answered one request on. Which one gets a connection, the
    kernel decides: so others are opened and closed."""
    address = urlsplit(server.url)
    while True:
        connection = socket.create_connection((address.hostname, address.port or 80), WAIT_SECONDS)
        connection.sendall(HEALTH)
        assert next_answer(connection).status_code == 200
        if connection.getsockname()[1] in clients_of(server, worker):
            connection.setblocking(False)
            return connection
        connection.close()


@asynccontextmanager
async def wire_to(server: ServerProcess, worker: int) -> AsyncIterator[Wire]:
    wire = Wire(*await asyncio.open_connection(sock=connection_to(server, worker)))
    try:
        yield wire
    finally:
        await wire.close()


@asynccontextmanager
async def socket_to(server: ServerProcess, worker: int) -> AsyncIterator[PlainSocket]:
    """A status socket, not yet connected."""
    connection = await websockets.connect(
        socket_url(server.url), sock=connection_to(server, worker), ping_interval=None, proxy=None
    )
    async with connection:
        yield PlainSocket(connection, answers_pings=True)


def _parent(pid: int) -> int:
    """See proc(5), /proc/pid/stat; 0 if it is gone."""
    return int((_read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split() or ["", "0"])[1])


def _sockets_of(pid: int) -> set[str]:
    """Their inodes."""
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            found.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
