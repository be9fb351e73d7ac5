"""The reviewers' queue: its lists, and the next submission to grade (design section 3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from handlers.protocol.answer_models import Queue
from handlers.protocol.list_query import read_list_query, read_next_filter, read_queue_filter
from handlers.protocol.operations import (
    CURSOR,
    EXAM,
    LIMIT,
    SECTION,
    Documented,
    Empty,
    Json,
    Operation,
    Parameter,
    choice,
)
from handlers.protocol.query_arguments import MAX_ID
from handlers.protocol.submission_models import SubmissionInDetail
from handlers.small_body import SmallBodyHandler
from storage.domain.errors import Forbidden
from storage.domain.people import ADMINS, REVIEWERS
from storage.domain.ports import QueueFilter, Viewer
from storage.domain.submission import Section, Status

_ME = {"enum": ["me"]}


class NextBody(BaseModel):
    """POST /multilevel/manual-reviews/next/; no body at all is the whole queue."""

    model_config = ConfigDict(extra="forbid")

    section_type: Section | None = None
    exam_id: Annotated[int, Field(strict=True, ge=1, le=MAX_ID)] | None = None


class ManualReviewsHandler(SmallBodyHandler):
    """GET /multilevel/manual-reviews/: the queue, oldest pending first, or checked ones, newest review first."""

    access = REVIEWERS
    documented = Documented(
        "/multilevel/manual-reviews/",
        get=Operation(
            "The queue",
            {200: Json(Queue)},
            description=(
                "Oldest pending first; checked ones newest review first. What one gave the first of two marks is "
                "left out, and what two marks did not settle is for admins only."
            ),
            parameters=(
                choice("status", Status, "pending by default."),
                SECTION,
                EXAM,
                Parameter(
                    "waiting_since",
                    {"type": "string", "format": "date-time"},
                    "Pending ones that were submitted then or before.",
                ),
                Parameter("claimed_by", _ME, "Pending ones that one holds."),
                Parameter("checked_by", _ME, "Checked ones that one checked."),
                Parameter(
                    "awaits_decision",
                    {"enum": ["true"]},
                    "Pending ones that admins, who alone may ask, decide.",
                ),
                CURSOR,
                LIMIT,
            ),
        ),
    )

    async def get(self) -> None:
        query = read_list_query(self.query_argument)
        asked = read_queue_filter(self.query_argument, self.principal.person.id, self.services.clock())
        viewer = Viewer(self.principal.person.id, decides=self.principal.role in ADMINS)
        if asked.awaits_decision and not viewer.decides:
            raise Forbidden
        wanted = replace(asked, viewer=viewer)
        submissions = self.services.submissions
        page = await submissions.queue(wanted, query.after, query.limit)
        counts = await submissions.counts(wanted.section)
        self.write_json(self.representations.queue(page, counts))


class NextReviewHandler(SmallBodyHandler):
    """POST /multilevel/manual-reviews/next/: claim the oldest pending one that nobody holds; 204 without one.

    Its filters may come in the body or, as those of the list do, in the query.
    """

    access = REVIEWERS
    documented = Documented(
        "/multilevel/manual-reviews/next/",
        post=Operation(
            "Claim the oldest pending one that nobody holds",
            {200: Json(SubmissionInDetail), 204: Empty()},
            description="204: there is none. Filters may come in the body or in the query; the body's hold.",
            body=Json(NextBody),
            body_is_optional=True,
            parameters=(SECTION, EXAM),
        ),
    )

    async def post(self) -> None:
        body = self.optional_json_body(NextBody)
        asked = read_next_filter(self.query_argument)
        wanted = QueueFilter(
            section=body.section_type or asked.section,
            exam_id=body.exam_id or asked.exam_id,
            viewer=Viewer(self.principal.person.id, decides=False),  # a decision is no next one to grade
        )
        submission = await self.services.desk.claim_next(wanted, self.principal.person)
        if submission is None:
            self.set_status(204)
            return
        self.write_json(self.representations.in_detail(submission, self.principal))
