"""The review desk's figures as MongoDB counts them, held against Python's own counting."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from server.embedded_mongod import EmbeddedMongod
from storage.database import Database
from storage.domain.errors import InvalidRequest, Unavailable
from storage.domain.figures import Checks, Period, QueueFigures, Span
from storage.domain.people import Person
from storage.domain.submission import Action, Section, Submission
from storage.domain.submission_life import checked, reopened
from storage.indexes import FIGURES, SUBMISSIONS
from storage.review_figures import ReviewFigures
from storage.submission_store import SubmissionStore
from tests.storage.submissions import grade_of, is_pending, pending
from tests.submissions import ADMIN

pytestmark = pytest.mark.gen_test(timeout=60)

TASHKENT = ZoneInfo("Asia/Tashkent")
NOW = datetime(2026, 11, 24, 9, 0, 0, 500_000, tzinfo=UTC)
TODAY = Span(datetime(2026, 11, 23, 19, tzinfo=UTC), datetime(2026, 11, 24, 19, tzinfo=UTC))
REVIEWERS = (Person("7", "Nodira"), Person("8"), Person("70", "Ali"))
RANDOM_SEED = 5


@pytest.fixture
def figures(database: Database) -> ReviewFigures:
    return ReviewFigures(database, TASHKENT, lambda: NOW)


def some(number: int) -> list[Submission]:
    """Submissions of the last two months, two of three checked, by one reviewer or another."""
    dice = random.Random(RANDOM_SEED)  # noqa: S311  # the same every time
    made: list[Submission] = []
    for each in range(1, number + 1):
        checked_at = NOW - timedelta(milliseconds=dice.randrange(60 * 86_400_000))
        submitted_at = checked_at - timedelta(milliseconds=dice.randrange(5 * 86_400_000))
        section = dice.choice(list(Section))
        one = pending(each, section, submitted_at=submitted_at)
        if each % 3:
            one = checked(one, grade_of(section, checked_at, dice.choice(REVIEWERS)))
        made.append(one)
    return made


async def keep(store: SubmissionStore, submissions: Iterable[Submission]) -> None:
    await asyncio.gather(*(store.insert(each) for each in submissions))


def expected(submissions: Iterable[Submission], span: Span, reviewer: Person | None = None) -> Checks:
    turnarounds = [
        (each.grade.checked_at - each.submitted_at).total_seconds()
        for each in submissions
        if each.grade is not None
        and span.since <= each.grade.checked_at < span.until
        and (reviewer is None or each.grade.reviewer == reviewer)
    ]
    median = statistics.median(turnarounds) if turnarounds else None
    return Checks(len(turnarounds), None if median is None else round(median, 6))


def check(found: QueueFigures, submissions: list[Submission], span: Span) -> None:
    waiting = [each.submitted_at for each in submissions if is_pending(each)]
    assert (found.pending, found.oldest_submitted_at) == (len(waiting), min(waiting, default=None))
    assert found.today == expected(submissions, TODAY)
    assert found.checks == expected(submissions, span)
    reviewers = {each.reviewer: (each.today, each.checks) for each in found.reviewers}
    wanted = {
        reviewer: (expected(submissions, TODAY, reviewer), expected(submissions, span, reviewer))
        for reviewer in REVIEWERS
    }
    assert reviewers == {
        reviewer: both for reviewer, both in wanted.items() if both[0].number or both[1].number
    }


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 200])
async def test_counts_and_medians_are_exact(
    number: int, store: SubmissionStore, figures: ReviewFigures
) -> None:
    submissions = some(number)
    await keep(store, submissions)
    for asked, span in (
        (Period(), Span(NOW - timedelta(days=30), NOW)),
        (Period(NOW - timedelta(days=90)), Span(NOW - timedelta(days=90), NOW)),
        (
            Period(NOW - timedelta(days=40), NOW - timedelta(days=20)),
            Span(NOW - timedelta(days=40), NOW - timedelta(days=20)),
        ),
    ):
        found = await figures.of(asked)
        assert (found.as_of, found.today, found.span) == (NOW, TODAY, span)
        check(found.total, submissions, span)
        for section in Section:
            check(found.sections[section], [each for each in submissions if each.section is section], span)


async def test_today_begins_at_midnight_where_the_reviewers_are(
    store: SubmissionStore, figures: ReviewFigures
) -> None:
    moments = (
        TODAY.since - timedelta(milliseconds=1),
        TODAY.since,
        TODAY.until - timedelta(milliseconds=1),
        TODAY.until,
    )
    await keep(
        store,
        (
            checked(pending(number), grade_of(Section.WRITING, moment))
            for number, moment in enumerate(moments, start=1)
        ),
    )
    assert (await figures.of(Period())).total.today.number == 2


async def test_a_span_holds_its_first_moment_and_not_its_last(
    store: SubmissionStore, figures: ReviewFigures
) -> None:
    since, until = NOW - timedelta(days=2), NOW - timedelta(days=1)
    await keep(
        store,
        (
            checked(pending(number), grade_of(Section.WRITING, moment))
            for number, moment in enumerate((since, until), start=1)
        ),
    )
    assert (await figures.of(Period(since, until))).total.checks.number == 1


async def test_a_reopened_one_counts_as_pending_and_for_nobody(
    store: SubmissionStore, figures: ReviewFigures
) -> None:
    before = checked(pending(1), grade_of(Section.WRITING, NOW - timedelta(hours=1)))
    await store.insert(before)
    after = reopened(before, ADMIN, NOW)
    assert await store.save(before, after, Action.REOPEN, ADMIN, NOW)
    total = (await figures.of(Period())).total
    assert (total.pending, total.checks.number, total.reviewers) == (1, 0, ())


async def test_they_are_counted_from_the_index_alone(
    store: SubmissionStore, figures: ReviewFigures, database: Database
) -> None:
    await keep(store, some(60))
    submissions = database.collection(SUBMISSIONS)
    await submissions.database.command("profile", 2)
    await figures.of(Period())
    await submissions.database.command("profile", 0)
    cursor = database.collection("system.profile").find({"ns": {"$regex": rf"\.{SUBMISSIONS}$"}})
    plans = await cursor.to_list(None)
    counts = [plan for plan in plans if plan["command"].get("hint") == FIGURES]
    assert len(counts) == 2
    for plan in plans:
        assert plan["planSummary"].startswith(("IXSCAN", "COUNT_SCAN")), plan["planSummary"]
        assert not plan.get("hasSortStage", False)
    for plan in counts:
        assert plan["docsExamined"] == 0


async def test_who_asks_again_at_once_gets_the_same_figures(
    store: SubmissionStore, figures: ReviewFigures
) -> None:
    first, second = await asyncio.gather(figures.of(Period()), figures.of(Period()))
    await store.insert(pending(1))
    assert first is second is await figures.of(Period())
    other = await figures.of(Period(since=NOW - timedelta(days=1)))
    assert (first.total.pending, other.total.pending) == (0, 1)


async def test_a_refusal_is_not_kept(own_mongod: EmbeddedMongod, own_database: Database) -> None:
    figures = ReviewFigures(own_database, TASHKENT, lambda: NOW)
    with pytest.raises(InvalidRequest):
        await figures.of(Period(since=NOW))
    own_mongod.stop()
    with pytest.raises(Unavailable):
        await figures.of(Period())
    own_mongod.start()
    assert (await figures.of(Period())).total.pending == 0
