"""Where a subscription begins that has nothing to recover from: the submissions as they are (design section 4).

The position is taken first, then the query, and publications after the position are held back meanwhile: what
happens in between may be shown twice, never not at all.
"""

from __future__ import annotations

import asyncio

from handlers.protocol.channels import queue_section
from handlers.protocol.representations import Json, Representations
from storage.domain.errors import Unavailable
from storage.domain.ports import QueueFilter, Submissions, Viewer
from storage.domain.submission import Section

_OWN_LATEST, _OLDEST_PENDING = 50, 200
_AT_ONCE = 4
"""When everybody comes back at once, their snapshots leave the driver's threads free for uploads and grades."""
_WAIT_SECONDS = 4.0
"""The SDKs give up on an answer after 5 s and come back. A socket that waited on, for a MongoDB that hangs, would
keep its place among the user's five, and the sixth attempt would be closed for good."""


class StatusSnapshots:
    """Reads what a channel's subscribers begin with."""

    def __init__(self, submissions: Submissions) -> None:
        self._submissions = submissions
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def of(self, channel: str, user_id: str, offset: int, represent: Representations) -> Json:
        """The snapshot of a queue, or of `user_id`'s own channel, as of `offset` or later. Raises Unavailable, at
        the latest after four seconds."""
        section = queue_section(channel)
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._turns.acquire()
                reading = asyncio.ensure_future(
                    self._own(user_id, offset, represent)
                    if section is None
                    else self._queue(section, user_id, offset, represent)
                )
                reading.add_done_callback(self._end_turn)
                return await asyncio.shield(reading)
        except TimeoutError:
            raise Unavailable from None

    def _end_turn(self, reading: asyncio.Future[Json]) -> None:
        """Only now: the driver's thread is taken as long as MongoDB hangs, whoever still waits for it."""
        self._turns.release()
        if not reading.cancelled():
            reading.exception()  # has been raised for whoever waited

    async def _own(self, user_id: str, offset: int, represent: Representations) -> Json:
        page = await self._submissions.of_student(user_id, None, _OWN_LATEST)
        return represent.snapshot(page.submissions, offset)

    async def _queue(self, section: Section, user_id: str, offset: int, represent: Representations) -> Json:
        viewer = Viewer(user_id, decides=True)
        page = await self._submissions.queue(
            QueueFilter(section=section, viewer=viewer), None, _OLDEST_PENDING
        )
        counts = await self._submissions.counts(section)
        return represent.queue_snapshot(page.submissions, offset, counts)
