"""GET /connection/websocket: the status channel, in the protocol of the Centrifugo SDKs (design section 4).

A socket's life: upgrade (origin checked) → connect command with a token, within ten seconds → its own `user:`
channel and any others, each beginning with a snapshot → pings, publications, refreshes → close code.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches
from tornado.websocket import WebSocketHandler

from handlers.base import BaseHandler
from handlers.outbox import Outbox
from handlers.protocol import centrifugo
from handlers.protocol.centrifugo import CloseCode, Connected, ErrorCode, Subscribed
from handlers.protocol.channels import may_have, queue_section, user_channel
from handlers.small_body import SmallBodyHandler
from storage.change_feed import ChangeFeed
from storage.domain.errors import (
    Forbidden,
    InvalidRequest,
    ServiceError,
    TokenExpired,
    Unauthenticated,
    Unavailable,
)
from storage.domain.people import Principal
from storage.domain.submission import Section, Status

log = structlog.get_logger(__name__)

MAX_INBOUND_BYTES = 64 << 10
"""Commands are a few hundred bytes, a token a few thousand; a larger frame is closed with 1009."""
_EXPIRY_GRACE_SECONDS = 25.0
"""How long a socket outlives its token, for the SDK to refresh it (design section 4)."""
_OWN_LATEST, _OLDEST_PENDING = 50, 200
_VERSION = "turantalim"


@dataclass(frozen=True, slots=True)
class StatusLimits:
    """See `status` in config.yaml."""

    connect_seconds: float
    ping_seconds: int
    pong_seconds: float
    outgoing_bytes: int


class StatusSocketHandler(BaseHandler, WebSocketHandler):
    """One client. Commands are answered in the order they came."""

    public = True  # the token comes in the connect command, never in the URL

    def initialize(self, feed: ChangeFeed, limits: StatusLimits) -> None:
        self._feed = feed
        self._limits = limits
        self._outbox = Outbox(self, self.application.tasks, limits.outgoing_bytes)
        self._held_back: dict[str, list[bytes]] = {}
        self._positions: dict[str, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._is_closed = False

    # Tornado's hooks

    async def get(self, *args: str, **kwargs: str) -> None:
        """Refuse an unknown origin before the upgrade; what is no browser sends none."""
        self.bind_log()
        origin = self.request.headers.get("Origin")
        if origin is not None and not self.check_origin(origin):
            raise Forbidden("This origin is not among cors.allowed_origins")
        await super().get(*args, **kwargs)

    def check_origin(self, origin: str) -> bool:
        host = self.request.headers.get("Host", "")
        return origin in self.services.allowed_origins or origin in {f"http://{host}", f"https://{host}"}

    def open(self, *_: str, **__: str) -> None:
        self.set_nodelay(True)  # Tornado gave it back at the upgrade; a publication must not wait for an ACK
        self.services.hub.opened(self)
        self._after("connect", self._limits.connect_seconds, lambda: self.disconnect(CloseCode.STALE))

    async def on_message(self, message: str | bytes) -> None:
        """Tornado reads the next frame only when this one is dealt with."""
        try:
            for command in centrifugo.read_commands(message):
                if self._is_closed:
                    return
                await self._obey(command)
        except centrifugo.BadFrame:
            self.disconnect(CloseCode.BAD_REQUEST)
        except ServiceError as error:
            log.warning("socket closed", cause=error.code)
            self.disconnect(CloseCode.SERVER_ERROR)
        except Exception:
            log.exception("unexpected error on a socket")
            self.disconnect(CloseCode.SERVER_ERROR)

    def on_close(self) -> None:
        self._forget()

    # The hub's view

    def publish(self, channel: str, offset: int, frame: bytes) -> None:
        """Send a publication the client has not seen, after the snapshot of its channel if that is being made."""
        if offset <= self._positions[channel]:
            return
        if channel in self._held_back:
            self._held_back[channel].append(frame)
        else:
            self._publish(frame)

    def publish_volatile(self, channel: str, frame: bytes) -> None:
        if self._outbox.is_empty and channel not in self._held_back:
            self._publish(frame)

    def disconnect(self, code: tuple[int, str]) -> None:
        """Close with one of the protocol's codes; the SDKs know from it whether to come back."""
        self._forget()
        self.close(*code)

    # Commands

    async def _obey(self, command: centrifugo.Command) -> None:
        match command:
            case centrifugo.Connect():
                await self._connect(command)
            case _ if self._principal is None:
                self.disconnect(CloseCode.BAD_REQUEST)
            case centrifugo.Pong():
                self._cancel("pong")
            case centrifugo.Subscribe():
                await self._subscribe(command, self._principal)
            case centrifugo.Unsubscribe():
                self._unsubscribe(command)
            case centrifugo.Refresh():
                await self._refresh(command, self._principal)
            case centrifugo.Unknown():
                self._send(centrifugo.error_reply(command.id, ErrorCode.METHOD_NOT_FOUND))

    async def _connect(self, command: centrifugo.Connect) -> None:
        if self._principal is not None:
            self.disconnect(CloseCode.BAD_REQUEST)
            return
        principal = await self._authenticate(command.id, command.token)
        if principal is None or self._is_closed:
            return
        if not self.services.hub.admit_user(principal.person.id):
            self.disconnect(CloseCode.CONNECTION_LIMIT)
            return
        self._principal = principal
        self._cancel("connect")
        own = user_channel(principal.person.id)
        subscribed = await self._begin(own, command.recover.get(own))
        connected = Connected(
            client=uuid.uuid4().hex,
            version=_VERSION,
            ping_seconds=self._limits.ping_seconds,
            ttl_seconds=_seconds_left(principal),
            subscriptions={own: subscribed},
        )
        self._send(centrifugo.reply(command.id, "connect", connected.as_json()))
        self._go_live(own)
        self._expect_refresh(principal)
        self._after("ping", self._limits.ping_seconds, self._ping)

    async def _subscribe(self, command: centrifugo.Subscribe, principal: Principal) -> None:
        channel = command.channel
        await self._outbox.drained()  # one snapshot at a time waits in memory
        if self._is_closed:  # meanwhile: whoever joined the hub now would never leave it
            return
        if not may_have(principal, channel):
            self._send(centrifugo.error_reply(command.id, ErrorCode.PERMISSION_DENIED))
            return
        if channel in self._positions:
            self._send(centrifugo.error_reply(command.id, ErrorCode.ALREADY_SUBSCRIBED))
            return
        try:
            subscribed = await self._begin(channel, command.recover)
        except Unavailable:  # the socket itself is well; the SDKs try again
            self._leave(channel)
            self._send(centrifugo.error_reply(command.id, ErrorCode.INTERNAL))
            return
        self._send(centrifugo.reply(command.id, "subscribe", subscribed.as_json()))
        self._go_live(channel)

    def _unsubscribe(self, command: centrifugo.Unsubscribe) -> None:
        self._leave(command.channel)
        self._send(centrifugo.reply(command.id, "unsubscribe", {}))

    async def _refresh(self, command: centrifugo.Refresh, before: Principal) -> None:
        principal = await self._authenticate(command.id, command.token)
        if principal is None or self._is_closed:
            return
        if (principal.person.id, principal.role) != (before.person.id, before.role):
            self.disconnect(CloseCode.INVALID_TOKEN)
            return
        self._principal = principal
        self._expect_refresh(principal)
        answer = {"client": "", "version": _VERSION, "expires": True, "ttl": _seconds_left(principal)}
        self._send(centrifugo.reply(command.id, "refresh", answer))

    async def _authenticate(self, number: int, token: str) -> Principal | None:
        """The token's principal; None after an expired one was answered 109 or a bad one closed the socket."""
        try:
            return await self.services.auth.from_token(token)
        except TokenExpired:
            self._send(centrifugo.error_reply(number, ErrorCode.TOKEN_EXPIRED))
        except Unauthenticated:
            self.disconnect(CloseCode.INVALID_TOKEN)
        return None

    # Subscriptions

    async def _begin(self, channel: str, recover: centrifugo.Recover | None) -> Subscribed:
        """Subscribe to `channel`, from where the client was if that can be, else from a snapshot."""
        hub, epoch = self.services.hub, self._feed.epoch
        if recover is not None and recover.epoch == epoch:
            missed = hub.missed(channel, recover.offset)
            if missed is not None:
                position = missed[-1].offset if missed else recover.offset
                self._positions[channel] = position
                hub.subscribe(channel, self)
                publications = tuple(publication.body for publication in missed)
                return Subscribed(position, epoch, None, publications, recovered=True, was_recovering=True)
        offset, data = await self._snapshot(channel)
        return Subscribed(offset, epoch, data, was_recovering=recover is not None)

    async def _snapshot(self, channel: str) -> tuple[int, dict[str, Any]]:
        """The position comes first, then the query, and publications are held back meanwhile: what happens in
        between may be shown twice, never not at all."""
        offset = self._feed.position
        self._held_back[channel] = []
        self._positions[channel] = offset
        self.services.hub.subscribe(channel, self)
        section = queue_section(channel)
        return offset, await (
            self._queue_snapshot(section, offset) if section else self._own_snapshot(offset)
        )

    def _leave(self, channel: str) -> None:
        self.services.hub.unsubscribe(channel, self)
        self._positions.pop(channel, None)
        self._held_back.pop(channel, None)

    def _go_live(self, channel: str) -> None:
        for frame in self._held_back.pop(channel, []):
            self._publish(frame)

    async def _own_snapshot(self, offset: int) -> dict[str, Any]:
        page = await self.services.submissions.of_student(self.principal.person.id, None, _OWN_LATEST)
        return self.representations.snapshot(page.submissions, offset)

    async def _queue_snapshot(self, section: Section, offset: int) -> dict[str, Any]:
        submissions = self.services.submissions
        page = await submissions.queue(Status.PENDING, section, None, _OLDEST_PENDING)
        counts = await submissions.counts(section)
        return self.representations.queue_snapshot(page.submissions, offset, counts)

    # Time

    def _ping(self) -> None:
        self._send(centrifugo.PING)
        if "pong" not in self._timers:  # a later ping gives no more time to answer an earlier one
            self._after("pong", self._limits.pong_seconds, lambda: self.disconnect(CloseCode.NO_PONG))
        self._after("ping", self._limits.ping_seconds, self._ping)

    def _expect_refresh(self, principal: Principal) -> None:
        late = principal.expires_at.timestamp() - time.time() + _EXPIRY_GRACE_SECONDS
        self._after("expiry", late, lambda: self.disconnect(CloseCode.EXPIRED))

    def _after(self, name: str, seconds: float, action: Any) -> None:
        self._cancel(name)
        if self._is_closed:  # while it was being connected
            return
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, action)

    def _cancel(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()

    # Writing and ending

    def _send(self, frame: bytes) -> None:
        if not self._is_closed:
            self._outbox.reply(frame)

    def _publish(self, frame: bytes) -> None:
        if not self._is_closed and not self._outbox.publish(frame):
            self.disconnect(CloseCode.SLOW)

    def _forget(self) -> None:
        """Leave the hub and stop every timer. Idempotent: closing and being closed both come here."""
        if self._is_closed:
            return
        self._is_closed = True
        for name in list(self._timers):
            self._cancel(name)
        for channel in self._positions:
            self.services.hub.unsubscribe(channel, self)
        self._held_back.clear()
        if self._principal is not None:
            self.services.hub.release_user(self._principal.person.id)
        self.services.hub.closed(self)


class NoSocketHandler(SmallBodyHandler):
    """Requests to the socket's path that ask for no upgrade."""

    public = True

    def get(self) -> None:
        raise InvalidRequest("This is a WebSocket: connect with ws:// or wss://")


class WebSocketPath(PathMatches):
    """Matches a path for requests that are WebSocket handshakes (RFC 6455, 4.1). All others go to a handler that
    reads a body within bounds; Tornado would keep a hundred megabytes of it for the socket's."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        headers = request.headers
        asks = request.method == "GET" and headers.get("Upgrade", "").lower() == "websocket"
        has_body = headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in headers
        return super().match(request) if asks and not has_body else None


def _seconds_left(principal: Principal) -> int:
    return max(1, int((principal.expires_at - datetime.now(UTC)).total_seconds()))
