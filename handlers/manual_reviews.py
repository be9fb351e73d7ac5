"""What reviewers do with one submission: look at it, grade it, reopen it (design section 3)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from handlers.protocol.answer_models import DraftSaved
from handlers.protocol.operations import Documented, Json, Operation
from handlers.protocol.submission_models import SubmissionInDetail
from handlers.small_body import SmallBodyHandler
from storage.domain.anchored_comments import MAX_COMMENTS, AnchoredComment, Box
from storage.domain.draft_grade import DraftChange
from storage.domain.errors import (
    AlreadyChecked,
    AlreadyMarked,
    AwaitsDecision,
    ClaimedByAnother,
    Conflict,
    NotChecked,
    NotClaimed,
    NotFound,
    StaleDraft,
    StaleRevision,
)
from storage.domain.grading import GivenGrade
from storage.domain.people import ADMINS, REVIEWERS

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Text = Annotated[str, Field(strict=True)]
Id = Annotated[int, Field(strict=True)]
Revision = Annotated[int, Field(strict=True, ge=1)]
_NOT_GRADABLE = (AlreadyChecked, AlreadyMarked, AwaitsDecision, ClaimedByAnother, StaleRevision, Conflict)


class BoxBody(BaseModel):
    """Part of a photo, in fractions of its width and height."""

    model_config = ConfigDict(extra="forbid")

    x: Number
    y: Number
    width: Number
    height: Number


class CommentBody(BaseModel):
    """A comment on a moment of a recording (`question` is its `question_number`) or on a box of a photo."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    question: Id | None = None
    at_seconds: Number | None = None
    image_id: Id | None = None
    box: BoxBody | None = None

    @property
    def comment(self) -> AnchoredComment:
        box = Box(**self.box.model_dump()) if self.box else None
        return AnchoredComment(self.text, self.question, self.at_seconds, self.image_id, box)


Comments = Annotated[list[CommentBody], Field(max_length=MAX_COMMENTS)]
"""Bounded before any of them is looked at: what is wrong with each is said."""


class GradeBody(BaseModel):
    """PUT /multilevel/manual-reviews/{id}/; which scores and comments there are depends on the section, which
    criteria on its rubric."""

    model_config = ConfigDict(extra="forbid")

    revision: Revision
    score: dict[str, Number]
    feedback: dict[str, Text] = {}
    criteria: dict[str, dict[str, Number]] | None = None
    comments: Comments = []

    @property
    def given(self) -> GivenGrade:
        comments = tuple(each.comment for each in self.comments)
        return GivenGrade(self.score, self.feedback, self.criteria, comments)


class DraftBody(BaseModel):
    """PATCH /multilevel/manual-reviews/{id}/: a merge patch (RFC 7396) of the draft. What is not named stays, null
    takes away; `draft_revision` is the draft it was made from, 0: there was none."""

    model_config = ConfigDict(extra="forbid")

    revision: Revision
    draft_revision: Annotated[int, Field(strict=True, ge=0)] | None = None
    score: dict[str, Number | None] | None = {}
    feedback: dict[str, Text | None] | None = {}
    criteria: dict[str, dict[str, Number | None] | None] | None = {}
    comments: Comments | None = None

    @property
    def change(self) -> DraftChange:
        comments = tuple(each.comment for each in self.comments or ())
        named = "comments" in self.model_fields_set
        return DraftChange(self.score, self.feedback, self.criteria, comments if named else None)


class ManualReviewHandler(SmallBodyHandler):
    """GET: one submission with media, claim and history. PUT: its grade. PATCH: a draft of it."""

    documented = Documented(
        "/multilevel/manual-reviews/{manual_review_id}/",
        get=Operation("One submission, with its history", {200: Json(SubmissionInDetail)}),
        put=Operation(
            "Grade it",
            {200: Json(SubmissionInDetail)},
            description=(
                "`revision` is what the reviewer saw; `score` has `task1_score` (at most 24.75) and `task2_score` "
                "(50.25) for Writing, `total_score` (75) for Speaking, from 0 in steps of 0.25; `feedback` has "
                "`task1_comment`, `task2_comment` or `comment`, each optional. Where the section has a rubric, "
                "`criteria` has a mark for each criterion of each score, which add up to it. `comments` are on a "
                "moment of a recording (`question`, `at_seconds`) or on a box of a photo (`image_id`, `box`)."
            ),
            body=Json(
                GradeBody,
                example={
                    "revision": 1,
                    "score": {"task1_score": 20.5, "task2_score": 45},
                    "feedback": {"task1_comment": "Good structure.", "task2_comment": "Clear arguments."},
                },
            ),
            refusals=_NOT_GRADABLE,
        ),
        patch=Operation(
            "Save a draft of its grade",
            {200: Json(DraftSaved)},
            description=(
                "A merge patch (RFC 7396): what is not named stays, null takes away; `comments` are replaced "
                "together. It needs the claim, and only its holder sees it. `draft_revision` is the draft it was "
                "made from, 0 if there was none; without it, whichever there is."
            ),
            body=Json(
                DraftBody, example={"revision": 1, "draft_revision": 0, "score": {"task1_score": 20.5}}
            ),
            refusals=(*_NOT_GRADABLE, NotClaimed, StaleDraft),
        ),
    )
    access = REVIEWERS

    async def get(self, manual_review_id: str) -> None:
        submission = await self.services.submissions.find_review(int(manual_review_id))
        if submission is None:
            raise NotFound
        self.write_json(self.representations.in_detail(submission, self.principal))

    async def put(self, manual_review_id: str) -> None:
        grade = self.json_body(GradeBody)
        submission = await self.services.desk.grade(
            int(manual_review_id),
            grade.revision,
            grade.given,
            self.principal.person,
            decides=self.principal.role in ADMINS,
        )
        self.write_json(self.representations.in_detail(submission, self.principal))

    async def patch(self, manual_review_id: str) -> None:
        draft = self.json_body(DraftBody)
        submission = await self.services.desk.save_draft(
            int(manual_review_id), draft.revision, draft.change, self.principal.person, draft.draft_revision
        )
        self.write_json(self.representations.draft_saved(submission, self.principal))


class ReopenHandler(SmallBodyHandler):
    """POST: checked → pending again; admins only."""

    documented = Documented(
        "/multilevel/manual-reviews/{manual_review_id}/reopen/",
        post=Operation(
            "Make a checked one pending again",
            {200: Json(SubmissionInDetail)},
            description="The earlier grade stays in the history.",
            refusals=(NotChecked, Conflict),
        ),
    )
    access = ADMINS

    async def post(self, manual_review_id: str) -> None:
        submission = await self.services.desk.reopen(int(manual_review_id), self.principal.person)
        self.write_json(self.representations.in_detail(submission, self.principal))
