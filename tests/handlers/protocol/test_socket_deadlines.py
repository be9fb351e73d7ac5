"""SocketDeadlines: when a socket is pinged, and what closes it, on a clock that nobody has to wait for."""

from __future__ import annotations

import pytest

from handlers.protocol.socket_deadlines import NEVER, DeadlineLimits, Due, SocketDeadlines

LIMITS = DeadlineLimits(connect_seconds=10, ping_seconds=25, pong_seconds=8)
OPENED = 1000.0


def opened() -> SocketDeadlines:
    return SocketDeadlines(LIMITS, OPENED)


def connected(share: float = 1.0) -> SocketDeadlines:
    deadlines = opened()
    deadlines.connected(OPENED, share)
    return deadlines


def test_a_socket_has_ten_seconds_to_connect() -> None:
    deadlines = opened()
    assert deadlines.next == OPENED + 10
    assert deadlines.due(OPENED + 9.9) is None
    assert deadlines.due(OPENED + 10) is Due.NO_CONNECT


@pytest.mark.parametrize(("share", "first"), [(0.0, 12.5), (0.5, 18.75), (1.0, 25.0)])
def test_the_first_ping_comes_somewhere_in_the_second_half_of_its_interval(
    share: float, first: float
) -> None:
    deadlines = connected(share)
    assert deadlines.due(OPENED + 11) is None, "it has connected"
    assert deadlines.next == OPENED + first
    assert deadlines.due(OPENED + first) is Due.PING


def test_pings_go_on_at_their_interval_while_pongs_come() -> None:
    deadlines, now, pings = connected(), OPENED, []
    while now < OPENED + 100:
        if deadlines.due(now) is Due.PING:
            pings.append(now - OPENED)
            deadlines.expect_pong(now)
            deadlines.ponged()
        now += 0.25
    assert pings == [25, 50, 75]


def test_a_ping_without_its_pong_ends_it() -> None:
    deadlines = connected()
    assert deadlines.due(OPENED + 25) is Due.PING
    deadlines.expect_pong(OPENED + 25)
    assert deadlines.next == OPENED + 33
    assert deadlines.due(OPENED + 32.9) is None
    assert deadlines.due(OPENED + 33) is Due.NO_PONG


def test_a_later_ping_gives_no_more_time_for_an_earlier_one() -> None:
    deadlines = SocketDeadlines(DeadlineLimits(10, ping_seconds=5, pong_seconds=8), OPENED)
    deadlines.connected(OPENED, 1.0)
    for now in (OPENED + 5, OPENED + 10):
        assert deadlines.due(now) is Due.PING
        deadlines.expect_pong(now)
    assert deadlines.due(OPENED + 13) is Due.NO_PONG


def test_a_token_that_is_not_refreshed_ends_it_and_a_fresh_one_does_not() -> None:
    deadlines = connected()
    deadlines.refresh_by(OPENED + 20)
    assert deadlines.next == OPENED + 20
    deadlines.refresh_by(OPENED + 24)
    assert deadlines.due(OPENED + 20) is None
    assert deadlines.due(OPENED + 24) is Due.NO_REFRESH


def test_a_connected_socket_of_which_nothing_is_expected_is_left_alone() -> None:
    deadlines = connected()
    deadlines.ponged()
    assert deadlines.next == OPENED + 25 < NEVER
