"""Grades under way: saved while their reviewer works, complete or not, and nobody else's to see. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from storage.domain.anchored_comments import AnchoredComment, read_comments
from storage.domain.grading import Gradable, read_some_feedback, read_some_scores
from storage.domain.people import Person
from storage.domain.rubrics import Marks, read_some_criteria

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class DraftGrade:
    """What `owner` has so far. `number` grows with every save of a submission's drafts, whoever's they are."""

    owner: Person
    number: int
    saved_at: datetime
    score: Mapping[str, float] = field(default_factory=dict)
    feedback: Mapping[str, str] = field(default_factory=dict)
    criteria: Marks = field(default_factory=dict)
    comments: tuple[AnchoredComment, ...] = ()


@dataclass(frozen=True, slots=True)
class DraftChange:
    """What becomes different, as a merge patch has it (RFC 7396): what is not named stays, None takes away.

    Comments have no names: they are replaced together, None leaves them.
    """

    score: Mapping[str, float | None] | None = field(default_factory=dict)
    feedback: Mapping[str, str | None] | None = field(default_factory=dict)
    criteria: Mapping[str, Mapping[str, float | None] | None] | None = field(default_factory=dict)
    comments: tuple[AnchoredComment, ...] | None = None


def own_draft(draft: DraftGrade | None, person: Person) -> DraftGrade | None:
    """`draft` if it is `person`'s: what somebody left behind who had the claim before is none of theirs."""
    return draft if draft is not None and draft.owner.id == person.id else None


def changed_draft(
    before: DraftGrade | None, change: DraftChange, gradable: Gradable, owner: Person, at: datetime
) -> DraftGrade:
    """The draft after `change`; somebody else's `before` goes. Raises InvalidRequest naming each wrong field.

    Only what is given is looked at: what was saved earlier was right when it came, and the grade is read anew.
    """
    _check(change, gradable)
    own = own_draft(before, owner)
    criteria: Marks = own.criteria if own else {}
    return DraftGrade(
        owner=owner,
        number=before.number + 1 if before else 1,
        saved_at=at,
        score=_merged(own.score if own else {}, change.score),
        feedback=_merged(own.feedback if own else {}, change.feedback),
        criteria=_merged_marks(criteria, change.criteria),
        comments=change.comments if change.comments is not None else own.comments if own else (),
    )


def _check(change: DraftChange, gradable: Gradable) -> None:
    read_some_scores(gradable.section, _merged({}, change.score))
    read_some_feedback(gradable.section, _merged({}, change.feedback))
    read_some_criteria(gradable.rubric, _merged_marks({}, change.criteria))
    read_comments(change.comments or (), gradable.recordings, gradable.photos)


def _merged(before: Mapping[str, Value], change: Mapping[str, Value | None] | None) -> dict[str, Value]:
    if change is None:
        return {}
    return {name: value for name, value in {**before, **change}.items() if value is not None}


def _merged_marks(before: Marks, change: Mapping[str, Mapping[str, float | None] | None] | None) -> Marks:
    if change is None:
        return {}
    return {
        name: _merged(before.get(name, {}), change.get(name, {}))
        for name in {**before, **change}
        if change.get(name, {}) is not None
    }
