"""Whether a sender is too slow, by idle time and by bytes over a window. Pure: the time is handed in.

Time the server itself took (waiting for its disk) is not the sender's fault and is not counted.
"""

from __future__ import annotations

from collections import deque

_WINDOW_SECONDS = 60.0
"""The minimum rate holds over this long (design section 2), so that a phone may lose its network for a while."""


class Pace:
    """Watch one body whose first byte was due at `started`; all times are monotonic, in seconds."""

    def __init__(self, idle_seconds: float, min_bytes_per_second: float, started: float) -> None:
        self._idle_seconds = idle_seconds
        self._min_window_bytes = min_bytes_per_second * _WINDOW_SECONDS
        self._started = started
        self._last_arrival = started
        self._own_seconds = 0.0
        # Bytes by the second they came in, in the sender's time: at most a minute of entries.
        self._seconds: deque[tuple[int, int]] = deque()

    def arrived(self, size_bytes: int, now: float, own_seconds: float) -> None:
        """A chunk came and was dealt with by `now`; dealing with it took the server `own_seconds`."""
        self._last_arrival = now
        self._own_seconds += own_seconds
        second = int(now - self._own_seconds)
        if self._seconds and self._seconds[-1][0] == second:
            size_bytes += self._seconds.pop()[1]
        self._seconds.append((second, size_bytes))

    def too_slow(self, now: float) -> bool:
        """True after a silence of `idle_seconds`, or when the last minute brought too little."""
        if now - self._last_arrival >= self._idle_seconds:
            return True
        sender_now = now - self._own_seconds
        while self._seconds and self._seconds[0][0] + 1 <= sender_now - _WINDOW_SECONDS:
            self._seconds.popleft()
        if sender_now - self._started < _WINDOW_SECONDS:
            return False
        return sum(size for _, size in self._seconds) < self._min_window_bytes
