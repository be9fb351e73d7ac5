"""The query of a list: filters, limit and cursor. Pure. A malformed one is refused, never guessed at."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from storage.domain.errors import InvalidRequest
from storage.domain.ports import Position
from storage.domain.submission import Section, Status

MAX_LIMIT, DEFAULT_LIMIT = 200, 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POSITION = re.compile(r"([0-9]{1,15})-([0-9]{1,15})")
Choice = TypeVar("Choice", bound=StrEnum)
Argument = Callable[[str], str | None]
"""Looks one query argument up; None or "" if it is not there."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    status: Status
    section: Section | None
    after: Position | None
    limit: int


def read_list_query(argument: Argument) -> ListQuery:
    """Raises InvalidRequest naming the first argument that is wrong."""
    return ListQuery(
        status=_choice(argument, "status", Status) or Status.PENDING,
        section=_choice(argument, "section_type", Section),
        after=read_cursor(argument("cursor")),
        limit=_limit(argument("limit")),
    )


def write_cursor(position: Position | None) -> str | None:
    """An opaque cursor for `next`, or None at the end of a list."""
    if position is None:
        return None
    millis = (position.moment - _EPOCH) // timedelta(milliseconds=1)
    return base64.urlsafe_b64encode(f"{millis}-{position.id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> Position | None:
    if not cursor:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        match = _POSITION.fullmatch(text)
        if match is not None:
            return Position(_EPOCH + timedelta(milliseconds=int(match[1])), int(match[2]))
    except (binascii.Error, ValueError, OverflowError):
        pass
    raise _wrong("cursor", "This is not a cursor of this list.")


def _choice(argument: Argument, name: str, choices: type[Choice]) -> Choice | None:
    given = argument(name)
    if not given:
        return None
    try:
        return choices(given)
    except ValueError:
        raise _wrong(name, f"Choose one of: {', '.join(choices)}.") from None


def _limit(given: str | None) -> int:
    if not given:
        return DEFAULT_LIMIT
    if not (given.isascii() and given.isdigit() and len(given) < 6 and 1 <= int(given) <= MAX_LIMIT):
        raise _wrong("limit", f"Ensure this value is between 1 and {MAX_LIMIT}.")
    return int(given)


def _wrong(name: str, sentence: str) -> InvalidRequest:
    return InvalidRequest(details={name: [sentence]})
