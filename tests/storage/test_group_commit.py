"""Documents written together: each has its own outcome, and what nobody waits for any more is not written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest

from storage.database import Database
from storage.domain.errors import Unavailable
from storage.group_commit import GroupCommit
from storage.indexes import SUBMISSIONS
from storage.submission_store import SubmissionStore, _document
from tests.storage.submissions import pending

Document = dict[str, Any]


class SlowWrite:
    """Takes its time until it is told to go on, and remembers what it was given."""

    def __init__(self) -> None:
        self.groups: list[list[Document]] = []
        self.go_on = asyncio.Event()

    async def __call__(self, documents: Sequence[Document]) -> list[Exception | None]:
        self.groups.append(list(documents))
        await self.go_on.wait()
        return [None] * len(documents)


@pytest.mark.gen_test
async def test_a_document_that_was_given_up_before_its_turn_is_never_written() -> None:
    """Its upload was answered 503 and its files fell to the sweep: late, it would point at nothing (promise 2)."""
    write = SlowWrite()
    commit = GroupCommit(write)
    first = asyncio.ensure_future(commit.add({"_id": 1}))
    await asyncio.sleep(0)
    given_up, other = (asyncio.ensure_future(commit.add({"_id": number})) for number in (2, 3))
    await asyncio.sleep(0)
    given_up.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await given_up
    write.go_on.set()
    await asyncio.gather(first, other)
    assert write.groups == [[{"_id": 1}], [{"_id": 3}]]


def adding(commit: GroupCommit, *numbers: int) -> list[asyncio.Future[None]]:
    return [asyncio.ensure_future(commit.add({"_id": number})) for number in numbers]


async def outcomes(added: Sequence[asyncio.Future[None]]) -> list[str]:
    """What each document's own waiter was told, by the name of the error."""
    told = await asyncio.gather(*added, return_exceptions=True)
    return ["written" if error is None else type(error).__name__ for error in told]


@pytest.mark.gen_test
async def test_one_that_comes_alone_is_written_at_once() -> None:
    write = SlowWrite()
    write.go_on.set()
    await GroupCommit(write).add({"_id": 1})
    assert write.groups == [[{"_id": 1}]]


@pytest.mark.gen_test
async def test_what_comes_during_a_write_is_written_together_in_bounded_groups() -> None:
    write = SlowWrite()
    commit = GroupCommit(write)
    added = adding(commit, *range(200))
    await asyncio.sleep(0)
    write.go_on.set()
    assert await outcomes(added) == ["written"] * 200
    assert [document["_id"] for group in write.groups for document in group] == list(range(200))
    assert max(map(len, write.groups)) == 64


@pytest.mark.gen_test
async def test_a_duplicate_is_told_to_its_own_waiter_only(store: SubmissionStore, database: Database) -> None:
    await store.insert(pending(1))
    commit = GroupCommit(lambda documents: database.insert_each(SUBMISSIONS, documents))
    documents = [_document(pending(number)) | {"last_action": "submitted"} for number in (1, 2, 3)]
    told = await asyncio.gather(*(commit.add(document) for document in documents), return_exceptions=True)
    assert [type(error).__name__ for error in told] == ["DuplicateKeyError", "NoneType", "NoneType"]


@pytest.mark.gen_test
async def test_a_document_that_the_database_refuses_takes_no_other_with_it(database: Database) -> None:
    """An operator may have given the collection a validator."""
    await database._database.create_collection("strict", validator={"good": True})
    commit = GroupCommit(lambda documents: database.insert_each("strict", documents))
    added = [asyncio.ensure_future(commit.add({"_id": number, "good": number != 2})) for number in (1, 2, 3)]
    assert await outcomes(added) == ["written", "Unavailable", "written"]


@pytest.mark.gen_test
async def test_where_nobody_can_tell_each_waiter_gets_an_error_of_its_own() -> None:
    async def away(_: Sequence[Document]) -> list[Exception | None]:
        raise Unavailable

    commit = GroupCommit(away)
    told = await asyncio.gather(*adding(commit, 1, 2), return_exceptions=True)
    assert [type(error) for error in told] == [Unavailable, Unavailable]
    assert told[0] is not told[1]


@pytest.mark.gen_test
async def test_a_write_that_hangs_holds_up_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.group_commit._WRITE_SECONDS", 0.05)
    write = SlowWrite()
    commit = GroupCommit(write)
    assert await outcomes(adding(commit, 1)) == ["Unavailable"]
    write.go_on.set()
    assert await outcomes(adding(commit, 2)) == ["written"]


@pytest.mark.gen_test
async def test_one_that_cannot_be_written_at_all_is_refused_alone() -> None:
    written: list[int] = []

    async def choosy(documents: Sequence[Document]) -> list[Exception | None]:
        if any(document["_id"] == 2 for document in documents):
            raise ValueError
        written.extend(document["_id"] for document in documents)
        return [None] * len(documents)

    commit = GroupCommit(choosy)
    assert await outcomes(adding(commit, 1, 2, 3)) == ["written", "ValueError", "written"]
    assert written == [1, 3]
