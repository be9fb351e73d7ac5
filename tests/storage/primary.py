"""Waiting for a MongoDB that was killed and is coming back."""

from __future__ import annotations

import asyncio

from storage.database import Database
from storage.domain.errors import Unavailable
from tests.storage.heard import PATIENCE_SECONDS


async def primary_again(database: Database) -> None:
    """Wait until `database` has a primary."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await database.primary_time()
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return
