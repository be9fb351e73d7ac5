"""Holding one submission: claim, renew, take over, release (design section 3, *Reviews*)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, StrictBool

from handlers.protocol.operations import Documented, Empty, Json, Operation
from handlers.protocol.submission_models import SubmissionInQueue
from handlers.small_body import SmallBodyHandler
from storage.domain.errors import (
    AlreadyChecked,
    AlreadyMarked,
    AwaitsDecision,
    ClaimedByAnother,
    Conflict,
    Forbidden,
)
from storage.domain.people import ADMINS, REVIEWERS


class ClaimBody(BaseModel):
    """POST /multilevel/manual-reviews/{id}/claim/; no body at all is a plain claim."""

    model_config = ConfigDict(extra="forbid")

    take_over: StrictBool = False


class ClaimHandler(SmallBodyHandler):
    """POST: claim, renew one's own claim, or, as an admin, take another's. DELETE: release it."""

    access = REVIEWERS
    documented = Documented(
        "/multilevel/manual-reviews/{manual_review_id}/claim/",
        post=Operation(
            "Claim it, or renew one's own claim",
            {200: Json(SubmissionInQueue)},
            description=(
                "It holds for `reviews.lease_seconds`. With `take_over` an admin gets it though another reviewer "
                "holds it."
            ),
            body=Json(ClaimBody),
            body_is_optional=True,
            refusals=(AlreadyChecked, AlreadyMarked, AwaitsDecision, ClaimedByAnother, Conflict),
        ),
        delete=Operation("Release it", {204: Empty()}, refusals=(AlreadyChecked, ClaimedByAnother, Conflict)),
    )

    async def post(self, manual_review_id: str) -> None:
        desk, person = self.services.desk, self.principal.person
        if self.optional_json_body(ClaimBody).take_over:
            if self.principal.role not in ADMINS:
                raise Forbidden
            submission = await desk.take_over(int(manual_review_id), person)
        else:
            submission = await desk.claim(int(manual_review_id), person)
        self.write_json(self.representations.for_reviewer(submission))

    async def delete(self, manual_review_id: str) -> None:
        await self.services.desk.release(int(manual_review_id), self.principal.person)
        self.set_status(204)
