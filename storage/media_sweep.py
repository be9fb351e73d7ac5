"""Removes what nobody needs: drafts left lying, and files no document points at (promise 2)."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, date, datetime

import structlog

from storage.domain.clock import Clock
from storage.domain.errors import StorageFull, Unavailable
from storage.domain.ports import Submissions
from storage.media_vault import MediaVault

log = structlog.get_logger(__name__)

_DAY_SECONDS = 24 * 3600.0


async def sweep(
    vault: MediaVault, submissions: Submissions, untouched_seconds: float, since: date | None = None
) -> int:
    """Remove every draft and unreferenced file untouched for so long; returns how many.

    With `since` only drafts and the day folders from then on are looked at. A file that this process has in hand,
    its submission just being recorded, is never taken; for those of other processes its age speaks: it is
    touched when it gets its final name.
    """
    removed = 0
    async with aclosing(vault.old_files(untouched_seconds, since)) as batches:
        async for batch in batches:
            kept = await submissions.referenced(batch)
            unneeded = [path for path in batch if path not in kept]
            try:
                await vault.remove(unneeded)
            except (StorageFull, Unavailable):
                continue  # logged where it came from; one file must not keep all that come after it
            removed += len(unneeded)
    if removed:
        log.info("swept", files=removed)
    return removed


class RegularSweep:
    """One sweep after the other. The first and then one a day go through the whole media root; those between only
    where uploads given up can have left files since, or a million answers would be asked after every few minutes.

    What only the daily one finds: the files of a replaced submission, if the replacement broke off before they
    were removed.
    """

    def __init__(
        self, vault: MediaVault, submissions: Submissions, untouched_seconds: float, clock: Clock
    ) -> None:
        self._vault = vault
        self._submissions = submissions
        self._untouched_seconds = untouched_seconds
        self._clock = clock
        self._full: datetime | None = None
        """When the last one through everything began."""

    async def run(self) -> int:
        """Sweep once; returns how many files went. Raises Unavailable; the next one then goes as far again."""
        now = self._clock()
        if self._full is None or abs((now - self._full).total_seconds()) >= _DAY_SECONDS:
            removed = await sweep(self._vault, self._submissions, self._untouched_seconds)
            self._full = now
            return removed
        return await sweep(self._vault, self._submissions, self._untouched_seconds, self._since(self._full))

    def _since(self, full: datetime) -> date:
        """The day of the oldest files that were too young then, and one more: for uploads at midnight, and for a
        clock that was put back."""
        oldest = full.timestamp() - self._untouched_seconds - _DAY_SECONDS
        return datetime.fromtimestamp(max(0.0, oldest), UTC).date()
