"""HTTP requests in the load generator's loop, over keep-alive connections, never waiting for one another."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.status.dialects import BadAnswer
from benchmarks.status.loop import Loop

_Tell = Callable[["_Connection"], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask; `body` is JSON."""

    method: str
    path: str
    token: str
    body: bytes = b""


class Caller:
    """Sends requests to a loopback port. `answered` counts the successes; anything else raises BadAnswer."""

    def __init__(self, loop: Loop, port: int) -> None:
        self.loop = loop
        self.port = port
        self.answered = 0
        self._idle: list[_Connection] = []
        self._all: list[_Connection] = []

    def send(self, request: Request) -> float:
        """When it was sent."""
        connection = self._idle.pop() if self._idle else self._open()
        return connection.send(request)

    def open(self, connections: int) -> None:
        """Have so many connections ready, that no request's time has its connecting in it."""
        while len(self._all) < connections:
            self._idle.append(self._open())

    def close(self) -> None:
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._idle.clear()

    def _open(self) -> _Connection:
        connection = _Connection(self.loop, self.port, self._done, self._gone)
        self._all.append(connection)
        return connection

    def _done(self, connection: _Connection) -> None:
        self.answered += 1
        self._idle.append(connection)

    def _gone(self, connection: _Connection) -> None:
        """A server ended an idle connection, as most do after some seconds."""
        self._all.remove(connection)
        self._idle.remove(connection)
        connection.close()
        self._idle.insert(0, self._open())


class _Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, loop: Loop, port: int, done: _Tell, gone: _Tell) -> None:
        self._loop = loop
        self._done, self._gone = done, gone
        self._is_asking = False
        self._host = f"127.0.0.1:{port}"
        self._received = b""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.watch(self._socket.fileno(), self, select.EPOLLIN, urgent=True)

    def send(self, request: Request) -> float:
        content = (
            f"Content-Type: application/json\r\nContent-Length: {len(request.body)}\r\n"
            if request.body
            else ""
        )
        head = (
            f"{request.method} {request.path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Authorization: Bearer {request.token}\r\n{content}\r\n"
        )
        data = head.encode() + request.body
        self._is_asking = True
        now = time.perf_counter()
        if self._socket.send(data) != len(data):
            raise BadAnswer("the server does not read requests")
        return now

    def ready(self, events: int) -> None:
        got = self._socket.recv(1 << 20)
        if not got and not self._is_asking:
            self._gone(self)
            return
        if not got:
            raise BadAnswer(f"closed after {self._received[:500]!r}")
        self._received += got
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or not _is_whole(head.lower(), body):
            return
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")):
            raise BadAnswer(f"answered {self._received[:1000]!r}")
        self._received, self._is_asking = b"", False
        self._done(self)

    def close(self) -> None:
        self._loop.forget(self._socket.fileno())
        self._socket.close()


def _is_whole(head: bytes, body: bytes) -> bool:
    if b"transfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    _, _, rest = head.partition(b"content-length:")
    return len(body) >= (int(rest.split(b"\r\n", 1)[0]) if rest else 0)
