"""Who listens to what: takes each change of the feed, encodes it once a channel, hands it to the subscribers."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

import structlog

from handlers.metrics import Metrics
from handlers.protocol.centrifugo import CloseCode, publication
from handlers.protocol.channels import EVENT_TYPES, queue_channel, student_hears, user_channel
from handlers.protocol.media_link import MediaLinks
from handlers.protocol.representations import Representations
from storage.change_feed import Change
from storage.domain.clock import Clock

log = structlog.get_logger(__name__)


class Subscriber(Protocol):
    """An open socket, seen from here. Neither method waits or raises."""

    def publish(self, channel: str, frame: bytes) -> None: ...

    def disconnect(self, code: tuple[int, str]) -> None: ...


class StatusHub:
    """The subscriptions of this process. A `Listener` of the change feed."""

    def __init__(self, links: MediaLinks, metrics: Metrics, clock: Clock, sockets_per_user: int) -> None:
        self._links = links
        self._metrics = metrics
        self._clock = clock
        self._sockets_per_user = sockets_per_user
        self._channels: dict[str, set[Subscriber]] = {}
        self._sockets: set[Subscriber] = set()
        self._per_user: Counter[str] = Counter()

    def opened(self, socket: Subscriber) -> None:
        self._sockets.add(socket)
        self._metrics.sockets.set(len(self._sockets))

    def closed(self, socket: Subscriber) -> None:
        self._sockets.discard(socket)
        self._metrics.sockets.set(len(self._sockets))

    def admit_user(self, user_id: str) -> bool:
        """Count one more socket of a user; False, and not counted, if there are enough."""
        if self._per_user[user_id] >= self._sockets_per_user:
            return False
        self._per_user[user_id] += 1
        return True

    def release_user(self, user_id: str) -> None:
        self._per_user[user_id] -= 1
        if self._per_user[user_id] <= 0:
            del self._per_user[user_id]

    def subscribe(self, channel: str, socket: Subscriber) -> None:
        self._channels.setdefault(channel, set()).add(socket)

    def unsubscribe(self, channel: str, socket: Subscriber) -> None:
        subscribers = self._channels.get(channel, set())
        subscribers.discard(socket)
        if not subscribers:
            self._channels.pop(channel, None)

    def changed(self, change: Change) -> None:
        """Publish one change to the student it concerns and to the reviewers of its section."""
        submission, event = change.submission, EVENT_TYPES.get(change.action)
        if event is None:
            return
        represent = Representations(self._links, self._clock())
        student = user_channel(submission.student.id)
        if student in self._channels and student_hears(change.action):
            self._publish(student, event, represent.for_student(submission), change.offset)
        queue = queue_channel(submission.section)
        if queue in self._channels:
            self._publish(queue, event, represent.for_reviewer(submission), change.offset)

    def gap(self) -> None:
        """Changes were lost: everyone connects anew and gets a snapshot."""
        self.disconnect_all(CloseCode.INSUFFICIENT_STATE)

    def disconnect_all(self, code: tuple[int, str]) -> None:
        for socket in list(self._sockets):
            socket.disconnect(code)

    def _publish(self, channel: str, event: str, submission: dict[str, object], offset: int) -> None:
        frame = publication(channel, {"type": event, "submission": submission}, offset)
        self._metrics.publications.labels(event).inc()
        for socket in list(self._channels[channel]):
            socket.publish(channel, frame)
