"""When a sender is too slow: silent for the idle time, or below the minimum rate over a minute."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.protocol.pace import Pace, PaceLimits

IDLE_SECONDS = 30.0
RATE = 1024.0
MINUTE_BYTES = 60 * 1024
START = 1000.0
LIMITS = PaceLimits(IDLE_SECONDS, RATE, request_seconds=7200)


def pace() -> Pace:
    return Pace(LIMITS, START)


def test_a_sender_may_be_silent_until_the_idle_time_is_over() -> None:
    watched = pace()
    assert not watched.too_slow(START)
    assert not watched.too_slow(START + 29.99)
    assert watched.too_slow(START + 30)


def test_every_chunk_starts_the_idle_time_anew() -> None:
    watched = pace()
    watched.arrived(MINUTE_BYTES, START + 25, own_seconds=0)
    assert not watched.too_slow(START + 54.99)
    assert watched.too_slow(START + 55)


@pytest.mark.parametrize(("size_bytes", "slow"), [(MINUTE_BYTES, False), (MINUTE_BYTES - 1, True)])
def test_exactly_the_minimum_rate_is_fast_enough(size_bytes: int, slow: bool) -> None:
    watched = pace()
    watched.arrived(size_bytes - 2, START + 20, own_seconds=0)
    watched.arrived(1, START + 40, own_seconds=0)
    watched.arrived(1, START + 59, own_seconds=0)
    assert watched.too_slow(START + 60) is slow


def test_the_rate_is_not_judged_before_a_minute_is_over() -> None:
    watched = pace()
    for second in range(1, 60):
        watched.arrived(1, START + second, own_seconds=0)
        assert not watched.too_slow(START + second)
    assert watched.too_slow(START + 60)


def test_a_fast_minute_does_not_excuse_the_slow_one_after_the_next() -> None:
    watched = pace()
    watched.arrived(100 * MINUTE_BYTES, START + 1, own_seconds=0)
    found = []
    for second in range(2, 182):
        watched.arrived(1, START + second, own_seconds=0)
        found.append(watched.too_slow(START + second))
    assert any(found)


def test_no_minute_may_be_slow_wherever_it_begins() -> None:
    """Design section 2: 1024 bytes a second over any 60 s."""
    watched = pace()
    watched.arrived(MINUTE_BYTES, START + 1, own_seconds=0)
    found = []
    for second in range(2, 119):
        watched.arrived(1, START + second, own_seconds=0)
        found.append(watched.too_slow(START + second))
    assert any(found)


@pytest.mark.parametrize("started", [START, START + 0.7])
def test_what_arrives_counts_for_a_whole_minute(started: float) -> None:
    watched = Pace(LIMITS, started)
    watched.arrived(MINUTE_BYTES, started + 0.25, own_seconds=0)
    watched.arrived(0, started + 25, own_seconds=0)
    watched.arrived(0, started + 50, own_seconds=0)
    assert not watched.too_slow(started + 60)
    assert not watched.too_slow(started + 60.2)


def test_time_the_server_took_is_not_counted_in_the_rate() -> None:
    watched = pace()
    watched.arrived(MINUTE_BYTES // 2, START + 10, own_seconds=0)
    watched.arrived(MINUTE_BYTES // 2, START + 45, own_seconds=30)
    watched.arrived(0, START + 70, own_seconds=0)
    assert not watched.too_slow(START + 89)
    watched.arrived(0, START + 89, own_seconds=0)
    assert not watched.too_slow(START + 90)


def test_time_the_server_took_is_not_counted_as_silence() -> None:
    watched = pace()
    watched.arrived(MINUTE_BYTES, START + 100, own_seconds=100)
    assert not watched.too_slow(START + 129)
    assert watched.too_slow(START + 130)


arrivals = st.lists(st.floats(0.01, 20.0), min_size=1, max_size=60)


@settings(deadline=None, max_examples=200)
@given(arrivals, st.floats(0.1, 9.0))
def test_twice_the_minimum_rate_in_lumps_is_never_too_slow(pauses: list[float], poll_seconds: float) -> None:
    watched, now, polled = pace(), START, START
    for pause in pauses:
        while polled + poll_seconds < now + pause:
            polled += poll_seconds
            assert not watched.too_slow(polled)
        now += pause
        watched.arrived(int(2 * RATE * pause) + 1, now, own_seconds=0)


@settings(deadline=None, max_examples=100)
@given(st.floats(0.2, 20.0))
def test_half_the_minimum_rate_is_found_out_within_two_minutes(pause: float) -> None:
    watched, now = pace(), START
    found = False
    while now < START + 120 + pause and not found:
        now += pause
        watched.arrived(int(RATE * pause / 2), now, own_seconds=0)
        found = watched.too_slow(now)
    assert found


def test_a_body_that_takes_too_long_is_too_slow_however_steadily_it_comes() -> None:
    watched = Pace(PaceLimits(IDLE_SECONDS, RATE, request_seconds=100), START)
    for second in range(0, 100, 5):
        watched.arrived(MINUTE_BYTES, START + second, own_seconds=0)
        assert not watched.too_slow(START + second)
    watched.arrived(MINUTE_BYTES, START + 100, own_seconds=0)
    assert watched.too_slow(START + 100)


def test_the_servers_own_time_does_not_make_a_body_old() -> None:
    watched = Pace(PaceLimits(IDLE_SECONDS, RATE, request_seconds=100), START)
    watched.arrived(MINUTE_BYTES, START + 90, own_seconds=60)
    watched.arrived(MINUTE_BYTES, START + 110, own_seconds=0)
    assert not watched.too_slow(START + 110)


def test_silence_is_counted_from_the_last_arrival() -> None:
    watched = pace()
    assert watched.silent_seconds(START + 2) == 2
    watched.arrived(1, START + 2, own_seconds=0)
    assert watched.silent_seconds(START + 5) == 3
