"""Unfinished grades: merged, checked value by value, and one reviewer's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from storage.domain.anchored_comments import AnchoredComment, Box
from storage.domain.draft_grade import DraftChange, DraftGrade, changed_draft, own_draft
from storage.domain.errors import InvalidRequest
from storage.domain.grading import Gradable
from storage.domain.rubrics import Criterion
from tests.submissions import COLLEAGUE, NOW, REVIEWER

RUBRIC = {"task1_score": (Criterion("Grammar", 12.75), Criterion("Structure", 12.0, 0.5))}
GRADABLE = Gradable("writing", RUBRIC, recordings=(), photos=(31,))
NOTE = AnchoredComment("Illegible.", image_id=31, box=Box(0, 0, 0.5, 0.5))
LATER = NOW + timedelta(minutes=1)
SAVED = DraftGrade(
    REVIEWER,
    4,
    NOW,
    {"task1_score": 20.0},
    {"task1_comment": "Good."},
    {"task1_score": {"Grammar": 12.0}},
    (NOTE,),
)


def saved(change: DraftChange, before: DraftGrade | None = SAVED) -> DraftGrade:
    return changed_draft(before, change, GRADABLE, REVIEWER, LATER)


def test_the_first_save_is_number_one() -> None:
    assert saved(DraftChange(), None) == DraftGrade(REVIEWER, 1, LATER)


def test_what_is_not_named_stays() -> None:
    assert saved(DraftChange()) == replace(SAVED, number=5, saved_at=LATER)


def test_what_is_named_is_merged() -> None:
    change = DraftChange(
        {"task2_score": 0.0}, {"task2_comment": "Short."}, {"task1_score": {"Structure": 8.5}}, ()
    )
    assert saved(change) == DraftGrade(
        REVIEWER,
        5,
        LATER,
        {"task1_score": 20.0, "task2_score": 0.0},
        {"task1_comment": "Good.", "task2_comment": "Short."},
        {"task1_score": {"Grammar": 12.0, "Structure": 8.5}},
        (),
    )


@pytest.mark.parametrize(
    "change",
    [
        DraftChange({"task1_score": None}, {"task1_comment": None}, {"task1_score": None}),
        DraftChange(None, None, None),
    ],
)
def test_none_takes_away(change: DraftChange) -> None:
    assert saved(change) == DraftGrade(REVIEWER, 5, LATER, comments=(NOTE,))


def test_none_takes_one_criterion_away() -> None:
    emptied = saved(DraftChange(criteria={"task1_score": {"Grammar": None}}))
    assert emptied.criteria == {"task1_score": {}}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (DraftChange(score={"task1_score": 24.8}), "score.task1_score"),
        (DraftChange(score={"total_score": 60.0}), "score.total_score"),
        (DraftChange(feedback={"comment": "x"}), "feedback.comment"),
        (DraftChange(feedback={"task1_comment": "x" * 20_001}), "feedback.task1_comment"),
        (DraftChange(criteria={"task2_score": {"Grammar": 1.0}}), "criteria.task2_score"),
        (DraftChange(criteria={"task1_score": {"Structure": 0.25}}), "criteria.task1_score.Structure"),
        (DraftChange(comments=(replace(NOTE, image_id=32),)), "comments.0.image_id"),
    ],
)
def test_refuses_what_could_not_be_part_of_a_grade(change: DraftChange, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        saved(change)
    assert set(refused.value.details) == {field}


def test_what_was_saved_under_another_rubric_keeps_nobody_from_saving() -> None:
    stale = replace(SAVED, criteria={"task1_score": {"Style": 3.0}})
    assert saved(DraftChange(score={"task2_score": 1.0}), stale).criteria == stale.criteria


def test_somebody_else_s_draft_goes_and_nothing_of_it_stays() -> None:
    assert saved(DraftChange(), replace(SAVED, owner=COLLEAGUE)) == DraftGrade(REVIEWER, 5, LATER)
    assert own_draft(SAVED, REVIEWER) is SAVED
    assert own_draft(SAVED, COLLEAGUE) is None
    assert own_draft(None, REVIEWER) is None
