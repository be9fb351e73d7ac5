"""The JSON of a submission, as models: as its student sees it, in the queue, in detail. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from handlers.protocol.grade_models import (
    PhotoComments,
    RecordingComments,
    SpeakingCriteria,
    SpeakingDraft,
    SpeakingFeedback,
    SpeakingGrade,
    SpeakingRubric,
    SpeakingScore,
    WritingCriteria,
    WritingDraft,
    WritingFeedback,
    WritingGrade,
    WritingRubric,
    WritingScore,
)
from handlers.protocol.model_parts import (
    MAY_BE_ABSENT,
    AnswerModel,
    Claim,
    Count,
    Id,
    Moment,
    Reviewer,
    Student,
)
from storage.domain.examination import PEAK_FULL, PEAKS, MediaWarning
from storage.domain.submission import Action, Status

_SIGNED = r"^/media/[^?]+\?expires=[0-9]+&signature=[0-9a-f]+$"

QuestionNumber = Annotated[int, Field(ge=1)]
_EXAMINED = "There once the file was examined."


# Files


class _File(AnswerModel):
    """Its `media_type`, `size_bytes` and `sha256` are those of the original."""

    id: Id
    url: Annotated[
        str,
        Field(
            pattern=_SIGNED,
            description=(
                "Relative to the server; opens the file without a token for `media.url_ttl_seconds`. It leads to "
                "the copy to look at or to listen to where there is one."
            ),
        ),
    ]
    uploaded_at: Moment
    size_bytes: Annotated[int, Field(ge=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    original_url: Annotated[
        str,
        Field(pattern=r"^/media/[^?]+$", description=f"The file as it was sent: needs a token. {_EXAMINED}"),
        MAY_BE_ABSENT,
    ]


class Photo(_File):
    media_type: Annotated[str, Field(pattern=r"^image/[a-z0-9.+-]+$")]
    width: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description=f"Of the upright photo. {_EXAMINED}"),
        MAY_BE_ABSENT,
    ]
    height: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description=f"Of the upright photo. {_EXAMINED}"),
        MAY_BE_ABSENT,
    ]
    thumbnail_url: Annotated[
        Annotated[str, Field(pattern=_SIGNED)] | None,
        Field(description=f"Like `url`. {_EXAMINED}"),
        MAY_BE_ABSENT,
    ]


class Recording(_File):
    media_type: Annotated[str, Field(pattern=r"^audio/[a-z0-9.+-]+$")]
    duration_seconds: Annotated[
        Annotated[float, Field(ge=0)] | None, Field(description=_EXAMINED), MAY_BE_ABSENT
    ]
    codec: Annotated[str | None, Field(description=_EXAMINED), MAY_BE_ABSENT]
    bitrate: Annotated[
        Count | None, Field(description=f"Bits a second, on average. {_EXAMINED}"), MAY_BE_ABSENT
    ]
    peaks: Annotated[
        list[Annotated[int, Field(ge=0, le=PEAK_FULL)]],
        Field(
            max_length=PEAKS,
            description=f"The waveform: the loudest of each equal part. Of a submission in detail. {_EXAMINED}",
        ),
        MAY_BE_ABSENT,
    ]


class FileWarning(AnswerModel):
    """Why a file may not be possible to grade."""

    code: MediaWarning
    warning: Annotated[str, Field(description="A sentence that may be shown.")]
    question_number: QuestionNumber
    file_id: Id


class WritingQuestion(AnswerModel):
    question_number: QuestionNumber
    question_type: Literal["letter", "essay"]
    images: Annotated[list[Photo], Field(min_length=1)]


class SpeakingQuestion(AnswerModel):
    question_number: QuestionNumber
    question_type: Literal["speaking", "part1", "part2", "part3"]
    question: Annotated[int | None, Field(description="Its id; null where the upload was by part.")]
    audio: Recording


# What all see of a submission


class ShownReviewer(AnswerModel):
    """Whom the student may thank: no id."""

    name: str
    reviewed_at: Moment


class _Submission(AnswerModel):
    id: Id
    test_result_id: Id
    manual_review_id: Id
    external_result_id: Annotated[
        int,
        Field(description="The `test_result_id` that the upload named, if it is no result of ours."),
        MAY_BE_ABSENT,
    ]
    revision: Annotated[
        int, Field(ge=1, description="Grows with every grade, reopening and replacement, not with claims.")
    ]
    status: Status
    user_test_id: int | None
    exam_id: int | None
    submitted_at: Moment
    reviewed_at: Moment | None
    reviewer: ShownReviewer | None
    is_examined: Annotated[
        bool, Field(description="Whether its files were looked at: `warnings` are all then.")
    ]
    warnings: list[FileWarning]


class WritingSubmission(_Submission):
    section_type: Literal["writing"]
    questions: Annotated[list[WritingQuestion], Field(min_length=2, max_length=2)]
    score: WritingScore | None
    feedback: WritingFeedback | None
    criteria: WritingCriteria | None
    comments: PhotoComments


class SpeakingSubmission(_Submission):
    section_type: Literal["speaking"]
    questions: Annotated[list[SpeakingQuestion], Field(min_length=1)]
    score: SpeakingScore | None
    feedback: SpeakingFeedback | None
    criteria: SpeakingCriteria | None
    comments: RecordingComments


# What reviewers see besides


class _ForReviewers(AnswerModel):
    student: Student
    claim: Annotated[Claim | None, Field(description="Who holds it and until when.")]
    awaits_decision: Annotated[bool, Field(description="Two marks lie too far apart: an admin decides.")]


class WritingInQueue(_ForReviewers, WritingSubmission): ...


class SpeakingInQueue(_ForReviewers, SpeakingSubmission): ...


# What the page of one shows besides


class _HistoryEntry(AnswerModel):
    action: Literal[Action.SUBMIT, Action.REPLACE, Action.TAKE_OVER, Action.MARK, Action.CHECK, Action.REOPEN]
    at: Moment
    by: Annotated[Student, Field(description="A reviewer, or the student.")]
    revision: Annotated[int, Field(ge=1, description="The one that came of it.")]
    taken_from: Annotated[Reviewer, Field(description="Of a claim that was taken over."), MAY_BE_ABSENT]


_BEFORE = Field(description="The grade that stood.")
_AFTER = Field(description="The grade that was given.")


class WritingHistoryEntry(_HistoryEntry):
    score: WritingScore | None
    feedback: WritingFeedback | None
    before: Annotated[WritingGrade | None, _BEFORE]
    after: Annotated[WritingGrade | None, _AFTER]


class SpeakingHistoryEntry(_HistoryEntry):
    score: SpeakingScore | None
    feedback: SpeakingFeedback | None
    before: Annotated[SpeakingGrade | None, _BEFORE]
    after: Annotated[SpeakingGrade | None, _AFTER]


_RUBRIC = Field(description="`reviews.rubrics` of its section; null: scores are given as a whole.")
_DRAFT = Field(description="One's own, while one holds the claim.")
_MARKS = Field(
    max_length=2, description="While it is marked twice: one's own; both, once an admin is to decide."
)


class WritingInDetail(WritingInQueue):
    rubric: Annotated[WritingRubric | None, _RUBRIC]
    draft: Annotated[WritingDraft | None, _DRAFT]
    marks: Annotated[list[WritingGrade], _MARKS]
    history: Annotated[list[WritingHistoryEntry], Field(min_length=1)]


class SpeakingInDetail(SpeakingInQueue):
    rubric: Annotated[SpeakingRubric | None, _RUBRIC]
    draft: Annotated[SpeakingDraft | None, _DRAFT]
    marks: Annotated[list[SpeakingGrade], _MARKS]
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
    """As reviewers see it, with its history and what to grade it by."""


class Receipt(RootModel[Annotated[WritingSubmission | SpeakingCreated, _BY_SECTION]]):
    """What an upload's 201 said."""
