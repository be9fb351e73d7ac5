"""What reviewers do: claim, renew, release, draft, check, reopen. Each is one guarded update (promise 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from storage.domain.clock import Clock
from storage.domain.double_marking import SecondMarks, agreed_grade
from storage.domain.draft_grade import DraftChange, changed_draft, own_draft
from storage.domain.errors import Conflict, NotFound, StaleDraft
from storage.domain.grading import GivenGrade, Gradable, Grade, read_grade
from storage.domain.people import Person
from storage.domain.ports import QueueFilter, Submissions
from storage.domain.rubrics import Rubric, Rubrics
from storage.domain.submission import (
    Action,
    Claim,
    Needs,
    Submission,
)
from storage.domain.submission_life import (
    agreed,
    checked,
    claimed,
    drafted,
    marked,
    marking_refusal,
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
    """What to write: `action` leads to `after`, if the present revision is `revision` (None: whichever). `decides`:
    the actor may decide between two marks."""

    action: Action
    after: Submission
    revision: int | None = None
    decides: bool = False


@dataclass(frozen=True, slots=True)
class ReviewRules:
    """See `reviews` in config.yaml."""

    rubrics: Rubrics = field(default_factory=dict)
    second_marks: SecondMarks = field(default_factory=SecondMarks)


Decision = Callable[[Submission, datetime], Step | None]
"""What to do with a submission at a moment; None: nothing is left to do."""


class ReviewDesk:
    """Changes submissions for reviewers. A lost race raises the Conflict that says what is so now."""

    def __init__(
        self,
        submissions: Submissions,
        lease_seconds: float,
        clock: Clock,
        rules: ReviewRules = ReviewRules(),
    ) -> None:
        self._submissions = submissions
        self._lease = timedelta(seconds=lease_seconds)
        self._clock = clock
        self._rules = rules

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
        """Grade by scores and feedback alone, see `grade`."""
        return await self.grade(manual_review_id, revision, GivenGrade(score, feedback), reviewer)

    async def grade(
        self,
        manual_review_id: int,
        revision: int,
        given: GivenGrade,
        reviewer: Person,
        decides: bool = False,
    ) -> Submission:
        """Grade revision `revision`; `decides`: also where two marks lie too far apart. Of a submission that is
        marked twice it stays pending after the first mark, and after a second that does not agree with it.

        Raises Conflict, and InvalidRequest for a grade outside the rules.
        """

        def decide(before: Submission, moment: datetime) -> Step:
            # First: what was graded may be gone, and with it what the grade's comments are about.
            _refuse(before, Step(Action.CHECK, before, revision, decides), reviewer, moment)
            gradable = self._gradable(before)
            grade = read_grade(given, gradable, reviewer, moment)
            action, after = self._with_mark(before, grade, gradable.rubric)
            return Step(action, after, revision, decides)

        after = await self._change(manual_review_id, reviewer, decide)
        log.info(
            "submission graded",
            submission=after.id,
            reviewer=reviewer.id,
            revision=after.revision,
            status=after.status,
        )
        return after

    async def save_draft(
        self,
        manual_review_id: int,
        revision: int,
        change: DraftChange,
        reviewer: Person,
        draft_number: int | None = None,
    ) -> Submission:
        """Keep an unfinished grade of revision `revision` for the holder of the claim, whose lease starts anew:
        whoever saves is at work. It publishes nothing.

        `draft_number` is the draft that `change` was made from, 0 if there was none: raises StaleDraft if it is no
        longer the present one. Without it the change is merged into whatever there is. Raises Conflict, and
        InvalidRequest for what could not be part of a grade.
        """

        def decide(before: Submission, moment: datetime) -> Step:
            _refuse(before, Step(Action.DRAFT, before, revision), reviewer, moment)
            own = own_draft(before.draft, reviewer)
            if draft_number is not None and draft_number != (own.number if own else 0):
                raise StaleDraft(before)
            draft = changed_draft(before.draft, change, self._gradable(before), reviewer, moment)
            renewed = claimed(before, reviewer, moment + self._lease)
            return Step(Action.DRAFT, drafted(renewed, draft), revision)

        return await self._change(manual_review_id, reviewer, decide)

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
            _refuse(before, step, actor, moment)
            if await self._submissions.save(before, step.after, step.action, actor, moment):
                return step.after
        raise Conflict(await self._require(manual_review_id))

    async def _require(self, manual_review_id: int) -> Submission:
        found = await self._submissions.find_review(manual_review_id)
        if found is None:
            raise NotFound
        return found

    def _with_mark(self, before: Submission, grade: Grade, rubric: Rubric) -> tuple[Action, Submission]:
        """What `grade` makes of `before`: its result, or one of two marks. What had a result and was reopened is
        not marked twice again: everyone may read in its history what it was given."""
        rules = self._rules.second_marks
        match before.needs:
            case Needs.FIRST_MARK if rules.samples(before.id) and not before.was_graded:
                return Action.MARK, marked(before, grade)
            case Needs.SECOND_MARK:
                (first,) = before.marks
                if not rules.agree(first, grade):
                    return Action.MARK, marked(before, grade)
                return Action.CHECK, agreed(before, grade, agreed_grade(first, grade, rubric))
            case _:
                return Action.CHECK, checked(before, grade)

    def _gradable(self, submission: Submission) -> Gradable:
        rubric = self._rules.rubrics.get(submission.section, {})
        return Gradable(submission.section, rubric, submission.recordings, submission.photos)


def _refuse(before: Submission, step: Step, actor: Person, moment: datetime) -> None:
    # Whose it can no longer be is told first: no claim and no newer revision would help.
    conflict = marking_refusal(before, step.action, actor, step.decides) or refusal(
        before, step.action, actor, moment, step.revision
    )
    if conflict is not None:
        raise conflict
