"""The queue under every filter: what is in it, that paging holds, who gets the next one, how MongoDB finds it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest

from storage.database import Database
from storage.domain.people import Person
from storage.domain.ports import Holder, Position, QueueFilter
from storage.domain.submission import (
    Claim,
    Needs,
    Section,
    Status,
    Submission,
)
from storage.domain.submission_life import checked, claimed, marked
from storage.indexes import SUBMISSIONS
from storage.submission_store import SubmissionStore
from tests.storage.submissions import grade_of, is_pending, pending
from tests.submissions import ADMIN, COLLEAGUE, NOW, REVIEWER, SUBMITTED

pytestmark = pytest.mark.gen_test(timeout=60)

ROWS, LIMIT = 600, 10
EXAMS = (456, 457, None)
HALF = SUBMITTED + timedelta(seconds=ROWS // 6)
"""Half of them were submitted by then."""
FREE, OVER = NOW + timedelta(minutes=15), NOW
"""Leases in force at NOW, and one that ran out just then."""
EXAMINED = 2 * (LIMIT + 1) + 4
"""Entries of an index that a page may cost: the list of either section is read as far as it might be needed."""
FILTERS = ("exam_id", "waiting_since", "claimed_by", "checked_by", "awaits_decision")
HELD = 80
"""So many claims a reviewer has, over and in force; so many are passed over by whoever asks for the next."""


def row(number: int) -> Submission:
    """Three are submitted in the same second, a fifth are Speaking, a third of one exam, a third checked."""
    section = Section.WRITING if number % 5 else Section.SPEAKING
    submission = replace(
        pending(number, section, submitted_at=SUBMITTED + timedelta(seconds=number // 3)),
        exam_id=EXAMS[number % 7 % 3],
    )
    if number % 3 == 0:
        checked_at = NOW + timedelta(seconds=number * 37 % 100)
        return checked(submission, grade_of(section, checked_at, REVIEWER if number % 2 else COLLEAGUE))
    if number % 11 == 3:
        marks = [grade_of(section, NOW, each) for each in (REVIEWER, COLLEAGUE)]
        return marked(marked(submission, marks[0]), marks[1])
    holders: dict[int, tuple[Person, Any]] = {0: (REVIEWER, FREE), 1: (REVIEWER, OVER), 2: (COLLEAGUE, FREE)}
    if number % 11 in holders:
        submission = claimed(submission, *holders[number % 11])
    return submission


async def filled(store: SubmissionStore) -> list[Submission]:
    rows = [row(number) for number in range(1, ROWS + 1)]
    await asyncio.gather(*(store.insert(each) for each in rows))
    return rows


def filters() -> Iterator[QueueFilter]:
    """Every combination that has a meaning."""
    for section, exam in product((None, *Section), (None, 456)):
        for waiting_since, holder in product((None, HALF), (None, Holder(REVIEWER.id, NOW))):
            yield QueueFilter(Status.PENDING, section, exam, waiting_since, holder)
        yield QueueFilter(Status.PENDING, section, exam, awaits_decision=True)
        for reviewer in (None, REVIEWER.id):
            yield QueueFilter(Status.CHECKED, section, exam, checked_by=reviewer)


def name_of(wanted: QueueFilter) -> str:
    return " ".join(
        [wanted.status, wanted.section or "both"] + [name for name in FILTERS if getattr(wanted, name)]
    )


def is_wanted(submission: Submission, wanted: QueueFilter) -> bool:
    claim, grade = submission.claim_at(NOW), submission.grade
    return (
        submission.status is wanted.status
        and wanted.section in {None, submission.section}
        and wanted.exam_id in {None, submission.exam_id}
        and (wanted.waiting_since is None or submission.submitted_at <= wanted.waiting_since)
        and (wanted.claimed_by is None or (claim is not None and claim.reviewer.id == wanted.claimed_by.id))
        and (not wanted.awaits_decision or submission.needs is Needs.DECISION)
        and (wanted.checked_by is None or (grade is not None and grade.reviewer.id == wanted.checked_by))
    )


def listed(rows: list[Submission], wanted: QueueFilter) -> list[Submission]:
    found = [each for each in rows if is_wanted(each, wanted)]
    if wanted.status is Status.PENDING:
        return sorted(found, key=lambda each: (each.submitted_at, each.id))
    return sorted(found, key=lambda each: (each.history[-1].at, each.id), reverse=True)


async def walk(store: SubmissionStore, wanted: QueueFilter, limit: int) -> list[Submission]:
    found: list[Submission] = []
    after: Position | None = None
    while True:
        page = await store.queue(wanted, after, limit)
        found += page.submissions
        if page.next is None:
            return found
        after = page.next


async def test_a_list_holds_what_was_asked_for_in_order_whatever_the_page_size(
    store: SubmissionStore, subtests: pytest.Subtests
) -> None:
    rows = await filled(store)
    for wanted in filters():
        with subtests.test(name_of(wanted)):
            expected = listed(rows, wanted)
            assert expected
            for limit in (1, 7, 200) if len(expected) < 40 else (7, 200):
                assert await walk(store, wanted, limit) == expected


async def test_a_list_that_moves_skips_nothing_that_stayed_and_shows_nothing_twice(
    store: SubmissionStore,
) -> None:
    """Between any two pages the row before the cursor, the one on it, and the one after it go."""
    rows = await filled(store)
    queue = QueueFilter(exam_id=456)
    expected = [each.id for each in listed(rows, queue)]
    seen: list[int] = []
    gone: set[int] = set()
    after: Position | None = None
    while True:
        page = await store.queue(queue, after, 7)
        seen += [each.id for each in page.submissions]
        if page.next is None:
            break
        after = page.next
        place = expected.index(page.submissions[-1].id)
        for submission_id in expected[place - 1 : place + 2]:
            await take_away(store, submission_id)
            gone.add(submission_id)
    assert len(seen) == len(set(seen))
    assert [each for each in seen if each not in gone] == [each for each in expected if each not in gone]


async def take_away(store: SubmissionStore, submission_id: int) -> None:
    before = await store.find(submission_id)
    assert before is not None
    if is_pending(before):
        after = checked(before, grade_of(before.section, NOW))
        assert await store.save(before, after, after.history[-1].action, holder_of(before), NOW)


def holder_of(submission: Submission) -> Person:
    claim = submission.claim_at(NOW)
    return claim.reviewer if claim else ADMIN


@pytest.mark.parametrize(("section", "exam"), list(product((None, *Section), (None, 456))), ids=str)
async def test_the_next_ones_are_those_nobody_holds_oldest_first(
    store: SubmissionStore, section: Section | None, exam: int | None
) -> None:
    rows = await filled(store)
    wanted = QueueFilter(section=section, exam_id=exam)
    expected = [each for each in listed(rows, wanted) if each.claim_at(NOW) is None]
    claim = Claim(ADMIN, FREE)
    for each in expected:
        assert await store.claim_next(wanted, claim, NOW) == replace(each, claim=claim)
    assert await store.claim_next(wanted, claim, NOW) is None


async def test_many_who_ask_for_the_next_one_at_once_get_one_each(store: SubmissionStore) -> None:
    rows = await filled(store)
    free = [each.id for each in listed(rows, QueueFilter()) if each.claim_at(NOW) is None]
    claim = Claim(ADMIN, FREE)
    for first in range(0, len(free), 20):
        taken = await asyncio.gather(*(store.claim_next(QueueFilter(), claim, NOW) for _ in range(20)))
        assert sorted(each.id for each in taken if each) == sorted(free[first : first + 20])


Plans = Callable[[Callable[[], Awaitable[object]]], Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def plans(database: Database) -> Plans:
    """What MongoDB's profiler says of the queries on the submissions while something is done."""
    profile = database.collection("system.profile")

    async def read(act: Callable[[], Awaitable[object]]) -> list[dict[str, Any]]:
        command = profile.database.command
        await command("profile", 0)
        await profile.drop()
        await command("profile", 2)
        await act()
        await command("profile", 0)
        return await profile.find({"ns": {"$regex": rf"\.{SUBMISSIONS}$"}}).to_list(None)

    return read


