"""Removes what nobody needs: drafts left lying, and files no document points at (promise 2)."""

from __future__ import annotations

import structlog

from storage.domain.ports import Submissions
from storage.media_vault import MediaVault

log = structlog.get_logger(__name__)


async def sweep(vault: MediaVault, submissions: Submissions, untouched_seconds: float) -> int:
    """Remove every draft and unreferenced file untouched for so long; returns how many.

    A file is touched when it gets its final name, so one whose submission is just being recorded is young.
    """
    removed = 0
    for batch in await vault.old_files(untouched_seconds):
        kept = await submissions.referenced(batch)
        unneeded = [path for path in batch if path not in kept]
        await vault.remove(unneeded)
        removed += len(unneeded)
    if removed:
        log.info("swept", files=removed)
    return removed
