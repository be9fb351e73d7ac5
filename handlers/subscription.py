"""One channel of one socket: what of it the client has, and what waits until it has its snapshot."""

from __future__ import annotations

from collections.abc import Callable

from handlers.outbox import Outbox


class Subscription:
    """Publications after `position`, each once. `too_slow` is called instead of one there is no room for."""

    __slots__ = ("_held_back", "_outbox", "_position", "_too_slow", "channel")

    def __init__(self, channel: str, position: int, outbox: Outbox, too_slow: Callable[[], None]) -> None:
        self.channel = channel
        self._position = position
        self._outbox = outbox
        self._too_slow = too_slow
        self._held_back: list[bytes] | None = []

    def publish(self, offset: int, frame: bytes) -> None:
        """Send what the client has not seen, after the reply that begins the subscription."""
        if offset <= self._position:
            return
        self._position = offset
        if self._held_back is not None:
            self._held_back.append(frame)
        elif not self._outbox.publish(frame):
            self._too_slow()

    def publish_volatile(self, key: str, frame: bytes) -> None:
        """Send a frame that the next one of the same `key` outdates; before the beginning it is of no use."""
        if self._held_back is None:
            self._outbox.publish_volatile(key, frame)

    def go_live(self) -> None:
        """The client has its beginning: what came meanwhile follows, then everything as it comes."""
        held_back, self._held_back = self._held_back or [], None
        for frame in held_back:
            if not self._outbox.publish(frame):
                self._too_slow()
                return
