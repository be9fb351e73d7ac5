"""Grades against whatever else happens to a submission: one wins, the other learns what is so now (promise 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from storage.database import Database
from storage.domain import clock
from storage.domain.double_marking import SecondMarks
from storage.domain.draft_grade import DraftChange, DraftGrade
from storage.domain.errors import (
    AlreadyChecked,
    AlreadyMarked,
    AwaitsDecision,
    ClaimedByAnother,
    Conflict,
    NotChecked,
    NotClaimed,
    StaleDraft,
    StaleRevision,
)
from storage.domain.grading import GivenGrade
from storage.domain.people import Person
from storage.domain.submission import (
    Action,
    Needs,
    Status,
    Submission,
)
from storage.domain.submission_life import checked, claimed, drafted
from storage.indexes import SUBMISSIONS
from storage.review_desk import ReviewDesk, ReviewRules
from storage.review_queue import open_to
from storage.submission_store import SubmissionStore
from tests.storage.submissions import grade_of, pending
from tests.submissions import ADMIN, COLLEAGUE, REVIEWER

pytestmark = pytest.mark.gen_test(timeout=60)

REVIEW = 10_001
ROUNDS = range(8)
REVIEWERS = [Person(str(number), f"Reviewer number {number}") for number in range(100, 110)]


@pytest.fixture
def desk(store: SubmissionStore) -> ReviewDesk:
    return ReviewDesk(store, lease_seconds=900, clock=clock.now)


def score(number: int) -> dict[str, float]:
    return {"task1_score": 1.0, "task2_score": number * 0.25}


async def found(store: SubmissionStore) -> Submission:
    submission = await store.find_review(REVIEW)
    assert submission is not None
    return submission


async def at_once(*attempts: Awaitable[Submission]) -> list[Submission | Conflict]:
    """What became of each; whatever is no Conflict fails the test."""
    results: Sequence[Any] = await asyncio.gather(*attempts, return_exceptions=True)
    for result in results:
        if not isinstance(result, Submission | Conflict):
            raise result
    return list(results)


def changes_of(submission: Submission) -> list[tuple[Action, str, int]]:
    return [(entry.action, entry.by.id, entry.revision) for entry in submission.history[1:]]


@pytest.mark.parametrize("round_number", ROUNDS)
async def test_grades_against_reopenings(desk: ReviewDesk, store: SubmissionStore, round_number: int) -> None:
    """Ten grade the first revision, ten reopen what is checked: all that was done is in the history."""
    await store.insert(pending(1))
    results = await at_once(
        *(desk.check(REVIEW, 1, score(number), {}, each) for number, each in enumerate(REVIEWERS)),
        *(desk.reopen(REVIEW, ADMIN) for _ in REVIEWERS),
    )
    now = await found(store)
    grades, reopenings = results[: len(REVIEWERS)], results[len(REVIEWERS) :]
    (won,) = (each for each in grades if isinstance(each, Submission))
    done = [each for each in reopenings if isinstance(each, Submission)]
    assert len(done) <= 1
    assert changes_of(now)[0] == (Action.CHECK, REVIEWERS[grades.index(won)].id, 2)
    assert changes_of(now)[1:] == [(Action.REOPEN, ADMIN.id, 3)] * len(done)
    for each in grades:
        if isinstance(each, Conflict):
            assert isinstance(each, AlreadyChecked | StaleRevision)
            assert each.current.history[1].grade == won.grade
    assert all(isinstance(each, NotChecked) for each in reopenings if isinstance(each, Conflict))


@pytest.mark.parametrize("round_number", ROUNDS)
async def test_grades_against_the_end_of_a_lease(
    desk: ReviewDesk, store: SubmissionStore, round_number: int
) -> None:
    """The lease is over: its late holder, a colleague, and the processes that end it, all at once."""
    await store.insert(pending(1))
    await ReviewDesk(store, lease_seconds=-1, clock=clock.now).claim(REVIEW, REVIEWER)
    ends = [asyncio.create_task(desk.release_expired()) for _ in range(5)]
    results = await at_once(
        desk.check(REVIEW, 1, score(1), {}, REVIEWER), desk.check(REVIEW, 1, score(2), {}, COLLEAGUE)
    )
    await asyncio.gather(*ends)
    now = await found(store)
    (won,) = (each for each in results if isinstance(each, Submission))
    (lost,) = (each for each in results if isinstance(each, Conflict))
    assert isinstance(lost, AlreadyChecked)
    assert now == won == lost.current
    assert (now.status, now.claim, len(now.history)) == (Status.CHECKED, None, 2)


@pytest.mark.parametrize("round_number", ROUNDS)
async def test_a_grade_against_a_claim_that_changes_hands(
    desk: ReviewDesk, store: SubmissionStore, round_number: int
) -> None:
    """The holder's lease is over and nine others claim, while the holder grades."""
    await store.insert(pending(1))
    await ReviewDesk(store, lease_seconds=-1, clock=clock.now).claim(REVIEW, REVIEWERS[0])
    grade, *claims = await at_once(
        desk.check(REVIEW, 1, score(1), {}, REVIEWERS[0]),
        *(desk.claim(REVIEW, each) for each in REVIEWERS[1:]),
    )
    now = await found(store)
    if isinstance(grade, Submission):
        assert now == grade
        assert all(isinstance(each, AlreadyChecked) and each.current == now for each in claims)
    else:
        assert isinstance(grade, ClaimedByAnother)
        (holder,) = (each for each in claims if isinstance(each, Submission))
        assert now == holder == grade.current


