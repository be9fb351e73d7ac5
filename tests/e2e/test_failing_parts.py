"""MongoDB is away, steps down or hangs: an upload that has arrived waits for it, up to a bound (promises 1-4)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from pymongo import MongoClient

from server.embedded_mongod import EmbeddedMongod
from tests.e2e import faulty_server
from tests.e2e.keyed_student import KeyedStudent, keyed_student
from tests.e2e.processes import eventually, hang
from tests.e2e.promises import assert_promises_kept, documents, referenced_paths
from tests.e2e.server_process import ServerProcess
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import unsigned
from tests.handlers.uploads import writing_form
from tests.people import Json
from tests.server.mongod_process import describes_itself, kill_mongod, pid_of, throw_away, wait_until
from tests.storage.uploads import drafts_on_disk, kept_on_disk

pytestmark = [pytest.mark.gen_test(timeout=90), pytest.mark.expects_errors]

KEY = "c0ffee00-1b5d-4c7e-9a3f-0d4e8b2a6f11"
AT_ONCE = 8
IMPATIENT_SECONDS = 1.5
SLACK_SECONDS = 4.0
"""What a busy machine adds to a bound."""
IMPATIENT = {"TURANTALIM_MONGO__WAIT_SECONDS": str(IMPATIENT_SECONDS)}
SWEPT_SOON = {"TURANTALIM_MEDIA__DRAFT_TTL_SECONDS": "0.3", "TURANTALIM_MEDIA__SWEEP_SECONDS": "0.05"}
"""Sooner than MongoDB comes back: what is in hand is not taken all the same."""


class Mongod:
    """A MongoDB of these tests' own, under one address whatever they do to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._embedded = EmbeddedMongod(folder)
        self._embedded.start()
        self.uri = self._embedded.uri

    @property
    def pid(self) -> int:
        return pid_of(self._folder)

    def kill(self) -> None:
        kill_mongod(self._folder)

    def come_back(self) -> None:
        self._embedded.ensure_running()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It neither answers nor ends its connections while the context lasts."""
        hang(self.pid)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def step_down(self, seconds: int) -> None:
        """Be no primary for so long; the only member of its set, it is elected again after that."""
        with MongoClient[Json](self.uri) as client:
            client.admin.command({"replSetStepDown": seconds, "secondaryCatchUpPeriodSecs": 0, "force": True})

    def throw_away(self) -> None:
        throw_away(self._embedded, self._folder)


@pytest.fixture(scope="module")
def module_mongod(tmp_path_factory: pytest.TempPathFactory, logs: None) -> Iterator[Mongod]:
    mongod = Mongod(tmp_path_factory.mktemp("outages"))
    yield mongod
    mongod.throw_away()


@pytest.fixture
def own(module_mongod: Mongod) -> Iterator[Mongod]:
    """There again for the next test."""
    yield module_mongod
    module_mongod.come_back()
    wait_until(lambda: bool(describes_itself(module_mongod.uri)["isWritablePrimary"]))


@asynccontextmanager
async def serving(
    folder: Path, own: Mongod, *entry: str, **environment: str
) -> AsyncIterator[tuple[ServerProcess, KeyedStudent]]:
    """A server on `own` and a student of it; the promises are kept in the end."""
    server = ServerProcess(
        folder,
        TURANTALIM_MONGO__URI=own.uri,
        TURANTALIM_MONGO__DATABASE=f"test-{uuid.uuid4().hex[:12]}",
        TURANTALIM_MONGO__TIMEOUT_SECONDS="0.5",
        TURANTALIM_AUTH__DEV_LOGIN="true",
        **environment,
    )
    try:
        server.start(*entry)
        async with keyed_student(server) as student:
            yield server, student
        assert_promises_kept(server)
        assert drafts_on_disk(server.media_root) == []
    finally:
        server.make_sure_it_ended()


async def waits_for_mongodb(server: ServerProcess, uploads: int = 1) -> None:
    """Until so many uploads, whole on the server's disk, have found no MongoDB."""
    await eventually(lambda: server.log().count('"waiting for MongoDB"') >= uploads)


def assert_kept_once(server: ServerProcess, answer: httpx.Response) -> None:
    """`answer` is the 201 of the only submission, whose files are the only files."""
    assert answer.status_code == 201, answer.text
    assert [document["_id"] for document in documents(server)] == [answer.json()["id"]]
    assert kept_on_disk(server.media_root) == referenced_paths(server)


def assert_not_stored(answer: httpx.Response) -> None:
    Refusal(503, "not_stored").check(answer)
    assert int(answer.headers["Retry-After"]) > 0


async def test_an_upload_waits_for_a_mongodb_that_comes_back(tmp_path: Path, own: Mongod) -> None:
    """It is away when the key is to be looked up and when the submission is to be recorded."""
    async with serving(tmp_path, own, **SWEPT_SOON) as (server, student):
        own.kill()
        sending = asyncio.ensure_future(student.send(KEY, writing_form()))
        await waits_for_mongodb(server)
        assert not sending.done()
        own.come_back()
        assert_kept_once(server, await sending)
        assert server.log_lines("error") == []


