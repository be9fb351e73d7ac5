"""What reviewers do: claim, renew, release, check, reopen. Each is one guarded update (promise 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from storage.domain.clock import Clock
from storage.domain.errors import Conflict, NotFound
from storage.domain.grading import Grade, read_feedback, read_score
from storage.domain.people import Person
from storage.domain.ports import QueueFilter, Submissions
from storage.domain.submission import (
    Action,
    Claim,
    Submission,
    checked,
    claimed,
    refusal,
    released,
    reopened,
    taken_over,
)

log = structlog.get_logger(__name__)


_EXPIRED_AT_ONCE = 100
_ATTEMPTS = 5
"""More of one person's requests than ever come at the same moment."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to write: `action` leads to `after`, if the present revision is `revision` (None: whichever)."""

    action: Action
    after: Submission
    revision: int | None = None


Decision = Callable[[Submission, datetime], Step | None]
"""What to do with a submission at a moment; None: nothing is left to do."""


class ReviewDesk:
    """Changes submissions for reviewers. A lost race raises the Conflict that says what is so now."""

    def __init__(self, submissions: Submissions, lease_seconds: float, clock: Clock) -> None:
        self._submissions = submissions
        self._lease = timedelta(seconds=lease_seconds)
        self._clock = clock

    async def claim(self, manual_review_id: int, reviewer: Person) -> Submission:
        """Hold the submission for one lease from now; held already, the lease starts anew."""

        def decide(before: Submission, moment: datetime) -> Step:
            held = before.claim_at(moment)
            mine = held is not None and held.reviewer.id == reviewer.id
            after = claimed(before, reviewer, moment + self._lease)
            return Step(Action.RENEW if mine else Action.CLAIM, after)

        return await self._change(manual_review_id, reviewer, decide)

    async def claim_next(self, wanted: QueueFilter, reviewer: Person) -> Submission | None:
        """Hold the oldest pending submission that nobody holds, the reviewer included; None if there is none."""
        moment = self._clock()
        return await self._submissions.claim_next(wanted, Claim(reviewer, moment + self._lease), moment)

    async def take_over(self, manual_review_id: int, admin: Person) -> Submission:
        """Hold the submission whoever holds it now. What nobody else holds is claimed as ever."""

        def decide(before: Submission, moment: datetime) -> Step:
            held, expires_at = before.claim_at(moment), moment + self._lease
            if held is None or held.reviewer.id == admin.id:
                action = Action.CLAIM if held is None else Action.RENEW
                return Step(action, claimed(before, admin, expires_at))
            return Step(Action.TAKE_OVER, taken_over(before, admin, moment, expires_at))

        return await self._change(manual_review_id, admin, decide)

    async def release(self, manual_review_id: int, reviewer: Person) -> None:
        """Give the claim up; without one there is nothing to do."""

        def decide(before: Submission, moment: datetime) -> Step | None:
            held = before.claim_at(moment)
            return Step(Action.RELEASE, released(before)) if held is not None else None

        await self._change(manual_review_id, reviewer, decide)

    async def release_expired(self) -> int:
        """End the leases that ran out, so that the other reviewers hear of it without asking; returns how many.
        Any number of processes may do so at once: whichever comes first publishes it, the others change nothing."""
        moment = self._clock()
        released_here = 0
        for before in await self._submissions.expired_claims(moment, _EXPIRED_AT_ONCE):
            if before.claim is None:
                continue
            holder = before.claim.reviewer
            if await self._submissions.save(before, released(before), Action.EXPIRE, holder, moment):
                released_here += 1
                log.info("claim expired", submission=before.id, reviewer=holder.id)
        return released_here

    async def check(
        self,
        manual_review_id: int,
        revision: int,
        score: Mapping[str, float],
        feedback: Mapping[str, str],
        reviewer: Person,
    ) -> Submission:
        """Grade revision `revision`. Raises InvalidRequest for a grade outside the rules, and Conflict."""

        def decide(before: Submission, moment: datetime) -> Step:
            section = before.section
            grade = Grade(read_score(section, score), read_feedback(section, feedback), reviewer, moment)
            return Step(Action.CHECK, checked(before, grade), revision)

        after = await self._change(manual_review_id, reviewer, decide)
        log.info("submission checked", submission=after.id, reviewer=reviewer.id, revision=after.revision)
        return after

    async def reopen(self, manual_review_id: int, admin: Person) -> Submission:
        """Make a checked submission pending again; the earlier grade stays in its history."""

        def decide(before: Submission, moment: datetime) -> Step:
            return Step(Action.REOPEN, reopened(before, admin, moment))

        after = await self._change(manual_review_id, admin, decide)
        log.info("submission reopened", submission=after.id, admin=admin.id, revision=after.revision)
        return after

    async def _change(self, manual_review_id: int, actor: Person, decide: Decision) -> Submission:
        """Decide on the document as it is, and write that in one guarded update. Whoever loses a race decides once
        more on what is so now, which is a refusal unless the winner was the same person."""
        for _ in range(_ATTEMPTS):
            before = await self._require(manual_review_id)
            moment = self._clock()
            step = decide(before, moment)
            if step is None:
                return before
            conflict = refusal(before, step.action, actor, moment, step.revision)
            if conflict is not None:
                raise conflict
            if await self._submissions.save(before, step.after, step.action, actor, moment):
                return step.after
        raise Conflict(await self._require(manual_review_id))

    async def _require(self, manual_review_id: int) -> Submission:
        found = await self._submissions.find_review(manual_review_id)
        if found is None:
            raise NotFound
        return found
