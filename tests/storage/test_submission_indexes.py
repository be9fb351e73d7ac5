"""Every query of the store as MongoDB really planned it: an index scan, and no sorting in memory. The lists of the
queue are in `test_review_queue.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from storage.database import Database
from storage.domain.ports import Position
from storage.domain.submission import Section
from storage.indexes import SUBMISSIONS, ensure_indexes
from storage.submission_store import SubmissionStore
from tests.storage.submissions import graded, pending
from tests.submissions import STUDENT, SUBMITTED

LIMIT = 10
MIDDLE = Position(SUBMITTED + timedelta(seconds=100), 100)
Query = Callable[[SubmissionStore], Awaitable[object]]

QUERIES: dict[str, Query] = {
    "a student's own": lambda store: store.of_student(STUDENT.id, None, LIMIT),
    "a student's own, from the middle": lambda store: store.of_student(STUDENT.id, MIDDLE, LIMIT),
    "what a key stands for": lambda store: store.find_by_key(STUDENT.id, "key-5"),
    "a result": lambda store: store.find(5),
    "a review": lambda store: store.find_review(10_005),
    "the same submission": lambda store: store.find_same(pending(5)),
    "a file's owner": lambda store: store.find_owner("writing/5-1.bin"),
    "files in use": lambda store: store.referenced(["writing/5-1.bin", "writing/6-1.bin"]),
    "leases that ran out": lambda store: store.expired_claims(SUBMITTED, LIMIT),
    "counts of both": lambda store: store.counts(None),
    "counts of one section": lambda store: store.counts(Section.WRITING),
}


@pytest.fixture
def plans(database: Database) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    """What MongoDB's profiler says of the queries on the submissions so far."""

    async def read() -> list[dict[str, Any]]:
        cursor = database.collection("system.profile").find({"ns": {"$regex": rf"\.{SUBMISSIONS}$"}})
        return await cursor.to_list(None)

    return read


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.gen_test
async def test_finds_by_an_index_and_sorts_nothing(
    store: SubmissionStore,
    database: Database,
    plans: Callable[[], Awaitable[list[dict[str, Any]]]],
    name: str,
) -> None:
    await fill(store)
    await database.collection(SUBMISSIONS).database.command("profile", 2)
    await QUERIES[name](store)
    await database.collection(SUBMISSIONS).database.command("profile", 0)
    found = await plans()
    assert found
    for plan in found:
        assert plan["planSummary"].startswith(("IXSCAN", "IDHACK", "COUNT_SCAN")), plan["planSummary"]
        assert not plan.get("hasSortStage", False)


@pytest.mark.gen_test
async def test_indexes_are_made_once_and_may_be_asked_for_again(database: Database) -> None:
    before = await database.collection(SUBMISSIONS).index_information()
    await ensure_indexes(database)
    assert await database.collection(SUBMISSIONS).index_information() == before
    unique = {name for name, index in before.items() if index.get("unique")}
    assert unique == {"one_per_identity", "one_per_key", "by_manual_review", "by_file", "by_copy"}


async def fill(store: SubmissionStore) -> None:
    for number in range(1, 31):
        submitted_at = SUBMITTED + timedelta(seconds=10 * number)
        make = pending if number % 3 else graded
        section = Section.WRITING if number % 2 else Section.SPEAKING
        await store.insert(make(number, section, submitted_at=submitted_at))
