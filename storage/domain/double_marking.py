"""Double marking: which submissions are marked twice, and what two marks make together. Pure.

The agreed grade is one that a single reviewer could have given: nothing in it tells that there were two.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.domain.grading import TOTAL, Grade
from storage.domain.rubrics import STEP, Criterion, Rubric

_HASH_VALUES = 1 << 64


@dataclass(frozen=True, slots=True)
class SecondMarks:
    """See `reviews.second_mark_percent` and `reviews.second_mark_threshold` in config.yaml."""

    percent: float = 0
    threshold: float = 5

    def samples(self, submission_id: int) -> bool:
        """Whether the submission is marked twice. Every process says the same, today and tomorrow."""
        digest = hashlib.sha256(b"second mark:%d" % submission_id).digest()
        return int.from_bytes(digest[:8], "big") < self.percent / 100 * _HASH_VALUES

    def agree(self, first: Grade, second: Grade) -> bool:
        return abs(first.score[TOTAL] - second.score[TOTAL]) <= self.threshold


def agreed_grade(first: Grade, second: Grade, rubric: Rubric) -> Grade:
    """The mean of two marks, in the name of the second: each score on its step, what lies between two goes up.

    Where both have criteria, these are what is averaged, each on its own step, so that they make the score. Of
    texts there is no mean: those of the second mark count, where it has none those of the first.
    """
    score, criteria = {}, {}
    for field in _fields_of(second):
        one, other = (_marks_of(grade, field) for grade in (first, second))
        if one and one.keys() == other.keys():
            criteria[field] = _mean_marks(one, other, rubric.get(field, ()))
            score[field] = sum(criteria[field].values())
        else:
            score[field] = math.floor((first.score[field] + second.score[field]) / 2 / STEP + 0.5) * STEP
    return Grade(
        score=score | {TOTAL: sum(score.values())},
        feedback={name: text or first.feedback.get(name, "") for name, text in second.feedback.items()},
        reviewer=second.reviewer,
        checked_at=second.checked_at,
        criteria=criteria or None,
        comments=second.comments or first.comments,
    )


def _fields_of(grade: Grade) -> list[str]:
    """The scores that add up to the total; the total alone where there are none."""
    return [name for name in grade.score if name != TOTAL] or [TOTAL]


def _marks_of(grade: Grade, field: str) -> Mapping[str, float]:
    return (grade.criteria or {}).get(field, {})


def _mean_marks(
    one: Mapping[str, float], other: Mapping[str, float], criteria: Sequence[Criterion]
) -> dict[str, float]:
    """Marks between `one` and `other` whose sum is nearest to the mean of both sums, and of these the ones nearest
    to the means of each criterion. Counted in steps of a quarter, which is exact."""
    by_name = {criterion.name: criterion for criterion in criteria}
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for name in one:
        mean = (one[name] + other[name]) / 2 / STEP
        reached: dict[int, tuple[float, tuple[int, ...]]] = {}
        for total, (distance, marks) in best.items():
            for mark in _between(one[name], other[name], by_name.get(name)):
                found = (distance + (mark - mean) ** 2, (*marks, mark))
                reached[total + mark] = min(found, reached.get(total + mark, found))
        best = reached
    mean_total = (sum(one.values()) + sum(other.values())) / 2 / STEP
    total = min(best, key=lambda each: (abs(each - mean_total), -each))
    return {name: mark * STEP for name, mark in zip(one, best[total][1], strict=True)}


def _between(one: float, other: float, criterion: Criterion | None) -> list[int]:
    """The marks from `one` to `other` that may be given; a criterion that is no more has these two."""
    ends = sorted({round(one / STEP), round(other / STEP)})
    if criterion is None:
        return ends
    return [
        mark
        for mark in range(ends[0], ends[-1] + 1)
        if mark in ends or criterion.problem(mark * STEP) is None
    ]
