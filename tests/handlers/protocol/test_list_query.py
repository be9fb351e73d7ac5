"""The query of a list: its defaults, its bounds, and that nothing malformed is guessed at."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.protocol.list_query import (
    ListQuery,
    read_cursor,
    read_list_query,
    read_queue_filter,
    write_cursor,
)
from storage.domain.errors import InvalidRequest
from storage.domain.ports import Holder, Position, QueueFilter
from storage.domain.submission import Section, Status

POSITION = Position(datetime(2025, 10, 8, 12, 30, 45, 123_000, tzinfo=UTC), 789)


def read(**arguments: str) -> ListQuery:
    return read_list_query(arguments.get)


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("arguments", [{}, {"status": "", "section_type": "", "cursor": "", "limit": ""}])
def test_shows_fifty_pending_ones_of_both_sections_from_the_start(arguments: dict[str, str]) -> None:
    assert read(**arguments) == ListQuery(Status.PENDING, None, None, 50)


def test_reads_every_argument() -> None:
    cursor = write_cursor(POSITION)
    assert cursor is not None
    assert read(status="checked", section_type="speaking", cursor=cursor, limit="7") == ListQuery(
        Status.CHECKED, Section.SPEAKING, POSITION, 7
    )


@pytest.mark.parametrize("limit", ["1", "50", "200"])
def test_takes_a_limit_from_1_to_200(limit: str) -> None:
    assert read(limit=limit).limit == int(limit)


@pytest.mark.parametrize("limit", ["0", "201", "-1", "+1", "1.0", "ten", "1 ", "٥", "²", "1" * 5000])
def test_refuses_any_other_limit(limit: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(limit=limit)
    assert refused.value.details == {"limit": ["Ensure this value is between 1 and 200."]}


@pytest.mark.parametrize("status", ["Pending", "graded", "pending,checked", "*"])
def test_refuses_an_unknown_status(status: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(status=status)
    assert refused.value.details == {"status": ["Choose one of: pending, checked."]}


@pytest.mark.parametrize("section", ["reading", "WRITING", "writing "])
def test_refuses_an_unknown_section(section: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(section_type=section)
    assert refused.value.details == {"section_type": ["Choose one of: writing, speaking."]}


@settings(deadline=None)
@given(st.integers(0, 250_000_000_000_000), st.integers(0, 10**15 - 1))
def test_a_cursor_comes_back_as_the_place_it_was_written_for(millis: int, number: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
    cursor = write_cursor(Position(moment, number))
    assert cursor is not None
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert read_cursor(cursor) == Position(moment, number)


def test_the_end_of_a_list_has_no_cursor() -> None:
    assert write_cursor(None) is None
    assert read_cursor(None) is None


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "====",
        "null",
        "ўзбек",
        "a b",
        encoded("1759926645123"),
        encoded("1759926645123-"),
        encoded("-789"),
        encoded("-1-789"),
        encoded("1759926645123-789-1"),
        encoded("1759926645123-789\n"),
        encoded("1759926645.123-789"),
        encoded("999999999999999-1"),
        encoded("1" * 16 + "-1"),
        encoded("1759926645123-" + "1" * 16),
        encoded("١٧٥٩٩٢٦٦٤٥١٢٣-789"),
        base64.urlsafe_b64encode(b"\xff\xfe-\xfd").decode(),
        "!!!!" + encoded("1759926645123-789"),
        encoded("1759926645123-789") + "=*=",
    ],
)
def test_refuses_a_cursor_it_did_not_write(cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(cursor=cursor)
    assert refused.value.details == {"cursor": ["This is not a cursor of this list."]}


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40))
def test_whatever_the_cursor_it_is_read_or_refused_in_words(cursor: str) -> None:
    try:
        read_cursor(cursor)
    except InvalidRequest as refused:
        assert list(refused.details) == ["cursor"]


ME = Holder("7", POSITION.moment)


def read_filter(**arguments: str) -> QueueFilter:
    return read_queue_filter(arguments.get, ME.id, ME.moment)


NO_FILTERS = (
    "status",
    "section_type",
    "exam_id",
    "waiting_since",
    "claimed_by",
    "checked_by",
    "awaits_decision",
)


@pytest.mark.parametrize("arguments", [{}, dict.fromkeys(NO_FILTERS, "")])
def test_without_a_filter_all_pending_ones_are_meant(arguments: dict[str, str]) -> None:
    assert read_filter(**arguments) == QueueFilter()


def test_reads_every_filter() -> None:
    assert read_filter(
        section_type="writing", exam_id="456", waiting_since="2025-10-08T12:30:45.123Z", claimed_by="me"
    ) == QueueFilter(Status.PENDING, Section.WRITING, 456, POSITION.moment, ME)
    assert read_filter(awaits_decision="true") == QueueFilter(awaits_decision=True)
    assert read_filter(status="checked", exam_id="0456", checked_by="me") == QueueFilter(
        Status.CHECKED, exam_id=456, checked_by=ME.id
    )


@pytest.mark.parametrize(
    "text",
    [
        "2025-10-08T12:30:45.123Z",
        "2025-10-08T17:30:45.123+05:00",
        "20251008T123045.123+0000",
        "2025-10-08 12:30:45.123+00:00",
    ],
)
def test_waiting_since_is_a_moment_whatever_its_offset(text: str) -> None:
    assert read_filter(waiting_since=text).waiting_since == POSITION.moment


TIMES = [
    "2025-10-08",
    "2025-10-08T12:30:45",
    "2025-10-08T12:30:45 05:00",
    "1759926645",
    "yesterday",
    "0001-01-01T00:00:00+05:00",
    "9999-12-31T23:59:59-05:00",
    "2025-13-08T12:30:45Z",
    "٢٠٢٥-10-08T12:30:45Z",
]
IDS = ["0", "-1", "+1", "1.0", "1 ", "x", "٥", "²", "1e3", str(1 << 53), "1" * 5000]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("waiting_since", each) for each in TIMES),
        *(("exam_id", each) for each in IDS),
        *(("awaits_decision", each) for each in ("false", "True", "1")),
        *((name, each) for name in ("claimed_by", "checked_by") for each in ("7", "Me", "me,8", "*")),
    ],
)
def test_refuses_a_filter_it_cannot_read(name: str, value: str) -> None:
    status = "checked" if name == "checked_by" else "pending"
    with pytest.raises(InvalidRequest) as refused:
        read_filter(status=status, **{name: value})
    assert list(refused.value.details) == [name]


@pytest.mark.parametrize(
    ("status", "name", "value"),
    [
        ("pending", "checked_by", "me"),
        ("", "checked_by", "me"),
        ("checked", "claimed_by", "me"),
        ("checked", "waiting_since", "2025-10-08T12:30:45Z"),
    ],
)
def test_refuses_a_filter_that_says_nothing_about_the_status(status: str, name: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_filter(status=status, **{name: value})
    needed = "checked" if name == "checked_by" else "pending"
    assert refused.value.details == {name: [f"This filter needs status={needed}."]}


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40))
def test_whatever_the_moment_it_is_read_or_refused_in_words(text: str) -> None:
    try:
        assert read_filter(waiting_since=text).waiting_since
    except InvalidRequest as refused:
        assert list(refused.details) == ["waiting_since"]
