"""Time as the product keeps it: UTC, in milliseconds, because that is what a BSON date can hold. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def now() -> datetime:
    """The present in UTC, cut to milliseconds so that a 201 and every later reading show the same time."""
    present = datetime.now(UTC)
    return present.replace(microsecond=present.microsecond // 1000 * 1000)
