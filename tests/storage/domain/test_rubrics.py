"""Criteria: which marks are marks, and that they make the score."""

from __future__ import annotations

import pytest

from storage.domain.errors import InvalidRequest
from storage.domain.rubrics import Criterion, Marks, criteria_problem, read_criteria, read_some_criteria

GRAMMAR, STRUCTURE = Criterion("Grammar", 12.75, 0.25), Criterion("Structure", 12.0, 0.5)
RUBRIC = {"task1_score": (GRAMMAR, STRUCTURE)}
SCORE = {"task1_score": 20.5, "task2_score": 45.0, "total_score": 65.5}
MARKS = {"task1_score": {"Grammar": 12.0, "Structure": 8.5}}


def details_of(given: Marks | None) -> dict[str, list[str]]:
    with pytest.raises(InvalidRequest) as refused:
        read_criteria(RUBRIC, given, SCORE)
    return {field: list(sentences) for field, sentences in refused.value.details.items()}


def test_takes_marks_that_add_up_in_the_rubrics_order() -> None:
    read = read_criteria(RUBRIC, {"task1_score": {"Structure": 8.5, "Grammar": 12}}, SCORE)
    assert read == MARKS
    assert read is not None
    assert list(read["task1_score"]) == ["Grammar", "Structure"]


@pytest.mark.parametrize("given", [None, {}])
def test_without_a_rubric_there_are_no_criteria(given: Marks | None) -> None:
    assert read_criteria({}, given, SCORE) is None
    with pytest.raises(InvalidRequest) as refused:
        read_criteria({}, MARKS, SCORE)
    assert refused.value.details == {"criteria.task1_score": ["This field is unknown."]}


@pytest.mark.parametrize("given", [None, {}, {"task2_score": {"Grammar": 12.0}}])
def test_with_a_rubric_there_must_be_criteria(given: Marks | None) -> None:
    assert details_of(given)["criteria.task1_score"] == ["This field is required."]


@pytest.mark.parametrize(
    ("marks", "field", "sentence"),
    [
        ({"Grammar": 12.0}, ".Structure", "This field is required."),
        ({"Grammar": 12.0, "Structure": 8.5, "Style": 0.0}, ".Style", "This field is unknown."),
        ({"Grammar": 13.0, "Structure": 7.5}, ".Grammar", "Ensure this value is between 0 and 12.75."),
        ({"Grammar": -0.25, "Structure": 8.5}, ".Grammar", "Ensure this value is between 0 and 12.75."),
        (
            {"Grammar": float("nan"), "Structure": 8.5},
            ".Grammar",
            "Ensure this value is between 0 and 12.75.",
        ),
        ({"Grammar": 12.25, "Structure": 8.25}, ".Structure", "Ensure this value is a multiple of 0.5."),
        ({"Grammar": 12.25, "Structure": 8.5}, "", "These add up to 20.75, not to the score 20.5."),
        ({"Grammar": 12.0, "Structure": 8.0}, "", "These add up to 20, not to the score 20.5."),
    ],
)
def test_refuses_marks_that_do_not_make_the_score(marks: dict[str, float], field: str, sentence: str) -> None:
    assert details_of({"task1_score": marks}) == {f"criteria.task1_score{field}": [sentence]}


def test_the_maximum_can_always_be_given() -> None:
    assert Criterion("Content", 8.25, 0.5).problem(8.25) is None
    assert Criterion("Content", 8.25, 0.5).problem(7.75) is not None


def test_an_unfinished_grade_may_leave_marks_out_but_not_have_wrong_ones() -> None:
    assert read_some_criteria(RUBRIC, {}) == {}
    assert read_some_criteria(RUBRIC, {"task1_score": {"Structure": 1.5}}) == {
        "task1_score": {"Structure": 1.5}
    }
    for marks in ({"Structure": 1.25}, {"Style": 1.0}):
        with pytest.raises(InvalidRequest):
            read_some_criteria(RUBRIC, {"task1_score": marks})


def test_the_maxima_of_a_rubric_add_up_to_the_limit() -> None:
    assert criteria_problem((GRAMMAR, STRUCTURE), 24.75) is None
    assert criteria_problem((), 24.75) is None
    assert criteria_problem((GRAMMAR, STRUCTURE), 50.25) == "the maxima add up to 24.75, not to 50.25"
    assert criteria_problem((GRAMMAR, GRAMMAR), 25.5) == "a criterion is named twice"
