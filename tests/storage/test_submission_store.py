"""SubmissionStore on a real MongoDB: what goes in comes out, what must be unique is, and every list is right."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from pymongo import WriteConcern

from storage.database import Database
from storage.domain.people import Person
from storage.domain.ports import Duplicate, Page, Position, QueueFilter
from storage.domain.submission import (
    Action,
    Receipt,
    Section,
    Status,
    Submission,
)
from storage.domain.submission_life import (
    MAX_RECEIPTS,
    claimed,
    reopened,
    replaced,
)
from storage.indexes import SUBMISSIONS
from storage.submission_store import SubmissionStore, _document
from tests.storage.submissions import graded, is_pending, paths_of, pending
from tests.submissions import ADMIN, COLLEAGUE, NOW, REVIEWER, STUDENT, SUBMITTED

STUDENTS = [Person("42", "Aziza"), Person("43", None), Person("a@b.uz", "Dilnoza")]

PageOf = Callable[[Position | None, int], Awaitable[Page]]


@pytest.mark.parametrize("section", Section)
@pytest.mark.gen_test
async def test_a_submission_comes_back_as_it_was(store: SubmissionStore, section: Section) -> None:
    checked = graded(1, section, checked_at=SUBMITTED + timedelta(milliseconds=7))
    examples = [
        checked,
        claimed(pending(2, section), COLLEAGUE, NOW),
        reopened(graded(3, section), ADMIN, NOW),
        replace(pending(4, section), user_test_id=None, exam_id=None, external_result_id=999_999_999_999_999),
        replace(pending(5, section), student=Person("a@b.uz")),
    ]
    for example in examples:
        await store.insert(example)
    assert [await store.find(example.id) for example in examples] == examples
    assert [await store.find_review(example.manual_review_id) for example in examples] == examples


@pytest.mark.gen_test
async def test_there_is_nothing_under_an_unknown_id(store: SubmissionStore) -> None:
    await store.insert(pending(1))
    assert await store.find(2) is None
    assert await store.find_review(1) is None
    assert await store.find_owner("writing/none.jpg") is None
    assert (await store.of_student("nobody", None, 10)).submissions == ()


@pytest.mark.gen_test
async def test_ids_are_handed_out_once(store: SubmissionStore) -> None:
    handed_out = [await store.fresh_ids(files) for files in (3, 1, 10, 2)]
    assert [ids.submission for ids in handed_out] == [1, 2, 3, 4]
    assert [ids.manual_review for ids in handed_out] == [1, 2, 3, 4]
    assert [ids.first_file for ids in handed_out] == [1, 4, 5, 15]


@pytest.mark.gen_test
async def test_a_key_stands_for_nothing_that_a_power_cut_could_still_take(
    database: Database, store: SubmissionStore
) -> None:
    """What another request is not yet acknowledged, no repeat and no receipt may acknowledge (promise 1)."""
    hasty = database.collection(SUBMISSIONS).with_options(write_concern=WriteConcern(1, j=False))
    found_at_once = []
    for number in range(1, 11):
        key = Receipt(f"key-{number}", "fingerprint", 1)
        submission = replace(pending(number), receipts=(key,))
        await hasty.insert_one(_document(submission) | {"last_action": Action.SUBMIT})
        found_at_once.append(await store.find_by_key(STUDENT.id, key.key))
        assert await store.acknowledge(submission, None)
        assert await store.find_by_key(STUDENT.id, key.key) == submission
    assert None in found_at_once


@pytest.mark.gen_test
async def test_one_student_has_one_submission_of_a_section_of_a_user_test(store: SubmissionStore) -> None:
    first = pending(1)
    await store.insert(first)
    second = replace(pending(2), user_test_id=first.user_test_id)
    with pytest.raises(Duplicate):
        await store.insert(second)
    assert await store.find_same(second) == first
    await store.insert(replace(second, student=Person("43")))
    await store.insert(replace(pending(3, Section.SPEAKING), user_test_id=first.user_test_id))
    assert await store.counts(None) == {Status.PENDING: 3, Status.CHECKED: 0}


@pytest.mark.gen_test
async def test_without_a_user_test_one_student_has_each_contents_once(store: SubmissionStore) -> None:
    first = replace(pending(1), user_test_id=None)
    await store.insert(first)
    same = replace(pending(2), user_test_id=None, content_digest=first.content_digest)
    with pytest.raises(Duplicate):
        await store.insert(same)
    assert await store.find_same(same) == first
    await store.insert(replace(pending(3), user_test_id=None))
    await store.insert(replace(pending(4), content_digest=first.content_digest))


@pytest.mark.gen_test
async def test_two_submissions_never_share_a_file(store: SubmissionStore) -> None:
    await store.insert(pending(1))
    with pytest.raises(Duplicate):
        await store.insert(replace(pending(2), answers=pending(1).answers))
    assert await store.find(2) is None


@pytest.mark.gen_test
async def test_a_change_that_makes_a_second_one_is_a_duplicate(store: SubmissionStore) -> None:
    first, second = replace(pending(1), user_test_id=None), replace(pending(2), user_test_id=None)
    await store.insert(first)
    await store.insert(second)
    after = replace(second, content_digest=first.content_digest, revision=2)
    with pytest.raises(Duplicate):
        await store.save(second, after, Action.REPLACE, STUDENT, NOW)
    assert await store.find(2) == second


@pytest.mark.gen_test
async def test_only_the_expected_revision_is_changed(store: SubmissionStore) -> None:
    await store.insert(pending(1))
    stale = replace(pending(1), revision=2)
    after = claimed(stale, REVIEWER, NOW + timedelta(hours=1))
    assert not await store.save(stale, after, Action.CLAIM, REVIEWER, NOW)
    assert not await store.save(graded(1), reopened(graded(1), ADMIN, NOW), Action.REOPEN, ADMIN, NOW)
    assert await store.find(1) == pending(1)


@pytest.mark.gen_test
async def test_knows_whose_a_file_is_and_which_files_are_in_use(store: SubmissionStore) -> None:
    ours, theirs = pending(1), pending(2, student=STUDENTS[2])
    for each in (ours, theirs, pending(3)):
        await store.insert(each)
    for each in (ours, theirs):
        for path in paths_of(each):
            assert await store.find_owner(path) == each.student.id
    asked = {*paths_of(ours), next(iter(paths_of(theirs))), "writing/2025/10/08/unknown.jpg"}
    assert await store.referenced(asked) == asked - {"writing/2025/10/08/unknown.jpg"}
    assert await store.referenced([]) == set()


async def filled(store: SubmissionStore, database: Database) -> list[Submission]:
    """Many submissions whose times often coincide, in a random but repeatable order."""
    chance = random.Random(5)  # noqa: S311  # repeatable, no secret
    rows = []
    for number in chance.sample(range(1, 1000), 70):
        section, student = chance.choice(list(Section)), chance.choice(STUDENTS)
        submitted_at = SUBMITTED + timedelta(seconds=chance.randrange(8))
        if chance.random() < 0.5:
            rows.append(pending(number, section, student, submitted_at))
        else:
            checked_at = submitted_at + timedelta(hours=1, milliseconds=chance.randrange(5))
            rows.append(graded(number, section, student, submitted_at, checked_at))
    for row in rows:
        await store.insert(row)
    return rows


async def walk(page_of: PageOf, limit: int) -> list[Submission]:
    """The whole list, page after page."""
    rows: list[Submission] = []
    position: Position | None = None
    while True:
        page = await page_of(position, limit)
        assert len(page.submissions) <= limit
        assert page.next is None or len(page.submissions) == limit
        rows += page.submissions
        position = page.next
        if position is None:
            return rows


def in_queue(rows: Sequence[Submission], status: Status, section: Section | None) -> list[Submission]:
    """The queue as design section 3 words it."""
    wanted = [row for row in rows if row.status is status and section in {None, row.section}]
    if status is Status.PENDING:
        return sorted(wanted, key=lambda row: (row.submitted_at, row.id))
    return sorted(wanted, key=lambda row: (row.grade and row.grade.checked_at, row.id), reverse=True)


@pytest.mark.gen_test(timeout=30)
async def test_lists_are_whole_and_in_order_whatever_the_page_size(
    store: SubmissionStore, database: Database
) -> None:
    rows = await filled(store, database)
    for limit in (1, 2, 7, 35, 70, 200):
        for student in STUDENTS:
            own = [row for row in rows if row.student == student]
            newest_first = sorted(own, key=lambda row: (row.submitted_at, row.id), reverse=True)
            assert await walk(lambda *at, who=student.id: store.of_student(who, *at), limit) == newest_first
        for status in Status:
            for section in (None, *Section):
                found = await walk(
                    lambda *at, of=(status, section): store.queue(QueueFilter(*of), *at), limit
                )
                assert found == in_queue(rows, status, section)


@pytest.mark.gen_test
async def test_a_page_that_ends_with_the_list_has_no_next(store: SubmissionStore) -> None:
    for number in (1, 2, 3):
        await store.insert(pending(number))
    assert (await store.queue(QueueFilter(), None, 3)).next is None
    assert (await store.queue(QueueFilter(), None, 2)).next == Position(SUBMITTED, 2)


@pytest.mark.gen_test
async def test_a_list_that_moves_between_two_pages_shows_nothing_twice_and_skips_nothing(
    store: SubmissionStore,
) -> None:
    rows = [pending(number, submitted_at=SUBMITTED + timedelta(seconds=number)) for number in range(1, 11)]
    for row in rows:
        await store.insert(row)
    first = await store.queue(QueueFilter(), None, 5)
    await store.insert(pending(500, submitted_at=SUBMITTED))
    moved = graded(2, submitted_at=rows[1].submitted_at)
    assert await store.save(rows[1], moved, Action.CHECK, REVIEWER, NOW)
    second = await store.queue(QueueFilter(), first.next, 5)
    assert [row.id for row in (*first.submissions, *second.submissions)] == list(range(1, 11))


@pytest.mark.gen_test
async def test_counts_by_status_over_one_section_or_both(store: SubmissionStore, database: Database) -> None:
    rows = await filled(store, database)
    for section in (None, *Section):
        pending_rows = [row for row in rows if section in {None, row.section} and is_pending(row)]
        all_rows = [row for row in rows if section in {None, row.section}]
        assert await store.counts(section) == {
            Status.PENDING: len(pending_rows),
            Status.CHECKED: len(all_rows) - len(pending_rows),
        }


@pytest.mark.gen_test
@pytest.mark.parametrize("count", [0, 1, MAX_RECEIPTS])
async def test_a_replacement_forgets_no_receipt_that_was_given_meanwhile(
    count: int, store: SubmissionStore
) -> None:
    receipts = tuple(Receipt(f"key-{number}", "fingerprint", 1) for number in range(count))
    before = replace(pending(1), receipts=receipts)
    await store.insert(before)
    assert await store.acknowledge(before, Receipt("given meanwhile", "fingerprint", 1))
    after = replaced(before, replace(pending(2), content_digest="other"))
    moment = after.submitted_at
    assert not await store.save(before, after, Action.REPLACE, STUDENT, moment)
    present = await store.find(before.id)
    assert present is not None
    assert present.receipts[-1].key == "given meanwhile"
    again = replaced(present, replace(pending(2), content_digest="other"))
    assert await store.save(present, again, Action.REPLACE, STUDENT, moment)
