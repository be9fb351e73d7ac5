"""Thousands of WebSocket clients in one loop: connected, counted, cut."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from itertools import islice

from benchmarks.status.dialects import BadAnswer, Dialect, Json, Seat
from benchmarks.status.frames import CLOSE, PING, PONG, TEXT, client_frame, next_frame
from benchmarks.status.loop import Loop

OnEvent = Callable[["Client", bytes, float], None]
_BUFFER = bytearray(1 << 20)
_VIEW = memoryview(_BUFFER)
_SHORT_BYTES = 64
"""Pings and the like are shorter, events longer."""
_A_STEP = 32
"""How many are connected before the others are looked at again, some 2 ms."""
_LONG_SECONDS = 0.5
_RESET = struct.pack("@ii", 1, 0)
_BROKEN = select.EPOLLERR | select.EPOLLHUP


class Client:
    """One connection. `events` counts what came since it was served."""

    __slots__ = ("_crowd", "_rest", "_socket", "events", "is_served", "is_upgraded", "seat", "served_at")

    def __init__(self, crowd: Crowd, seat: Seat) -> None:
        self._crowd = crowd
        self._rest = b""
        self._socket = socket.socket()
        self.seat = seat
        self.events = 0
        self.is_upgraded = self.is_served = False
        self.served_at = 0.0
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.connect_ex(("127.0.0.1", crowd.port))
        crowd.loop.watch(self._socket.fileno(), self, select.EPOLLOUT, urgent=crowd.is_urgent)

    def ready(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._connected()
            return
        try:
            size = self._socket.recv_into(_BUFFER)
        except BlockingIOError:
            return
        except OSError as error:
            raise BadAnswer(f"user {self.seat.user_id}: {error}") from error
        now = time.perf_counter()
        if not size:
            raise BadAnswer(f"user {self.seat.user_id} was disconnected; unread: {self._rest[:200]!r}")
        data = self._rest + _VIEW[:size] if self._rest else bytes(_VIEW[:size])
        at = 0 if self.is_upgraded else self._upgraded(data)
        if not self.is_upgraded:
            self._rest = data
            return
        while frame := next_frame(data, at):
            opcode, begin, at = frame
            if opcode == TEXT and self.is_served and at - begin > _SHORT_BYTES:
                self._events(data[begin:at], now)
            else:
                self._other(opcode, data[begin:at], now)
        self._rest = data[at:]

    def read_event(self, line: bytes) -> Json:
        """An event's line, read; its position is remembered."""
        return self._crowd.dialect.event(self.seat, line)

    def say(self, text: bytes, opcode: int = TEXT) -> None:
        self._send(client_frame(text, opcode))

    def close(self, *, abort: bool = False) -> None:
        """Leave without a word; `abort`: with a reset, as when a network breaks."""
        self._crowd.loop.forget(self._socket.fileno())
        if abort:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._socket.close()

    def _connected(self) -> None:
        if error := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise BadAnswer(f"user {self.seat.user_id} cannot connect: error {error}")
        self._crowd.loop.change(self._socket.fileno(), select.EPOLLIN, urgent=self._crowd.is_urgent)
        self._send(self._crowd.handshake)

    def _upgraded(self, data: bytes) -> int:
        """Where the first frame begins; 0 while the answer to the handshake is not all there."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        head = data[:end].lower()
        if not head.startswith(b"http/1.1 101") or b"sec-websocket-extensions" in head:
            raise BadAnswer(f"to the handshake: {data[:500]!r}")
        self.is_upgraded = True
        if greeting := self._crowd.dialect.greeting(self.seat):
            self.say(greeting)
        return end + 4

    def _events(self, text: bytes, now: float) -> None:
        for line in text.split(b"\n") if b"\n" in text else (text,):
            self.events += 1
            self._crowd.on_event(self, line, now)

    def _other(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == PING:
            self.say(payload, PONG)
        elif opcode == CLOSE:
            raise BadAnswer(f"user {self.seat.user_id} was closed: {payload!r}")
        elif opcode == TEXT:
            said = self._crowd.dialect.received(self.seat, payload)
            if said.answer:
                self.say(said.answer)
            if said.is_served and not self.is_served:
                self.is_served, self.served_at = True, now
                self._crowd.served += 1

    def _send(self, data: bytes) -> None:
        if self._socket.send(data) != len(data):
            raise BadAnswer("the server does not read a few hundred bytes")


class Crowd:
    """Clients of one server. `on_event` is called with each event's line and when it was read."""

    def __init__(self, loop: Loop, port: int, dialect: Dialect, *, is_urgent: bool = False) -> None:
        self.loop = loop
        self.port = port
        self.dialect = dialect
        self.is_urgent = is_urgent
        self.clients: list[Client] = []
        self.served = 0
        self.on_event: OnEvent = lambda client, line, now: None
        self.handshake = (
            f"GET {dialect.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n"
        ).encode()

    def join(
        self,
        seats: Sequence[Seat],
        seconds: float,
        at_once: int | None = None,
        meanwhile: Callable[[], float] = lambda: _LONG_SECONDS,
    ) -> float:
        """Connect everyone, `at_once` at a time (None: all together), and wait until all are served; when the last
        one was. `meanwhile` is a step of the loop."""
        waiting = iter(seats)
        wanted = self.served + len(seats)

        def enter() -> float:
            for seat in islice(waiting, min(_A_STEP, (at_once or wanted) - len(self.clients) + self.served)):
                self.clients.append(Client(self, seat))
            wait = meanwhile()
            return wait if len(self.clients) == wanted else 0.0

        self.loop.run(lambda: self.served == wanted, seconds, enter)
        return max((client.served_at for client in self.clients), default=0.0)

    def leave(self, *, abort: bool = False) -> None:
        """Everyone at once."""
        for client in self.clients:
            client.close(abort=abort)
        self.clients.clear()
        self.served = 0
