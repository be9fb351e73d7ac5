"""The official Centrifugo SDK for Python, unchanged, remembering all it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from centrifuge import Client, ClientEventHandler, SubscriptionEventHandler

Json = dict[str, Any]

WAIT_SECONDS = 20.0
"""How long anything that should come is waited for; nothing takes so long but a failure."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One publication, as the SDK handed it to the application."""

    channel: str
    type: str
    data: Json
    offset: int

    @property
    def submission(self) -> Json:
        return dict(self.data.get("submission", {}))


class SdkClient:
    """What one user's application knows: snapshots by channel, publications in their order, lost connections."""

    def __init__(self, websocket_url: str, token: str) -> None:
        self.snapshots: dict[str, Json] = {}
        self.heard: list[Heard] = []
        self.lost: list[int] = []
        """The codes with which connections ended."""
        self._news = asyncio.Condition()
        self._client = Client(websocket_url, _ClientEvents(self), token=token, proxy=None)

    async def connect(self) -> None:
        """Connect, and wait for the snapshot of the own channel."""
        await self._client.connect()
        await self._client.ready()
        await self.until(lambda: bool(self.snapshots))

    async def subscribe(self, channel: str) -> None:
        """Subscribe, and wait for the channel's snapshot."""
        subscription = self._client.new_subscription(channel, _SubscriptionEvents(self, channel))
        await subscription.subscribe()
        await self.until(lambda: channel in self.snapshots)

    @property
    def local_port(self) -> int:
        """Of its present connection."""
        return int(self._client._conn.local_address[1])

    async def hears(self, event: str, submission_id: int, channel: str | None = None) -> Heard:
        """Wait for a publication about a submission."""

        def found() -> list[Heard]:
            return [
                heard
                for heard in self.heard
                if (heard.type, heard.submission.get("id")) == (event, submission_id)
                and channel in {None, heard.channel}
            ]

        await self.until(lambda: bool(found()))
        return found()[-1]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something this client is told."""
        async with asyncio.timeout(WAIT_SECONDS), self._news:
            await self._news.wait_for(condition)

    async def disconnect(self) -> None:
        """Disconnect, and wait for the connection's end, which the SDK leaves to a task nobody awaits."""
        await self._client.disconnect()
        if ending := set(self._client._background_tasks):
            await asyncio.wait(ending, timeout=WAIT_SECONDS)

    async def note(self, change: Callable[[], None]) -> None:
        async with self._news:
            change()
            self._news.notify_all()


@asynccontextmanager
async def sdk_client(websocket_url: str, token: str, *channels: str) -> AsyncIterator[SdkClient]:
    """A connected client, subscribed to `channels` besides its own; disconnected in the end."""
    client = SdkClient(websocket_url, token)
    await client.connect()
    try:
        for channel in channels:
            await client.subscribe(channel)
        yield client
    finally:
        await client.disconnect()


class _ClientEvents(ClientEventHandler):  # type: ignore[misc]  # the SDK is untyped
    """The own channel is a server-side subscription: its events come to the client as a whole."""

    def __init__(self, client: SdkClient) -> None:
        self._client = client

    async def on_connecting(self, ctx: Any) -> None:
        if ctx.code != 0:  # 0: connect was called
            await self._client.note(lambda: self._client.lost.append(ctx.code))

    async def on_disconnected(self, ctx: Any) -> None:
        await self._client.note(lambda: self._client.lost.append(ctx.code))

    async def on_subscribed(self, ctx: Any) -> None:
        await self._client.note(lambda: self._client.snapshots.update({ctx.channel: ctx.data}))

    async def on_publication(self, ctx: Any) -> None:
        await self._client.note(lambda: self._client.heard.append(_heard(ctx.channel, ctx.pub)))


class _SubscriptionEvents(SubscriptionEventHandler):  # type: ignore[misc]  # the SDK is untyped
    def __init__(self, client: SdkClient, channel: str) -> None:
        self._client = client
        self._channel = channel

    async def on_subscribed(self, ctx: Any) -> None:
        await self._client.note(lambda: self._client.snapshots.update({self._channel: ctx.data}))

    async def on_publication(self, ctx: Any) -> None:
        await self._client.note(lambda: self._client.heard.append(_heard(self._channel, ctx.pub)))


def _heard(channel: str, pub: Any) -> Heard:
    return Heard(channel, pub.data["type"], pub.data, pub.offset)
