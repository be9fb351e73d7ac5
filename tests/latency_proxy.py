"""A network between a client and a server on this machine: slow, narrow, and with resets that destroy.

On loopback a reset finds the answer already read. On a real network it can overtake what is still on its way, and
whoever receives it throws away what was not read yet (RFC 9112, 9.6). So a reset is passed on at once here, past
everything that is still under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

_PIECE_BYTES = 64 << 10
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""`struct linger`, see socket(7): on, and for no time at all."""


@dataclass(frozen=True, slots=True)
class Link:
    """What each of the two directions of a connection is like."""

    delay_seconds: float = 0.05
    bytes_per_second: float = 64 << 20
    under_way_bytes: int = 4 << 20
    """How much may have been sent and not have arrived; with the delay it bounds the speed, as a window does."""
    buffer_bytes: int = 32 << 10
    """SO_SNDBUF and SO_RCVBUF of the sockets at both ends of the link."""


@asynccontextmanager
async def latency_proxy(url: str, link: Link | None = None, own_port: int = 0) -> AsyncIterator[str]:
    """The server at `url` at the other end of a `link`, under the URL that is given; connections end with it.
    `own_port`: where it listens, for a line that is cut and mended; 0 is any free one."""
    link = link or Link()
    host, port = urlsplit(url).hostname, urlsplit(url).port
    listening = _socket(link)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before may still linger
    listening.bind(("127.0.0.1", own_port))
    listening.listen()
    accepting = asyncio.create_task(_accept(listening, (str(host), port or 80), link))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        accepting.cancel()
        await asyncio.wait([accepting])


async def _accept(listening: socket.socket, server: tuple[str, int], link: Link) -> None:
    connections: set[asyncio.Task[None]] = set()
    try:
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(listening)
            connection = asyncio.create_task(_connect(client, server, link))
            connections.add(connection)
            connection.add_done_callback(connections.discard)
    finally:
        listening.close()
        for connection in connections:
            connection.cancel()
        if connections:
            await asyncio.wait(connections)


async def _connect(client: socket.socket, server: tuple[str, int], link: Link) -> None:
    """Carry one connection until both directions have ended, or one end resets it."""
    upstream = _socket(link)
    try:
        await asyncio.get_running_loop().sock_connect(upstream, server)
        async with asyncio.TaskGroup() as directions:
            directions.create_task(_Direction(client, upstream, link).carry())
            directions.create_task(_Direction(upstream, client, link).carry())
    except* ConnectionError:
        for end in (client, upstream):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    finally:
        client.close()
        upstream.close()


class _Direction:
    """Bytes on their way from `source` to `sink`, and at their end the half-close."""

    def __init__(self, source: socket.socket, sink: socket.socket, link: Link) -> None:
        self._source = source
        self._sink = sink
        self._link = link
        self._under_way: deque[tuple[float, bytes]] = deque()
        """When each piece arrives, and the piece; an empty one is the end."""
        self._under_way_bytes = 0
        self._changed = asyncio.Event()

    async def carry(self) -> None:
        """Raises ConnectionError if one of the ends resets the connection."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take())
            tasks.create_task(self._deliver())

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        free_at = loop.time()
        while True:
            piece = await loop.sock_recv(self._source, _PIECE_BYTES)
            free_at = max(free_at, loop.time()) + len(piece) / self._link.bytes_per_second
            self._under_way.append((free_at + self._link.delay_seconds, piece))
            self._under_way_bytes += len(piece)
            self._changed.set()
            if not piece:
                return
            await self._until(lambda: self._under_way_bytes < self._link.under_way_bytes)

    async def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._until(lambda: bool(self._under_way))
            arrival, piece = self._under_way.popleft()
            await asyncio.sleep(max(0.0, arrival - loop.time()))
            if not piece:
                with contextlib.suppress(OSError):  # ENOTCONN: the other side has closed as well
                    self._sink.shutdown(socket.SHUT_WR)
                return
            await loop.sock_sendall(self._sink, piece)
            self._under_way_bytes -= len(piece)
            self._changed.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


def _socket(link: Link) -> socket.socket:
    """Sockets that are accepted have the buffers of the one that listens."""
    made = socket.socket()
    made.setblocking(False)
    for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        made.setsockopt(socket.SOL_SOCKET, buffer, link.buffer_bytes)
    return made
