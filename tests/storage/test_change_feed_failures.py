"""ChangeFeed while MongoDB dies, comes back, or has forgotten: told once, late, or said to be a gap."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from server.embedded_mongod import EmbeddedMongod, find_binary
from storage.database import Database, RawBatch
from storage.domain import clock
from storage.domain.errors import Unavailable
from storage.domain.submission import Action
from storage.indexes import SUBMISSIONS, ensure_indexes
from storage.review_desk import ReviewDesk
from storage.submission_store import SubmissionStore
from tests.server.mongod_process import kill_mongod, throw_away
from tests.storage.heard import PATIENCE_SECONDS, Heard, feed_for, followed, running
from tests.storage.primary import primary_again
from tests.storage.submissions import pending
from tests.submissions import REVIEWER

pytestmark = pytest.mark.expects_errors


@pytest.mark.gen_test(timeout=60)
async def test_goes_on_where_it_was_after_mongodb_was_killed(
    own_mongod: EmbeddedMongod, own_database: Database, tmp_path: Path
) -> None:
    store = SubmissionStore(own_database)
    desk = ReviewDesk(store, lease_seconds=900, clock=clock.now)
    async with followed(own_database) as (_, heard):
        for number in range(1, 6):
            await store.insert(pending(number))
        kill_mongod(tmp_path / "own")
        own_mongod.ensure_running()
        await primary_again(own_database)
        for number in range(6, 11):
            await store.insert(pending(number))
        claimed = await desk.claim(10_001, REVIEWER)
        changes = await heard.until(11)
        assert [change.submission.id for change in changes] == [*range(1, 11), 1]
        assert (changes[-1].action, changes[-1].submission) == (Action.CLAIM, claimed)
        offsets = [change.offset for change in changes]
        assert offsets == sorted(set(offsets))
    assert len(heard.beginnings) == 1


@pytest.mark.gen_test(timeout=60)
async def test_is_told_what_happened_while_it_could_not_listen(
    own_mongod: EmbeddedMongod, own_database: Database, tmp_path: Path
) -> None:
    store = SubmissionStore(own_database)
    async with followed(own_database) as (_, heard):
        kill_mongod(tmp_path / "own")
        own_mongod.ensure_running()
        await primary_again(own_database)
        for number in range(1, 6):
            await store.insert(pending(number))
        changes = await heard.until(5)
    assert [change.submission for change in changes] == [pending(number) for number in range(1, 6)]
    assert len(heard.beginnings) == 1


@pytest.mark.gen_test(timeout=60)
async def test_can_be_left_at_any_moment_without_a_trace(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """While MongoDB waits for the first event, too: what it then says to the killed cursor is nobody's error."""
    for moment in range(20):
        async with followed(database):
            await asyncio.sleep(moment / 1000)
    gc.collect()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.gen_test(timeout=60)
