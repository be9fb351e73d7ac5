"""What one process tells all others, on every machine: volatile, merged, without history or promise.

Each process has one document, which it overwrites, and follows those of the others by a change stream. What must
not be lost goes another way: the submission's own document, and the oplog (`change_feed.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import Any, Protocol

import structlog

from storage.database import Database, PositionLost, cause_of, unavailable_while_down
from storage.domain.clock import Clock
from storage.domain.errors import Unavailable
from storage.indexes import BROADCASTS

log = structlog.get_logger(__name__)

_INTERVAL_SECONDS = 0.25
"""At most four messages a second of one upload (design section 4), and four writes a second of one process."""
_MAX_WAITING = 1000
_RETRY_SECONDS = 1.0


class Hearer(Protocol):
    """Who is told what other processes say. May neither wait nor raise."""

    def __call__(self, channel: str, key: str, data: dict[str, Any]) -> None: ...


class Broadcast:
    """This process's voice, and its ear for the others: `run` is both."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._name = uuid.uuid4().hex
        self._waiting: dict[tuple[str, str], dict[str, Any]] = {}
        self._has_news = asyncio.Event()

    def say(self, channel: str, key: str, data: dict[str, Any]) -> None:
        """Tell the others soon, unless something newer of the same `channel` and `key` comes before."""
        self._waiting.pop((channel, key), None)
        self._waiting[channel, key] = data
        if len(self._waiting) > _MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._has_news.set()

    async def run(self, hearer: Hearer) -> None:
        """Speak and listen until cancelled, through every failure of MongoDB."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._speak())
            both.create_task(self._listen(hearer))

    async def _speak(self) -> None:
        collection = self._database.volatile(BROADCASTS)
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            waiting, self._waiting = self._waiting, {}
            said = [
                {"channel": channel, "key": key, "data": data} for (channel, key), data in waiting.items()
            ]
            document = {"_id": self._name, "said": said, "at": self._clock()}
            try:
                with unavailable_while_down():
                    await collection.replace_one({"_id": self._name}, document, upsert=True)
            except Unavailable:
                log.debug("not heard by other processes")  # the next message says more
            except Exception:
                log.exception("what this process said cannot be told to others")
            await asyncio.sleep(_INTERVAL_SECONDS)

    async def _listen(self, hearer: Hearer) -> None:
        others = {"operationType": {"$in": ["insert", "replace"]}, "documentKey._id": {"$ne": self._name}}
        while True:
            try:
                since = await self._database.primary_time()
                batches = self._database.changes(BROADCASTS, [{"$match": others}], after=None, since=since)
                async with contextlib.aclosing(batches):
                    async for batch in batches:
                        for change in batch.changes:
                            for said in (change.document or {}).get("said", []):
                                hearer(said["channel"], said["key"], said["data"])
            except (Unavailable, PositionLost) as error:
                log.debug("not hearing other processes, trying again", cause=cause_of(error))
            except Exception:
                log.exception("what another process said cannot be understood")
            await asyncio.sleep(_RETRY_SECONDS)
