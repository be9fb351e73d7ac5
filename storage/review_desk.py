"""What reviewers do: claim, renew, release, check, reopen. Each is one guarded update (promise 5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import structlog

from storage.domain.clock import Clock
from storage.domain.errors import Conflict, NotFound
from storage.domain.grading import Grade, read_feedback, read_score
from storage.domain.people import Person
from storage.domain.ports import Submissions
from storage.domain.submission import Action, Submission, checked, claimed, refusal, released, reopened

log = structlog.get_logger(__name__)


class ReviewDesk:
    """Changes submissions for reviewers. A lost race raises the Conflict that says what is so now."""

    def __init__(self, submissions: Submissions, lease_seconds: float, clock: Clock) -> None:
        self._submissions = submissions
        self._lease = timedelta(seconds=lease_seconds)
        self._clock = clock

    async def claim(self, manual_review_id: int, reviewer: Person) -> Submission:
        """Hold the submission for one lease from now; held already, the lease starts anew."""
        before = await self._require(manual_review_id)
        moment = self._clock()
        held = before.claim_at(moment)
        mine = held is not None and held.reviewer.id == reviewer.id
        after = claimed(before, reviewer, moment + self._lease)
        return await self._change(before, after, Action.RENEW if mine else Action.CLAIM, reviewer)

    async def release(self, manual_review_id: int, reviewer: Person) -> None:
        """Give the claim up; without one there is nothing to do."""
        before = await self._require(manual_review_id)
        if before.claim_at(self._clock()) is not None:
            await self._change(before, released(before), Action.RELEASE, reviewer)

    async def check(
        self,
        manual_review_id: int,
        revision: int,
        score: Mapping[str, float],
        feedback: Mapping[str, str],
        reviewer: Person,
    ) -> Submission:
        """Grade revision `revision`. Raises InvalidRequest for a grade outside the rules, and Conflict."""
        before = await self._require(manual_review_id)
        grade = Grade(
            read_score(before.section, score),
            read_feedback(before.section, feedback),
            reviewer,
            self._clock(),
        )
        after = await self._change(before, checked(before, grade), Action.CHECK, reviewer, revision)
        log.info("submission checked", submission=after.id, reviewer=reviewer.id, revision=after.revision)
        return after

    async def reopen(self, manual_review_id: int, admin: Person) -> Submission:
        """Make a checked submission pending again; the earlier grade stays in its history."""
        before = await self._require(manual_review_id)
        after = await self._change(before, reopened(before, admin, self._clock()), Action.REOPEN, admin)
        log.info("submission reopened", submission=after.id, admin=admin.id, revision=after.revision)
        return after

    async def _require(self, manual_review_id: int) -> Submission:
        found = await self._submissions.find_review(manual_review_id)
        if found is None:
            raise NotFound
        return found

    async def _change(
        self,
        before: Submission,
        after: Submission,
        action: Action,
        actor: Person,
        revision: int | None = None,
    ) -> Submission:
        moment = self._clock()
        conflict = refusal(before, action, actor, moment, revision)
        if conflict is not None:
            raise conflict
        if await self._submissions.save(before, after, action, actor, moment):
            return after
        current = await self._require(before.manual_review_id)
        raise refusal(current, action, actor, moment, before.revision) or Conflict(current)
