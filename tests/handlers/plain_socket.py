"""A plain WebSocket client of the status socket, as a page without the SDK would write it. It holds all that it
receives, and all that it sends and is obeyed, against asyncapi.yaml."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from tests import asyncapi

Json = dict[str, Any]

WAIT_SECONDS = 4.0
"""How long anything that should come is waited for."""


@dataclass(frozen=True, slots=True)
class Publication:
    channel: str
    data: Json
    offset: int
    """0 where there is none."""


@asynccontextmanager
async def open_socket(
    base_url: str, *, origin: str | None = None, answers_pings: bool = True
) -> AsyncIterator[PlainSocket]:
    """A socket that has sent nothing yet; closed in the end."""
    connection = await websockets.connect(
        socket_url(base_url),
        additional_headers={"Origin": origin} if origin else None,
        ping_interval=None,
        proxy=None,
        max_size=None,
        max_queue=None,  # a test reads at leisure; what it has not read must not stop it from closing
    )
    async with connection:
        yield PlainSocket(connection, answers_pings=answers_pings)


@asynccontextmanager
async def connected_socket(base_url: str, token: str, **more: object) -> AsyncIterator[PlainSocket]:
    """A socket whose connect command was answered."""
    async with open_socket(base_url) as socket:
        socket.connected = await socket.connect(token, **more)
        yield socket


def socket_url(base_url: str) -> str:
    return base_url.replace("http://", "ws://") + "/connection/websocket"


class PlainSocket:
    """Sends commands, keeps replies and publications apart, answers pings unless told not to."""

    def __init__(self, connection: ClientConnection, *, answers_pings: bool) -> None:
        self._connection = connection
        self._answers_pings = answers_pings
        self._numbers = itertools.count(1)
        self._lines: deque[str] = deque()
        self._sent: dict[int, Json] = {}
        self._replies: dict[int, Json] = {}
        self._publications: deque[Publication] = deque()
        self.pings = 0
        self.connected: Json = {}
        """The reply to the connect command of a `connected_socket`."""
        self.received: list[Json] = []
        """Every reply and push, in the order they came."""
        self.seen: Counter[str] = Counter()
        """The names in asyncapi.yaml of all that was received, and of the commands that were obeyed."""

    async def send(self, *commands: Json) -> None:
        """All of them in one frame, one a line, as the SDKs do."""
        self._sent |= {command["id"]: command for command in commands if "id" in command}
        await self.send_text("\n".join(json.dumps(command) for command in commands))

    async def send_text(self, frame: str | bytes) -> None:
        await self._connection.send(frame)

    async def ask(self, command: str, **content: object) -> Json:
        """Send one numbered command and return its reply, error replies included."""
        number = next(self._numbers)
        await self.send({"id": number, command: content})
        return await self.reply(number)

    async def connect(self, token: str, **more: object) -> Json:
        """The content of the connect reply."""
        return _content(await self.ask("connect", token=token, **more), "connect")

    async def subscribe(self, channel: str, **more: object) -> Json:
        """The content of the subscribe reply."""
        return _content(await self.ask("subscribe", channel=channel, **more), "subscribe")

    async def refused(self, command: str, **content: object) -> int:
        """The error code that a command is answered with."""
        reply = await self.ask(command, **content)
        assert set(reply) == {"id", "error"}, reply
        assert reply["error"]["message"]
        return int(reply["error"]["code"])

    async def reply(self, number: int) -> Json:
        """The reply to command `number`; publications before it can still be asked for."""
        while number not in self._replies:
            await self._receive()
        return self._replies.pop(number)

    async def publication(self) -> Publication:
        """The next publication."""
        while not self._publications:
            await self._receive()
        return self._publications.popleft()

    async def pinged(self, times: int) -> None:
        """Wait until the server has sent so many pings in all."""
        while self.pings < times:
            await self._receive()

    async def meets(self, name: str, times: int = 1) -> None:
        """Wait until so many messages with this name in asyncapi.yaml have come."""
        while self.seen[name] < times:
            await self._receive()

    async def close_code(self) -> int:
        """Read until the server closes, and say with which code."""
        try:
            while True:
                await self._receive()
        except websockets.ConnectionClosed as closed:
            assert closed.rcvd is not None, "the connection was cut without a close frame"
            return closed.rcvd.code

    async def is_alive(self) -> bool:
        """Whether commands are still answered: an unknown one is enough to see."""
        return await self.refused("rpc") == 104

    async def _receive(self) -> None:
        if not self._lines:
            async with asyncio.timeout(WAIT_SECONDS):
                self._lines.extend(str(await self._connection.recv()).splitlines())
        line = self._lines.popleft()
        self.seen[asyncapi.check_message(line)] += 1
        message = json.loads(line)
        if message == {}:
            self.pings += 1
            if self._answers_pings:
                self.seen[asyncapi.check_command({})] += 1
                await self.send_text("{}")
            return
        self.received.append(message)
        if "id" in message:
            self._replies[message["id"]] = message
            if "error" not in message:
                self.seen[asyncapi.check_command(self._sent[message["id"]])] += 1
        elif pub := (push := message["push"]).get("pub"):
            self._publications.append(Publication(push["channel"], pub["data"], pub.get("offset", 0)))


def _content(reply: Json, name: str) -> Json:
    assert set(reply) == {"id", name}, reply
    content = reply[name]
    assert isinstance(content, dict)
    return content