async def test_after_the_bound_it_is_refused_and_swept_and_can_be_sent_again(
    tmp_path: Path, own: Mongod
) -> None:
    async with serving(tmp_path, own, **IMPATIENT, **SWEPT_SOON) as (server, student):
        own.kill()
        began = time.monotonic()
        assert_not_stored(await student.send(KEY, writing_form()))
        assert IMPATIENT_SECONDS < time.monotonic() - began < IMPATIENT_SECONDS + SLACK_SECONDS
        own.come_back()
        again = await student.send(KEY, writing_form())
        await eventually(lambda: kept_on_disk(server.media_root) == referenced_paths(server))
        assert_kept_once(server, again)


async def test_a_key_that_cannot_be_looked_up_stands_for_its_first_contents_all_the_same(
    tmp_path: Path, own: Mongod
) -> None:
    async with serving(tmp_path, own) as (server, student):
        first = await student.send(KEY, writing_form())
        own.kill()
        sending = [
            asyncio.ensure_future(student.send(KEY, form)) for form in (writing_form(), writing_form(seed=1))
        ]
        await waits_for_mongodb(server)
        own.come_back()
        again, other = await asyncio.gather(*sending)
        assert unsigned(again.json()) == unsigned(first.json())
        Refusal(422, "key_reused").check(other)
        assert_kept_once(server, again)


async def test_uploads_around_a_step_down_all_get_their_201(tmp_path: Path, own: Mongod) -> None:
    async with serving(tmp_path, own) as (server, student):
        keys = [f"{KEY}-{number}" for number in range(AT_ONCE)]
        forms = [writing_form(number, seed=number) for number in range(1, AT_ONCE + 1)]
        early = [
            asyncio.ensure_future(student.send(key, form))
            for key, form in zip(keys[: AT_ONCE // 2], forms, strict=False)
        ]
        await asyncio.wait(early, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.to_thread(own.step_down, 2)
        late = [
            asyncio.ensure_future(student.send(key, form))
            for key, form in zip(keys[AT_ONCE // 2 :], forms[AT_ONCE // 2 :], strict=True)
        ]
        answers = await asyncio.gather(*early, *late)
        assert [answer.status_code for answer in answers] == [201] * AT_ONCE
        assert '"waiting for MongoDB"' in server.log()
        assert {document["_id"] for document in documents(server)} == {
            answer.json()["id"] for answer in answers
        }
        assert len(documents(server)) == AT_ONCE
        assert kept_on_disk(server.media_root) == referenced_paths(server)
        for key, answer in zip(keys, answers, strict=True):
            assert unsigned((await student.receipt(key)).json()) == unsigned(answer.json())


async def test_a_mongodb_that_hangs_is_waited_for_no_longer_than_one_that_is_gone(
    tmp_path: Path, own: Mongod
) -> None:
    async with serving(tmp_path, own, **IMPATIENT) as (server, student):
        first = await student.send(KEY, writing_form())
        with own.hanging():
            began = time.monotonic()
            refused = await student.send(f"{KEY}-2", writing_form(2, seed=1))
            assert time.monotonic() - began < IMPATIENT_SECONDS + SLACK_SECONDS
            assert_not_stored(refused)
        again = await student.send(f"{KEY}-2", writing_form(2, seed=1))
        assert again.status_code == 201
        assert [document["_id"] for document in documents(server)] == [
            first.json()["id"],
            again.json()["id"],
        ]


async def test_what_a_hanging_mongodb_records_too_late_has_its_files_and_is_not_doubled(
    tmp_path: Path, own: Mongod
) -> None:
    """The insert is on its way when the bound is over: nobody can call it back."""
    hanging = faulty_server.entry(faulty_server.hang_mongod_before_the_insert)
    async with serving(tmp_path, own, *hanging, MONGOD_PID=str(own.pid), **IMPATIENT) as (server, student):
        try:
            assert_not_stored(await student.send(KEY, writing_form()))
        finally:
            os.kill(own.pid, signal.SIGCONT)
        await eventually(lambda: len(documents(server)) == 1)
        assert kept_on_disk(server.media_root) == referenced_paths(server)
        assert_kept_once(server, await student.send(KEY, writing_form()))


async def test_told_to_stop_it_lets_an_upload_wait_for_mongodb(tmp_path: Path, own: Mongod) -> None:
    async with serving(tmp_path, own) as (server, student):
        own.kill()
        sending = asyncio.ensure_future(student.send(KEY, writing_form()))
        await waits_for_mongodb(server)
        os.kill(server.pid, signal.SIGTERM)
        await eventually(lambda: '"stopping"' in server.log())
        own.come_back()
        assert_kept_once(server, await sending)
        assert await asyncio.to_thread(server.ended) == 0
        assert server.log_lines("error") == []


async def test_told_to_stop_it_refuses_an_upload_for_which_mongodb_does_not_come_back(
    tmp_path: Path, own: Mongod
) -> None:
    drain = {"TURANTALIM_SERVER__DRAIN_SECONDS": "0.5"}
    async with serving(tmp_path, own, **IMPATIENT, **drain) as (server, student):
        own.kill()
        sending = asyncio.ensure_future(student.send(KEY, writing_form()))
        await waits_for_mongodb(server)
        os.kill(server.pid, signal.SIGTERM)
        assert_not_stored(await sending)
        assert await asyncio.to_thread(server.ended) == 0
        own.come_back()
        assert documents(server) == []
