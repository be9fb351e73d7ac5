"""Applications that lose their connection come back by themselves and miss nothing, with any SDK (promise 6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.clients import SdkClient
from tests.e2e.exam_day import PAGE, SCORE, SDKS, ExamDay, exam_day
from tests.e2e.processes import eventually
from tests.people import Json
from tests.server.mongod_process import kill_mongod, pid_of

pytestmark = [pytest.mark.gen_test(timeout=90), pytest.mark.parametrize("sdk", SDKS)]

QUEUE, OWN = "queue:writing", "user:42"
CUT, SHUTDOWN = 1, 3001
"""1 is the SDKs' own code for a connection that ended without one."""


@dataclass(frozen=True, slots=True)
class Watching:
    """A student and a reviewer who have seen one submission come."""

    page: SdkClient
    desk: SdkClient
    submission: Json

    async def lose_connection(self, code: int) -> None:
        for client in (self.page, self.desk):
            await client.until(lambda client=client: bool(client.lost))  # type: ignore[misc]
            assert client.lost[0] == code

    def assert_recovered(self) -> None:
        """Twice begun: with a snapshot, and then with what was missed."""
        assert self.page.begun == {OWN: [False, True]}
        assert self.desk.begun[QUEUE] == [False, True]


async def watching(day: ExamDay) -> Watching:
    page = await day.connected("42")
    desk = await day.connected("7", "reviewer", QUEUE)
    async with day.people() as (student, _):
        submission = await student.submit_writing(1, [PAGE], [PAGE])
    for client in (page, desk):
        await client.hears("submission.created", submission["id"])
    return Watching(page, desk, submission)


async def cut(day: ExamDay, watching: Watching) -> None:
    await day.cut_line()
    await watching.lose_connection(CUT)


async def deploy(day: ExamDay, watching: Watching) -> None:
    """SIGTERM, and a new server."""
    await _restart(day, watching, day.server.stop, SHUTDOWN)


async def die(day: ExamDay, watching: Watching) -> None:
    """kill -9, and a new server."""
    await _restart(day, watching, day.server.kill, CUT)


async def _restart(day: ExamDay, watching: Watching, end: Callable[[], int], code: int) -> None:
    await asyncio.to_thread(end)
    await watching.lose_connection(code)
    await day.cut_line()  # so that none is back before something happens
    await asyncio.to_thread(day.server.start)


@pytest.mark.parametrize("fault", [cut, deploy, die])
async def test_what_happened_while_the_connection_was_lost_is_heard_once(
    sdk: str,
    fault: Callable[[ExamDay, Watching], Awaitable[None]],
    tmp_path: Path,
    shared_mongod: dict[str, str],
) -> None:
    async with exam_day(sdk, tmp_path, **shared_mongod) as day:
        seen = await watching(day)
        await fault(day, seen)
        async with day.people() as (student, reviewer):
            second = await student.submit_writing(2, [PAGE], [PAGE])
            await reviewer.claim(seen.submission)
            await reviewer.grade(seen.submission, SCORE)
            await day.mend_line()
            for client in (seen.page, seen.desk):
                await client.hears("submission.checked", seen.submission["id"])
            last = await student.submit_writing(3, [PAGE], [PAGE])
        for client in (seen.page, seen.desk):
            await client.hears("submission.created", last["id"])
        ids = [each["id"] for each in (seen.submission, second, last)]
        created = [("created", id) for id in ids]
        assert seen.page.told(OWN) == [*created[:2], ("checked", ids[0]), created[2]]
        assert seen.desk.told(QUEUE) == [
            *created[:2],
            ("claimed", ids[0]),
            ("checked", ids[0]),
            created[2],
        ]
        seen.assert_recovered()
    assert day.server.log_lines("error") == []


async def test_whoever_was_away_too_long_begins_anew_from_a_snapshot(
    sdk: str, tmp_path: Path, shared_mongod: dict[str, str]
) -> None:
    environment = {"TURANTALIM_STATUS__RING_SECONDS": "0.001", **shared_mongod}
    async with exam_day(sdk, tmp_path, **environment) as day:
        seen = await watching(day)
        await cut(day, seen)
        async with day.people() as (student, reviewer):
            second = await student.submit_writing(2, [PAGE], [PAGE])
            await reviewer.grade(seen.submission, SCORE)
        await day.mend_line()
        for client, channel in ((seen.page, OWN), (seen.desk, QUEUE)):
            await client.until(lambda client=client, channel=channel: len(client.begun[channel]) == 2)  # type: ignore[misc]
            assert client.begun[channel] == [False, False]
            assert client.told(channel) == [("created", seen.submission["id"])]
        own, queue = seen.page.snapshots[OWN], seen.desk.snapshots[QUEUE]
        assert [(each["id"], each["status"]) for each in own["submissions"]] == [
            (second["id"], "pending"),
            (seen.submission["id"], "checked"),
        ]
        assert [each["id"] for each in queue["submissions"]] == [second["id"]]
    assert day.server.log_lines("error") == []


async def test_what_was_uploaded_while_mongod_was_gone_is_heard_once(sdk: str, tmp_path: Path) -> None:
    """The connections are lost as well, and come back before it does."""
    async with exam_day(sdk, tmp_path) as day:
        seen = await watching(day)
        await cut(day, seen)
        dead = await asyncio.to_thread(kill_mongod, day.server.state_dir)
        await day.mend_line()
        async with day.people() as (student, reviewer):
            second = await student.submit_writing(2, [PAGE], [PAGE])
            await eventually(lambda: pid_of(day.server.state_dir) != dead)
            await reviewer.grade(seen.submission, SCORE)
        for client in (seen.page, seen.desk):
            await client.hears("submission.checked", seen.submission["id"])
        told = [
            ("created", seen.submission["id"]),
            ("created", second["id"]),
            ("checked", seen.submission["id"]),
        ]
        assert seen.page.told(OWN) == told
        assert seen.desk.told(QUEUE) == told
        seen.assert_recovered()
    errors = {line["event"] for line in day.server.log_lines("error")}
    assert errors == {"embedded mongod died, starting it again"}
