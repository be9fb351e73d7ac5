"""What reviewers do: the queue, one submission, claims, grades, reopening (design section 3)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from handlers.protocol.list_query import read_list_query
from handlers.small_body import SmallBodyHandler
from storage.domain.errors import NotFound
from storage.domain.people import ADMINS, REVIEWERS

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class GradeBody(BaseModel):
    """PUT /multilevel/manual-reviews/{id}/; which scores and comments there are depends on the section."""

    model_config = ConfigDict(extra="forbid")

    revision: Annotated[int, Field(strict=True, ge=1)]
    score: dict[str, Number]
    feedback: dict[str, Annotated[str, Field(strict=True)]] = {}


class ManualReviewsHandler(SmallBodyHandler):
    """GET /multilevel/manual-reviews/: the queue, oldest pending first, or checked ones, newest review first."""

    access = REVIEWERS

    async def get(self) -> None:
        query = read_list_query(lambda name: self.get_query_argument(name, None))
        submissions = self.services.submissions
        page = await submissions.queue(query.status, query.section, query.after, query.limit)
        counts = await submissions.counts(query.section)
        self.write_json(self.representations.queue(page, counts))


class ManualReviewHandler(SmallBodyHandler):
    """GET: one submission with media, claim and history. PUT: its grade."""

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

    access = REVIEWERS

    async def post(self, manual_review_id: str) -> None:
        submission = await self.services.desk.claim(int(manual_review_id), self.principal.person)
        self.write_json(self.representations.for_reviewer(submission))

    async def delete(self, manual_review_id: str) -> None:
        await self.services.desk.release(int(manual_review_id), self.principal.person)
        self.set_status(204)


class ReopenHandler(SmallBodyHandler):
    """POST: checked → pending again; admins only."""

    access = ADMINS

    async def post(self, manual_review_id: str) -> None:
        submission = await self.services.desk.reopen(int(manual_review_id), self.principal.person)
        self.write_json(self.representations.in_detail(submission))
