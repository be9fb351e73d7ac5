"""How the body of any request is received: in chunks, within bounds, its refusal always readable (promise 7).

Every handler streams, also those with a JSON body or none: otherwise Tornado buffers what it cannot refuse, and
answers what is over its own limit with a bare 400. The states are in `protocol/body_phase.py`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import orjson
import structlog
from pydantic import BaseModel, ValidationError
from tornado.http1connection import HTTP1Connection
from tornado.web import stream_request_body

from handlers.base import BaseHandler, BodyLimits
from handlers.errors import as_service_error, is_unforeseen
from handlers.protocol.body_phase import ENDED, Event, Phase, advance
from handlers.protocol.pace import Pace
from storage.domain.errors import (
    InvalidRequest,
    NotFound,
    ServiceError,
    TooLarge,
    TooSlow,
    Unavailable,
    UnsupportedEncoding,
)

log = structlog.get_logger(__name__)
Model = TypeVar("Model", bound=BaseModel)

_ABSURD_DIGITS = 19
"""Python refuses to read numbers of some thousand digits; a length of this many is over every limit."""
_SENTENCES = {"missing": "This field is required.", "model_type": "A JSON object is needed."}
_WATCH_SECONDS = 1.0
"""How often a body under way is looked at: limits in whole seconds need no finer grain."""


@stream_request_body
class BodyHandler(BaseHandler):
    """Receives a body, small and into memory unless a subclass overrides `admit`, `receive` and `release`."""

    def initialize(self) -> None:
        self.application.in_flight.begin()
        self.phase = Phase.NEW
        self.received_bytes = 0
        self.refusal: ServiceError | None = None
        self._json = bytearray()
        self._dropped_bytes = 0
        self._busy = False
        self._settled = False
        self._released: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._refused_at = 0.0

    # What a subclass may say

    async def admit(self) -> None:
        """Refuse on the headers alone, before a byte of the body; raises ServiceError."""
        self.check_declared_length(self._limits.json_bytes)

    async def receive(self, chunk: bytes) -> None:
        """Take a chunk; awaiting here is what slows the sender down. Raises ServiceError to refuse."""
        if len(self._json) + len(chunk) > self._limits.json_bytes:
            raise TooLarge(f"The body is larger than {self._limits.json_bytes} bytes")
        self._json += chunk

    async def release(self) -> None:
        """Let go of whatever the request held; called exactly once, before a refusal is answered."""

    def ended(self) -> None:
        """The request is over, however that came; called exactly once."""

    # What a subclass may use

    def json_body(self, model: type[Model]) -> Model:
        """The body as `model`; raises InvalidRequest naming each wrong field."""
        try:
            return model.model_validate(orjson.loads(bytes(self._json)))
        except orjson.JSONDecodeError as error:
            raise InvalidRequest("The body is not JSON") from error
        except ValidationError as error:
            details: dict[str, list[str]] = {}
            for problem in error.errors():
                path = ".".join(str(part) for part in problem["loc"]) or "body"
                sentence = _SENTENCES.get(problem["type"], problem["msg"])
                details.setdefault(path, []).append(sentence)
            raise InvalidRequest(details=details) from error

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

    # Tornado's hooks

    async def prepare(self) -> None:
        # The bounds are ours: past Tornado's own the peer would read a bare 400.
        self._connection.set_max_body_size(sys.maxsize)
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
            if self._expects_continue():
                await self._answer_early()  # so that the body is never sent
        else:
            self._advance(Event.ADMIT)
            self._when_body_is_over(self._complete_with(getattr(self, self._method)))
        if self._has_body and self.phase not in ENDED:
            limits, now = self._limits, time.monotonic()
            self._pace = Pace(limits.idle_seconds, limits.min_bytes_per_second, now)
            self._watch()

    async def data_received(self, chunk: bytes) -> None:
        self.received_bytes += len(chunk)
        self.bind_log()  # chunks come on the connection's own task
        if self.phase is Phase.REFUSED:
            await self._drop(len(chunk))
        if self.phase is not Phase.RECEIVING or self._is_preflight:
            return
        began, self._busy = time.monotonic(), True
        try:
            await self.receive(chunk)
        except Exception as error:
            self._refuse(error)
        finally:
            now, self._busy = time.monotonic(), False
            self._pace.arrived(len(chunk), now, own_seconds=now - began)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if self.phase is Phase.NEW:
            self.set_header("Connection", "close")  # answered before the body was read, Tornado closes
        super().write_error(status_code, **kwargs)

    def on_connection_close(self) -> None:
        super().on_connection_close()  # wakes the request that waits for its body
        self._advance(Event.PEER_GONE)

    def on_finish(self) -> None:
        self._advance(Event.ANSWER)

    # The steps between the phases

    def _check_serving(self) -> None:
        """A connection kept alive may bring new requests while the server lets the old ones finish."""
        if self.application.stopping:
            self.set_header("Connection", "close")
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

    def _advance(self, event: Event) -> None:
        self.phase = advance(self.phase, event)
        if self.phase in ENDED and not self._settled:
            self._settled = True
            if self._timer is not None:
                self._timer.cancel()
            self._release()
            self.ended()
            self.application.in_flight.end()

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
        self._when_body_is_over(self._answer_refusal)

    @property
    def _method(self) -> str:
        return str(self.request.method).lower()

    def _when_body_is_over(self, answer: Callable[..., Awaitable[None]]) -> None:
        """Tornado then calls the method; there is no other moment at which it says that the body is over."""
        setattr(self, self._method, answer)

    def _complete_with(self, method: Callable[..., Awaitable[None] | None]) -> Callable[..., Awaitable[None]]:
        async def complete(*args: str) -> None:
            self._advance(Event.COMPLETE)
            done = method(*args)
            if done is not None:
                await done

        return complete

    async def _drop(self, size_bytes: int) -> None:
        self._dropped_bytes += size_bytes
        if self._dropped_bytes > self._limits.drain_bytes:
            await self._answer_early()

    async def _answer_early(self) -> None:
        """Answer with the rest of the body unread; Tornado closes the connection then."""
        self.set_header("Connection", "close")
        await self._answer_refusal()

    async def _answer_refusal(self, *_: Any) -> None:
        """Say why, once nothing of the request is left."""
        await asyncio.shield(self._release())
        if self.phase is Phase.REFUSED and self.refusal is not None:
            self.write_service_error(self.refusal)
            await self.finish()
            if self.application.stopping:  # Tornado would keep what was said to close
                self._connection.close()

    def _watch(self) -> None:
        """Look at a body under way once a second, until it ends."""
        now = time.monotonic()
        if self.phase is Phase.RECEIVING and not self._busy and self._pace.too_slow(now):
            self._refuse(TooSlow())
            self.application.tasks.start(self._answer_early(), "answer a slow sender")
        elif self.phase is Phase.REFUSED and now - self._refused_at > self._limits.drain_seconds:
            self.application.tasks.start(self._answer_early(), "answer before the body is over")
        if self.phase in {Phase.RECEIVING, Phase.REFUSED}:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_WATCH_SECONDS, self._watch)


class NotFoundHandler(BodyHandler):
    """Every path nobody serves."""

    public = True

    def check_method(self) -> None:
        """Whatever the method, there is nothing here."""

    async def admit(self) -> None:
        raise NotFound
