"""Broadcast: what one process says, the others hear, merged, whatever happens to MongoDB."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from server.embedded_mongod import EmbeddedMongod
from storage.broadcast import Broadcast
from storage.database import Database
from storage.domain import clock
from storage.indexes import BROADCASTS
from tests.server.mongod_process import kill_mongod
from tests.storage.heard import PATIENCE_SECONDS
from tests.storage.primary import primary_again


class Ear:
    """All that a process heard of the others."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, dict[str, Any]]] = []

    def __call__(self, channel: str, key: str, data: dict[str, Any]) -> None:
        self.heard.append((channel, key, data))


@contextlib.asynccontextmanager
async def _process(database: Database) -> AsyncIterator[tuple[Broadcast, Ear]]:
    broadcast, ear = Broadcast(database, clock.now), Ear()
    running = asyncio.create_task(broadcast.run(ear))
    try:
        yield broadcast, ear
        assert not running.done()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def _repeat(say: Callable[[], None], until: Callable[[], bool]) -> None:
    """A process says something again and again, as progress is: nothing tells when the others began to listen."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not until():
            say()
            await asyncio.sleep(0.05)


@pytest.mark.gen_test(timeout=60)
async def test_every_other_process_hears_it_and_the_speaker_does_not(database: Database) -> None:
    async with (
        _process(database) as (one, own),
        _process(database) as (_, two),
        _process(database) as (_, three),
    ):
        await _repeat(lambda: one.say("user:42", "u", {"n": 1}), lambda: bool(two.heard and three.heard))
    assert two.heard[0] == three.heard[0] == ("user:42", "u", {"n": 1})
    assert own.heard == []


@pytest.mark.gen_test(timeout=60)
async def test_only_the_last_of_what_came_at_once_is_heard_and_of_each_key(database: Database) -> None:
    async with _process(database) as (one, _), _process(database) as (two, ear):
        await _repeat(lambda: one.say("user:1", "u", {}), lambda: bool(ear.heard))
        for number in range(500):
            one.say("user:42", "a", {"n": number})
            one.say("user:42", "b", {"n": number})
            one.say("user:43", "a", {"n": number})
        await _repeat(lambda: None, lambda: len({each[:2] for each in ear.heard}) == 4)
    assert [each for each in ear.heard if each[0] != "user:1"] == [
        ("user:42", "a", {"n": 499}),
        ("user:42", "b", {"n": 499}),
        ("user:43", "a", {"n": 499}),
    ]
    assert await database.collection(BROADCASTS).count_documents({}) == 1, two


@pytest.mark.gen_test(timeout=60)
@pytest.mark.expects_errors
async def test_what_cannot_be_understood_ends_nothing(database: Database) -> None:
    async with _process(database) as (one, _), _process(database) as (_, ear):
        await _repeat(lambda: one.say("user:1", "u", {}), lambda: bool(ear.heard))
        await database.collection(BROADCASTS).insert_one(
            {"_id": "a newer release", "said": [{"whisper": 1}], "at": datetime.now(UTC)}
        )
        await _repeat(lambda: one.say("user:2", "u", {}), lambda: ear.heard[-1][0] == "user:2")


@pytest.mark.gen_test(timeout=60)
@pytest.mark.expects_errors
async def test_is_heard_again_after_mongodb_was_killed(
    own_mongod: EmbeddedMongod, own_database: Database, tmp_path: Path
) -> None:
    async with _process(own_database) as (one, _), _process(own_database) as (_, ear):
        await _repeat(lambda: one.say("user:1", "u", {}), lambda: bool(ear.heard))
        kill_mongod(tmp_path / "own")
        one.say("user:1", "u", {})
        own_mongod.ensure_running()
        await primary_again(own_database)
        await _repeat(lambda: one.say("user:2", "u", {}), lambda: ear.heard[-1][0] == "user:2")
