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
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.iostream import IOStream
from tornado.routing import PathMatches
from tornado.util import ObjectDict
from tornado.websocket import WebSocketHandler

from handlers.base import BaseHandler
from handlers.outbox import Outbox
from handlers.peer import has_left
from handlers.protocol import centrifugo
from handlers.protocol.centrifugo import CloseCode, Connected, ErrorCode, Subscribed, UnsubscribeCode
from handlers.protocol.channels import may_have, user_channel
from handlers.protocol.command_pace import CommandPace
from handlers.protocol.operations import Documented, Empty, Operation
from handlers.protocol.socket_deadlines import DeadlineLimits, Due, SocketDeadlines
from handlers.protocol.websocket_frame import text_frames
from handlers.small_body import SmallBodyHandler
from handlers.subscription import Subscription
from storage.change_feed import ChangeFeed
from storage.domain.errors import (
    Busy,
    Forbidden,
    InvalidRequest,
    ServiceError,
    TokenExpired,
    Unauthenticated,
    Unavailable,
)
from storage.domain.people import Principal

log = structlog.get_logger(__name__)

MAX_INBOUND_BYTES = 64 << 10
"""Commands are a few hundred bytes, a token a few thousand; a larger frame is closed with 1009."""
_EXPIRY_GRACE_SECONDS = 25.0
"""How long a socket outlives its token, for the SDK to refresh it (design section 4)."""
_ADMISSION_DELAYS_SECONDS = (0.0, 0.3, 0.7)
_VERSION = "turantalim"
_ANY_REQUEST = HTTPServerRequest(
    start_line=RequestStartLine("GET", "/connection/websocket", "HTTP/1.1"), headers=HTTPHeaders(Host="any")
)


@dataclass(frozen=True, slots=True)
class StatusLimits:
    """See `status` in config.yaml."""

    deadlines: DeadlineLimits
    outgoing_bytes: int
    commands_per_second: float


