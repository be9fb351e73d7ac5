"""What a client that lost an answer asks: did my upload arrive? (design section 3, *Doing it twice*)"""

from __future__ import annotations

from handlers.protocol.operations import Documented, Json, Operation
from handlers.protocol.submission_models import Receipt
from handlers.small_body import SmallBodyHandler
from storage.domain.errors import NotFound
from storage.domain.people import STUDENTS
from storage.domain.submission_life import acknowledged


class ReceiptHandler(SmallBodyHandler):
    """GET /multilevel/receipts/{key}/: the body of the 201 that was given under the key."""

    access = STUDENTS
    documented = Documented(
        "/multilevel/receipts/{key}/",
        tag="uploads",
        get=Operation(
            "Did my upload arrive?",
            {200: Json(Receipt)},
            description="The body of the 201 that was given under that `Idempotency-Key`.",
        ),
    )

    async def get(self, key: str) -> None:
        submission = await self.services.submissions.find_by_key(self.principal.person.id, key)
        receipt = submission.receipt(key) if submission else None
        if submission is None or receipt is None:
            raise NotFound
        self.write_json(self.representations.created(acknowledged(submission, receipt)))
