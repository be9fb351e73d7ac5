"""What happened, in the order it happened: one change stream per process over the submissions.

The oplog is the only event log (design section 4). After an error the stream goes on from its resume token;
where that is no longer possible, listeners are told there is a gap, never left in silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from storage.database import Database, PositionLost, RawChange, cause_of
from storage.domain.errors import Unavailable
from storage.domain.submission import Action, Submission
from storage.indexes import META, SUBMISSIONS
from storage.submission_store import SubmissionStore, last_action_of, submission_from

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 0.5
_HEARD: list[Mapping[str, Any]] = [
    {
        "$match": {
            "operationType": {"$in": ["insert", "update", "replace"]},
            # A renewed claim publishes nothing (design section 3, *Reviews*), nor does a 201 given again, nor what
            # a reviewer has not finished.
            "fullDocument.last_action": {"$nin": [Action.RENEW, Action.ACKNOWLEDGE, Action.DRAFT]},
        }
    }
]


@dataclass(frozen=True, slots=True)
class Change:
    """Someone did `action`; `submission` is the document as that left it, at cluster time `offset`."""

    offset: int
    action: Action
    submission: Submission


class Listener(Protocol):
    """Who follows the feed. Neither method may wait or raise."""

    def changed(self, change: Change) -> None: ...

    def began(self, offset: int) -> None:
        """Changes after `offset` follow; of those before it some may never have been delivered."""


class Listeners:
    """Several who follow the change feed, one after the other."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners

    def changed(self, change: Change) -> None:
        for listener in self._listeners:
            listener.changed(change)

    def began(self, offset: int) -> None:
        for listener in self._listeners:
            listener.began(offset)


class ChangeFeed:
    """Follows the submissions for one listener.

    `epoch` names the data: positions of another epoch mean nothing.
    """

    def __init__(
        self, database: Database, store: SubmissionStore, listener: Listener, past_seconds: float
    ) -> None:
        """`past_seconds`: how far before its start the feed begins, so that what happened while no server ran, or
        another one did, is there to recover from."""
        self._database = database
        self._store = store
        self._listener = listener
        self._past_seconds = past_seconds
        self._followed = 0
        self._started = 0
        self.epoch = ""

    @property
    def position(self) -> int:
        """All that happened up to here was delivered, or is in whatever is read from the store from now on."""
        return max(self._followed, self._started)

    async def start(self) -> None:
        """Fix where the feed begins: everything that happens after this returns will be delivered."""
        self.epoch = await self._database.once(META, "epoch", uuid.uuid4().hex)
        self._started = await self._database.primary_time()
        self._begin(await self._database.reachable(SUBMISSIONS, self._started, self._past_seconds))

    async def run(self) -> None:
        """Follow until cancelled, through every failure of MongoDB."""
        token: Mapping[str, Any] | None = None
        lost_at = -1
        while True:
            try:
                batches = self._database.changes(SUBMISSIONS, _HEARD, after=token, since=self._followed)
                async with contextlib.aclosing(batches):
                    async for batch in batches:
                        for raw in batch.changes:
                            await self._follow(raw)
                        token = batch.token
            except PositionLost:
                # The token may be no good where the oplog still is: then nothing is lost. A second time at the
                # same place it is.
                log.error("change stream position lost", position=self._followed)
                token = None
                if self._followed == lost_at:
                    await self._begin_at_present()
                lost_at = self._followed
            except Unavailable as error:
                log.warning("change stream broken, resuming", cause=cause_of(error))
            except Exception:
                log.exception("change feed failed, beginning anew")
                token = None
                await self._begin_at_present()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _begin_at_present(self) -> None:
        with contextlib.suppress(Unavailable):  # else the next round fails again and comes back here
            self._begin(await self._database.primary_time())

    def _begin(self, offset: int) -> None:
        self._followed = offset
        self._listener.began(offset)

    async def _follow(self, raw: RawChange) -> None:
        if (
            raw.offset <= self._followed
        ):  # a stream resumed in the middle of a batch brings its beginning again
            return
        try:
            await self._deliver(raw)
        except Unavailable:
            raise
        except Exception as error:
            self._skip(raw, error)
        self._followed = raw.offset

    async def _deliver(self, raw: RawChange) -> None:
        if raw.document is None:
            # The post-image is gone (it outlives the stream's restart by hours): the present state must do.
            found = await self._store.find(raw.document_id)
            change = Change(raw.offset, found.history[-1].action, found) if found else None
        else:
            change = Change(raw.offset, last_action_of(raw.document), submission_from(raw.document))
        if change is not None:
            self._listener.changed(change)

    def _skip(self, raw: RawChange, error: Exception) -> None:
        """A change that cannot be delivered must neither end the feed nor be passed over in silence."""
        log.error("change not deliverable", submission=raw.document_id, exc_info=error)
        self._listener.began(raw.offset)
