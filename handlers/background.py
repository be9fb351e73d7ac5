"""What is under way: tasks that outlive the call that started them, and requests not yet answered."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

import structlog

log = structlog.get_logger(__name__)


class BackgroundTasks:
    """Start tasks, keep them referenced until done, log their failures; `drain` waits for all of them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], purpose: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=purpose)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def drain(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background task failed", purpose=task.get_name(), exc_info=error)


class Request(Protocol):
    """A request between its headers and its end."""

    def cut_short(self) -> None:
        """Refuse what is still coming in, for another time."""


class InFlight:
    """The requests between their headers and their end."""

    def __init__(self) -> None:
        self._requests: set[Request] = set()
        self._none = asyncio.Event()
        self._none.set()

    def add(self, request: Request) -> None:
        self._requests.add(request)
        self._none.clear()

    def discard(self, request: Request) -> None:
        self._requests.discard(request)
        if not self._requests:
            self._none.set()

    def cut_short(self) -> None:
        for request in list(self._requests):
            request.cut_short()

    async def drained(self) -> None:
        """Wait until nothing is in flight."""
        await self._none.wait()
