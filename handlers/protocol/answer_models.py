"""The JSON of every answer, as models: openapi.json is made of them. Pure.

Nothing is validated by them while serving, `representations.py` writes the answers; the tests hold every answer
they get against the document instead. A field that is always there has no default; one that may be absent has.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from storage.domain.grading import MAX_TOTAL, SCORE_LIMITS, TOTAL
from storage.domain.rubrics import STEP
from storage.domain.submission import Action, Status

Id = Annotated[int, Field(ge=1)]
Cursor = Annotated[
    str | None, Field(description="For `cursor`, to get what comes next; null at the list's end.")
]


def _no_default(schema: dict[str, Any]) -> None:
    """For what may be absent."""
    schema.pop("default", None)


def _score(limit: float) -> Any:
    return Field(ge=0, le=limit, multiple_of=STEP)


Task1Score = Annotated[float, _score(SCORE_LIMITS["writing"]["task1_score"])]
Task2Score = Annotated[float, _score(SCORE_LIMITS["writing"]["task2_score"])]
TotalScore = Annotated[float, _score(SCORE_LIMITS["speaking"][TOTAL])]


class Moment(
    RootModel[
        Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")]
    ]
):
    """ISO 8601, UTC, milliseconds."""

    model_config = ConfigDict(json_schema_extra={"examples": ["2025-10-08T12:30:45.123Z"]})


class AnswerModel(BaseModel):
    """What an answer's JSON may hold, and nothing else."""

    model_config = ConfigDict(extra="forbid")


class File(AnswerModel):
    id: Id
    url: Annotated[
        str,
        Field(
            pattern=r"^/media/[^?]+\?expires=[0-9]+&signature=[0-9a-f]+$",
            description="Relative to the server; opens the file without a token for `media.url_ttl_seconds`.",
        ),
    ]
    uploaded_at: Moment
    media_type: Annotated[str, Field(pattern=r"^(image|audio)/[a-z0-9.+-]+$")]
    size_bytes: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class WritingQuestion(AnswerModel):
    question_number: Annotated[int, Field(ge=1)]
    question_type: Literal["letter", "essay"]
    images: Annotated[list[File], Field(min_length=1)]


class SpeakingQuestion(AnswerModel):
    question_number: Annotated[int, Field(ge=1)]
    question_type: Literal["speaking", "part1", "part2", "part3"]
    question: Annotated[int | None, Field(description="Its id; null where the upload was by part.")]
    audio: File


class WritingScore(AnswerModel):
    task1_score: Task1Score
    task2_score: Task2Score
    total_score: TotalScore
    max_score: Annotated[int, Field(json_schema_extra={"const": MAX_TOTAL})]


class SpeakingScore(AnswerModel):
    total_score: TotalScore
    max_score: Annotated[int, Field(json_schema_extra={"const": MAX_TOTAL})]


class WritingFeedback(AnswerModel):
    task1_comment: str
    task2_comment: str


class SpeakingFeedback(AnswerModel):
    comment: str


class ShownReviewer(AnswerModel):
    """Whom the student may thank: no id."""

    name: str
    reviewed_at: Moment


class Student(AnswerModel):
    id: str
    name: str | None


class Reviewer(AnswerModel):
    id: str
    name: str


class Claim(AnswerModel):
    reviewer: Reviewer
    expires_at: Moment


# A submission: what all see of it, what reviewers see besides, what its page shows besides


class _Submission(AnswerModel):
    id: Id
    test_result_id: Id
    manual_review_id: Id
    external_result_id: Annotated[
        int,
        Field(
            description="The `test_result_id` that the upload named, if it is no result of ours.",
            json_schema_extra=_no_default,
        ),
    ] = 0
    revision: Annotated[
        int, Field(ge=1, description="Grows with every grade, reopening and replacement, not with claims.")
    ]
    status: Status
    user_test_id: int | None
    exam_id: int | None
    submitted_at: Moment
    reviewed_at: Moment | None
    reviewer: ShownReviewer | None


class WritingSubmission(_Submission):
    section_type: Literal["writing"]
    questions: Annotated[list[WritingQuestion], Field(min_length=2, max_length=2)]
    score: WritingScore | None
    feedback: WritingFeedback | None


class SpeakingSubmission(_Submission):
    section_type: Literal["speaking"]
    questions: Annotated[list[SpeakingQuestion], Field(min_length=1)]
    score: SpeakingScore | None
    feedback: SpeakingFeedback | None


class _ForReviewers(AnswerModel):
    student: Student
    claim: Annotated[Claim | None, Field(description="Who holds it and until when.")]


class WritingInQueue(_ForReviewers, WritingSubmission): ...


class SpeakingInQueue(_ForReviewers, SpeakingSubmission): ...


class _HistoryEntry(AnswerModel):
    action: Action
    at: Moment
    by: Annotated[Student, Field(description="A reviewer, or the student.")]
    revision: Annotated[int, Field(ge=1, description="What came of it.")]


class WritingHistoryEntry(_HistoryEntry):
    score: WritingScore | None
    feedback: WritingFeedback | None


class SpeakingHistoryEntry(_HistoryEntry):
    score: SpeakingScore | None
    feedback: SpeakingFeedback | None


class WritingInDetail(WritingInQueue):
    history: Annotated[list[WritingHistoryEntry], Field(min_length=1)]


class SpeakingInDetail(SpeakingInQueue):
    history: Annotated[list[SpeakingHistoryEntry], Field(min_length=1)]


class SpeakingCreated(SpeakingSubmission):
    """Of the 201."""

    message: str
    audios_count: Annotated[int, Field(ge=1)]


_BY_SECTION = Field(discriminator="section_type")


class Submission(RootModel[Annotated[WritingSubmission | SpeakingSubmission, _BY_SECTION]]):
    """As its student sees it, who never sees claims."""


class SubmissionInQueue(RootModel[Annotated[WritingInQueue | SpeakingInQueue, _BY_SECTION]]):
    """As reviewers see it."""


class SubmissionInDetail(RootModel[Annotated[WritingInDetail | SpeakingInDetail, _BY_SECTION]]):
    """As reviewers see it, with its history."""


class Receipt(RootModel[Annotated[WritingSubmission | SpeakingCreated, _BY_SECTION]]):
    """What an upload's 201 said."""


class Results(AnswerModel):
    results: list[Submission]
    next: Cursor


class Counts(AnswerModel):
    pending: Annotated[int, Field(ge=0)]
    checked: Annotated[int, Field(ge=0)]


class Queue(AnswerModel):
    results: list[SubmissionInQueue]
    next: Cursor
    counts: Annotated[Counts, Field(description="Over the `section_type` filter only.")]


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