class StatusSocketHandler(BaseHandler, WebSocketHandler):
    """One client. Commands are answered in the order they came."""

    public = True  # the token comes in the connect command, never in the URL
    documented = Documented(
        "/connection/websocket",
        tag="status",
        get=Operation(
            "Live status, a WebSocket",
            {101: Empty(), 426: Empty(("Sec-WebSocket-Version",))},
            description=(
                "In the JSON variant of the Centrifugo client protocol; asyncapi.yaml has every message. The token "
                "comes in the connect command. 403: an origin that is not among `cors.allowed_origins`; 503: one "
                "socket too many."
            ),
            refusals=(InvalidRequest, Forbidden, Busy),
        ),
    )

    def initialize(self, feed: ChangeFeed, limits: StatusLimits) -> None:
        self._feed = feed
        self._limits = limits
        self._subscriptions: dict[str, Subscription] = {}
        self._is_closed = False
        self._command: asyncio.Task[Any] | None = None

    # Tornado's hooks

    async def get(self, *args: str, **kwargs: str) -> None:
        """Refuse before the upgrade: an unknown origin (what is no browser sends none), and one socket too many."""
        self.bind_log()
        origin = self.request.headers.get("Origin")
        if origin is not None and not self.check_origin(origin):
            raise Forbidden("This origin is not among cors.allowed_origins")
        if self.application.stopping:
            raise Unavailable
        if self.services.hub.is_full:
            raise Busy
        self._check_handshake()
        await super().get(*args, **kwargs)

    def _check_handshake(self) -> None:
        """Refuse what Tornado would in words of its own (RFC 6455, 4.2.1); another version it answers with 426."""
        headers = self.request.headers
        tokens = {token.strip().lower() for token in headers.get("Connection", "").split(",")}
        if "upgrade" not in tokens or not headers.get("Host") or not headers.get("Sec-WebSocket-Key"):
            raise InvalidRequest("This is no handshake of a WebSocket")

    def check_origin(self, origin: str) -> bool:
        host = self.request.headers.get("Host", "")
        return origin in self.services.allowed_origins or origin in {f"http://{host}", f"https://{host}"}

    def open(self, *_: str, **__: str) -> None:
        self.set_nodelay(True)  # Tornado gave it back at the upgrade; a publication must not wait for an ACK
        connection: Any = self.ws_connection  # there, and with its stream
        self._stream: IOStream = connection.stream
        if self._stream.closed():  # its peer was gone before it had its upgrade
            self._is_closed = True
            return
        self._outbox = Outbox(self._stream, self._limits.outgoing_bytes)
        now = time.monotonic()
        self._pace = CommandPace(self._limits.commands_per_second, now)
        self.deadlines = SocketDeadlines(self._limits.deadlines, now)
        self._let_go_of_the_request()
        self.services.hub.opened(self)

    async def on_message(self, message: str | bytes) -> None:
        """Tornado reads the next frame only when this one is dealt with."""
        self._command = asyncio.current_task()
        try:
            for command in centrifugo.read_commands(message):
                if not self._pace.admits(time.monotonic()):
                    log.warning("socket closed", cause="too_many_commands", user=self.user_id)
                    self.disconnect(CloseCode.BAD_REQUEST)
                    return
                await self._outbox.drained()  # one answer at a time waits in memory
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
        except asyncio.CancelledError:
            if not self._is_closed:
                raise
        finally:
            self._command = None

    def on_close(self) -> None:
        self._forget()

    # The hub's view

    def look_at_the_clock(self, now: float) -> None:
        match self.deadlines.due(now):
            case Due.PING:
                self._ping(now)
            case Due.NO_CONNECT:
                self.disconnect(CloseCode.STALE)
            case Due.NO_PONG:
                self.disconnect(CloseCode.NO_PONG)
            case Due.NO_REFRESH:
                self.disconnect(CloseCode.EXPIRED)

    @property
    def is_occupied(self) -> bool:
        return self._command is not None

    def look_at_the_peer(self) -> None:
        """Nothing is read while a command waits for MongoDB: who leaves then would keep their place among five."""
        if has_left(self._stream):
            self._forget()
            self.close()

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
                self.deadlines.ponged()
            case centrifugo.Subscribe():
                await self._subscribe(command, self._principal)
            case centrifugo.Unsubscribe():
                self._leave(command.channel)
                self._send(centrifugo.reply(command.id, "unsubscribe", {}))
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
        if not await self._admit(principal.person.id):
            return
        self._principal = principal
        client = uuid.uuid4()
        self.deadlines.connected(time.monotonic(), share=client.bytes[0] / 256)
        own = user_channel(principal.person.id)
        subscribed = await self._begin(own, command.recover.get(own))
        connected = Connected(
            client=client.hex,
            version=_VERSION,
            ping_seconds=int(self._limits.deadlines.ping_seconds),
            ttl_seconds=_seconds_left(principal),
            subscriptions={own: subscribed},
        )
        self._send(centrifugo.reply(command.id, "connect", connected.as_json()))
        self._go_live(own)
        self._expect_refresh(principal)

    async def _admit(self, user_id: str) -> bool:
        """Count this socket as the user's, or close it. 3504 is for good, so that one who comes back at once waits
        until it is known, in every process, which of their earlier sockets are left."""
        hub = self.services.hub
        for delay_seconds in _ADMISSION_DELAYS_SECONDS:
            await asyncio.sleep(delay_seconds)
            if self._is_closed:
                return False
            if hub.admit_user(user_id):
                return True
        self.disconnect(CloseCode.CONNECTION_LIMIT)
        return False

    async def _subscribe(self, command: centrifugo.Subscribe, principal: Principal) -> None:
        channel = command.channel
        if not may_have(principal, channel):
            self._send(centrifugo.error_reply(command.id, ErrorCode.PERMISSION_DENIED))
            return
        if channel in self._subscriptions:
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

    async def _refresh(self, command: centrifugo.Refresh, before: Principal) -> None:
        """A fresh token of the same user. Its role may be another one: channels that it may not have end."""
        principal = await self._authenticate(command.id, command.token)
        if principal is None or self._is_closed:
            return
        if principal.person.id != before.person.id:
            self.disconnect(CloseCode.INVALID_TOKEN)
            return
        self._principal = principal
        self._expect_refresh(principal)
        answer = {"client": "", "version": _VERSION, "expires": True, "ttl": _seconds_left(principal)}
        self._send(centrifugo.reply(command.id, "refresh", answer))
        for channel in [channel for channel in self._subscriptions if not may_have(principal, channel)]:
            self._leave(channel)
            self._send(centrifugo.unsubscribe_push(channel, UnsubscribeCode.SERVER))

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
        epoch = self._feed.epoch
        if recover is not None and recover.epoch == epoch:
            missed = self.services.hub.missed(channel, recover.offset)
            # More than may wait for a slow reader is no less for being asked for; a snapshot is bounded.
            if missed is not None and sum(len(each.body) for each in missed) <= self._limits.outgoing_bytes:
                position = missed[-1].offset if missed else recover.offset
                self._join(channel, position)
                publications = tuple(publication.body for publication in missed)
                return Subscribed(position, epoch, None, publications, recovered=True, was_recovering=True)
        position = self._feed.position
        self._join(channel, position)
        user_id, represent = self.principal.person.id, self.representations
        data = await self.services.snapshots.of(channel, user_id, position, represent)
        return Subscribed(position, epoch, data, was_recovering=recover is not None)

    def _join(self, channel: str, position: int) -> None:
        subscription = Subscription(channel, position, self._outbox, self._too_slow)
        self._subscriptions[channel] = subscription
        self.services.hub.subscribe(subscription)

    def _go_live(self, channel: str) -> None:
        if channel in self._subscriptions:  # else it was closed meanwhile
            self._subscriptions[channel].go_live()

    def _leave(self, channel: str) -> None:
        if subscription := self._subscriptions.pop(channel, None):
            self.services.hub.unsubscribe(subscription)

    def _too_slow(self) -> None:
        self.disconnect(CloseCode.SLOW)

    # Time

    def _ping(self, now: float) -> None:
        """Ask for a sign of life. Whoever still reads what came before gives one by reading."""
        if not self._outbox.has_moved():
            self.disconnect(CloseCode.NO_PONG)
            return
        if self._outbox.is_empty:
            self.deadlines.expect_pong(now)
        self._send(centrifugo.PING)

    def _expect_refresh(self, principal: Principal) -> None:
        left = principal.expires_at.timestamp() - time.time()
        self.deadlines.refresh_by(time.monotonic() + left + _EXPIRY_GRACE_SECONDS)

    # Writing and ending

    def _send(self, payload: bytes) -> None:
        if not self._is_closed:
            self._outbox.reply(text_frames(payload))

    def _let_go_of_the_request(self) -> None:
        """A socket is open for hours, and a fifth of its memory would be what only the upgrade needed."""
        self.request = _ANY_REQUEST
        self.ui = ObjectDict()  # the names of templates, of which there are none

    def _forget(self) -> None:
        """Leave the hub, and have a command that waits for MongoDB end: until then the peer's close is not read.
        Idempotent: closing and being closed both come here."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._command is not None and self._command is not asyncio.current_task():
            self._command.cancel()
        self._outbox.give_up()
        for channel in list(self._subscriptions):
            self._leave(channel)
        if self._principal is not None:
            self.services.hub.release_user(self._principal.person.id)
        self.services.hub.closed(self)


class NoSocketHandler(SmallBodyHandler):
    """Requests to the socket's path that ask for no upgrade."""

    public = True
    documented = StatusSocketHandler.documented

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