@pytest.mark.parametrize("round_number", ROUNDS)
async def test_a_grade_that_was_decided_before_the_claim_changed_hands_changes_nothing(
    desk: ReviewDesk, store: SubmissionStore, round_number: int
) -> None:
    """The new holder grades, too: whoever is second learns of the first."""
    await store.insert(pending(1))
    await desk.claim(REVIEW, REVIEWER)
    await desk.release(REVIEW, REVIEWER)
    handed, grade = await at_once(
        desk.claim(REVIEW, COLLEAGUE), desk.check(REVIEW, 1, score(1), {}, REVIEWER)
    )
    if isinstance(handed, Submission):
        assert isinstance(grade, ClaimedByAnother)
        assert grade.current.claim == handed.claim
        assert (await desk.check(REVIEW, 1, score(2), {}, COLLEAGUE)).grade is not None
    else:
        assert isinstance(handed, AlreadyChecked)
        assert handed.current == grade
    assert len((await found(store)).history) == 2


@pytest.mark.parametrize("round_number", ROUNDS)
async def test_drafts_against_the_grade(desk: ReviewDesk, store: SubmissionStore, round_number: int) -> None:
    """The form still saves while its grade is on the way: no draft is left behind."""
    await store.insert(pending(1))
    await desk.claim(REVIEW, REVIEWER)
    grade, *drafts = await at_once(
        desk.check(REVIEW, 1, score(1), {}, REVIEWER),
        *(desk.save_draft(REVIEW, 1, DraftChange(score(number)), REVIEWER) for number in range(5)),
    )
    now = await found(store)
    assert now == grade
    assert now.draft is None
    lost = [each for each in drafts if isinstance(each, Conflict)]
    assert all(isinstance(each, AlreadyChecked) or type(each) is Conflict for each in lost)


@pytest.mark.parametrize("round_number", ROUNDS)
async def test_drafts_against_a_claim_that_changes_hands(
    desk: ReviewDesk, store: SubmissionStore, round_number: int
) -> None:
    await store.insert(pending(1))
    await desk.claim(REVIEW, REVIEWER)

    async def hand_over() -> Submission:
        await desk.release(REVIEW, REVIEWER)
        return await desk.claim(REVIEW, COLLEAGUE)

    handed, *drafts = await at_once(
        hand_over(),
        *(desk.save_draft(REVIEW, 1, DraftChange(score(number)), REVIEWER) for number in range(4)),
    )
    assert isinstance(handed, Submission)
    now = await found(store)
    assert now.claim is not None
    assert now.claim.reviewer == COLLEAGUE
    saved = [each for each in drafts if isinstance(each, Submission)]
    assert now.draft is None if not saved else now.draft in [each.draft for each in saved]
    lost = [each for each in drafts if isinstance(each, Conflict)]
    assert all(isinstance(each, ClaimedByAnother | NotClaimed) or type(each) is Conflict for each in lost)


