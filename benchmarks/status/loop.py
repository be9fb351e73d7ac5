"""The load generator's event loop: two epolls, of which the urgent one is looked at between any few of the other.

One thread does everything, so that a timestamp is taken as soon as the bytes are read; and what is measured one by
one (requests, the observing student) does not queue behind thousands of others.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Protocol

from benchmarks.status.dialects import BadAnswer

_BATCH = 32
"""How many of the crowd are served before the urgent ones are looked at again: some 0.2 ms."""
_LONGEST_WAIT_SECONDS = 0.5


class Watched(Protocol):
    """A socket's owner."""

    def ready(self, events: int) -> None:
        """Bytes can be read, or written where that was asked for, or the connection broke."""


class Loop:
    """Watches sockets; runs until a condition holds."""

    def __init__(self) -> None:
        self._crowd, self._urgent = select.epoll(), select.epoll()
        self._crowd.register(self._urgent.fileno(), select.EPOLLIN)
        self._owners: dict[int, Watched] = {}

    def watch(self, fd: int, owner: Watched, events: int, *, urgent: bool = False) -> None:
        (self._urgent if urgent else self._crowd).register(fd, events)
        self._owners[fd] = owner

    def change(self, fd: int, events: int, *, urgent: bool = False) -> None:
        (self._urgent if urgent else self._crowd).modify(fd, events)

    def forget(self, fd: int) -> None:
        """Call before closing it."""
        if self._owners.pop(fd, None) is None:
            return
        for each in (self._crowd, self._urgent):
            try:
                each.unregister(fd)
            except FileNotFoundError:
                continue

    def run(self, until: Callable[[], bool], seconds: float, step: Callable[[], float] | None = None) -> None:
        """Serve until `until()`; BadAnswer if that takes longer than `seconds`. `step` does what is due and returns
        in how many seconds more will be."""
        deadline = time.perf_counter() + seconds
        owners, crowd, urgent = self._owners, self._crowd, self._urgent
        urgent_fd = urgent.fileno()
        while not until():
            wait = step() if step else _LONGEST_WAIT_SECONDS
            ready = crowd.poll(max(0.0, min(wait, _LONGEST_WAIT_SECONDS)), _BATCH)
            for fd, events in urgent.poll(0):
                if owner := owners.get(fd):
                    owner.ready(events)
            for fd, events in ready:
                if fd != urgent_fd and (owner := owners.get(fd)):
                    owner.ready(events)
            if time.perf_counter() > deadline:
                raise BadAnswer(f"not done after {seconds:.0f} s")

    def idle(self, seconds: float) -> None:
        """Answer pings, and whatever else comes, for so long."""
        end = time.perf_counter() + seconds
        self.run(
            lambda: time.perf_counter() >= end,
            seconds + _LONGEST_WAIT_SECONDS,
            lambda: end - time.perf_counter(),
        )

    def close(self) -> None:
        self._crowd.close()
        self._urgent.close()
