"""A listener that remembers, and a feed that runs for as long as a test follows it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from storage.change_feed import Change, ChangeFeed
from storage.database import Database
from storage.submission_store import SubmissionStore

PATIENCE_SECONDS = 20.0
"""MongoDB answers in milliseconds; after a kill -9 it needs a second or two."""


class Heard:
    """Everything a feed told, in order: changes, and the offsets where it began (anew)."""

    def __init__(self) -> None:
        self.told: list[Change | int] = []
        self._more = asyncio.Event()

    def changed(self, change: Change) -> None:
        self.told.append(change)
        self._more.set()

    def began(self, offset: int) -> None:
        self.told.append(offset)
        self._more.set()

    @property
    def changes(self) -> list[Change]:
        return [each for each in self.told if isinstance(each, Change)]

    @property
    def beginnings(self) -> list[int]:
        return [each for each in self.told if isinstance(each, int)]

    async def until(self, count: int) -> list[Change]:
        """Wait until `count` changes were told; returns all there are."""
        await self._until(lambda: len(self.changes) >= count)
        return self.changes

    async def until_begun(self, times: int) -> list[int]:
        """Wait until the feed began for the `times`-th time; returns where, each time."""
        await self._until(lambda: len(self.beginnings) >= times)
        return self.beginnings

    async def _until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not enough():
                self._more.clear()
                await self._more.wait()


def feed_for(heard: Heard, database: Database, past_seconds: float = 0) -> ChangeFeed:
    return ChangeFeed(database, SubmissionStore(database), heard, past_seconds)


@contextlib.asynccontextmanager
async def running(feed: ChangeFeed) -> AsyncIterator[None]:
    """The feed follows while the context lasts; it must not end by itself."""
    task = asyncio.create_task(feed.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def followed(database: Database) -> AsyncIterator[tuple[ChangeFeed, Heard]]:
    """A feed that was started and runs, and what it tells."""
    heard = Heard()
    feed = feed_for(heard, database)
    await feed.start()
    async with running(feed):
        yield feed, heard
