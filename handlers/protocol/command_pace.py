"""How fast a client may send commands over its socket: a token bucket. Pure."""

from __future__ import annotations

_BURST_SECONDS = 5
"""An SDK that comes back sends its connect and all its subscriptions at once."""


class CommandPace:
    """`per_second` commands on average, and five seconds' worth of them at once."""

    __slots__ = ("_left", "_per_second", "_seen_at")

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._left = per_second * _BURST_SECONDS
        self._seen_at = now

    def admits(self, now: float) -> bool:
        """Count one more command at `now` (seconds of any steady clock); False if it is one too many."""
        earned = (now - self._seen_at) * self._per_second
        self._left = min(self._per_second * _BURST_SECONDS, self._left + earned) - 1
        self._seen_at = now
        return self._left >= 0