async def test_a_night_in_which_only_others_wrote_does_not_age_its_position(
    database: Database,
) -> None:
    """Once the oplog has gone on, one that only moved with events could no longer be resumed from."""
    changes = database.changes(SUBMISSIONS, [], after=None, since=await database.primary_time())
    async with contextlib.aclosing(changes), asyncio.timeout(PATIENCE_SECONDS):
        first = await anext(changes)
        await database.once("others", "key", "value")
        while (later := await anext(changes)).token == first.token:
            pass
    assert first.changes == later.changes == []


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("token", ["00", "no token", ""])
async def test_goes_on_without_a_gap_where_only_its_token_is_no_good(
    database: Database, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade of MongoDB, which cannot be had here: the driver's reply is tampered with."""
    follow = Database.changes
    broken: list[RawBatch] = []

    async def break_once(self: Database, *arguments: Any, **more: Any) -> AsyncGenerator[RawBatch, None]:
        async for batch in follow(self, *arguments, **more):
            if batch.changes and not broken:
                broken.append(batch)
                yield RawBatch(batch.changes, {"_data": token})
                raise Unavailable
            yield batch

    monkeypatch.setattr(Database, "changes", break_once)
    store = SubmissionStore(database)
    async with followed(database) as (_, heard):
        for number in range(1, 6):
            await store.insert(pending(number))
        changes = await heard.until(5)
    assert [change.submission for change in changes] == [pending(number) for number in range(1, 6)]
    assert len(heard.beginnings) == len(broken) == 1


@pytest.mark.gen_test(timeout=60)
async def test_begins_anew_after_the_collection_was_dropped_now_and_at_the_next_start(
    own_database: Database,
) -> None:
    """What a restore from a backup does first; without a new beginning nobody would ever hear anything again."""
    store = SubmissionStore(own_database)
    async with followed(own_database) as (_, heard):
        await store.insert(pending(1))
        await heard.until(1)
        await own_database.collection("submissions").drop()
        await heard.until_begun(2)
        await ensure_indexes(own_database)
        await store.insert(pending(2))
        assert [change.submission.id for change in await heard.until(2)] == [1, 2]
    later = Heard()
    feed = feed_for(later, own_database, past_seconds=600)
    await feed.start()
    async with running(feed):
        await later.until_begun(2)  # the past it started in ends with the drop
        await store.insert(pending(3))
        changes = await later.until(1)
        while changes[-1].submission.id != 3:
            changes = await later.until(len(changes) + 1)


@pytest.fixture
def forgetful_database(
    io_loop: IOLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """A MongoDB whose oplog holds one megabyte, and lets go of the rest once a second."""
    wrapper = tmp_path / "bin" / "mongod"
    wrapper.parent.mkdir()
    small = "s/--oplogSize [0-9]*/--oplogSize 1 --syncdelay 1/"
    wrapper.write_text(f"#!/bin/sh\nexec {find_binary()} $(echo \"$@\" | sed '{small}')\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", str(wrapper.parent), prepend=os.pathsep)
    embedded = EmbeddedMongod(tmp_path / "forgetful")
    embedded.start()
    database = Database(embedded.uri, "test", timeout_seconds=5)
    io_loop.run_sync(lambda: ensure_indexes(database))
    yield database
    database.close()
    throw_away(embedded, tmp_path / "forgetful")


async def make_forget(database: Database, offset: int) -> None:
    """Write other things until the oplog begins after `offset`."""
    oplog = database.collection("other").database.client["local"]["oplog.rs"]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            oldest = await oplog.find_one(sort=[("$natural", 1)])
            if oldest is not None and oldest["ts"].time << 20 > offset:
                return
            await database.collection("other").insert_one({"filler": "x" * 500_000})
            await asyncio.sleep(0.05)


@pytest.mark.gen_test(timeout=60)
async def test_says_so_and_begins_anew_when_the_oplog_has_forgotten_where_it_was(
    forgetful_database: Database,
) -> None:
    store = SubmissionStore(forgetful_database)
    heard = Heard()
    feed = feed_for(heard, forgetful_database)
    await feed.start()
    await store.insert(pending(1))
    await make_forget(forgetful_database, feed.position)
    async with running(feed):
        lost, anew = await heard.until_begun(2)
        assert anew > lost
        await store.insert(pending(2))
        (change, *others) = await heard.until(1)
        assert (change.submission, others) == (pending(2), [])
        assert feed.position == change.offset > anew


@pytest.mark.gen_test(timeout=60)
async def test_begins_in_the_present_when_the_oplog_does_not_reach_as_far_back_as_asked(
    forgetful_database: Database,
) -> None:
    store = SubmissionStore(forgetful_database)
    await store.insert(pending(1))
    await make_forget(forgetful_database, await forgetful_database.primary_time())
    heard = Heard()
    feed = feed_for(heard, forgetful_database, past_seconds=600)
    await feed.start()
    assert heard.beginnings == [feed.position]
    async with running(feed):
        await store.insert(pending(2))
        (change,) = await heard.until(1)
    assert change.submission == pending(2)


@pytest.mark.gen_test
async def test_tells_the_present_state_where_the_image_of_a_change_is_gone(database: Database) -> None:
    store = SubmissionStore(database)
    desk = ReviewDesk(store, lease_seconds=900, clock=clock.now)
    heard = Heard()
    feed = feed_for(heard, database)
    await feed.start()
    await store.insert(pending(1))
    await desk.claim(10_001, REVIEWER)
    checked = await desk.check(10_001, 1, {"task1_score": 20.5, "task2_score": 45.0}, {}, REVIEWER)
    images = database.collection("other").database.client["config"]["system.preimages"]
    await images.delete_many({})
    async with running(feed):
        changes = await heard.until(3)
    assert changes[-1].submission == checked
    assert changes[-1].action is Action.CHECK
