"""What the server keeps: files below its media root, and submissions in its database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storage.domain.ports import Submissions

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
