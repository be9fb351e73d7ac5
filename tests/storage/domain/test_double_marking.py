"""Which submissions are marked twice, and what two marks make together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.domain.anchored_comments import AnchoredComment
from storage.domain.double_marking import SecondMarks, agreed_grade
from storage.domain.grading import Grade, read_score
from storage.domain.rubrics import Criterion, Marks, read_criteria
from tests.submissions import CHECKED, COLLEAGUE, REVIEWER

RUBRIC = {
    "total_score": (Criterion("Fluency", 30, 0.5), Criterion("Lexis", 30, 2), Criterion("Rest", 15, 0.25))
}


def writing(task1: float, task2: float) -> Grade:
    score = read_score("writing", {"task1_score": task1, "task2_score": task2})
    return Grade(score, {"task1_comment": "", "task2_comment": ""}, REVIEWER, CHECKED)


def speaking(total: float, criteria: Marks | None = None, **more: object) -> Grade:
    grade = Grade({"total_score": total}, {"comment": ""}, REVIEWER, CHECKED, criteria)
    return replace(grade, **more)  # type: ignore[arg-type]


def with_criteria(*marks: float) -> Grade:
    names = [criterion.name for criterion in RUBRIC["total_score"]]
    return speaking(sum(marks), {"total_score": dict(zip(names, marks, strict=True))})


@pytest.mark.parametrize("percent", [0, 10, 50, 100])
def test_samples_about_as_many_as_it_should(percent: float) -> None:
    sampled = sum(SecondMarks(percent).samples(number) for number in range(20_000))
    assert abs(sampled / 200 - percent) < 1


def test_samples_the_same_ones_everywhere_and_with_a_higher_percentage_these_and_more() -> None:
    few, many = ({n for n in range(5000) if SecondMarks(percent).samples(n)} for percent in (5, 20))
    assert few < many
    assert sorted(few)[:5] == [9, 51, 57, 60, 66]


@pytest.mark.parametrize(
    ("other", "agree"), [(60.0, True), (65.0, True), (55.0, True), (65.25, False), (54.75, False)]
)
def test_marks_agree_up_to_the_threshold(other: float, agree: bool) -> None:
    assert SecondMarks(100, 5).agree(speaking(60), speaking(other)) is agree


@pytest.mark.parametrize(
    ("one", "other", "mean"),
    [(60.0, 60.0, 60.0), (60.0, 61.0, 60.5), (60.0, 60.25, 60.25), (60.25, 60.0, 60.25), (60.0, 60.75, 60.5)],
)
def test_a_score_is_the_mean_on_its_step_and_in_doubt_goes_up(one: float, other: float, mean: float) -> None:
    assert agreed_grade(speaking(one), speaking(other), {}).score == {"total_score": mean}


@settings(deadline=None)
@given(*[st.integers(0, 99).map(lambda n: n / 4)] * 2, *[st.integers(0, 201).map(lambda n: n / 4)] * 2)
def test_an_agreed_grade_is_one_that_a_single_reviewer_could_have_given(
    task1: float, other1: float, task2: float, other2: float
) -> None:
    agreed = agreed_grade(writing(task1, task2), writing(other1, other2), {})
    given_score = {name: agreed.score[name] for name in ("task1_score", "task2_score")}
    assert read_score("writing", given_score) == agreed.score
    assert 0 <= agreed.score["task1_score"] - (task1 + other1) / 2 < 0.25


def test_it_is_the_second_marker_s_with_the_first_one_s_texts_where_there_are_no_others() -> None:
    note = AnchoredComment("Listen.", question=1, at_seconds=1.0)
    later = CHECKED + timedelta(hours=1)
    first = speaking(60, feedback={"comment": "First."}, comments=(note,))
    second = speaking(61, feedback={"comment": ""}, reviewer=COLLEAGUE, checked_at=later)
    assert agreed_grade(first, second, {}) == speaking(
        60.5, feedback={"comment": "First."}, comments=(note,), reviewer=COLLEAGUE, checked_at=later
    )
    own = replace(second, feedback={"comment": "Second."}, comments=(replace(note, text="Again."),))
    agreed = agreed_grade(first, own, {})
    assert (agreed.feedback, agreed.comments) == (own.feedback, own.comments)


@settings(deadline=None, max_examples=50)
@given(
    *[
        st.tuples(
            st.integers(0, 60).map(lambda n: n / 2),
            st.integers(0, 15).map(lambda n: n * 2.0),
            st.integers(0, 60).map(lambda n: n / 4),
        )
    ]
    * 2
)
def test_averaged_criteria_keep_their_steps_and_make_the_score(
    one: tuple[float, float, float], other: tuple[float, float, float]
) -> None:
    first, second = with_criteria(*one), with_criteria(*other)
    agreed = agreed_grade(first, second, RUBRIC)
    assert read_criteria(RUBRIC, agreed.criteria, agreed.score) == agreed.criteria
    scores = sorted((first.score["total_score"], second.score["total_score"]))
    assert scores[0] <= agreed.score["total_score"] <= scores[1]
    assert abs(agreed.score["total_score"] - sum(scores) / 2) <= 1  # half of the widest step


def test_criteria_are_averaged_one_by_one() -> None:
    agreed = agreed_grade(with_criteria(20, 10, 5), with_criteria(22, 14, 6), RUBRIC)
    assert agreed.criteria == {"total_score": {"Fluency": 21, "Lexis": 12, "Rest": 5.5}}
    assert agreed.score == {"total_score": 38.5}


def test_criteria_of_one_mark_alone_are_left_out() -> None:
    agreed = agreed_grade(speaking(60), with_criteria(30, 20, 11), RUBRIC)
    assert (agreed.score, agreed.criteria) == ({"total_score": 60.5}, None)


def test_criteria_that_are_in_no_rubric_any_more_are_those_of_either_mark() -> None:
    agreed = agreed_grade(with_criteria(20, 10, 5), with_criteria(22, 14, 6), {})
    assert agreed.criteria is not None
    marks = agreed.criteria["total_score"]
    assert marks["Fluency"] in (20, 22)
    assert sum(marks.values()) == agreed.score["total_score"]
