"""Arguments of a query, each read by its kind. Pure. A malformed one is refused, never guessed at."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import TypeVar

from storage.domain.errors import InvalidRequest
from storage.domain.figures import Period

Choice = TypeVar("Choice", bound=StrEnum)
Argument = Callable[[str], str | None]
"""Looks one query argument up; None or "" if it is not there."""

MAX_ID = (1 << 53) - 1
"""As in the upload forms: what a JavaScript number holds exactly."""
_ID = re.compile(r"[0-9]{1,19}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(_DAY.pattern + r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})")


def read_choice(argument: Argument, name: str, choices: type[Choice]) -> Choice | None:
    given = argument(name)
    if not given:
        return None
    try:
        return choices(given)
    except ValueError:
        raise wrong(name, f"Choose one of: {', '.join(choices)}.") from None


def read_id(argument: Argument, name: str) -> int | None:
    given = argument(name)
    if not given:
        return None
    if _ID.fullmatch(given) and 0 < int(given) <= MAX_ID:
        return int(given)
    raise wrong(name, "A valid integer is required.")


def read_period(argument: Argument, since: str, until: str, time_zone: tzinfo) -> Period:
    """The period between two arguments. A day stands for the whole of it in `time_zone`: as `until` it is the last
    one that counts. Raises InvalidRequest also for a period that ends before it begins."""
    period = Period(
        _moment(argument, since, time_zone, days_on=0), _moment(argument, until, time_zone, days_on=1)
    )
    if period.since and period.until and period.since >= period.until:
        raise wrong(since, f"Ensure this is before `{until}`.")
    return period


def wrong(name: str, sentence: str) -> InvalidRequest:
    return InvalidRequest(details={name: [sentence]})


def _moment(argument: Argument, name: str, time_zone: tzinfo, days_on: int) -> datetime | None:
    given = argument(name)
    if not given:
        return None
    try:
        if _DAY.fullmatch(given):
            day = date.fromisoformat(given) + timedelta(days=days_on)
            return datetime.combine(day, time.min, time_zone).astimezone(UTC)
        if _MOMENT.fullmatch(given):
            return datetime.fromisoformat(given).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise wrong(name, "Give a day (2026-11-24) or a time with its offset (2026-11-24T09:00:00Z).")
