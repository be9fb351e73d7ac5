"""The reviewers' queue: its lists, and the next submission to grade (design section 3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from handlers.protocol.list_query import MAX_ID, read_list_query, read_next_filter, read_queue_filter
from handlers.small_body import SmallBodyHandler
from storage.domain.people import ADMINS, REVIEWERS
from storage.domain.ports import QueueFilter, Viewer
from storage.domain.submission import Section


class NextBody(BaseModel):
    """POST /multilevel/manual-reviews/next/; no body at all is the whole queue."""

    model_config = ConfigDict(extra="forbid")

    section_type: Section | None = None
    exam_id: Annotated[int, Field(strict=True, ge=1, le=MAX_ID)] | None = None


class ManualReviewsHandler(SmallBodyHandler):
    """GET /multilevel/manual-reviews/: the queue, oldest pending first, or checked ones, newest review first."""

    access = REVIEWERS

    async def get(self) -> None:
        query = read_list_query(self.query_argument)
        asked = read_queue_filter(self.query_argument, self.principal.person.id, self.services.clock())
        viewer = Viewer(self.principal.person.id, decides=self.principal.role in ADMINS)
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
