"""CommandPace: an SDK's start passes, a flood does not."""

from __future__ import annotations

from handlers.protocol.command_pace import CommandPace


def test_five_seconds_worth_may_come_at_once_and_not_one_more() -> None:
    pace = CommandPace(10, now=100.0)
    assert [pace.admits(100.0) for _ in range(51)] == [True] * 50 + [False]


def test_the_average_may_go_on_for_ever() -> None:
    pace = CommandPace(10, now=0.0)
    assert all(pace.admits(number / 10) for number in range(2000))


def test_more_than_the_average_ends_when_the_burst_is_used_up() -> None:
    pace = CommandPace(10, now=0.0)
    assert [pace.admits(number / 20) for number in range(200)].index(False) in range(95, 105)


def test_silence_earns_one_burst_and_no_more() -> None:
    pace = CommandPace(10, now=0.0)
    assert [pace.admits(3600.0) for _ in range(51)] == [True] * 50 + [False]
