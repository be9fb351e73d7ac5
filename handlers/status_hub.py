"""Who listens to what: takes each change of the feed, encodes it once a channel, hands it to the subscribers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Protocol

from handlers.metrics import Metrics
from handlers.protocol import centrifugo
from handlers.protocol.centrifugo import CloseCode
from handlers.protocol.channels import EVENT_TYPES, queue_channel, student_hears, user_channel
from handlers.protocol.media_link import MediaLinks
from handlers.protocol.recovery_ring import RecentPublication, RecoveryRing
from handlers.protocol.representations import Representations
from handlers.protocol.slots import Slots
from handlers.protocol.socket_deadlines import SocketDeadlines
from handlers.protocol.websocket_frame import text_frame
from handlers.subscription import Subscription
from storage.change_feed import Change
from storage.domain.clock import Clock

_TICK_SECONDS = 0.25
"""How late a ping or a close may be; thousands of sockets are looked through in a fraction of a millisecond."""


class Socket(Protocol):
    """An open socket, seen from here. No method waits or raises."""

    deadlines: SocketDeadlines

    @property
    def is_occupied(self) -> bool:
        """A command is being dealt with, and nothing is read."""

    def look_at_the_clock(self, now: float) -> None:
        """Do what is due at `now`."""

    def look_at_the_peer(self) -> None:
        """Let it go if the other end has left."""

    def disconnect(self, code: tuple[int, str]) -> None: ...


class Elsewhere(Protocol):
    """The hubs of other processes."""

    def say(self, channel: str, key: str, data: dict[str, Any]) -> None:
        """Have them publish something volatile, soon."""


@dataclass(frozen=True, slots=True)
class HubLimits:
    """See `status` in config.yaml. `ring_bytes` bounds the recent publications kept for recovery, whatever
    `ring_seconds` says."""

    sockets: int
    sockets_per_user: Slots
    ring_seconds: float
    ring_bytes: int = 32 << 20


class StatusHub:
    """The subscriptions of this process. A `Listener` of the change feed."""

    def __init__(
        self, links: MediaLinks, metrics: Metrics, clock: Clock, elsewhere: Elsewhere, limits: HubLimits
    ) -> None:
        self._links = links
        self._metrics = metrics
        self._clock = clock
        self._elsewhere = elsewhere
        self._limits = limits
        self._channels: dict[str, dict[Subscription, None]] = {}
        """In the order they came, which is that of their memory: five thousand in a set's order take longer."""
        self._sockets: set[Socket] = set()
        self._ring = RecoveryRing(limits.ring_seconds, limits.ring_bytes)

    @property
    def is_full(self) -> bool:
        return len(self._sockets) >= self._limits.sockets

    def opened(self, socket: Socket) -> None:
        self._sockets.add(socket)
        self._metrics.sockets.set(len(self._sockets))

    def closed(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        self._metrics.sockets.set(len(self._sockets))

    def admit_user(self, user_id: str) -> bool:
        """Count one more socket of a user; False, and not counted, if there are enough."""
        return self._limits.sockets_per_user.take(user_id)

    def release_user(self, user_id: str) -> None:
        self._limits.sockets_per_user.free(user_id)

    def subscribe(self, subscription: Subscription) -> None:
        self._channels.setdefault(subscription.channel, {})[subscription] = None

    def unsubscribe(self, subscription: Subscription) -> None:
        subscriptions = self._channels.get(subscription.channel, {})
        subscriptions.pop(subscription, None)
        if not subscriptions:
            self._channels.pop(subscription.channel, None)

    def missed(self, channel: str, offset: int) -> list[RecentPublication] | None:
        """The publications of `channel` after `offset`, or None if they can no longer be had."""
        return self._ring.since(channel, offset, self._clock().timestamp())

    def began(self, offset: int) -> None:
        """The feed starts after `offset`: whoever has a picture from before it needs a new one."""
        self._ring.begin(offset)
        self.disconnect_all(CloseCode.INSUFFICIENT_STATE)

    def changed(self, change: Change) -> None:
        """Publish one change to the student it concerns and to the reviewers of its section."""
        submission, event = change.submission, EVENT_TYPES.get(change.action)
        if event is None:
            return
        represent = Representations(self._links, self._clock())
        seen = represent.for_student(submission)
        if student_hears(change.action):
            self._publish(user_channel(submission.student.id), event, seen, change.offset)
        queue = queue_channel(submission.section)
        self._publish(queue, event, represent.for_reviewer(submission, seen), change.offset)

    def publish_volatile(self, channel: str, key: str, data: dict[str, Any]) -> None:
        """Tell those who listen now, here or to another process: it has no offset and is not kept for recovery,
        and the next one of the same `key` outdates it."""
        self._elsewhere.say(channel, key, data)
        self.heard_elsewhere(channel, key, data)

    def heard_elsewhere(self, channel: str, key: str, data: dict[str, Any]) -> None:
        """Publish something volatile to those who listen here."""
        subscriptions = self._channels.get(channel)
        if subscriptions:
            frame = text_frame(centrifugo.push(channel, centrifugo.volatile_publication(data)))
            for subscription in list(subscriptions):
                subscription.publish_volatile(key, frame)

    async def watch_the_clock(self) -> None:
        """Have every socket do what is due, until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            sockets = self._sockets
            for socket in [each for each in sockets if each.deadlines.next <= now or each.is_occupied]:
                socket.look_at_the_clock(now)
                if socket.is_occupied:
                    socket.look_at_the_peer()

    def disconnect_all(self, code: tuple[int, str]) -> None:
        for socket in list(self._sockets):
            socket.disconnect(code)

    def _publish(self, channel: str, event: str, submission: dict[str, object], offset: int) -> None:
        body = centrifugo.publication({"type": event, "submission": submission}, offset)
        self._ring.add(RecentPublication(offset, channel, body))
        self._metrics.publications.labels(event).inc()
        subscriptions = self._channels.get(channel)
        if subscriptions:
            frame = text_frame(centrifugo.push(channel, body))
            for subscription in list(subscriptions):
                subscription.publish(offset, frame)