async def test_of_two_tabs_that_save_from_the_same_draft_one_does(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    await store.insert(pending(1))
    await desk.claim(REVIEW, REVIEWER)
    for number in range(8):
        results = await at_once(
            *(desk.save_draft(REVIEW, 1, DraftChange(score(tab)), REVIEWER, number) for tab in range(4))
        )
        now = await found(store)
        assert [each for each in results if isinstance(each, Submission)] == [now]
        lost = [each for each in results if isinstance(each, Conflict)]
        assert [(type(each), each.current) for each in lost] == [(StaleDraft, now)] * 3


async def test_tabs_that_save_different_parts_lose_none(desk: ReviewDesk, store: SubmissionStore) -> None:
    await store.insert(pending(1))
    await desk.claim(REVIEW, REVIEWER)
    changes = [
        DraftChange(score={"task1_score": 1.0}),
        DraftChange(score={"task2_score": 2.0}),
        DraftChange(feedback={"task1_comment": "One."}),
        DraftChange(feedback={"task2_comment": "Two."}),
    ]
    await asyncio.gather(*(desk.save_draft(REVIEW, 1, change, REVIEWER) for change in changes))
    draft = (await found(store)).draft
    assert draft is not None
    assert draft.number == 4
    assert draft.score == {"task1_score": 1.0, "task2_score": 2.0}
    assert draft.feedback == {"task1_comment": "One.", "task2_comment": "Two."}


async def test_a_lease_renewed_since_the_document_was_read_is_not_shortened_by_a_draft(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    await store.insert(pending(1))
    before = await desk.claim(REVIEW, REVIEWER)
    renewed = await ReviewDesk(store, 9000, clock.now).claim(REVIEW, REVIEWER)
    moment = clock.now().replace(microsecond=0)
    draft = DraftGrade(REVIEWER, 1, moment)
    assert await store.save(before, drafted(before, draft), Action.DRAFT, REVIEWER, moment)
    assert await found(store) == drafted(renewed, draft)


async def test_a_draft_saved_since_the_document_was_read_goes_with_the_grade(
    desk: ReviewDesk, store: SubmissionStore
) -> None:
    await store.insert(pending(1))
    before = await desk.claim(REVIEW, REVIEWER)
    await desk.save_draft(REVIEW, 1, DraftChange(score(1)), REVIEWER)
    moment = clock.now()
    after = checked(before, grade_of(before.section, moment))
    assert await store.save(before, after, Action.CHECK, REVIEWER, moment)
    assert (await found(store)).draft is None


@pytest.fixture
def twice(store: SubmissionStore) -> ReviewDesk:
    """A desk at which everything is marked twice."""
    return ReviewDesk(store, 900, clock.now, ReviewRules(second_marks=SecondMarks(100, 5)))


@pytest.mark.parametrize("round_number", ROUNDS)
async def test_first_marks_of_one_reviewer(
    twice: ReviewDesk, store: SubmissionStore, round_number: int
) -> None:
    """A form that was sent from ten tabs is one mark."""
    await store.insert(pending(1))
    results = await at_once(*(twice.check(REVIEW, 1, score(each), {}, REVIEWER) for each in range(10)))
    now = await found(store)
    assert [each for each in results if isinstance(each, Submission)] == [now]
    assert (now.status, now.revision, len(now.marks), len(now.history)) == (Status.PENDING, 1, 1, 2)
    lost = [each for each in results if isinstance(each, Conflict)]
    assert [(type(each), each.current) for each in lost] == [(AlreadyMarked, now)] * 9


@pytest.mark.parametrize("round_number", ROUNDS)
async def test_first_marks_of_many_reviewers(
    twice: ReviewDesk, store: SubmissionStore, round_number: int
) -> None:
    """One is the first, another the second, which agrees; all others learn of the result."""
    await store.insert(pending(1))
    results = await at_once(
        *(twice.check(REVIEW, 1, score(number), {}, each) for number, each in enumerate(REVIEWERS))
    )
    now = await found(store)
    won = [each for each in results if isinstance(each, Submission)]
    assert sorted(each.status for each in won) == [Status.CHECKED, Status.PENDING]
    assert now in won
    assert [entry.action for entry in now.history] == [
        Action.SUBMIT,
        Action.MARK,
        Action.MARK,
        Action.CHECK,
    ]
    assert (now.revision, now.marks) == (2, ())
    assert len({entry.by.id for entry in now.history if entry.action is Action.MARK}) == 2
    lost = [each for each in results if isinstance(each, Conflict)]
    assert [(type(each), each.current) for each in lost] == [(AlreadyChecked, now)] * (len(REVIEWERS) - 2)


@pytest.mark.parametrize("round_number", ROUNDS)
async def test_marks_that_do_not_agree_and_two_admins(
    twice: ReviewDesk, store: SubmissionStore, round_number: int
) -> None:
    await store.insert(pending(1))
    results = await at_once(
        *(twice.check(REVIEW, 1, score(60 * number), {}, each) for number, each in enumerate(REVIEWERS[:3]))
    )
    before = await found(store)
    assert (before.needs, before.revision, len(before.marks)) == (Needs.DECISION, 1, 2)
    (lost,) = (each for each in results if isinstance(each, Conflict))
    assert (type(lost), lost.current) == (AwaitsDecision, before)
    given = GivenGrade(score(50), {})
    decisions = await at_once(
        *(twice.grade(REVIEW, 1, given, admin, decides=True) for admin in (ADMIN, COLLEAGUE))
    )
    now = await found(store)
    assert [each for each in decisions if isinstance(each, Submission)] == [now]
    (late,) = (each for each in decisions if isinstance(each, Conflict))
    assert (type(late), late.current) == (AlreadyChecked, now)


@pytest.mark.parametrize("round_number", ROUNDS)
async def test_a_first_mark_against_a_claim_of_the_same_reviewer(
    twice: ReviewDesk, store: SubmissionStore, round_number: int
) -> None:
    """Whoever gave the first mark never holds it, or the second marker would have to wait for a lease."""
    await store.insert(pending(1))
    await at_once(
        twice.check(REVIEW, 1, score(1), {}, REVIEWER), *(twice.claim(REVIEW, REVIEWER) for _ in range(4))
    )
    now = await found(store)
    assert (len(now.marks), now.claim) == (1, None)


async def test_a_claim_that_was_decided_before_the_first_mark_is_not_made(
    twice: ReviewDesk, store: SubmissionStore
) -> None:
    await store.insert(pending(1))
    before = await found(store)
    now = await twice.check(REVIEW, 1, score(1), {}, REVIEWER)
    moment = clock.now()
    after = claimed(before, REVIEWER, moment + timedelta(seconds=900))
    assert not await store.save(before, after, Action.CLAIM, REVIEWER, moment)
    assert await found(store) == now


async def test_the_filter_for_lists_leaves_out_what_is_not_for_a_reviewer(
    twice: ReviewDesk, store: SubmissionStore, database: Database
) -> None:
    for number in (1, 2, 3):
        await store.insert(pending(number))
    await twice.check(10_002, 1, score(1), {}, REVIEWER)
    await twice.check(10_003, 1, score(1), {}, REVIEWER)
    await twice.check(10_003, 1, score(100), {}, COLLEAGUE)

    async def listed(person: Person, *, decides: bool = False) -> list[int]:
        rows = database.collection(SUBMISSIONS).find(open_to(person.id, decides=decides)).sort("_id", 1)
        return [row["_id"] for row in await rows.to_list(10)]

    assert await listed(REVIEWER) == [1]
    assert await listed(COLLEAGUE) == [1, 2]
    assert await listed(ADMIN, decides=True) == [1, 2, 3]
    assert await listed(REVIEWER, decides=True) == [1, 3]


async def test_documents_of_earlier_releases_are_drafted_and_marked(
    twice: ReviewDesk, store: SubmissionStore, database: Database
) -> None:
    """They have none of these fields, nor have the grades in their histories."""
    await store.insert(pending(1))
    await ReviewDesk(store, 900, clock.now).check(10_001, 1, score(1), {}, REVIEWER)
    await store.insert(pending(2))
    grades = [
        f"{grade}.{name}" for grade in ("grade", "history.1.grade") for name in ("criteria", "comments")
    ]
    gone = ("draft", "marks", *grades)
    await database.collection(SUBMISSIONS).update_many({}, {"$unset": dict.fromkeys(gone, "")})
    checked = await found(store)
    assert checked.grade is not None
    assert (checked.grade.criteria, checked.grade.comments, checked.marks, checked.draft) == (
        None,
        (),
        (),
        None,
    )
    assert checked.history[1].grade == checked.grade
    assert (await twice.reopen(10_001, ADMIN)).revision == 3
    await twice.claim(10_002, REVIEWER)
    assert (await twice.save_draft(10_002, 1, DraftChange(), REVIEWER)).draft is not None
    assert len((await twice.check(10_002, 1, score(1), {}, REVIEWER)).marks) == 1
    assert (await twice.check(10_002, 1, score(1), {}, COLLEAGUE)).status is Status.CHECKED
