"""Removes what nobody needs: drafts left lying, and files no document points at (promise 2)."""

from __future__ import annotations

from contextlib import aclosing
from datetime import date

import structlog

from storage.domain.ports import Submissions
from storage.media_vault import MediaVault

log = structlog.get_logger(__name__)


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
            await vault.remove(unneeded)
            removed += len(unneeded)
    if removed:
        log.info("swept", files=removed)
    return removed
