"""The JSON of grades, as models: scores, feedback, criteria, comments, rubrics, and drafts of all these. Pure."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from handlers.protocol.model_parts import MAY_BE_ABSENT, AnswerModel, Id, Moment, Reviewer
from storage.domain.anchored_comments import MAX_COMMENTS, MAX_SECONDS, MAX_TEXT_CHARS
from storage.domain.grading import MAX_TOTAL, SCORE_LIMITS, TOTAL
from storage.domain.rubrics import STEP


def _score(limit: float) -> Any:
    return Field(ge=0, le=limit, multiple_of=STEP)


Task1Score = Annotated[float, _score(SCORE_LIMITS["writing"]["task1_score"])]
Task2Score = Annotated[float, _score(SCORE_LIMITS["writing"]["task2_score"])]
TotalScore = Annotated[float, _score(SCORE_LIMITS["speaking"][TOTAL])]
MaxScore = Annotated[int, Field(json_schema_extra={"const": MAX_TOTAL})]
Marks = Annotated[
    dict[str, Annotated[float, Field(ge=0)]], Field(description="By the name of the criterion.")
]
Fraction = Annotated[float, Field(ge=0, le=1)]
CommentText = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARS)]


class WritingScore(AnswerModel):
    task1_score: Task1Score
    task2_score: Task2Score
    total_score: TotalScore
    max_score: MaxScore


class SpeakingScore(AnswerModel):
    total_score: TotalScore
    max_score: MaxScore


class WritingFeedback(AnswerModel):
    task1_comment: str
    task2_comment: str


class SpeakingFeedback(AnswerModel):
    comment: str


class WritingCriteria(AnswerModel):
    """What the scores are made of, for those that the section's rubric has criteria of."""

    task1_score: Annotated[Marks, MAY_BE_ABSENT]
    task2_score: Annotated[Marks, MAY_BE_ABSENT]


class SpeakingCriteria(AnswerModel):
    """What the score is made of."""

    total_score: Annotated[Marks, MAY_BE_ABSENT]


# Comments on a place in an answer


class Box(AnswerModel):
    """Part of a photo as it is seen, from the left and from the top, in fractions of its width and height."""

    x: Fraction
    y: Fraction
    width: Annotated[float, Field(gt=0, le=1)]
    height: Annotated[float, Field(gt=0, le=1)]


class PhotoComment(AnswerModel):
    text: CommentText
    image_id: Id
    box: Box


class RecordingComment(AnswerModel):
    text: CommentText
    question: Annotated[int, Field(ge=1, description="Its `question_number`.")]
    at_seconds: Annotated[float, Field(ge=0, le=MAX_SECONDS)]


PhotoComments = Annotated[list[PhotoComment], Field(max_length=MAX_COMMENTS)]
RecordingComments = Annotated[list[RecordingComment], Field(max_length=MAX_COMMENTS)]


# Rubrics


class Criterion(AnswerModel):
    """Marks go from 0 to `maximum` in steps of `step`."""

    name: str
    maximum: Annotated[float, Field(gt=0)]
    step: Annotated[float, Field(gt=0)]


class WritingRubric(AnswerModel):
    task1_score: Annotated[list[Criterion], MAY_BE_ABSENT]
    task2_score: Annotated[list[Criterion], MAY_BE_ABSENT]


class SpeakingRubric(AnswerModel):
    total_score: Annotated[list[Criterion], MAY_BE_ABSENT]


# Whole grades


class _Grade(AnswerModel):
    reviewer: Reviewer
    reviewed_at: Moment


class WritingGrade(_Grade):
    score: WritingScore
    feedback: WritingFeedback
    criteria: WritingCriteria | None
    comments: PhotoComments


class SpeakingGrade(_Grade):
    score: SpeakingScore
    feedback: SpeakingFeedback
    criteria: SpeakingCriteria | None
    comments: RecordingComments


# Drafts: as much of a grade as there is


class WritingScoreSoFar(AnswerModel):
    task1_score: Annotated[Task1Score, MAY_BE_ABSENT]
    task2_score: Annotated[Task2Score, MAY_BE_ABSENT]


class SpeakingScoreSoFar(AnswerModel):
    total_score: Annotated[TotalScore, MAY_BE_ABSENT]


class WritingFeedbackSoFar(AnswerModel):
    task1_comment: Annotated[str, MAY_BE_ABSENT]
    task2_comment: Annotated[str, MAY_BE_ABSENT]


class SpeakingFeedbackSoFar(AnswerModel):
    comment: Annotated[str, MAY_BE_ABSENT]


class _Draft(AnswerModel):
    draft_revision: Annotated[int, Field(ge=1, description="Grows with every save.")]
    saved_at: Moment


class WritingDraft(_Draft):
    score: WritingScoreSoFar
    feedback: WritingFeedbackSoFar
    criteria: WritingCriteria
    comments: PhotoComments


class SpeakingDraft(_Draft):
    score: SpeakingScoreSoFar
    feedback: SpeakingFeedbackSoFar
    criteria: SpeakingCriteria
    comments: RecordingComments
