"""ReviewDesk on a real MongoDB: claims, grades and reopening, one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from storage.domain.errors import (
    AlreadyChecked,
    ClaimedByAnother,
    InvalidRequest,
    NotChecked,
    NotFound,
    StaleRevision,
)
from storage.domain.grading import Grade
from storage.domain.people import Person
from storage.domain.ports import QueueFilter
from storage.domain.submission import (
    Action,
    Claim,
    HistoryEntry,
    Section,
    Status,
    Submission,
)
from storage.review_desk import ReviewDesk
from storage.submission_store import SubmissionStore
from tests.storage.submissions import pending
from tests.submissions import ADMIN, COLLEAGUE, NOW, REVIEWER

LEASE = timedelta(seconds=900)
REVIEW = 10_001
SCORE = {"task1_score": 20.5, "task2_score": 45.0}
FEEDBACK = {"task1_comment": "Good structure.", "task2_comment": "Excellent essay."}
GRADE = Grade(SCORE | {"total_score": 65.5}, FEEDBACK, REVIEWER, NOW)


class Watch:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> datetime:
        self.now += by
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def desk(store: SubmissionStore, watch: Watch) -> ReviewDesk:
    return ReviewDesk(store, LEASE.total_seconds(), watch)


async def found(store: SubmissionStore) -> Submission:
    submission = await store.find_review(REVIEW)
    assert submission is not None
    return submission


@pytest.mark.gen_test
async def test_a_claim_holds_for_one_lease(desk: ReviewDesk, store: SubmissionStore) -> None:
    await store.insert(pending(1))
    claimed = await desk.claim(REVIEW, REVIEWER)
    assert claimed == replace(pending(1), claim=Claim(REVIEWER, NOW + LEASE))
    assert await found(store) == claimed


@pytest.mark.gen_test
async def test_claiming_again_renews_the_lease(
    desk: ReviewDesk, store: SubmissionStore, watch: Watch
) -> None:
    await store.insert(pending(1))
    await desk.claim(REVIEW, REVIEWER)
    later = watch.advance(LEASE / 2)
    renewed = await desk.claim(REVIEW, REVIEWER)
    assert renewed.claim == Claim(REVIEWER, later + LEASE)
    assert await found(store) == renewed


@pytest.mark.gen_test
async def test_a_claim_keeps_other_reviewers_out(desk: ReviewDesk, store: SubmissionStore) -> None:
    await store.insert(pending(1))
    held = await desk.claim(REVIEW, REVIEWER)
    attempts: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: desk.claim(REVIEW, COLLEAGUE),
        lambda: desk.release(REVIEW, COLLEAGUE),
        lambda: desk.check(REVIEW, 1, SCORE, FEEDBACK, COLLEAGUE),
        lambda: desk.claim(REVIEW, ADMIN),
    )
    for attempt in attempts:
        with pytest.raises(ClaimedByAnother) as refused:
            await attempt()
        assert refused.value.current == held
    assert await found(store) == held


@pytest.mark.gen_test
async def test_a_claim_ends_with_its_lease(desk: ReviewDesk, store: SubmissionStore, watch: Watch) -> None:
    await store.insert(pending(1))
    await desk.claim(REVIEW, REVIEWER)
    watch.advance(LEASE - timedelta(milliseconds=1))
    with pytest.raises(ClaimedByAnother):
        await desk.claim(REVIEW, COLLEAGUE)
    moment = watch.advance(timedelta(milliseconds=1))
    taken = await desk.claim(REVIEW, COLLEAGUE)
    assert taken.claim == Claim(COLLEAGUE, moment + LEASE)
    with pytest.raises(ClaimedByAnother):
        await desk.claim(REVIEW, REVIEWER)


@pytest.mark.gen_test
async def test_an_expired_claim_keeps_nobody_from_grading(
    desk: ReviewDesk, store: SubmissionStore, watch: Watch
) -> None:
    await store.insert(pending(1))
    await desk.claim(REVIEW, REVIEWER)
    watch.advance(LEASE)
    checked = await desk.check(REVIEW, 1, SCORE, FEEDBACK, COLLEAGUE)
    assert (checked.status, checked.claim) == (Status.CHECKED, None)


@pytest.mark.gen_test
async def test_releasing_gives_the_claim_up(desk: ReviewDesk, store: SubmissionStore) -> None:
    await store.insert(pending(1))
    await desk.claim(REVIEW, REVIEWER)
    await desk.release(REVIEW, REVIEWER)
    assert await found(store) == pending(1)
    assert (await desk.claim(REVIEW, COLLEAGUE)).claim == Claim(COLLEAGUE, NOW + LEASE)


@pytest.mark.gen_test
async def test_releasing_without_a_claim_does_nothing(
    desk: ReviewDesk, store: SubmissionStore, watch: Watch
) -> None:
    await store.insert(pending(1))
    await desk.release(REVIEW, REVIEWER)
    await desk.claim(REVIEW, COLLEAGUE)
    watch.advance(LEASE)
    await desk.release(REVIEW, REVIEWER)
    assert (await found(store)).claim_at(watch.now) is None


@pytest.mark.parametrize("claim_first", [True, False])
@pytest.mark.gen_test
async def test_a_grade_makes_it_checked_and_ends_the_claim(
    desk: ReviewDesk, store: SubmissionStore, claim_first: bool
) -> None:
    await store.insert(pending(1))
    if claim_first:
        await desk.claim(REVIEW, REVIEWER)
    checked = await desk.check(REVIEW, 1, SCORE, FEEDBACK, REVIEWER)
    assert (checked.status, checked.revision, checked.claim) == (Status.CHECKED, 2, None)
    assert checked.grade == GRADE
    assert await found(store) == checked


@pytest.mark.gen_test
async def test_a_speaking_grade_has_one_score_and_one_comment(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    await store.insert(pending(1, Section.SPEAKING))
    checked = await desk.check(REVIEW, 1, {"total_score": 70.25}, {}, REVIEWER)
    assert checked.grade == Grade({"total_score": 70.25}, {"comment": ""}, REVIEWER, NOW)
    assert await found(store) == checked


@pytest.mark.parametrize(
    ("score", "feedback", "field"),
    [
        ({"task1_score": 24.8, "task2_score": 45.0}, {}, "score.task1_score"),
        ({"task1_score": 20.0}, {}, "score.task2_score"),
        (SCORE, {"comment": "for Speaking"}, "feedback.comment"),
    ],
)
@pytest.mark.gen_test
async def test_a_grade_outside_the_rules_changes_nothing(
    desk: ReviewDesk, store: SubmissionStore, score: dict[str, float], feedback: dict[str, str], field: str
) -> None:
    await store.insert(pending(1))
    with pytest.raises(InvalidRequest) as refused:
        await desk.check(REVIEW, 1, score, feedback, REVIEWER)
    assert field in refused.value.details
    assert await found(store) == pending(1)


@pytest.mark.gen_test
async def test_a_checked_submission_is_not_claimed_or_graded_again(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    await store.insert(pending(1))
    checked = await desk.check(REVIEW, 1, SCORE, FEEDBACK, REVIEWER)
    for revision in (1, 2):
        with pytest.raises(AlreadyChecked) as refused:
            await desk.check(REVIEW, revision, SCORE, FEEDBACK, REVIEWER)
        assert refused.value.current == checked
    with pytest.raises(AlreadyChecked):
        await desk.claim(REVIEW, REVIEWER)
    await desk.release(REVIEW, REVIEWER)
    assert await found(store) == checked


@pytest.mark.parametrize("revision", [0, 2, 4])
@pytest.mark.gen_test
async def test_a_grade_of_another_revision_than_the_present_one_is_stale(
    desk: ReviewDesk, store: SubmissionStore, revision: int
) -> None:
    await store.insert(pending(1))
    await desk.check(REVIEW, 1, SCORE, FEEDBACK, REVIEWER)
    present = await desk.reopen(REVIEW, ADMIN)
    assert present.revision == 3
    with pytest.raises(StaleRevision) as refused:
        await desk.check(REVIEW, revision, SCORE, FEEDBACK, COLLEAGUE)
    assert refused.value.current == present
    assert await found(store) == present


@pytest.mark.gen_test
async def test_reopening_makes_it_pending_without_a_grade(
    desk: ReviewDesk, store: SubmissionStore, watch: Watch
) -> None:
    await store.insert(pending(1))
    await desk.check(REVIEW, 1, SCORE, FEEDBACK, REVIEWER)
    watch.advance(timedelta(hours=1))
    reopened = await desk.reopen(REVIEW, ADMIN)
    assert (reopened.status, reopened.revision, reopened.grade) == (Status.PENDING, 3, None)
    assert await found(store) == reopened
    with pytest.raises(NotChecked) as refused:
        await desk.reopen(REVIEW, ADMIN)
    assert refused.value.current == reopened


@pytest.mark.gen_test
async def test_every_grade_ever_given_stays_in_the_history(
    desk: ReviewDesk, store: SubmissionStore, watch: Watch
) -> None:
    await store.insert(pending(1))
    given = []
    for number, reviewer in enumerate((REVIEWER, COLLEAGUE, REVIEWER)):
        watch.advance(timedelta(hours=1))
        score = {"task1_score": float(number), "task2_score": 10.0}
        checked = await desk.check(REVIEW, 1 + 2 * number, score, {}, reviewer)
        given.append(checked.grade)
        await desk.reopen(REVIEW, ADMIN)
    submission = await found(store)
    assert [entry.action for entry in submission.history] == [
        Action.SUBMIT,
        *(Action.CHECK, Action.REOPEN) * 3,
    ]
    checks = [entry for entry in submission.history if entry.action is Action.CHECK]
    assert [entry.grade for entry in checks] == given
    assert [(entry.by, entry.at) for entry in checks] == [
        (grade.reviewer, grade.checked_at) for grade in given if grade is not None
    ]
    assert [entry.revision for entry in submission.history] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.gen_test
async def test_an_unknown_review_is_not_found(desk: ReviewDesk) -> None:
    attempts: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: desk.claim(REVIEW, REVIEWER),
        lambda: desk.release(REVIEW, REVIEWER),
        lambda: desk.check(REVIEW, 1, SCORE, FEEDBACK, REVIEWER),
        lambda: desk.reopen(REVIEW, ADMIN),
    )
    for attempt in attempts:
        with pytest.raises(NotFound):
            await attempt()


@pytest.mark.gen_test
async def test_an_admin_takes_a_claim_over_and_the_history_says_from_whom(
    desk: ReviewDesk, store: SubmissionStore, watch: Watch
) -> None:
    await store.insert(pending(1))
    await desk.claim(REVIEW, REVIEWER)
    moment = watch.advance(LEASE / 3)
    taken = await desk.take_over(REVIEW, ADMIN)
    assert (taken.claim, taken.revision) == (Claim(ADMIN, moment + LEASE), 1)
    entry = HistoryEntry(Action.TAKE_OVER, moment, ADMIN, 1, taken_from=REVIEWER)
    assert taken.history == (*pending(1).history, entry)
    assert await found(store) == taken
    for attempt in (
        lambda: desk.check(REVIEW, 1, SCORE, FEEDBACK, REVIEWER),
        lambda: desk.claim(REVIEW, REVIEWER),
        lambda: desk.release(REVIEW, REVIEWER),
    ):
        with pytest.raises(ClaimedByAnother) as refused:
            await attempt()
        assert refused.value.current == taken
    checked = await desk.check(REVIEW, 1, SCORE, FEEDBACK, ADMIN)
    assert [each.action for each in checked.history] == [Action.SUBMIT, Action.TAKE_OVER, Action.CHECK]


@pytest.mark.parametrize("holder", [None, ADMIN, REVIEWER])
@pytest.mark.gen_test
async def test_taking_over_what_nobody_else_holds_is_a_plain_claim(
    desk: ReviewDesk, store: SubmissionStore, watch: Watch, holder: Person | None
) -> None:
    await store.insert(pending(1))
    if holder is not None:
        await desk.claim(REVIEW, holder)
    moment = watch.advance(LEASE if holder is REVIEWER else LEASE / 2)
    taken = await desk.take_over(REVIEW, ADMIN)
    assert taken == replace(pending(1), claim=Claim(ADMIN, moment + LEASE))
    assert await found(store) == taken


@pytest.mark.gen_test
async def test_a_checked_submission_is_not_taken_over(desk: ReviewDesk, store: SubmissionStore) -> None:
    await store.insert(pending(1))
    await desk.check(REVIEW, 1, SCORE, FEEDBACK, REVIEWER)
    with pytest.raises(AlreadyChecked):
        await desk.take_over(REVIEW, ADMIN)


@pytest.mark.gen_test
async def test_the_next_one_passes_over_what_is_held_until_its_lease_runs_out(
    desk: ReviewDesk, store: SubmissionStore, watch: Watch
) -> None:
    for number in (1, 2, 3):
        await store.insert(pending(number, submitted_at=NOW + timedelta(seconds=number)))
    await desk.claim(REVIEW, COLLEAGUE)
    own = await desk.claim_next(QueueFilter(), REVIEWER)
    assert own is not None
    assert (own.id, own.claim) == (2, Claim(REVIEWER, NOW + LEASE))
    watch.advance(LEASE - timedelta(milliseconds=1))
    last = await desk.claim_next(QueueFilter(), REVIEWER)
    assert last is not None
    assert last.id == 3
    assert await desk.claim_next(QueueFilter(), REVIEWER) is None
    watch.advance(timedelta(milliseconds=1))
    again = await desk.claim_next(QueueFilter(), REVIEWER)
    assert again is not None
    assert again.id == 1
    assert await found(store) == again
