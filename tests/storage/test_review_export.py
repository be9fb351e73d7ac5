"""An export's pages: each submission once, whatever happens meanwhile, and only what was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from storage.database import Database
from storage.domain.export import ExportFilter
from storage.domain.figures import Period
from storage.domain.submission import (
    Action,
    Section,
    Status,
    Submission,
)
from storage.domain.submission_life import checked
from storage.indexes import SUBMISSIONS
from storage.review_export import ReviewExport
from storage.submission_store import SubmissionStore
from tests.storage.submissions import grade_of, graded, pending
from tests.submissions import CHECKED, REVIEWER, SUBMITTED

pytestmark = pytest.mark.gen_test(timeout=60)

MANY = 350
"""More than three pages."""
HOUR = timedelta(hours=1)


@pytest.fixture
def export(database: Database) -> ReviewExport:
    return ReviewExport(database)


async def keep(store: SubmissionStore, submissions: Iterable[Submission]) -> None:
    await asyncio.gather(*(store.insert(each) for each in submissions))


async def ids(export: ReviewExport, wanted: ExportFilter) -> list[int]:
    return [row.id async for page in export.pages(wanted) for row in page]


async def test_nothing_at_all_is_no_page(export: ReviewExport) -> None:
    assert await ids(export, ExportFilter()) == []


@pytest.mark.parametrize("number", [1, 99, 100, 101, 200, MANY])
async def test_all_come_in_the_order_of_their_ids(
    number: int, store: SubmissionStore, export: ReviewExport
) -> None:
    numbers = range(1, number + 1)
    # Handed in in the opposite order, and with gaps between the ids.
    await keep(store, (pending(3 * each, submitted_at=SUBMITTED - each * HOUR) for each in numbers))
    assert await ids(export, ExportFilter()) == [3 * each for each in numbers]


async def test_a_row_says_what_the_submission_does(store: SubmissionStore, export: ReviewExport) -> None:
    submission = graded(5, Section.SPEAKING)
    await store.insert(submission)
    async for (row,) in export.pages(ExportFilter()):
        assert row.grade == submission.grade
        for name in ("id", "manual_review_id", "section", "status", "revision", "student", "submitted_at"):
            assert getattr(row, name) == getattr(submission, name)


async def test_only_what_matches_comes(store: SubmissionStore, export: ReviewExport) -> None:
    await keep(
        store,
        (
            pending(1, Section.WRITING, submitted_at=SUBMITTED),
            pending(2, Section.SPEAKING, submitted_at=SUBMITTED + HOUR),
            graded(3, Section.WRITING, submitted_at=SUBMITTED, checked_at=CHECKED),
            graded(4, Section.SPEAKING, submitted_at=SUBMITTED + HOUR, checked_at=CHECKED + HOUR),
            replace(pending(5), exam_id=77, submitted_at=SUBMITTED - HOUR),
        ),
    )
    for wanted, found in (
        (ExportFilter(status=Status.PENDING), [1, 2, 5]),
        (ExportFilter(status=Status.CHECKED), [3, 4]),
        (ExportFilter(section=Section.SPEAKING), [2, 4]),
        (ExportFilter(exam_id=77), [5]),
        (ExportFilter(submitted=Period(since=SUBMITTED)), [1, 2, 3, 4]),
        (ExportFilter(submitted=Period(until=SUBMITTED)), [5]),
        (ExportFilter(submitted=Period(SUBMITTED, SUBMITTED + HOUR)), [1, 3]),
        (ExportFilter(checked=Period(since=CHECKED + HOUR)), [4]),
        (ExportFilter(checked=Period(until=CHECKED + HOUR)), [3]),
        (ExportFilter(status=Status.PENDING, checked=Period(since=CHECKED)), []),
        (ExportFilter(Status.CHECKED, Section.WRITING, submitted=Period(since=SUBMITTED)), [3]),
    ):
        assert await ids(export, wanted) == found, wanted


async def test_each_comes_once_while_they_are_graded_and_more_are_handed_in(
    store: SubmissionStore, export: ReviewExport
) -> None:
    before = [pending(each) for each in range(1, MANY + 1)]
    await keep(store, before)
    seen: list[int] = []
    async for page in export.pages(ExportFilter()):
        seen += [row.id for row in page]
        if len(seen) == len(page):
            for each in (before[0], before[-1]):
                after = checked(each, grade_of(each.section, CHECKED))
                assert await store.save(each, after, Action.CHECK, REVIEWER, CHECKED)
            await store.insert(pending(MANY + 1))
    assert seen == [each.id for each in before]
    assert page[-1].status is Status.CHECKED


async def test_no_page_sorts_what_is_left_even_where_an_index_has_all_that_matches(
    store: SubmissionStore, export: ReviewExport, database: Database
) -> None:
    await keep(store, ((graded if each <= MANY - 50 else pending)(each) for each in range(1, MANY + 1)))
    submissions = database.collection(SUBMISSIONS)
    await submissions.database.command("profile", 2)
    assert len(await ids(export, ExportFilter(status=Status.PENDING))) == 50
    await submissions.database.command("profile", 0)
    cursor = database.collection("system.profile").find({"ns": {"$regex": rf"\.{SUBMISSIONS}$"}})
    plans = await cursor.to_list(None)
    assert plans
    for plan in plans:
        assert plan["planSummary"].startswith("IXSCAN { _id: 1 }"), plan["planSummary"]
        assert not plan.get("hasSortStage", False)
