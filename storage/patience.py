"""Waiting for a MongoDB that is away: a complete upload is worth some seconds (promise 3)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from storage.database import cause_of
from storage.domain.errors import Unavailable

log = structlog.get_logger(__name__)
T = TypeVar("T")

_RETRY_SECONDS = 0.2
_LAST_TRY_SECONDS = 1.0
"""What begins after the deadline still gets one try of this length."""


class Patience:
    """Repeats what MongoDB was not available for, until `seconds` are over for all of it together."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    async def with_(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`, which must do no harm when done twice; raises Unavailable in the end."""
        while True:
            left = self._deadline - time.monotonic()
            try:
                async with asyncio.timeout(max(left, _LAST_TRY_SECONDS)):
                    return await work()
            except TimeoutError as error:
                raise Unavailable from error
            except Unavailable as error:
                if left <= 0:
                    raise
                log.warning("waiting for MongoDB", cause=cause_of(error), seconds_left=round(left, 1))
            await asyncio.sleep(_RETRY_SECONDS)