async def test_every_list_is_read_from_an_index_and_no_further_than_shown(
    store: SubmissionStore, plans: Plans, subtests: pytest.Subtests
) -> None:
    rows = await filled(store)
    for wanted in filters():
        expected = listed(rows, wanted)
        middle = expected[len(expected) // 2]
        moment = middle.grade.checked_at if middle.grade else middle.submitted_at
        examined = HELD if wanted.claimed_by or wanted.awaits_decision else EXAMINED
        for after in (None, Position(moment, middle.id)):
            with subtests.test(f"{name_of(wanted)}{', from the middle' if after else ''}"):
                assert_cheap(await plans(partial(store.queue, wanted, after, LIMIT)), examined)


async def test_the_next_one_is_found_by_an_index_past_no_more_than_is_held(
    store: SubmissionStore, plans: Plans, subtests: pytest.Subtests
) -> None:
    await filled(store)
    for section, exam in product((None, *Section), (None, 456)):
        wanted = QueueFilter(section=section, exam_id=exam)
        with subtests.test(name_of(wanted)):
            assert_cheap(await plans(partial(store.claim_next, wanted, Claim(ADMIN, FREE), NOW)), HELD)


def assert_cheap(found: list[dict[str, Any]], examined: int) -> None:
    (plan,) = found
    assert plan["planSummary"].startswith("IXSCAN"), plan["planSummary"]
    assert not plan.get("hasSortStage", False)
    assert 0 < plan["keysExamined"] <= examined, plan["keysExamined"]
    assert plan["docsExamined"] <= examined, plan["docsExamined"]
