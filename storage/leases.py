"""Who does what only one may do at a time: leases in MongoDB that end by themselves when their holder dies."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from storage.database import Database, DuplicateKeyError, ReturnDocument
from storage.database import unavailable_while_down as available
from storage.domain.clock import Clock
from storage.indexes import LEASES


@dataclass(frozen=True, slots=True)
class Lease:
    """`tries`: how often the same was begun, this time included, without having been ended or put off."""

    name: str
    holder: str
    tries: int


class Leases:
    """Every method raises Unavailable while there is no MongoDB primary."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._leases = database.collection(LEASES)
        self._clock = clock

    async def take(self, name: str, seconds: float) -> Lease | None:
        """Hold `name` for so long; None if somebody does."""
        now, holder = self._clock(), uuid.uuid4().hex
        change = {
            "$set": {"until": now + timedelta(seconds=seconds), "holder": holder},
            "$inc": {"tries": 1},
        }
        try:
            with available():
                taken = await self._leases.find_one_and_update(
                    {"_id": name, "until": {"$lte": now}},
                    change,
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
        except DuplicateKeyError:
            return None
        return Lease(name, holder, taken["tries"])

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold it for so long from now; False if it is somebody else's by now."""
        until = self._clock() + timedelta(seconds=seconds)
        with available():
            result = await self._leases.update_one(_held(lease), {"$set": {"until": until}})
        return result.matched_count == 1

    async def put_off(self, lease: Lease, seconds: float, *, was_try: bool) -> None:
        """Nobody shall try for so long; this counts as a try, or not."""
        until = self._clock() + timedelta(seconds=seconds)
        change = {"$set": {"until": until}, "$inc": {"tries": 0 if was_try else -1}}
        with available():
            await self._leases.update_one(_held(lease), change)

    async def end(self, lease: Lease) -> None:
        """It is done, or need not be done."""
        with available():
            await self._leases.delete_one(_held(lease))


def _held(lease: Lease) -> dict[str, str]:
    return {"_id": lease.name, "holder": lease.holder}
