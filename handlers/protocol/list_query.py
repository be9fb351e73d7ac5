"""The query of a list: filters, limit and cursor. Pure. A malformed one is refused, never guessed at."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from handlers.protocol.query_arguments import Argument, read_choice, read_id, wrong
from storage.domain.ports import Holder, Position, QueueFilter
from storage.domain.submission import Section, Status

MAX_LIMIT, DEFAULT_LIMIT = 200, 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ME, _TRUE = "me", "true"
_POSITION = re.compile(r"([0-9]{1,15})-([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class ListQuery:
    status: Status
    section: Section | None
    after: Position | None
    limit: int


def read_list_query(argument: Argument) -> ListQuery:
    """Raises InvalidRequest naming the first argument that is wrong."""
    return ListQuery(
        status=read_choice(argument, "status", Status) or Status.PENDING,
        section=read_choice(argument, "section_type", Section),
        after=read_cursor(argument("cursor")),
        limit=_limit(argument("limit")),
    )


def read_queue_filter(argument: Argument, user_id: str, now: datetime) -> QueueFilter:
    """Which submissions of the queue `user_id` asks for at `now`. Raises InvalidRequest naming the first argument
    that is wrong, or has no meaning for the status asked for."""
    wanted = QueueFilter(
        status=read_choice(argument, "status", Status) or Status.PENDING,
        section=read_choice(argument, "section_type", Section),
        exam_id=read_id(argument, "exam_id"),
        waiting_since=_moment(argument, "waiting_since"),
        claimed_by=Holder(user_id, now) if _is(argument, "claimed_by", _ME) else None,
        checked_by=user_id if _is(argument, "checked_by", _ME) else None,
        awaits_decision=_is(argument, "awaits_decision", _TRUE),
    )
    for name, status in _OF_STATUS.items():
        if argument(name) and status is not wanted.status:
            raise wrong(name, f"This filter needs status={status}.")
    return wanted


def read_next_filter(argument: Argument) -> QueueFilter:
    """Among which submissions the next one is to be found. Raises InvalidRequest like `read_queue_filter`."""
    return QueueFilter(
        section=read_choice(argument, "section_type", Section), exam_id=read_id(argument, "exam_id")
    )


_OF_STATUS = {
    "waiting_since": Status.PENDING,
    "claimed_by": Status.PENDING,
    "checked_by": Status.CHECKED,
    "awaits_decision": Status.PENDING,
}
"""Checked submissions neither wait nor are they claimed."""


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
    raise wrong("cursor", "This is not a cursor of this list.")


def _moment(argument: Argument, name: str) -> datetime | None:
    """A naive time would be guessed at, and an unescaped `+` arrives as a space."""
    given = argument(name)
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise wrong(
        name, "Give an ISO 8601 time with Z or an offset (its + as %2B), such as 2025-10-08T12:30:45Z."
    )


def _is(argument: Argument, name: str, value: str) -> bool:
    given = argument(name)
    if given and given != value:
        raise wrong(name, f"Choose one of: {value}.")
    return bool(given)


def _limit(given: str | None) -> int:
    if not given:
        return DEFAULT_LIMIT
    if not (given.isascii() and given.isdigit() and len(given) < 6 and 1 <= int(given) <= MAX_LIMIT):
        raise wrong("limit", f"Ensure this value is between 1 and {MAX_LIMIT}.")
    return int(given)
