"""Arguments of a query, by their kind: what they mean, and what is refused naming them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from handlers.protocol.query_arguments import read_choice, read_id, read_period
from storage.domain.errors import InvalidRequest
from storage.domain.figures import Period
from storage.domain.submission import Status

TASHKENT = ZoneInfo("Asia/Tashkent")
BERLIN = ZoneInfo("Europe/Berlin")


def period(since: str | None, until: str | None, zone: ZoneInfo = TASHKENT) -> Period:
    return read_period({"since": since, "until": until}.get, "since", "until", zone)


@pytest.mark.parametrize("given", [None, ""])
def test_what_is_not_given_bounds_nothing(given: str | None) -> None:
    assert period(given, given) == Period()
    assert read_id({"exam_id": given}.get, "exam_id") is None
    assert read_choice({"status": given}.get, "status", Status) is None


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2026-11-24T09:00:00Z", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("2026-11-24T09:00Z", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("2026-11-24T09:00:00.123Z", datetime(2026, 11, 24, 9, 0, 0, 123_000, tzinfo=UTC)),
        ("2026-11-24T09:00:00+05:00", datetime(2026, 11, 24, 4, tzinfo=UTC)),
        ("2026-11-24T01:00:00-05:30", datetime(2026, 11, 24, 6, 30, tzinfo=UTC)),
    ],
)
def test_a_time_says_its_offset(given: str, meant: datetime) -> None:
    assert period(given, None) == Period(meant, None)
    assert period(None, given) == Period(None, meant)


def test_a_day_is_the_whole_of_it_where_the_reviewers_are() -> None:
    assert period("2026-11-24", "2026-11-24") == Period(
        datetime(2026, 11, 23, 19, tzinfo=UTC), datetime(2026, 11, 24, 19, tzinfo=UTC)
    )


def test_a_day_on_which_the_clocks_change_has_another_length() -> None:
    assert period("2026-03-29", "2026-03-29", BERLIN) == Period(
        datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    "given",
    [
        "today",
        "20261124",
        "2026-W48-2",
        "2026-11-31",
        "2026-13-01",
        "2026-11-24T09:00:00",
        "2026-11-24T25:00:00Z",
        "2026-11-24T09Z",
        "2026-11-24 09:00:00Z",
        "2026-11-24T09:00:00 05:00",
        "2026-11-24T09:00:00+99:00",
        "2026-11-24T09:00:00.1234567Z",
        " 2026-11-24",
        "2026-11-24\n",
        "٢٠٢٦-11-24",
        "0000-01-01",
        "0001-01-01T00:00:00+05:00",
    ],
)
def test_what_is_no_time_is_refused(given: str) -> None:
    for name in ("since", "until"):
        with pytest.raises(InvalidRequest) as refused:
            read_period({name: given}.get, "since", "until", TASHKENT)
        assert refused.value.details.keys() == {name}


@pytest.mark.parametrize(("since", "until"), [("0001-01-01", None), (None, "9999-12-31")])
def test_the_calendar_s_first_and_last_moments_cannot_be_told_in_every_zone(
    since: str | None, until: str | None
) -> None:
    with pytest.raises(InvalidRequest):
        period(since, until)


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-11-25", "2026-11-24"), ("2026-11-24T09:00:00Z", "2026-11-24T09:00:00Z")],
)
def test_a_period_that_ends_before_it_begins_is_refused(since: str, until: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        period(since, until)
    assert refused.value.details == {"since": ["Ensure this is before `until`."]}


@pytest.mark.parametrize(
    "given", ["0", "-1", "+1", "1.0", "1e3", "x", "٣", "²", "1" * 20, str(1 << 53), " 1"]
)
def test_what_is_no_id_is_refused(given: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_id({"exam_id": given}.get, "exam_id")
    assert refused.value.details.keys() == {"exam_id"}


def test_ids_and_choices_are_read() -> None:
    assert read_id({"exam_id": str((1 << 53) - 1)}.get, "exam_id") == (1 << 53) - 1
    assert read_choice({"status": "checked"}.get, "status", Status) is Status.CHECKED
    with pytest.raises(InvalidRequest) as refused:
        read_choice({"status": "open"}.get, "status", Status)
    assert refused.value.details == {"status": ["Choose one of: pending, checked."]}
