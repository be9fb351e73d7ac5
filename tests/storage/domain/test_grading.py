"""Which grades are grades: limits, steps of 0.25, totals, comments."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.domain.errors import InvalidRequest
from storage.domain.grading import MAX_COMMENT_CHARS, MAX_TOTAL, SCORE_LIMITS, read_feedback, read_score
from storage.domain.submission import Section

RANGES = {"task1_score": "between 0 and 24.75", "task2_score": "between 0 and 50.25"}


def details_of(section: str, given_score: dict[str, float]) -> dict[str, list[str]]:
    with pytest.raises(InvalidRequest) as refused:
        read_score(section, given_score)
    return {field: list(sentences) for field, sentences in refused.value.details.items()}


@settings(deadline=None)
@given(st.integers(0, 99), st.integers(0, 201))
def test_takes_every_step_of_both_tasks_and_adds_them_up(first: int, second: int) -> None:
    given_score = {"task1_score": first / 4, "task2_score": second / 4}
    assert read_score("writing", given_score) == given_score | {"total_score": (first + second) / 4}


def test_takes_every_step_of_speaking() -> None:
    for quarters in range(301):
        assert read_score("speaking", {"total_score": quarters / 4}) == {"total_score": quarters / 4}


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.floats(), st.floats(-1, 76), st.integers(-100, 400).map(lambda quarters: quarters / 4)))
def test_takes_exactly_the_multiples_of_a_quarter_within_the_limits(value: float) -> None:
    if math.isfinite(value) and 0 <= Fraction(value) <= 75 and (Fraction(value) * 4).denominator == 1:
        assert read_score("speaking", {"total_score": value}) == {"total_score": value}
    else:
        assert list(details_of("speaking", {"total_score": value})) == ["score.total_score"]


def test_the_example_of_the_api_document() -> None:
    assert read_score("writing", {"task1_score": 20.5, "task2_score": 45}) == {
        "task1_score": 20.5,
        "task2_score": 45.0,
        "total_score": 65.5,
    }


@pytest.mark.parametrize(
    ("section", "score"),
    [("writing", {"task1_score": 24.75, "task2_score": 50.25}), ("speaking", {"total_score": 75})],
)
def test_the_highest_scores_give_the_highest_total(section: str, score: dict[str, float]) -> None:
    assert read_score(section, score)["total_score"] == MAX_TOTAL == 75


@pytest.mark.parametrize(
    ("task1", "task2", "wrong"),
    [
        (25.0, 0.0, "task1_score"),
        (0.0, 50.5, "task2_score"),
        (-0.25, 1.0, "task1_score"),
        (1.0, 75.0, "task2_score"),
    ],
)
def test_refuses_a_score_outside_its_limits(task1: float, task2: float, wrong: str) -> None:
    details = details_of("writing", {"task1_score": task1, "task2_score": task2})
    assert details == {f"score.{wrong}": [f"Ensure this value is {RANGES[wrong]}."]}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 75.25, 1e300, -5e-324])
def test_refuses_what_is_no_score(value: float) -> None:
    assert details_of("speaking", {"total_score": value}) == {
        "score.total_score": ["Ensure this value is between 0 and 75.0."]
    }


@pytest.mark.parametrize("value", [0.1, 20.3, 0.125, 74.999999, 5e-324])
def test_refuses_a_score_between_the_steps(value: float) -> None:
    assert details_of("speaking", {"total_score": value}) == {
        "score.total_score": ["Ensure this value is a multiple of 0.25."]
    }


def test_names_every_missing_and_unknown_score_at_once() -> None:
    assert details_of("writing", {"total_score": 65.5, "task2_score": 1.1}) == {
        "score.total_score": ["This field is unknown."],
        "score.task1_score": ["This field is required."],
        "score.task2_score": ["Ensure this value is a multiple of 0.25."],
    }


@pytest.mark.parametrize(
    ("section", "names"), [("writing", ["task1_comment", "task2_comment"]), ("speaking", ["comment"])]
)
def test_comments_are_optional_and_blank_by_default(section: str, names: list[str]) -> None:
    assert read_feedback(section, {}) == dict.fromkeys(names, "")
    assert read_feedback(section, {names[-1]: "Yaxshi."}) == dict.fromkeys(names, "") | {names[-1]: "Yaxshi."}


def test_takes_the_longest_comment_and_refuses_one_character_more() -> None:
    longest = "ў" * MAX_COMMENT_CHARS
    assert read_feedback("speaking", {"comment": longest}) == {"comment": longest}
    with pytest.raises(InvalidRequest) as refused:
        read_feedback("speaking", {"comment": longest + "ў"})
    assert refused.value.details == {
        "feedback.comment": ["Ensure this field has no more than 20000 characters."]
    }


def test_refuses_the_comment_of_another_section() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_feedback("writing", {"comment": "x"})
    assert refused.value.details == {"feedback.comment": ["This field is unknown."]}


def test_every_section_has_its_limits() -> None:
    assert SCORE_LIMITS.keys() == set(Section)
