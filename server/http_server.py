"""Tornado's HTTP server, reading bodies from the socket straight into the chunk that is handed on.

Tornado fills a zeroed buffer, appends it to another one and copies the chunk out of that: three passes over every
byte of an upload. `benchmarks/README.md` has what each way costs. Tested in tests/server/test_http_server.py on the
Tornado that requirements.txt pins; where one lacks what this rests on, its own way is used.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable
from typing import Any

from tornado.concurrent import Future
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

CHUNK_BYTES = 1 << 20
"""How much of a body is handed over at once, at most: the more, the fewer system calls and turns of the loop. With
four times as much the prototypes got slower again."""
_BUFFER_BYTES = 64 << 10
"""What Tornado's own way reads at once: headers, and the first bytes after a wait for the sender."""


_ACCEPTED_AT_ONCE = 4
"""A handshake costs half a millisecond: the others wait two or three of them."""
_BUFFERED = "_read_buffer_size"
"""The one name of Tornado's own that this needs: what was read too far, with the headers, comes first."""


class DirectStream(IOStream):
    """An IOStream whose partial reads take what the socket has in one `recv`, without a copy in between."""

    def read_bytes(self, num_bytes: int, partial: bool = False) -> Awaitable[bytes]:
        buffered_bytes = getattr(self, _BUFFERED, None)
        if partial and buffered_bytes == 0 and not self.reading() and not self.closed():
            data = self._receive(num_bytes)
            if data:
                received: Future[bytes] = Future()
                received.set_result(data)
                return received
        return super().read_bytes(num_bytes, partial)

    def _receive(self, num_bytes: int) -> bytes:
        """What the socket has, at most `num_bytes`; nothing if it has nothing yet, or nothing any more."""
        try:
            data = self.socket.recv(num_bytes)
        except BlockingIOError:
            return b""
        except OSError as error:
            self.close(exc_info=error)
            return b""
        if not data:
            self.close()
        return data


class PacedListener(socket.socket):
    """A listening socket, taken over from `listener`, that gives out a few connections at one turn of the loop, the
    others at the next ones.

    After a cut thousands come back at once. Tornado takes up to 128 of them in a turn, and whoever uploads or
    grades meanwhile waits for all those handshakes at each of the dozen turns that a request needs.
    """

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.family, listener.type, listener.proto, listener.detach())
        self.setblocking(False)
        self._taken = 0

    def accept(self) -> tuple[socket.socket, Any]:
        if self._taken == _ACCEPTED_AT_ONCE:
            raise BlockingIOError
        accepted = super().accept()
        if self._taken == 0:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._taken += 1
        return accepted

    def _next_turn(self) -> None:
        self._taken = 0


class UploadServer(HTTPServer):
    """An HTTPServer whose connections are `DirectStream`s. Not for TLS, which a proxy in front ends."""

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        # Not a second stream around the same socket: the first would stay until some garbage collection.
        stream.__class__ = DirectStream
        stream.read_chunk_size = _BUFFER_BYTES
        super().handle_stream(stream, address)
