"""What is due on one socket when: its connect command, pings, pongs, a fresh token (design section 4). Pure.

Times are seconds of one steady clock. One look a moment at thousands of sockets is cheaper than three timers each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto

NEVER = math.inf


class Due(Enum):
    """What a socket is to be told now, or closed for."""

    PING = auto()
    NO_CONNECT = auto()
    NO_PONG = auto()
    NO_REFRESH = auto()


@dataclass(frozen=True, slots=True)
class DeadlineLimits:
    """See `status` in config.yaml."""

    connect_seconds: float
    ping_seconds: float
    pong_seconds: float


class SocketDeadlines:
    """The deadlines of one socket that was opened at `now`."""

    __slots__ = ("_connect_by", "_limits", "_ping_at", "_pong_by", "_refresh_by", "next")

    def __init__(self, limits: DeadlineLimits, now: float) -> None:
        self._limits = limits
        self._connect_by = now + limits.connect_seconds
        self._ping_at = self._pong_by = self._refresh_by = NEVER
        self.next = self._connect_by
        """The earliest of them: before it there is no need to look."""

    def connected(self, now: float, share: float) -> None:
        """The connect command came. `share`, between 0 and 1, says how early within its interval the first ping is:
        those who came back all at once should not all be pinged at once for ever."""
        self._connect_by = NEVER
        self._ping_at = now + self._limits.ping_seconds * (0.5 + share / 2)
        self._look_again()

    def refresh_by(self, moment: float) -> None:
        """A fresh token must be there by `moment`."""
        self._refresh_by = moment
        self._look_again()

    def expect_pong(self, now: float) -> None:
        """A ping was sent; a later one gives no more time to answer an earlier one."""
        self._pong_by = min(self._pong_by, now + self._limits.pong_seconds)
        self._look_again()

    def ponged(self) -> None:
        self._pong_by = NEVER
        self._look_again()

    def due(self, now: float) -> Due | None:
        """What is to be done at `now`, if anything; the next ping is then set."""
        if now >= self._connect_by:
            return Due.NO_CONNECT
        if now >= self._refresh_by:
            return Due.NO_REFRESH
        if now >= self._pong_by:
            return Due.NO_PONG
        if now >= self._ping_at:
            self._ping_at = now + self._limits.ping_seconds
            self._look_again()
            return Due.PING
        return None

    def _look_again(self) -> None:
        self.next = min(self._connect_by, self._ping_at, self._pong_by, self._refresh_by)
