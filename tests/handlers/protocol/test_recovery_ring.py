"""What recent publications can still be had, and when a snapshot is needed instead."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from handlers.protocol.recovery_ring import RecentPublication, RecoveryRing

SECOND = 1 << 20


def published(offset: int, channel: str = "user:42", size_bytes: int = 1) -> RecentPublication:
    return RecentPublication(offset, channel, b"x" * size_bytes)


def ring(seconds: float = 600, limit_bytes: int = 1_000_000, start: int = 0) -> RecoveryRing:
    begun = RecoveryRing(seconds, limit_bytes)
    begun.begin(start)
    return begun


def test_gives_what_came_after_a_position_in_its_channel_only() -> None:
    recent = ring()
    for offset, channel in ((1, "user:42"), (2, "queue:writing"), (3, "user:42"), (4, "user:43")):
        recent.add(published(offset, channel))
    missed = recent.since("user:42", 1, now=0)
    assert missed is not None
    assert [each.offset for each in missed] == [3]


def test_nothing_missed_is_not_the_same_as_unknown() -> None:
    recent = ring(start=10)
    assert recent.since("user:42", 10, now=0) == []
    assert recent.since("user:42", 9, now=0) is None


def test_forgets_by_time_and_knows_that_it_has() -> None:
    recent = ring(seconds=10)
    recent.add(published(1 * SECOND))
    recent.add(published(11 * SECOND))
    assert recent.start == 0
    recent.add(published(12 * SECOND))
    assert recent.start == 1 * SECOND
    assert recent.since("user:42", 1 * SECOND - 1, now=0) is None
    assert recent.since("user:42", 1 * SECOND, now=0) is not None


def test_what_is_too_old_is_gone_even_if_nothing_came_since() -> None:
    recent = ring(seconds=10)
    recent.add(published(5 * SECOND))
    assert recent.since("user:42", 5 * SECOND, now=15) == []
    assert recent.since("user:42", 5 * SECOND, now=15.1) is None


def test_forgets_by_bytes_even_one_that_is_too_large_alone() -> None:
    recent = ring(limit_bytes=10_000)
    recent.add(published(1, size_bytes=6_000))
    recent.add(published(2, size_bytes=6_000))
    assert recent.start == 1
    recent.add(published(3, size_bytes=11_000))
    assert recent.start == 3
    assert recent.since("user:42", 3, now=0) == []


def test_beginning_anew_forgets_everything() -> None:
    recent = ring()
    recent.add(published(1))
    recent.begin(5)
    assert recent.since("user:42", 4, now=0) is None
    assert recent.since("user:42", 5, now=0) == []


@given(
    st.lists(st.tuples(st.integers(1, 30), st.sampled_from("abc"), st.integers(0, 40)), max_size=40),
    st.integers(0, 400),
    st.sampled_from("abc"),
)
def test_never_leaves_a_publication_out(
    steps: list[tuple[int, str, int]], position: int, channel: str
) -> None:
    """Whatever was added: all of the channel after the position, or None."""
    recent = ring(seconds=0.0001, limit_bytes=2_000)
    everything: list[RecentPublication] = []
    offset = 0
    for step, of_channel, size_bytes in steps:
        offset += step
        everything.append(published(offset, of_channel, size_bytes))
        recent.add(everything[-1])
    missed = recent.since(channel, position, now=0)
    if missed is not None:
        assert missed == [each for each in everything if each.channel == channel and each.offset > position]
    elif everything:
        assert position < everything[-1].offset
