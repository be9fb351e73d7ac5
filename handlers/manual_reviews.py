"""What reviewers do: the queue, one submission, claims, grades, reopening (design section 3)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from handlers.protocol.answer_models import Queue, SubmissionInDetail, SubmissionInQueue
from handlers.protocol.list_query import read_list_query
from handlers.protocol.operations import CURSOR, LIMIT, Documented, Empty, Json, Operation, choice
from handlers.small_body import SmallBodyHandler
from storage.domain.errors import (
    AlreadyChecked,
    ClaimedByAnother,
    Conflict,
    NotChecked,
    NotFound,
    StaleRevision,
)
from storage.domain.people import ADMINS, REVIEWERS
from storage.domain.submission import Section, Status

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class GradeBody(BaseModel):
    """PUT /multilevel/manual-reviews/{id}/; which scores and comments there are depends on the section."""

    model_config = ConfigDict(extra="forbid")

    revision: Annotated[int, Field(strict=True, ge=1)]
    score: dict[str, Number]
    feedback: dict[str, Annotated[str, Field(strict=True)]] = {}


class ManualReviewsHandler(SmallBodyHandler):
    """GET /multilevel/manual-reviews/: the queue, oldest pending first, or checked ones, newest review first."""

    documented = Documented(
        "/multilevel/manual-reviews/",
        get=Operation(
            "The queue",
            {200: Json(Queue)},
            description="Oldest pending first; checked ones newest review first.",
            parameters=(
                choice("status", Status, "pending by default."),
                choice("section_type", Section, "Both by default."),
                CURSOR,
                LIMIT,
            ),
        ),
    )
    access = REVIEWERS

    async def get(self) -> None:
        query = read_list_query(lambda name: self.get_query_argument(name, None))
        submissions = self.services.submissions
        page = await submissions.queue(query.status, query.section, query.after, query.limit)
        counts = await submissions.counts(query.section)
        self.write_json(self.representations.queue(page, counts))


class ManualReviewHandler(SmallBodyHandler):
    """GET: one submission with media, claim and history. PUT: its grade."""

    documented = Documented(
        "/multilevel/manual-reviews/{manual_review_id}/",
        get=Operation("One submission, with its history", {200: Json(SubmissionInDetail)}),
        put=Operation(
            "Grade it",
            {200: Json(SubmissionInDetail)},
            description=(
                "`revision` is what the reviewer saw; `score` has `task1_score` (at most 24.75) and `task2_score` "
                "(50.25) for Writing, `total_score` (75) for Speaking, from 0 in steps of 0.25; `feedback` has "
                "`task1_comment`, `task2_comment` or `comment`, each optional."
            ),
            body=Json(
                GradeBody,
                example={
                    "revision": 1,
                    "score": {"task1_score": 20.5, "task2_score": 45},
                    "feedback": {"task1_comment": "Good structure.", "task2_comment": "Clear arguments."},
                },
            ),
            refusals=(AlreadyChecked, ClaimedByAnother, StaleRevision, Conflict),
        ),
    )
    access = REVIEWERS

    async def get(self, manual_review_id: str) -> None:
        submission = await self.services.submissions.find_review(int(manual_review_id))
        if submission is None:
            raise NotFound
        self.write_json(self.representations.in_detail(submission))

    async def put(self, manual_review_id: str) -> None:
        grade = self.json_body(GradeBody)
        submission = await self.services.desk.check(
            int(manual_review_id), grade.revision, grade.score, grade.feedback, self.principal.person
        )
        self.write_json(self.representations.in_detail(submission))


class ClaimHandler(SmallBodyHandler):
    """POST: claim, or renew one's own claim. DELETE: release it."""

    documented = Documented(
        "/multilevel/manual-reviews/{manual_review_id}/claim/",
        post=Operation(
            "Claim it, or renew one's own claim",
            {200: Json(SubmissionInQueue)},
            description="It holds for `reviews.lease_seconds`.",
            refusals=(AlreadyChecked, ClaimedByAnother, Conflict),
        ),
        delete=Operation("Release it", {204: Empty()}, refusals=(AlreadyChecked, ClaimedByAnother, Conflict)),
    )
    access = REVIEWERS

    async def post(self, manual_review_id: str) -> None:
        submission = await self.services.desk.claim(int(manual_review_id), self.principal.person)
        self.write_json(self.representations.for_reviewer(submission))

    async def delete(self, manual_review_id: str) -> None:
        await self.services.desk.release(int(manual_review_id), self.principal.person)
        self.set_status(204)


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
        self.write_json(self.representations.in_detail(submission))
