"""The official Centrifugo SDKs, unchanged, remembering all they are told; here the one for Python."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from centrifuge import Client, ClientEventHandler, Subscription, SubscriptionEventHandler

Json = dict[str, Any]

WAIT_SECONDS = 20.0
"""How long anything that should come is waited for; nothing takes so long but a failure."""
MIN_RECONNECT_SECONDS, MAX_RECONNECT_SECONDS = 0.1, 0.5
"""Options of the SDKs: how soon and how seldom they try to come back. By default up to 20 s."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One publication, as the SDK handed it to the application."""

    channel: str
    type: str
    data: Json
    offset: int
    """0 where there is none."""

    @property
    def submission(self) -> Json:
        return dict(self.data.get("submission", {}))


@dataclass(frozen=True, slots=True)
class Login:
    """The token an application begins with, if it has one, and where it gets others: its own backend."""

    token: str | None = None
    give_token: Callable[[], str] | None = None


class SdkClient(ABC):
    """What one user's application knows: snapshots by channel, publications in their order, lost connections."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self.tokens_given = 0
        self.snapshots: dict[str, Json] = {}
        """The latest of each channel."""
        self.heard: list[Heard] = []
        self.lost: list[int] = []
        """The codes with which connections ended."""
        self.gave_up = False
        """Whether the SDK has said that it will not connect again by itself."""
        self.begun: dict[str, list[bool]] = {}
        """By channel, for each time its subscription began: whether what was missed was recovered."""
        self.ended: dict[str, list[int]] = {}
        """By channel, for each time its subscription was refused or ended: with which code."""
        self._news = asyncio.Condition()

    @abstractmethod
    async def begin_to_connect(self) -> None: ...

    @abstractmethod
    async def begin_to_subscribe(self, *channels: str) -> None: ...

    @abstractmethod
    async def begin_to_unsubscribe(self, channel: str) -> None: ...

    @abstractmethod
    async def disconnect(self) -> None: ...

    async def connect(self) -> None:
        """Connect, and wait for the snapshot of the own channel."""
        await self.begin_to_connect()
        await self.until(lambda: bool(self.snapshots))

    async def subscribe(self, *channels: str) -> None:
        """Subscribe, and wait until each channel is there or refused."""
        settled = {channel: self._settled(channel) for channel in channels}
        await self.begin_to_subscribe(*channels)
        await self.until(lambda: all(self._settled(channel) > settled[channel] for channel in channels))

    async def unsubscribe(self, channel: str) -> None:
        settled = self._settled(channel)
        await self.begin_to_unsubscribe(channel)
        await self.until(lambda: self._settled(channel) > settled)

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

    def told(self, channel: str) -> list[tuple[str, int]]:
        """What people did to which submission, as far as it was heard on `channel`, in its order. Examinations,
        which come when they come, are left out."""
        heard = [each for each in self.heard if each.channel == channel and each.offset]
        assert [each.offset for each in heard] == sorted({each.offset for each in heard})
        told = [(each.type.removeprefix("submission."), each.submission["id"]) for each in heard]
        return [each for each in told if each[0] != "examined"]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something this client is told."""
        async with asyncio.timeout(WAIT_SECONDS), self._news:
            await self._news.wait_for(condition)

    # What an SDK tells

    async def note(self, change: Callable[[], None]) -> None:
        async with self._news:
            change()
            self._news.notify_all()

    async def token_wanted(self) -> str:
        assert self._login.give_token is not None
        token = self._login.give_token()

        def change() -> None:
            self.tokens_given += 1

        await self.note(change)
        return token

    async def connection_lost(self, code: int) -> None:
        await self.note(lambda: self.lost.append(code))

    async def connection_given_up(self, code: int) -> None:
        def change() -> None:
            self.lost.append(code)
            self.gave_up = True

        await self.note(change)

    async def subscription_begun(self, channel: str, recovered: bool, data: Json | None) -> None:
        def change() -> None:
            self.begun.setdefault(channel, []).append(recovered)
            if data is not None:
                self.snapshots[channel] = data

        await self.note(change)

    async def subscription_ended(self, channel: str, code: int) -> None:
        await self.note(lambda: self.ended.setdefault(channel, []).append(code))

    async def publication_heard(self, channel: str, data: Json, offset: int) -> None:
        await self.note(lambda: self.heard.append(Heard(channel, data["type"], data, offset)))

    def _settled(self, channel: str) -> int:
        """How often its subscription began or ended."""
        return len(self.begun.get(channel, [])) + len(self.ended.get(channel, []))


class PythonSdkClient(SdkClient):
    def __init__(self, websocket_url: str, login: Login) -> None:
        super().__init__(login)
        self._client = Client(
            websocket_url,
            _ClientEvents(self),
            token=login.token or "",
            get_token=self.token_wanted if login.give_token else None,
            min_reconnect_delay=MIN_RECONNECT_SECONDS,
            max_reconnect_delay=MAX_RECONNECT_SECONDS,
            proxy=None,
        )
        self._subscriptions: dict[str, Subscription] = {}

    async def begin_to_connect(self) -> None:
        await self._client.connect()

    async def begin_to_subscribe(self, *channels: str) -> None:
        for channel in channels:
            if channel not in self._subscriptions:
                events = _SubscriptionEvents(self, channel)
                self._subscriptions[channel] = self._client.new_subscription(channel, events)
            await self._subscriptions[channel].subscribe()

    async def begin_to_unsubscribe(self, channel: str) -> None:
        await self._subscriptions[channel].unsubscribe()

    async def disconnect(self) -> None:
        """Disconnect, and wait for the connection's end, which the SDK leaves to a task nobody awaits."""
        await self._client.disconnect()
        if ending := set(self._client._background_tasks):
            await asyncio.wait(ending, timeout=WAIT_SECONDS)


@asynccontextmanager
async def sdk_client(websocket_url: str, token: str, *channels: str) -> AsyncIterator[SdkClient]:
    """A connected client of the Python SDK, subscribed to `channels` besides its own; disconnected in the end."""
    client = PythonSdkClient(websocket_url, Login(token))
    await client.connect()
    try:
        if channels:
            await client.subscribe(*channels)
        yield client
    finally:
        await client.disconnect()


class _ClientEvents(ClientEventHandler):  # type: ignore[misc]  # the SDK is untyped
    """The own channel is a server-side subscription: its events come to the client as a whole."""

    def __init__(self, client: SdkClient) -> None:
        self._client = client

    async def on_connecting(self, ctx: Any) -> None:
        if ctx.code != 0:  # 0: connect was called
            await self._client.connection_lost(ctx.code)

    async def on_disconnected(self, ctx: Any) -> None:
        await self._client.connection_given_up(ctx.code)

    async def on_subscribed(self, ctx: Any) -> None:
        await self._client.subscription_begun(ctx.channel, ctx.recovered, ctx.data)

    async def on_publication(self, ctx: Any) -> None:
        await self._client.publication_heard(ctx.channel, ctx.pub.data, ctx.pub.offset)


class _SubscriptionEvents(SubscriptionEventHandler):  # type: ignore[misc]  # the SDK is untyped
    def __init__(self, client: SdkClient, channel: str) -> None:
        self._client = client
        self._channel = channel

    async def on_subscribed(self, ctx: Any) -> None:
        await self._client.subscription_begun(self._channel, ctx.recovered, ctx.data)

    async def on_unsubscribed(self, ctx: Any) -> None:
        await self._client.subscription_ended(self._channel, ctx.code)

    async def on_publication(self, ctx: Any) -> None:
        await self._client.publication_heard(self._channel, ctx.pub.data, ctx.pub.offset)
