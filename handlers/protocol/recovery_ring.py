"""Recent publications of all channels, for clients that come back (design section 4). Pure.

Bounded in time, by the cluster time inside offsets, and in bytes: the oldest go first, and whoever needs one that
is gone gets a snapshot instead.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_SECOND = 1 << 20
"""One second of cluster time in an offset."""
_ENTRY_BYTES = 256
"""What an entry costs besides its body: objects and places in two queues."""


@dataclass(frozen=True, slots=True)
class RecentPublication:
    """`body` is the publication as JSON: its data and its offset."""

    offset: int
    channel: str
    body: bytes


class RecoveryRing:
    """Every publication after `start`, in the order of the feed."""

    def __init__(self, seconds: float, limit_bytes: int) -> None:
        self._span = int(seconds * _SECOND)
        self._limit_bytes = limit_bytes
        self._all: deque[RecentPublication] = deque()
        self._by_channel: dict[str, deque[RecentPublication]] = {}
        self._bytes = 0
        self.start = 0

    def begin(self, offset: int) -> None:
        """Forget everything: what is added from now on follows `offset` without a gap."""
        self._all.clear()
        self._by_channel.clear()
        self._bytes = 0
        self.start = offset

    def add(self, publication: RecentPublication) -> None:
        self._all.append(publication)
        self._by_channel.setdefault(publication.channel, deque()).append(publication)
        self._bytes += len(publication.body) + _ENTRY_BYTES
        while self._all and (
            self._bytes > self._limit_bytes or publication.offset - self._all[0].offset > self._span
        ):
            self._drop_oldest()

    def since(self, channel: str, offset: int, now: float) -> list[RecentPublication] | None:
        """The publications of `channel` after `offset`, or None if the ring does not reach back that far.

        `now`, in seconds since 1970: what is older than the ring's time counts as gone even if nothing came since.
        """
        if offset < self.start or offset < int(now * _SECOND) - self._span:
            return None
        missed: list[RecentPublication] = []
        for recent in reversed(
            self._by_channel.get(channel, ())
        ):  # most come back within seconds: few are newer
            if recent.offset <= offset:
                break
            missed.append(recent)
        missed.reverse()
        return missed

    def _drop_oldest(self) -> None:
        oldest = self._all.popleft()
        of_channel = self._by_channel[oldest.channel]
        of_channel.popleft()
        if not of_channel:
            del self._by_channel[oldest.channel]
        self._bytes -= len(oldest.body) + _ENTRY_BYTES
        self.start = oldest.offset
