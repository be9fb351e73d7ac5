"""Whether a sender is too slow, by idle time and by bytes over a window. Pure: the time is handed in.

Time the server itself took (waiting for its disk) is not the sender's fault and is not counted.
"""

from __future__ import annotations

_WINDOW_SECONDS = 60.0
"""The minimum rate holds over this long (design section 2), so that a phone may lose its network for a while."""


class Pace:
    """Watch one body whose first byte was due at `started`; all times are monotonic, in seconds."""

    def __init__(self, idle_seconds: float, min_bytes_per_second: float, started: float) -> None:
        self._idle_seconds = idle_seconds
        self._min_bytes_per_second = min_bytes_per_second
        self._last_arrival = started
        self._window_began = started
        self._window_bytes = 0

    def arrived(self, size_bytes: int, now: float, own_seconds: float) -> None:
        """A chunk came and was dealt with by `now`; dealing with it took the server `own_seconds`."""
        self._last_arrival = now
        self._window_bytes += size_bytes
        self._window_began += own_seconds

    def too_slow(self, now: float) -> bool:
        if now - self._last_arrival >= self._idle_seconds:
            return True
        if now - self._window_began < _WINDOW_SECONDS:
            return False
        slow = self._window_bytes < self._min_bytes_per_second * (now - self._window_began)
        self._window_began, self._window_bytes = now, 0
        return slow
