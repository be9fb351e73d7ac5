"""What a grade may be: which scores and comments a section has, their limits and steps. Pure.

Source: API document, "Writing Submit Component" (task 1 ≤ 24.75, task 2 ≤ 50.25) and "Speaking Submit
Component" (≤ 75); design section 3, *Reviews* (from 0 in steps of 0.25).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from storage.domain.anchored_comments import AnchoredComment, read_comments
from storage.domain.errors import InvalidRequest
from storage.domain.people import Person
from storage.domain.rubrics import STEP, Marks, Rubric, read_criteria

MAX_TOTAL = 75
MAX_COMMENT_CHARS = 20_000
"""About ten pages: more than any reviewer writes, small beside MongoDB's 16 MiB a document with its history."""

TOTAL = "total_score"

SCORE_LIMITS: Mapping[str, Mapping[str, float]] = {
    "writing": {"task1_score": 24.75, "task2_score": 50.25},
    "speaking": {TOTAL: 75.0},
}
COMMENTS: Mapping[str, tuple[str, ...]] = {
    "writing": ("task1_comment", "task2_comment"),
    "speaking": ("comment",),
}


@dataclass(frozen=True, slots=True)
class Grade:
    """A reviewer's judgement: `score` holds the section's scores and their total, `feedback` its comments."""

    score: Mapping[str, float]
    feedback: Mapping[str, str]
    reviewer: Person
    checked_at: datetime
    criteria: Marks | None = None
    """What the scores are made of, where the section has a rubric."""
    comments: tuple[AnchoredComment, ...] = ()


@dataclass(frozen=True, slots=True)
class GivenGrade:
    """A grade as its reviewer sent it, nothing of it checked."""

    score: Mapping[str, float]
    feedback: Mapping[str, str]
    criteria: Marks | None = None
    comments: tuple[AnchoredComment, ...] = ()


@dataclass(frozen=True, slots=True)
class Gradable:
    """What the grade of a submission may be about."""

    section: str
    rubric: Rubric
    recordings: Collection[int]
    """Question numbers."""
    photos: Collection[int]
    """Ids."""


def read_grade(given: GivenGrade, gradable: Gradable, reviewer: Person, at: datetime) -> Grade:
    """`given` as the grade it is; raises InvalidRequest naming the wrong fields."""
    score = read_score(gradable.section, given.score)
    return Grade(
        score=score,
        feedback=read_feedback(gradable.section, given.feedback),
        reviewer=reviewer,
        checked_at=at,
        criteria=read_criteria(gradable.rubric, given.criteria, score),
        comments=read_comments(given.comments, gradable.recordings, gradable.photos),
    )


def read_score(section: str, given: Mapping[str, float]) -> dict[str, float]:
    """The scores of `section` with their `total_score`; raises InvalidRequest naming each wrong field."""
    score = _scores(section, given, needed=SCORE_LIMITS[section])
    return score | {TOTAL: sum(score.values())}


def read_some_scores(section: str, given: Mapping[str, float]) -> dict[str, float]:
    """The scores of an unfinished grade, without their total: some may be left out. Raises InvalidRequest."""
    return _scores(section, given, needed=given)


def read_feedback(section: str, given: Mapping[str, str]) -> dict[str, str]:
    """The comments of `section`, "" where none was given; raises InvalidRequest naming each wrong field."""
    return dict.fromkeys(COMMENTS[section], "") | read_some_feedback(section, given)


def read_some_feedback(section: str, given: Mapping[str, str]) -> dict[str, str]:
    """The comments that were given; raises InvalidRequest naming each wrong field."""
    names = COMMENTS[section]
    problems = {f"feedback.{name}": ["This field is unknown."] for name in given if name not in names} | {
        f"feedback.{name}": [f"Ensure this field has no more than {MAX_COMMENT_CHARS} characters."]
        for name in names
        if len(given.get(name, "")) > MAX_COMMENT_CHARS
    }
    if problems:
        raise InvalidRequest(details=problems)
    return {name: given[name] for name in names if name in given}


def _scores(section: str, given: Mapping[str, float], needed: Collection[str]) -> dict[str, float]:
    limits = SCORE_LIMITS[section]
    problems = {
        f"score.{name}": [sentence]
        for name, sentence in (
            *((name, "This field is unknown.") for name in given if name not in limits),
            *(
                (name, _score_problem(given.get(name), limit))
                for name, limit in limits.items()
                if name in needed
            ),
        )
        if sentence
    }
    if problems:
        raise InvalidRequest(details=problems)
    return {name: abs(float(given[name])) for name in limits if name in given}  # no -0.0


def _score_problem(value: float | None, limit: float) -> str | None:
    if value is None:
        return "This field is required."
    if not math.isfinite(value) or not 0 <= value <= limit:
        return f"Ensure this value is between 0 and {limit}."
    if (value / STEP) % 1:
        return f"Ensure this value is a multiple of {STEP}."
    return None
