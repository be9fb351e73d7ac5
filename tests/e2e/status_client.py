"""A lean client of the status channel, hundreds of which run beside the server, on a network that cuts them off.

It behaves as the SDKs do: remembers epoch and offset of each channel, comes back after a jittered pause, asks to
recover. Now and then it is a page loaded anew, stays away for longer than the server remembers, or does not read.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import orjson
import websockets
from websockets.asyncio.client import ClientConnection

from tests.e2e.status_view import ChannelView

Json = dict[str, Any]

OPEN_SECONDS = 20.0
"""For the handshake, while five hundred others come back too."""
PAUSE_SECONDS = (0.1, 2.0)
"""Before the first attempt to come back at most, and before any."""
ABRUPT, ABRUPT_SECONDS = 0.15, 0.04
"""How many stays end within so long, which is before, amid or just after the connect command."""
FORGETS, STAYS_AWAY = 0.1, 0.08
"""How many come back as a page loaded anew; how many stay away for longer."""
RETRY_SECONDS = 0.2
"""Before a subscription is tried again that MongoDB's absence made fail."""
TEMPORARY, PERMISSION_DENIED = 100, 103
RECONNECT = {1000, 1001, 1006, 3001, 3004, 3008, 3010, 3012}
"""Close codes, or their absence, that an honest client may meet with here."""
_CONNECTED = {"client", "version", "expires", "ttl", "ping", "pong", "subs"}


@dataclass(frozen=True, slots=True)
class Habits:
    """`stays_seconds`, on average; `away_seconds`, at most."""

    stays_seconds: float
    away_seconds: float
    probes: tuple[str, ...] = ()
    """Channels it tries though it may not have them."""
    is_narrow: bool = False
    """Little is under way to it that it has not read."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose socket it is, and which queues it subscribes to besides its own channel."""

    user: str
    token: str
    queues: Sequence[str] = ()


