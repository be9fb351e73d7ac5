"""When a recording counts as silent, and which bars are drawn of it."""

from __future__ import annotations

from storage.domain.examination import PEAK_FULL, PEAKS, MediaWarning, is_silent, peaks_of
from tests.odd_media import RULES

QUIET, LOUD = 0.005, 0.05
"""-46 dBFS and -26 dBFS."""


def test_a_quiet_room_is_silence_and_a_word_in_it_is_not() -> None:
    assert is_silent([QUIET] * 500, RULES)
    assert is_silent([QUIET] * 400 + [LOUD] * 29, RULES)  # a bump of less than 0.3 s
    assert not is_silent([QUIET] * 400 + [LOUD] * 30, RULES)
    assert not is_silent([LOUD] * 5, RULES)  # as short as it is
    assert is_silent([], RULES)


def test_bars_are_as_many_as_can_be_drawn_and_as_high_as_it_was_loud() -> None:
    assert peaks_of([]) == b""
    assert list(peaks_of([0.0, 0.5, 1.0])) == [0, 50, PEAK_FULL]
    many = peaks_of([0.1] * 999 + [1.0])
    assert len(many) == PEAKS
    assert list(many) == [10] * (PEAKS - 1) + [PEAK_FULL]


def test_every_warning_has_a_sentence_of_its_own() -> None:
    sentences = {warning.sentence for warning in MediaWarning}
    assert len(sentences) == len(MediaWarning)
    assert all(sentences)
