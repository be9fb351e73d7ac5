"""Which span of time figures are asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from storage.domain.errors import InvalidRequest
from storage.domain.figures import Period, Span, span_of

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def test_the_last_thirty_days_unless_something_else_is_said() -> None:
    assert span_of(Period(), NOW) == Span(NOW - 30 * DAY, NOW)
    assert span_of(Period(since=NOW - DAY), NOW) == Span(NOW - DAY, NOW)
    assert span_of(Period(until=NOW - DAY), NOW) == Span(NOW - 31 * DAY, NOW - DAY)
    assert span_of(Period(NOW - 366 * DAY, NOW), NOW) == Span(NOW - 366 * DAY, NOW)


@pytest.mark.parametrize(
    "asked",
    [
        Period(since=NOW),
        Period(since=NOW + DAY),
        Period(NOW, NOW),
        Period(since=NOW - 366 * DAY - timedelta(milliseconds=1)),
        Period(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_a_span_that_is_none_or_too_long_is_refused(asked: Period) -> None:
    with pytest.raises(InvalidRequest) as refused:
        span_of(asked, NOW)
    assert refused.value.details.keys() == {"since"}


def test_the_calendar_s_first_days_are_no_error() -> None:
    first = datetime.min.replace(tzinfo=UTC)
    assert span_of(Period(until=first + DAY), NOW) == Span(first, first + DAY)
