"""Uploads under way by Idempotency-Key, so that a repeat lets the first one end first.

Only a courtesy, within one process: that there is one submission a key, a unique index enforces.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from storage.domain.errors import InProgress

_SILENT_SECONDS = 3.0
"""A first upload that brings nothing for so long is taken for one whose phone lost its network and sends again."""
_WAIT_SECONDS = 30.0
_LOOK_SECONDS = 0.25
"""Nobody announces a silence."""

Name = tuple[str, str]
"""User id and key."""


class KeyedUpload(Protocol):
    def is_coming(self, silent_seconds: float) -> bool:
        """True unless it is over, or its sender has been silent for so long."""


class KeysInProgress:
    """The keyed uploads of this process, in the order they came."""

    def __init__(self) -> None:
        self._uploads: dict[Name, list[KeyedUpload]] = {}
        self._waiting: dict[Name, list[asyncio.Future[None]]] = {}

    def enter(self, name: Name, upload: KeyedUpload) -> None:
        self._uploads.setdefault(name, []).append(upload)

    def leave(self, name: Name, upload: KeyedUpload) -> None:
        """Idempotent."""
        uploads = self._uploads.get(name, [])
        if upload in uploads:
            uploads.remove(upload)
        if not uploads:
            self._uploads.pop(name, None)
        for waiting in self._waiting.pop(name, []):
            if not waiting.done():
                waiting.set_result(None)

    async def let_earlier_end(self, name: Name, upload: KeyedUpload) -> None:
        """Wait while an earlier upload of the same name comes in; raises InProgress if that takes too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _WAIT_SECONDS
        while self._has_earlier(name, upload):
            if loop.time() > deadline:
                raise InProgress
            waiting = loop.create_future()
            self._waiting.setdefault(name, []).append(waiting)
            await asyncio.wait([waiting], timeout=_LOOK_SECONDS)
            if not waiting.done():
                self._waiting[name].remove(waiting)

    def _has_earlier(self, name: Name, upload: KeyedUpload) -> bool:
        for other in self._uploads.get(name, []):
            if other is upload:
                return False
            if other.is_coming(_SILENT_SECONDS):
                return True
        return False
