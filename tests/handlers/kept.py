"""What the server keeps: files below its media root, and submissions in its database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from storage.domain.ports import Submissions
from tests.handlers.wire import WAIT_SECONDS

_LOCK = "lock"
"""A process's draft folder holds this file as long as the process lives; nothing was uploaded there."""


class Kept:
    """Reads the disk and the database past the server, as `run.py fsck` does."""

    def __init__(self, root: Path, submissions: Submissions) -> None:
        self._root = root
        self._submissions = submissions

    def files(self) -> list[Path]:
        """Every file below the media root, drafts included."""
        return sorted(path for path in self._root.rglob("*") if path.is_file() and path.name != _LOCK)

    async def submissions(self) -> int:
        return sum((await self._submissions.counts(None)).values())

    async def assert_nothing(self) -> None:
        """Not a file and not a document: what every refused upload leaves behind."""
        assert self.files() == []
        assert await self.submissions() == 0

    @asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Whatever is done inside, it adds nothing and removes nothing."""
        before = self.files(), await self.submissions()
        yield
        assert (self.files(), await self.submissions()) == before


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that nobody announces; TimeoutError if it never comes."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110  # a disk and a socket set no event
            await asyncio.sleep(0.005)
