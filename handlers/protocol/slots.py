"""So many of one thing at once for each name: the sockets and the uploads of a user. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Protocol


class Slots(Protocol):
    """A bounded number of places under each name, counted over all processes that serve one port."""

    def take(self, name: str) -> bool:
        """Take one more place under `name`; False if all are taken. Never waits."""

    def free(self, name: str) -> None:
        """Give one place back that this process took under `name`."""


class LocalSlots:
    """The places of a process that serves alone."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._taken: Counter[str] = Counter()

    def take(self, name: str) -> bool:
        if self._taken[name] >= self._slots:
            return False
        self._taken[name] += 1
        return True

    def free(self, name: str) -> None:
        self._taken[name] -= 1
        if self._taken[name] <= 0:
            del self._taken[name]
