"""Whether a sender is too slow, by idle time, by bytes over a window, by age. Pure: the time is handed in.

Time the server itself took (waiting for its disk) is not the sender's fault and is not counted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_WINDOW_SECONDS = 60.0
"""The minimum rate holds over this long (design section 2), so that a phone may lose its network for a while."""


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """See `limits` in config.yaml; `request_seconds` bounds a whole body, from its headers to its last byte."""

    idle_seconds: float
    min_bytes_per_second: float
    request_seconds: float


class Pace:
    """Watch one body whose first byte was due at `started`; all times are monotonic, in seconds."""

    def __init__(self, limits: PaceLimits, started: float) -> None:
        self._limits = limits
        self._min_window_bytes = limits.min_bytes_per_second * _WINDOW_SECONDS
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
        """True after a silence of `idle_seconds`, when the last minute brought too little, or when it took too
        long altogether."""
        if self.silent_seconds(now) >= self._limits.idle_seconds:
            return True
        sender_now = now - self._own_seconds
        if sender_now - self._started >= self._limits.request_seconds:
            return True
        while self._seconds and self._seconds[0][0] + 1 <= sender_now - _WINDOW_SECONDS:
            self._seconds.popleft()
        if sender_now - self._started < _WINDOW_SECONDS:
            return False
        return sum(size for _, size in self._seconds) < self._min_window_bytes

    def silent_seconds(self, now: float) -> float:
        """How long nothing came."""
        return now - self._last_arrival
