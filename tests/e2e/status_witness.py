"""The official SDK as a witness: what it hands to its application goes into the same views as the lean clients'."""

from __future__ import annotations

import asyncio
from typing import Any

from centrifuge import Client, ClientEventHandler, SubscriptionEventHandler

from tests.e2e.clients import WAIT_SECONDS
from tests.e2e.status_client import Account
from tests.e2e.status_view import ChannelView

Json = dict[str, Any]

MAX_RECONNECT_SECONDS = 2.0


class SdkWitness:
    """One socket."""

    def __init__(self, url: str, account: Account) -> None:
        self.user = account.user
        own = ChannelView(f"user:{account.user}")
        self.views = {view.name: view for view in (own, *map(ChannelView, account.queues))}
        self.complaints: list[str] = []
        self._client = Client(
            url,
            _OwnEvents(self),
            token=account.token,
            proxy=None,
            max_reconnect_delay=MAX_RECONNECT_SECONDS,
        )
        self._queues = [view for view in self.views.values() if view is not own]

    async def connect(self) -> None:
        for view in self._queues:
            await self._client.new_subscription(view.name, _QueueEvents(view)).subscribe()
        await self._client.connect()

    async def disconnect(self) -> None:
        """Disconnect, and wait for the connection's end, which the SDK leaves to a task nobody awaits."""
        await self._client.disconnect()
        if ending := set(self._client._background_tasks):
            await asyncio.wait(ending, timeout=WAIT_SECONDS)

    def cut(self) -> None:
        """The network is gone this moment; the SDK itself has no word for that."""
        if (connection := self._client._conn) is not None:
            connection.transport.abort()


class _OwnEvents(ClientEventHandler):  # type: ignore[misc]  # the SDK is untyped
    """The own channel is a server-side subscription: its events come to the client as a whole."""

    def __init__(self, witness: SdkWitness) -> None:
        self._witness = witness

    async def on_subscribed(self, ctx: Any) -> None:
        view = self._witness.views.get(ctx.channel)
        if view is None:
            self._witness.complaints.append(f"subscribed to {ctx.channel}")
        else:
            view.began(_subscribed(ctx))

    async def on_subscribing(self, ctx: Any) -> None:
        self._witness.views[ctx.channel].ended()

    async def on_publication(self, ctx: Any) -> None:
        self._witness.views[ctx.channel].published(_publication(ctx.pub))

    async def on_disconnected(self, ctx: Any) -> None:
        if ctx.code != 0:  # 0: disconnect was called
            self._witness.complaints.append(f"told not to come back: {ctx.code} {ctx.reason}")


class _QueueEvents(SubscriptionEventHandler):  # type: ignore[misc]  # the SDK is untyped
    def __init__(self, view: ChannelView) -> None:
        self._view = view

    async def on_subscribed(self, ctx: Any) -> None:
        self._view.began(_subscribed(ctx))

    async def on_subscribing(self, ctx: Any) -> None:
        self._view.ended()

    async def on_publication(self, ctx: Any) -> None:
        self._view.published(_publication(ctx.pub))

    async def on_unsubscribed(self, ctx: Any) -> None:
        if ctx.code != 0:  # 0: unsubscribe was called
            self._view.complaints.append(f"unsubscribed: {ctx.code} {ctx.reason}")


def _subscribed(ctx: Any) -> Json:
    """The reply as it came, less the publications, which the SDK hands over one by one."""
    position = ctx.stream_position
    return {
        "recoverable": ctx.recoverable,
        "positioned": ctx.positioned,
        "offset": position.offset,
        "epoch": position.epoch,
        "recovered": ctx.recovered,
        "was_recovering": ctx.was_recovering,
        **({} if ctx.data is None else {"data": ctx.data}),
    }


def _publication(pub: Any) -> Json:
    return {"data": pub.data, **({"offset": pub.offset} if pub.offset else {})}
