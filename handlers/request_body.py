"""How the body of any request is received: in chunks, within bounds, its refusal always readable (promise 7).

Every handler streams, also those with a JSON body or none: otherwise Tornado buffers what it cannot refuse, and
answers what is over its own limit with a bare 400. The states are in `protocol/body_phase.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from abc import abstractmethod
from collections.abc import Awaitable
from typing import Any, cast

import structlog
from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import stream_request_body

from handlers.base import BaseHandler, BodyLimits
from handlers.errors import as_service_error, is_unforeseen
from handlers.protocol.body_phase import ENDED, Event, Phase, advance
from handlers.protocol.pace import Pace
from storage.domain.errors import ServiceError, TooLarge, TooSlow, Unavailable, UnsupportedEncoding

log = structlog.get_logger(__name__)

_ABSURD_DIGITS = 19
"""Python refuses to read numbers of some thousand digits; a length of this many is over every limit."""
_WATCH_SECONDS = 1.0
"""How often a body under way is looked at: limits in whole seconds need no finer grain."""


@stream_request_body
class BodyHandler(BaseHandler):
    """Receives a body in chunks; a subclass says in `admit`, `receive` and `release` what becomes of them."""

    def initialize(self) -> None:
        self.application.in_flight.add(self)
        self.phase = Phase.NEW
        self.received_bytes = 0
        self.refusal: ServiceError | None = None
        self.began = time.monotonic()
        self._dropped_bytes = 0
        self._busy = False
        self._settled = False
        self._released: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pace: Pace | None = None
        self._refused_at = self._answered_at = 0.0

    # What a subclass says

    @abstractmethod
    async def admit(self) -> None:
        """Refuse on the headers alone, before a byte of the body; raises ServiceError."""

    @abstractmethod
    def receive(self, chunk: bytes) -> Awaitable[None] | None:
        """Take a chunk; what is returned is awaited before the next, which is what slows the sender down.
        Raises ServiceError to refuse, at once or when awaited."""

    async def release(self) -> None:
        """Let go of whatever the request held; called exactly once, before a refusal is answered."""

    def ended(self) -> None:
        """The request is over, however that came; called exactly once."""

    # What a subclass may use

    def check_declared_length(self, limit_bytes: int) -> None:
        if (self.declared_bytes or 0) > limit_bytes:
            raise TooLarge(f"The request is larger than {limit_bytes} bytes")

    @property
    def declared_bytes(self) -> int | None:
        """Content-Length, or None for a chunked body or one without."""
        declared = self.request.headers.get("Content-Length", "").split(",")[0].strip()
        if not (declared.isascii() and declared.isdigit()):
            return None
        return int(declared) if len(declared) < _ABSURD_DIGITS else sys.maxsize

    def is_silent(self, seconds: float) -> bool:
        """True if the sender of a body that is still coming has brought nothing for so long."""
        return self._pace is not None and self._pace.silent_seconds(time.monotonic()) >= seconds

    # Tornado's hooks

    async def prepare(self) -> None:
        # The bounds are ours: past Tornado's own the peer would read a bare 400.
        self._connection.set_max_body_size(sys.maxsize)
        # Tornado calls the method once the body is over; at no other moment does it say so.
        self._serve = getattr(self, self._method)
        setattr(self, self._method, self._body_over)
        self._expects_continue()
        self.bind_log()
        try:
            self._check_serving()
            self.check_method()
            if not self._is_preflight:
                await self.authorise()
                self._check_encoding()
                await self.admit()
        except Exception as error:
            self._refuse(error)
            if self._expects_continue() and self._has_body:
                del self.request.headers["Expect"]  # or Tornado asks for the body
                await self._answer_early()
        else:
            self._advance(Event.ADMIT)
        if self._has_body and self.phase not in ENDED:
            self._pace = Pace(self._limits.pace, time.monotonic())
            self._watch()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self.received_bytes += len(chunk)
        if self.phase is Phase.RECEIVING and not self._is_preflight:
            return self._take(chunk)
        self._note_arrival(len(chunk))
        if self.phase is Phase.REFUSED:
            return self._drop(len(chunk))
        return None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if self.phase is Phase.NEW:
            self.set_header("Connection", "close")  # answered before the body was read, Tornado closes
        super().write_error(status_code, **kwargs)

    def on_connection_close(self) -> None:
        super().on_connection_close()  # wakes the request that waits for its body
        if self.phase is Phase.LINGERING:
            self.application.log_request(self)  # `finish`, which does it else, will not be called
        self._advance(Event.PEER_GONE)

    def on_finish(self) -> None:
        self._advance(Event.ANSWER)

    # What the process does

    def cut_short(self) -> None:
        """The server stops and can wait no longer: refuse what is still coming in, for another time. Requests whose
        body is complete go on."""
        self._refuse(Unavailable())
        self._answer_early_soon("answer at the server's end")

    # Before the body

    def _check_serving(self) -> None:
        """A connection kept alive may bring new requests while the server lets the old ones finish."""
        if self.application.stopping and not self.serves_to_the_end:
            raise Unavailable

    def _expects_continue(self) -> bool:
        """RFC 9110, 10.1.1: in any case of letters, while Tornado only knows one."""
        expects = self.request.headers.get("Expect", "").lower() == "100-continue"
        if expects:
            self.request.headers["Expect"] = "100-continue"
        return expects

    def _check_encoding(self) -> None:
        if self.request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnsupportedEncoding

    @property
    def _connection(self) -> HTTP1Connection:
        return cast(HTTP1Connection, self.request.connection)

    @property
    def _limits(self) -> BodyLimits:
        return self.services.body_limits

    @property
    def _is_preflight(self) -> bool:
        """A browser asks whether it may ask (Fetch, "CORS-preflight"): without a token, about any path."""
        return self.request.method == "OPTIONS"

    @property
    def _has_body(self) -> bool:
        return bool(self.declared_bytes) or "Transfer-Encoding" in self.request.headers

    @property
    def _method(self) -> str:
        return str(self.request.method).lower()

    # While the body comes

    def _take(self, chunk: bytes) -> Awaitable[None] | None:
        try:
            waiting = self.receive(chunk)
        except Exception as error:
            self._refuse(error)
            return None
        if waiting is not None:
            return self._wait(waiting, len(chunk))
        self._note_arrival(len(chunk))
        return None

    async def _wait(self, waiting: Awaitable[None], size_bytes: int) -> None:
        """Wait for the disk, which is not the sender's time."""
        self.bind_log()  # chunks come on the connection's own task
        began, self._busy = time.monotonic(), True
        try:
            await waiting
        except Exception as error:
            self._refuse(error)
        finally:
            self._busy = False
            self._note_arrival(size_bytes, own_seconds=time.monotonic() - began)

    def _note_arrival(self, size_bytes: int, own_seconds: float = 0.0) -> None:
        if self._pace is not None:
            self._pace.arrived(size_bytes, time.monotonic(), own_seconds)

    def _drop(self, size_bytes: int) -> Awaitable[None] | None:
        self._dropped_bytes += size_bytes
        return self._answer_early() if self._dropped_bytes > self._limits.drain_bytes else None

    def _watch(self) -> None:
        """Look at a body under way once a second, until it ends."""
        now = time.monotonic()
        too_slow = self._pace is not None and not self._busy and self._pace.too_slow(now)
        if self.phase is Phase.RECEIVING and too_slow:
            self._refuse(TooSlow())
            self._answer_early_soon("answer a slow sender")
        elif self.phase is Phase.REFUSED and (
            too_slow or now - self._refused_at > self._limits.drain_seconds
        ):
            self._answer_early_soon("answer before the body is over")
        elif self.phase is Phase.LINGERING and now - self._answered_at > self._limits.linger_seconds:
            self.finish()
            self._connection.close()  # Tornado would wait until the answer is taken, perhaps for ever
        if self.phase in {Phase.RECEIVING, Phase.REFUSED, Phase.LINGERING}:
            self._timer = asyncio.get_running_loop().call_later(_WATCH_SECONDS, self._watch)

    # Ends

    async def _body_over(self, *args: str) -> None:
        """Serve what was received, or answer what was refused."""
        self._advance(Event.BODY_OVER)
        if self.phase is Phase.COMPLETING:
            served = self._serve(*args)
            if served is not None:
                await served
        else:
            await self._answer()

    def _advance(self, event: Event) -> None:
        self.phase = advance(self.phase, event)
        if self.phase in ENDED and not self._settled:
            self._settle()

    def _settle(self) -> None:
        self._settled = True
        if self._timer is not None:
            self._timer.cancel()
        self._release()
        self.ended()
        self.application.in_flight.discard(self)

    def _release(self) -> asyncio.Task[None]:
        if self._released is None:
            self._released = self.application.tasks.start(self.release(), "release a request")
        return self._released

    def _refuse(self, error: Exception) -> None:
        """Remember why; the answer waits until the body is over, or has been read as far as we care to."""
        if is_unforeseen(error):
            log.error("unexpected error", exc_info=error, request_id=self.request_id)
        if advance(self.phase, Event.REFUSE) is not Phase.REFUSED or self.refusal is not None:
            return
        self.refusal = as_service_error(error)
        self._refused_at = time.monotonic()
        self._advance(Event.REFUSE)
        self._release()

    async def _answer(self) -> None:
        """Say why the request was refused, unless that was said, once nothing of it is left; then close."""
        await self._all_released()
        if self.phase is Phase.REFUSED:
            self._write_refusal()
        if self.phase not in ENDED:
            await self._sent(self.finish())
            if self._has_body or self.application.stopping:
                self._connection.close()  # Tornado would keep what was said to close

    def _answer_early_soon(self, purpose: str) -> None:
        if self.phase is Phase.REFUSED:
            self.application.tasks.start(self._answer_early(), purpose)

    async def _answer_early(self) -> None:
        """Answer with the rest of the body unread, and read on for a while: closed at once, a connection with
        unread bytes is reset, and a reset can overtake the answer on its way (RFC 9112, 9.6)."""
        await self._all_released()
        if self.phase is not Phase.REFUSED:
            return  # while we waited, the body's end or the peer's came
        self._advance(Event.ANSWER_EARLY)
        self._answered_at = time.monotonic()
        self._write_refusal()
        await self._sent(self.flush())
        stream = self._connection.stream
        if not stream.closed():
            with contextlib.suppress(OSError):  # ENOTCONN: reset, which Tornado has yet to notice
                stream.socket.shutdown(socket.SHUT_WR)

    async def _sent(self, answer: Awaitable[None]) -> None:
        """Wait until the kernel has taken `answer`: not for ever, if the peer reads nothing, nor if it is gone."""
        with contextlib.suppress(StreamClosedError, TimeoutError):
            async with asyncio.timeout(self._limits.linger_seconds):
                await answer

    async def _all_released(self) -> None:
        await asyncio.shield(self._release())

    def _write_refusal(self) -> None:
        if self.refusal is not None:
            if self._has_body or self.application.stopping:
                self.set_header("Connection", "close")
            self.write_service_error(self.refusal)
