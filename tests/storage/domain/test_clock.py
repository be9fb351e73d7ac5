"""The product's time: now, in UTC, in milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from storage.domain.clock import now


def test_it_is_now() -> None:
    before = datetime.now(UTC)
    present = now()
    assert before - timedelta(milliseconds=1) < present <= datetime.now(UTC)


def test_it_is_utc() -> None:
    assert now().tzinfo is UTC


def test_it_is_cut_to_milliseconds_so_that_every_reading_is_equal() -> None:
    assert {now().microsecond % 1000 for _ in range(100)} == {0}
