"""Group commit: what comes while one write is under way is written together by the next one.

A write that a majority has in its journal costs the same for one document as for thirty. Nobody waits for company:
an upload that comes alone is written at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from storage.domain.errors import Unavailable

Document = dict[str, Any]
Outcomes = Sequence[Exception | None]
Waiting = tuple[Document, asyncio.Future[None]]

_MOST = 64
"""Documents of one write: some hundred kilobytes."""
_WRITE_SECONDS = 10.0
"""A connection that died without a word must not hold up everybody: the next write takes another one."""


class GroupCommit:
    """Writes documents, each with an outcome of its own."""

    def __init__(self, write: Callable[[Sequence[Document]], Awaitable[Outcomes]]) -> None:
        """`write` returns what became of each document, in order, or raises if it cannot tell for any."""
        self._write = write
        self._waiting: list[Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, document: Document) -> None:
        """Return once `document` is written; raises what its own write raised."""
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((document, outcome))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all(), name="group commit")
        await outcome

    async def _write_all(self) -> None:
        try:
            while group := self._next_group():
                await self._commit(group)
        finally:
            self._writer = None

    def _next_group(self) -> list[Waiting]:
        """What is written next. What was given up is not: recorded late, it could point at files swept since."""
        wanted = [each for each in self._waiting if not each[1].done()]
        group, self._waiting = wanted[:_MOST], wanted[_MOST:]
        return group

    async def _commit(self, group: Sequence[Waiting]) -> None:
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                outcomes = await self._write([document for document, _ in group])
        except (TimeoutError, Unavailable) as error:
            for _, waiting in group:
                _tell(waiting, _unavailable(error))
        except Exception as error:
            if len(group) == 1:
                _tell(group[0][1], error)
                return
            for each in group:  # one that cannot be written at all must not take the others with it
                if not each[1].done():
                    await self._commit([each])
        else:
            for (_, waiting), outcome in zip(group, outcomes, strict=True):
                _tell(waiting, outcome)


def _unavailable(cause: BaseException) -> Unavailable:
    """One for each who waits: an exception carries the traceback of whoever raises it."""
    error = Unavailable()
    error.__cause__ = cause.__cause__ or cause
    return error


def _tell(waiting: asyncio.Future[None], error: Exception | None) -> None:
    if waiting.done():  # whoever waited was cancelled
        return
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)
