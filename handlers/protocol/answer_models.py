"""The JSON of answers, as models: lists, figures, errors, and what else is no submission. Pure.

openapi.json is made of these, of `submission_models.py` and of `grade_models.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from handlers.protocol.grade_models import SpeakingDraft, WritingDraft
from handlers.protocol.model_parts import AnswerModel, Claim, Count, Id, Moment, Reviewer
from handlers.protocol.submission_models import Submission, SubmissionInDetail, SubmissionInQueue

Cursor = Annotated[
    str | None, Field(description="For `cursor`, to get what comes next; null at the list's end.")
]


class Results(AnswerModel):
    results: list[Submission]
    next: Cursor


class Counts(AnswerModel):
    pending: Count
    checked: Count


class Queue(AnswerModel):
    results: list[SubmissionInQueue]
    next: Cursor
    counts: Annotated[Counts, Field(description="Over the `section_type` filter only.")]


class DraftSaved(AnswerModel):
    """Not the whole submission: a save comes every few seconds."""

    id: Id
    manual_review_id: Id
    revision: Annotated[int, Field(ge=1)]
    claim: Claim | None
    draft: WritingDraft | SpeakingDraft | None


# The review desk in numbers


class Day(AnswerModel):
    since: Moment
    until: Moment


class OldestPending(AnswerModel):
    submitted_at: Moment
    waiting_seconds: Annotated[float, Field(ge=0)]


class _Checks(AnswerModel):
    checked_today: Count
    checked: Annotated[Count, Field(description="Between `since` and `until`.")]
    median_turnaround_seconds: Annotated[
        float | None,
        Field(description="From submission to check, of those in `checked`; null if there are none."),
    ]


class ReviewerFigures(Reviewer, _Checks): ...


class QueueFigures(_Checks):
    pending: Count
    oldest_pending: OldestPending | None
    reviewers: Annotated[
        list[ReviewerFigures],
        Field(description="Who checked something today or in the period. A reviewer sees only themselves."),
    ]


class FiguresBySection(AnswerModel):
    writing: QueueFigures
    speaking: QueueFigures


class Figures(AnswerModel):
    as_of: Moment
    time_zone: Annotated[str, Field(description="IANA name; days begin at its midnight.")]
    today: Day
    since: Moment
    until: Moment
    sections: FiguresBySection
    total: QueueFigures


# Errors


class Error(AnswerModel):
    """Every refusal."""

    error: Annotated[str, Field(min_length=1, description="A sentence that may be shown.")]
    code: Annotated[str, Field(description="For programs: it does not change.")]
    details: Annotated[
        dict[str, Annotated[list[str], Field(min_length=1)]],
        Field(description="Fields that are wrong, each with what is wrong with it."),
    ]
    request_id: Annotated[str, Field(description="As in X-Request-Id and in the server's log.")]


class AlreadySubmitted(Error):
    """Of an upload."""

    id: Id
    current: Annotated[Submission, Field(description="The submission there is.")]


class Conflict(Error):
    """Of a review."""

    current: Annotated[SubmissionInDetail, Field(description="The submission as it is now.")]


# The rest


class Health(AnswerModel):
    status: Literal["ok"]


_PartState = Annotated[str, Field(pattern="^[a-z_]+$", description="`ok`, or an error's `code`.")]


class Readiness(AnswerModel):
    status: Literal["ready", "not ready"]
    mongodb: _PartState
    media: _PartState


class Access(AnswerModel):
    access: Annotated[str, Field(description="A JWT.")]
