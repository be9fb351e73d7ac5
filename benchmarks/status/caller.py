"""HTTP requests in the load generator's loop, over keep-alive connections, never waiting for one another."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.status.dialects import BadAnswer
from benchmarks.status.loop import Loop

_CONNECT_SECONDS = 30.0
_IDLE_SECONDS = 4.0
"""node and uvicorn close a connection that is idle for five."""
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
        self._drop_old()
        connection = self._idle.pop() if self._idle else self._opened()
        return connection.send(request)

    def open(self, connections: int) -> None:
        """Have so many connections ready, that no request's time has its connecting in it."""
        self._drop_old()
        missing = [self._opened() for _ in range(connections - len(self._idle))]
        self._idle[:0] = missing
        self.loop.run(lambda: all(each.is_connected for each in missing), _CONNECT_SECONDS)

    def close(self) -> None:
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._idle.clear()

    def _opened(self) -> _Connection:
        connection = _Connection(self.loop, self.port, self._done, self._gone)
        self._all.append(connection)
        return connection

    def _done(self, connection: _Connection) -> None:
        self.answered += 1
        self._idle.append(connection)

    def _gone(self, connection: _Connection) -> None:
        """An idle connection is over."""
        self._all.remove(connection)
        self._idle.remove(connection)
        connection.close()

    def _drop_old(self) -> None:
        """Close what a server is about to close, so that no request crosses with that."""
        oldest = time.perf_counter() - _IDLE_SECONDS
        for connection in [each for each in self._idle if each.idle_since < oldest]:
            self._gone(connection)


class _Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, loop: Loop, port: int, done: _Tell, gone: _Tell) -> None:
        self._loop = loop
        self._done, self._gone = done, gone
        self._host = f"127.0.0.1:{port}"
        self._is_asking = self.is_connected = False
        self._unsent = self._received = b""
        self.idle_since = time.perf_counter()
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.connect_ex(("127.0.0.1", port))
        loop.watch(self._socket.fileno(), self, select.EPOLLOUT, urgent=True)

    def send(self, request: Request) -> float:
        content = f"Content-Type: application/json\r\nContent-Length: {len(request.body)}\r\n"
        head = (
            f"{request.method} {request.path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Authorization: Bearer {request.token}\r\n{content if request.body else ''}\r\n"
        )
        self._is_asking = True
        self._unsent = head.encode() + request.body
        now = time.perf_counter()
        if self.is_connected:
            self._send()
        return now

    def ready(self, events: int) -> None:
        if not self.is_connected:
            if error := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise BadAnswer(f"cannot connect: error {error}")
            self.is_connected = True
            self._loop.change(self._socket.fileno(), select.EPOLLIN, urgent=True)
            self._send()
            return
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
        self._received, self._is_asking, self.idle_since = b"", False, time.perf_counter()
        self._done(self)

    def _send(self) -> None:
        if self._unsent and self._socket.send(self._unsent) != len(self._unsent):
            raise BadAnswer("the server does not read requests")
        self._unsent = b""

    def close(self) -> None:
        self._loop.forget(self._socket.fileno())
        self._socket.close()


def _is_whole(head: bytes, body: bytes) -> bool:
    if b"transfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    _, _, rest = head.partition(b"content-length:")
    return len(body) >= (int(rest.split(b"\r\n", 1)[0]) if rest else 0)
