"""What reviewers do with one submission: look at it, grade it, reopen it (design section 3)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

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


class ReopenHandler(SmallBodyHandler):
    """POST: checked → pending again; admins only."""

    access = ADMINS

    async def post(self, manual_review_id: str) -> None:
        submission = await self.services.desk.reopen(int(manual_review_id), self.principal.person)
        self.write_json(self.representations.in_detail(submission))
