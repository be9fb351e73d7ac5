"""Rubrics: the criteria a score is made of, and which marks for them make it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.domain.errors import InvalidRequest

STEP = 0.25
"""Of every score, so also of every criterion: its sums are exact in binary."""

Marks = Mapping[str, Mapping[str, float]]
"""By score field and criterion."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One aspect of an answer: from 0 to `maximum`, in steps of `step` (the maximum itself counts as one)."""

    name: str
    maximum: float
    step: float = STEP

    def problem(self, value: float | None) -> str | None:
        """What is wrong with `value` as a mark for this, or None."""
        if value is None:
            return "This field is required."
        if not math.isfinite(value) or not 0 <= value <= self.maximum:
            return f"Ensure this value is between 0 and {self.maximum}."
        if value != self.maximum and (value / self.step) % 1:
            return f"Ensure this value is a multiple of {self.step}."
        return None


Rubric = Mapping[str, Sequence[Criterion]]
"""The criteria of a section's score fields; a field that is not there has none."""
Rubrics = Mapping[str, Rubric]
"""The rubrics of sections; a section that is not there has none."""


def criteria_problem(criteria: Sequence[Criterion], limit: float) -> str | None:
    """What keeps `criteria` from being those of a score up to `limit`, or None."""
    names = [criterion.name for criterion in criteria]
    if len(set(names)) < len(names):
        return "a criterion is named twice"
    maxima = sum(criterion.maximum for criterion in criteria)
    if criteria and maxima != limit:
        return f"the maxima add up to {maxima:g}, not to {limit:g}"
    return None


def read_criteria(rubric: Rubric, given: Marks | None, score: Mapping[str, float]) -> Marks | None:
    """The marks for every criterion of `rubric`, which add up to `score`; None where there is no rubric.

    Raises InvalidRequest naming each wrong field.
    """
    given = given or {}
    problems = _mark_problems(rubric, given, needed=True)
    for field, criteria in rubric.items():
        if any(name.startswith(f"criteria.{field}") for name in problems):
            continue
        total = sum(given[field][criterion.name] for criterion in criteria)
        if total != score[field]:
            problems[f"criteria.{field}"] = [f"These add up to {total:g}, not to the score {score[field]:g}."]
    if problems:
        raise InvalidRequest(details=problems)
    return _in_order(rubric, given) or None


def read_some_criteria(rubric: Rubric, given: Marks) -> Marks:
    """The marks of an unfinished grade: each is what it may be, but some may be left out. Raises InvalidRequest."""
    problems = _mark_problems(rubric, given, needed=False)
    if problems:
        raise InvalidRequest(details=problems)
    return _in_order(rubric, given)


def _mark_problems(rubric: Rubric, given: Marks, *, needed: bool) -> dict[str, list[str]]:
    problems = {f"criteria.{field}": ["This field is unknown."] for field in given if field not in rubric}
    for field, criteria in rubric.items():
        if field not in given:
            if needed:
                problems[f"criteria.{field}"] = ["This field is required."]
            continue
        marks, known = given[field], {criterion.name for criterion in criteria}
        found = {name: "This field is unknown." for name in marks if name not in known}
        for criterion in criteria:
            if needed or criterion.name in marks:
                found[criterion.name] = criterion.problem(marks.get(criterion.name)) or ""
        problems |= {f"criteria.{field}.{name}": [sentence] for name, sentence in found.items() if sentence}
    return problems


def _in_order(rubric: Rubric, given: Marks) -> Marks:
    """As the rubric has them, whatever order they came in."""
    return {
        field: {
            criterion.name: abs(float(given[field][criterion.name]))  # no -0.0
            for criterion in criteria
            if criterion.name in given[field]
        }
        for field, criteria in rubric.items()
        if field in given
    }
