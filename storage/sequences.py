"""Ids from MongoDB, a block at a time: one counter for every upload would be half the cost of a small one."""

from __future__ import annotations

import asyncio

from storage.database import Database, ReturnDocument
from storage.database import unavailable_while_down as available
from storage.domain.ports import FreshIds
from storage.indexes import SEQUENCES, SUBMISSIONS

_BLOCK = 32
"""Submissions a block. Ids left over when the process ends are never used: gaps, of no meaning to anyone."""
_FILES_BLOCK = 4 * _BLOCK


class Sequences:
    """The counters of one collection document, shared by all processes."""

    def __init__(self, database: Database) -> None:
        self._sequences = database.collection(SEQUENCES)
        self._refilling = asyncio.Lock()
        self._submissions = range(0)
        self._manual_reviews = range(0)
        self._files = range(0)

    async def take(self, files: int) -> FreshIds:
        """Ids nobody else gets, of one submission with so many files; raises Unavailable."""
        async with self._refilling:
            if not self._submissions or len(self._files) < files:
                await self._refill(max(files, _FILES_BLOCK))
        ids = FreshIds(self._submissions[0], self._manual_reviews[0], self._files[0])
        self._submissions, self._manual_reviews = self._submissions[1:], self._manual_reviews[1:]
        self._files = self._files[files:]
        return ids

    async def _refill(self, files: int) -> None:
        steps = {"submission": _BLOCK, "manual_review": _BLOCK, "file": files}
        with available():
            last = await self._sequences.find_one_and_update(
                {"_id": SUBMISSIONS}, {"$inc": steps}, upsert=True, return_document=ReturnDocument.AFTER
            )
        self._submissions = _ending_at(last["submission"], _BLOCK)
        self._manual_reviews = _ending_at(last["manual_review"], _BLOCK)
        self._files = _ending_at(last["file"], files)


def _ending_at(last: int, length: int) -> range:
    return range(last - length + 1, last + 1)