class StatusClient:
    """One socket."""

    def __init__(self, url: str, account: Account, habits: Habits, dice: random.Random) -> None:
        self.user = account.user
        self.is_narrow = habits.is_narrow
        self.own = ChannelView(f"user:{account.user}")
        self.views = {view.name: view for view in (self.own, *map(ChannelView, account.queues))}
        self.complaints: list[str] = []
        self._url = url
        self._token = account.token
        self._habits = habits
        self._dice = dice
        self._tally: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self._asked: dict[int, str] = {}
        self._connection: ClientConnection | None = None
        self._stay: asyncio.Timeout | None = None
        self._settled = asyncio.Event()
        self._attempts = 0
        self._dozes_seconds = 0.0

    async def live(self, tally: Counter[str]) -> None:
        """Be connected, again and again, until cancelled. `tally` counts what happens."""
        self._tally = tally
        await asyncio.sleep(self._dice.uniform(0, PAUSE_SECONDS[1]))
        while True:
            try:
                async with asyncio.timeout(self._stays_seconds()) as self._stay:
                    await self._connect_and_listen()
            except TimeoutError:
                self._tally["left"] += 1
            except websockets.ConnectionClosed as closed:
                self._note_close(closed.rcvd.code if closed.rcvd else 1006)
            except websockets.InvalidStatus as refused:
                self._expect(refused.response.status_code == 503, "handshake refused", refused)
            except (OSError, EOFError, websockets.WebSocketException):
                self._tally["unreachable"] += 1
            await self._pause()

    def cut(self) -> None:
        """The network is gone this moment, whatever was on its way."""
        if self._connection is not None:
            self._connection.transport.abort()

    def doze(self, seconds: float) -> None:
        """Read nothing for so long, from the next message on."""
        self._dozes_seconds = seconds

    def settle(self) -> None:
        """From now on stay connected."""
        self._settled.set()
        if self._stay is not None:
            with contextlib.suppress(RuntimeError):  # it ended, or it is ending
                self._stay.reschedule(None)

    def _stays_seconds(self) -> float | None:
        if self._settled.is_set():
            return None
        if self._dice.random() < ABRUPT:
            return self._dice.uniform(0, ABRUPT_SECONDS)
        return self._dice.expovariate(1 / self._habits.stays_seconds)

    async def _pause(self) -> None:
        """What lies between two connections."""
        if self._dice.random() < FORGETS:
            for view in self.views.values():
                view.forget()
        if self._dice.random() < STAYS_AWAY:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._dice.uniform(0, self._habits.away_seconds)):
                    await self._settled.wait()
        first, most = PAUSE_SECONDS
        await asyncio.sleep(self._dice.uniform(0, min(most, first * 2**self._attempts)))
        self._attempts += 1

    async def _connect_and_listen(self) -> None:
        connection = await websockets.connect(
            self._url,
            compression=None,
            ping_interval=None,
            proxy=None,
            max_size=None,
            open_timeout=OPEN_SECONDS,
            sock=await _narrow_socket(self._url) if self._habits.is_narrow else None,
        )
        self._connection = connection
        try:
            self._asked.clear()
            await self._send(self._connect_command())
            while True:
                for line in str(await connection.recv()).split("\n"):
                    await self._take(line)
                if self._dozes_seconds:
                    self._tally["dozed"] += 1
                    self._dozes_seconds, seconds = 0.0, self._dozes_seconds
                    await asyncio.sleep(seconds)
        finally:
            self._connection = None
            for view in self.views.values():
                view.ended()
            connection.transport.abort()
            await connection.wait_closed()

    def _connect_command(self) -> Json:
        """With every channel's position, as whoever probes would say it."""
        recovery = self.own.recovery()
        subs = {channel: recovery for channel in (self.own.name, *self._habits.probes) if recovery}
        return self._command("connect", "", {"token": self._token, **({"subs": subs} if subs else {})})

    def _subscribe_command(self, channel: str) -> Json:
        recovery = self.views.get(channel, self.own).recovery()
        return self._command("subscribe", channel, {"channel": channel, **recovery})

    def _command(self, name: str, channel: str, content: Json) -> Json:
        number = next(self._numbers)
        self._asked[number] = channel
        return {"id": number, name: content}

    async def _send(self, *commands: Json) -> None:
        """In one frame, one a line, as the SDKs do."""
        assert self._connection is not None
        await self._connection.send("\n".join(orjson.dumps(command).decode() for command in commands))

    async def _take(self, line: str) -> None:
        message = _push(line) if line.startswith('{"push"') else orjson.loads(line)
        if not message:
            await self._send({})
        elif message.keys() == {"push"}:
            self._take_push(message["push"])
        elif message.keys() == {"id", "connect"}:
            await self._connected(message["connect"])
        elif message.keys() == {"id", "subscribe"}:
            self._subscribed(self._asked.pop(message["id"]), message["subscribe"])
        elif message.keys() == {"id", "error"}:
            await self._refused(self._asked.pop(message["id"]), message["error"]["code"])
        else:
            self._expect(False, "an unknown message", line[:300])

    def _take_push(self, push: Json) -> None:
        view = self.views.get(push.get("channel", ""))
        if view is not None and push.keys() == {"channel", "pub"}:
            view.published(push["pub"])
        else:
            self._expect(False, "an unknown push", push)

    async def _connected(self, connected: Json) -> None:
        self._attempts = 0
        self._expect(connected.keys() == _CONNECTED, "odd connect reply", connected.keys())
        self._expect(
            connected["subs"].keys() == {self.own.name}, "foreign channels", connected["subs"].keys()
        )
        self._begin(self.own, connected["subs"][self.own.name])
        others = [*(name for name in self.views if name != self.own.name), *self._habits.probes]
        if others:
            await self._send(*map(self._subscribe_command, others))

    def _subscribed(self, channel: str, subscribed: Json) -> None:
        if self._expect(channel in self.views, "got a channel it may not have", channel):
            self._begin(self.views[channel], subscribed)

    def _begin(self, view: ChannelView, subscribed: Json) -> None:
        self._tally["recovered" if subscribed.get("recovered") else "snapshots"] += 1
        view.began(subscribed)

    async def _refused(self, channel: str, code: int) -> None:
        if channel in self._habits.probes:
            self._tally["probes refused"] += 1
            self._expect(code == PERMISSION_DENIED, f"{channel} not refused with 103", code)
        elif self._expect(code == TEMPORARY and channel in self.views, f"refused {channel!r}", code):
            self._tally["subscriptions put off"] += 1
            await asyncio.sleep(RETRY_SECONDS)
            await self._send(self._subscribe_command(channel))

    def _note_close(self, code: int) -> None:
        self._tally[f"closed {code}"] += 1
        self._expect(code in RECONNECT, "closed", code)

    def _expect(self, fits: bool, what: str, found: object) -> bool:
        if not fits:
            self.complaints.append(f"{datetime.now(UTC):%H:%M:%S.%f} {what}: {found}")
        return fits


@lru_cache(maxsize=512)
def _push(line: str) -> Json:
    """All who listen to a channel get the same text: what is made of it they share, and leave as it is."""
    push: Json = orjson.loads(line)
    return push


async def _narrow_socket(url: str) -> socket.socket:
    """One with little room at either end: on loopback the kernel else takes megabytes for a reader that sleeps. The
    sender's room grows with the segment size (tcp(7), TCP_MAXSEG)."""
    address = urlsplit(url)
    narrow = socket.socket()
    try:
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        narrow.setblocking(False)
        await asyncio.get_running_loop().sock_connect(narrow, (address.hostname, address.port))
    except BaseException:
        narrow.close()
        raise
    return narrow
