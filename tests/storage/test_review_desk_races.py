"""ReviewDesk when several act at once: one wins, the others learn what is so now (promise 5)."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from storage.domain import clock
from storage.domain.errors import AlreadyChecked, ClaimedByAnother, NotChecked
from storage.domain.people import Person
from storage.domain.submission import Action, Status, Submission
from storage.domain.submission_life import checked, replaced, taken_over
from storage.review_desk import ReviewDesk
from storage.submission_store import SubmissionStore
from tests.storage.submissions import grade_of, pending
from tests.submissions import ADMIN, COLLEAGUE, REVIEWER

REVIEW = 10_001
SCORE = {"task1_score": 20.5, "task2_score": 45.0}
REVIEWERS = [Person(str(number), f"Reviewer number {number}") for number in range(100, 120)]


@pytest.fixture
def desk(store: SubmissionStore) -> ReviewDesk:
    return ReviewDesk(store, lease_seconds=900, clock=clock.now)


async def found(store: SubmissionStore) -> Submission:
    submission = await store.find_review(REVIEW)
    assert submission is not None
    return submission


@pytest.mark.gen_test
async def test_of_twenty_who_claim_at_once_one_holds_it(desk: ReviewDesk, store: SubmissionStore) -> None:
    await store.insert(pending(1))
    results = await asyncio.gather(
        *(desk.claim(REVIEW, reviewer) for reviewer in REVIEWERS), return_exceptions=True
    )
    now = await found(store)
    assert [result for result in results if isinstance(result, Submission)] == [now]
    refused = [result for result in results if isinstance(result, ClaimedByAnother)]
    assert [each.current for each in refused] == [now] * 19
    assert now.claim is not None
    assert results[REVIEWERS.index(now.claim.reviewer)] == now


@pytest.mark.gen_test
async def test_of_twenty_processes_one_ends_an_expired_lease(store: SubmissionStore) -> None:
    for number in range(1, 6):
        await store.insert(pending(number))
        await ReviewDesk(store, lease_seconds=-1, clock=clock.now).claim(10_000 + number, REVIEWER)
    desks = [ReviewDesk(store, lease_seconds=900, clock=clock.now) for _ in range(20)]
    assert sum(await asyncio.gather(*(desk.release_expired() for desk in desks))) == 5
    assert (await found(store)).claim is None
    assert await desks[0].release_expired() == 0


@pytest.mark.gen_test
async def test_a_lease_that_was_renewed_or_taken_over_meanwhile_does_not_end(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    expired = ReviewDesk(store, lease_seconds=-1, clock=clock.now)
    for number in (1, 2):
        await store.insert(pending(number))
    before = [await expired.claim(10_000 + number, REVIEWER) for number in (1, 2)]
    after = [await desk.claim(10_001, REVIEWER), await desk.claim(10_002, COLLEAGUE)]
    for each in before:
        ended = replace(each, claim=None)
        assert not await store.save(each, ended, Action.EXPIRE, REVIEWER, clock.now())
    assert [await store.find(number) for number in (1, 2)] == after
    assert await desk.release_expired() == 0


@pytest.mark.gen_test
async def test_of_twenty_who_grade_one_revision_at_once_one_does(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    await store.insert(pending(1))
    results = await asyncio.gather(
        *(
            desk.check(REVIEW, 1, {"task1_score": 1.0, "task2_score": number * 0.25}, {}, reviewer)
            for number, reviewer in enumerate(REVIEWERS)
        ),
        return_exceptions=True,
    )
    now = await found(store)
    assert [result for result in results if isinstance(result, Submission)] == [now]
    refused = [result for result in results if isinstance(result, AlreadyChecked)]
    assert [each.current for each in refused] == [now] * 19
    assert (now.revision, [entry.action for entry in now.history]) == (2, [Action.SUBMIT, Action.CHECK])
    assert now.grade is not None
    assert results[REVIEWERS.index(now.grade.reviewer)] == now


@pytest.mark.gen_test
async def test_of_twenty_who_reopen_at_once_one_does(desk: ReviewDesk, store: SubmissionStore) -> None:
    await store.insert(pending(1))
    await desk.check(REVIEW, 1, SCORE, {}, REVIEWER)
    results = await asyncio.gather(*(desk.reopen(REVIEW, ADMIN) for _ in range(20)), return_exceptions=True)
    now = await found(store)
    assert Counter(type(result) for result in results) == {Submission: 1, NotChecked: 19}
    assert now.revision == 3


@pytest.mark.gen_test
async def test_a_reviewer_who_claims_several_times_at_once_holds_it(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    await store.insert(pending(1))
    results = await asyncio.gather(*(desk.claim(REVIEW, REVIEWER) for _ in range(5)))
    now = await found(store)
    assert now.claim is not None
    assert {result.claim.reviewer for result in results if result.claim} == {REVIEWER}


@pytest.mark.gen_test
async def test_a_reviewer_who_releases_several_times_at_once_has_released_it(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    await store.insert(pending(1))
    await desk.claim(REVIEW, REVIEWER)
    await asyncio.gather(*(desk.release(REVIEW, REVIEWER) for _ in range(5)))
    assert (await found(store)).claim is None


@pytest.mark.parametrize("round_number", range(10))
@pytest.mark.gen_test
async def test_a_claim_against_a_grade_leaves_no_claim_on_a_checked_submission(
    desk: ReviewDesk, store: SubmissionStore, round_number: int
) -> None:
    await store.insert(pending(1))
    claim, grade = await asyncio.gather(
        desk.claim(REVIEW, COLLEAGUE), desk.check(REVIEW, 1, SCORE, {}, REVIEWER), return_exceptions=True
    )
    now = await found(store)
    if isinstance(grade, Submission):
        assert now == grade
        assert isinstance(claim, AlreadyChecked)
    else:
        assert isinstance(grade, ClaimedByAnother)
        assert now == claim


@pytest.mark.gen_test
async def test_grading_ends_a_claim_its_reviewer_made_since_the_document_was_read(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    await store.insert(pending(1))
    before = await found(store)
    await desk.claim(REVIEW, REVIEWER)
    moment = clock.now()
    after = checked(before, grade_of(before.section, moment))
    assert await store.save(before, after, Action.CHECK, REVIEWER, moment)
    assert await found(store) == after
    assert (await desk.reopen(REVIEW, ADMIN)).status is Status.PENDING


@pytest.mark.gen_test
async def test_replacing_ends_a_claim_made_since_the_document_was_read(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    await store.insert(pending(1))
    before = await found(store)
    await desk.claim(REVIEW, REVIEWER)
    after = replaced(before, pending(2))
    assert await store.save(before, after, Action.REPLACE, before.student, clock.now())
    assert await found(store) == after


@pytest.mark.gen_test
async def test_nothing_is_written_by_a_grade_that_comes_after_anothers_claim(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    await store.insert(pending(1))
    before = await found(store)
    held = await desk.claim(REVIEW, COLLEAGUE)
    moment = clock.now()
    after = checked(before, grade_of(before.section, moment))
    assert not await store.save(before, after, Action.CHECK, REVIEWER, moment)
    assert await found(store) == held


@pytest.mark.parametrize("round_number", range(10))
@pytest.mark.gen_test
async def test_a_take_over_against_a_grade_has_one_winner(
    desk: ReviewDesk, store: SubmissionStore, round_number: int
) -> None:
    await store.insert(pending(1))
    await desk.claim(REVIEW, REVIEWER)
    grade, taken = await asyncio.gather(
        desk.check(REVIEW, 1, SCORE, {}, REVIEWER), desk.take_over(REVIEW, ADMIN), return_exceptions=True
    )
    now = await found(store)
    if isinstance(grade, Submission):
        assert now == grade
        assert isinstance(taken, AlreadyChecked)
    else:
        assert isinstance(grade, ClaimedByAnother)
        assert now == taken
    assert isinstance(grade, Submission) != isinstance(taken, Submission)


@pytest.mark.gen_test
async def test_every_take_over_stays_in_the_history_whoever_is_in_between(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    """A grade and a take-over decided on a document from before another take-over change nothing."""
    await store.insert(pending(1))
    before = await desk.claim(REVIEW, REVIEWER)
    await desk.take_over(REVIEW, ADMIN)
    await desk.release(REVIEW, ADMIN)
    now = await desk.claim(REVIEW, REVIEWER)
    moment = clock.now()
    stale = [
        (Action.TAKE_OVER, COLLEAGUE, taken_over(before, COLLEAGUE, moment, moment)),
        (Action.CHECK, REVIEWER, checked(before, grade_of(before.section, moment))),
        (Action.REPLACE, before.student, replaced(before, pending(2))),
    ]
    for action, actor, after in stale:
        assert not await store.save(before, after, action, actor, moment)
    assert await found(store) == now
    graded = await desk.check(REVIEW, 1, SCORE, {}, REVIEWER)
    assert [entry.action for entry in graded.history] == [Action.SUBMIT, Action.TAKE_OVER, Action.CHECK]


@pytest.mark.gen_test
async def test_a_take_over_names_whoever_held_it_at_that_moment(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    await store.insert(pending(1))
    before = await desk.claim(REVIEW, REVIEWER)
    await desk.release(REVIEW, REVIEWER)
    await desk.claim(REVIEW, COLLEAGUE)
    moment = clock.now()
    stale = taken_over(before, ADMIN, moment, moment)
    assert not await store.save(before, stale, Action.TAKE_OVER, ADMIN, moment)
    taken = await desk.take_over(REVIEW, ADMIN)
    assert taken.history[-1].taken_from == COLLEAGUE
