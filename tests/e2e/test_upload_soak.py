"""Everything at once, by dice: uploads over and over while the server and mongod are killed and connections cut.

`UPLOAD_SOAK_SECONDS=600 UPLOAD_SOAK_SEED=7 make test` goes on for longer, and elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import pytest
import structlog

from tests.e2e.keyed_student import KeyedStudent, keyed_student
from tests.e2e.processes import eventually, free_port
from tests.e2e.promises import assert_promises_kept, documents, files_in, referenced_paths
from tests.e2e.server_process import ServerProcess
from tests.forms import Part, encode, file, text
from tests.handlers.reviews import unsigned
from tests.handlers.uploads import upload_head
from tests.handlers.wire import connect
from tests.media_samples import padded, photo, recording
from tests.people import SPEAKING, WRITING, Json
from tests.server.mongod_process import pid_of
from tests.storage.uploads import drafts_on_disk, kept_on_disk

log = structlog.get_logger(__name__)

SECONDS = float(os.environ.get("UPLOAD_SOAK_SECONDS", "12"))
SEED = os.environ.get("UPLOAD_SOAK_SEED", "1")
STUDENTS = 4
REST_SECONDS = 90.0
"""For what is under way at the end, and the comparison."""
BETWEEN_FAULTS_SECONDS = (0.3, 2.5)
RETRY_SECONDS = 0.2
CUT_SHORT = 0.3
"""How many of the attempts lose their connection at some byte."""
FILE_BYTES = (3_000, 900_000)
SWEPT_AT_ONCE = {"TURANTALIM_MEDIA__DRAFT_TTL_SECONDS": "0.5", "TURANTALIM_MEDIA__SWEEP_SECONDS": "0.1"}
TRY_AGAIN = {409, 503}
"""Answers of a server that is there: the first attempt still comes in, and MongoDB does not come back in time."""


@dataclass(slots=True)
class Upload:
    """One upload, and what its 201 said."""

    key: str
    path: str
    form: list[Part]
    contents: list[str]
    """The SHA-256 of each of its files."""
    answer: Json = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """What happened, for whoever reads a failure."""

    attempts: int = 0
    cut: int = 0
    unanswered: int = 0
    put_off: int = 0
    servers_killed: int = 0
    mongods_killed: int = 0


class Uploader:
    """One student, who sends one upload after the other, each until it has its 201."""

    def __init__(self, student: KeyedStudent, server: ServerProcess, name: str, tally: Tally) -> None:
        self.student = student
        self.acknowledged: list[Upload] = []
        self._server = server
        self._name = name
        self._tally = tally
        self._dice = random.Random(f"{SEED}/{name}")  # noqa: S311  # no secret: it must come out the same again

    async def go_on_until(self, end: float) -> None:
        while time.monotonic() < end:
            upload = self._next()
            while not await self._attempt(upload):  # noqa: ASYNC110  # a client that tries again, not one that waits
                await asyncio.sleep(RETRY_SECONDS)
            self.acknowledged.append(upload)

    def _next(self) -> Upload:
        number = len(self.acknowledged) + 1
        dice = self._dice
        if dice.random() < 0.5:
            path, fields = WRITING, [text("user_test_id", number), text("exam_id", 1)]
            names, sample = ["task1_image1", "task1_image2", "task2_image1"], photo(64, 48)
        else:
            names = [f"answers[{place}][speaking_audio]" for place in range(dice.randint(1, 3))]
            path, fields = (
                SPEAKING,
                [text(f"answers[{place}][question]", 1 + place) for place in range(len(names))],
            )
            sample = recording("wav", 0.05)
        contents = [padded(sample, dice.randint(*FILE_BYTES)) + dice.randbytes(16) for _ in names]
        files = [file(name, content) for name, content in zip(names, contents, strict=True)]
        hashes = [hashlib.sha256(content).hexdigest() for content in contents]
        return Upload(f"{self._name}-{number}", path, [*fields, *files], hashes)

    async def _attempt(self, upload: Upload) -> bool:
        """True once it has its 201."""
        self._tally.attempts += 1
        if self._dice.random() < CUT_SHORT:
            self._tally.cut += 1
            await self._cut_short(upload)
            return False
        try:
            answer = await self.student.send(upload.key, upload.form, upload.path)
        except httpx.TransportError:
            self._tally.unanswered += 1
            return False
        if answer.status_code in TRY_AGAIN:
            self._tally.put_off += 1
            return False
        assert answer.status_code == 201, answer.text
        upload.answer = answer.json()
        return True

    async def _cut_short(self, upload: Upload) -> None:
        """Send it up to some byte, perhaps the last, and be gone."""
        body = encode(upload.form)
        request = upload_head(upload.path, len(body), self.student.keyed(upload.key)) + body
        with contextlib.suppress(OSError):
            async with connect(self._server.url) as wire:
                await wire.send(request[: self._dice.randint(1, len(request))])
                wire.abort()


async def fail_until(end: float, server: ServerProcess, tally: Tally) -> None:
    """Kill the server, or its mongod, again and again; the server is started again, its mongod by the server."""
    dice = random.Random(f"{SEED}/faults")  # noqa: S311  # as above
    while time.monotonic() < end:
        await asyncio.sleep(dice.uniform(*BETWEEN_FAULTS_SECONDS))
        if dice.random() < 0.5:
            tally.servers_killed += 1
            server.kill()
            await asyncio.to_thread(server.start)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid_of(server.state_dir), signal.SIGKILL)
                tally.mongods_killed += 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Under one address whatever befalls it; it sweeps all the time, and sooner than mongod comes back."""
    server = ServerProcess(tmp_path, TURANTALIM_SERVER__PORT=str(free_port()), **SWEPT_AT_ONCE)
    try:
        yield server.start()
    finally:
        server.make_sure_it_ended()


@pytest.mark.timeout(SECONDS + 2 * REST_SECONDS)
@pytest.mark.gen_test(timeout=SECONDS + REST_SECONDS)
async def test_every_201_stands_for_one_whole_submission_whatever_befell_the_server(
    server: ServerProcess, tmp_path: Path
) -> None:
    tally, end = Tally(), time.monotonic() + SECONDS
    async with contextlib.AsyncExitStack() as stack:
        uploaders = [
            Uploader(await stack.enter_async_context(keyed_student(server, name)), server, name, tally)
            for name in map(str, range(STUDENTS))
        ]
        await asyncio.gather(
            fail_until(end, server, tally), *(uploader.go_on_until(end) for uploader in uploaders)
        )
        for uploader in uploaders:
            await assert_all_there(uploader)
    acknowledged = [upload for uploader in uploaders for upload in uploader.acknowledged]
    log.info("soaked", seed=SEED, seconds=SECONDS, acknowledged=len(acknowledged), **asdict(tally))
    assert_nothing_else(server, acknowledged)
    assert server.stop() == 0
    await assert_swept_clean(tmp_path)
    assert tally.servers_killed, tally
    assert tally.mongods_killed, tally
    events = {line["event"] for line in server.log_lines("error")}
    assert events <= {"embedded mongod died, starting it again", "submission not recorded"}, tally


async def assert_all_there(uploader: Uploader) -> None:
    """Each of a student's uploads is what its key stands for, byte by byte."""
    for upload in uploader.acknowledged:
        receipt = (await uploader.student.receipt(upload.key)).json()
        assert unsigned(receipt) == unsigned(upload.answer)
        contents = await uploader.student.files(receipt)
        assert [hashlib.sha256(content).hexdigest() for content in contents] == upload.contents


def assert_nothing_else(server: ServerProcess, acknowledged: list[Upload]) -> None:
    """Every document is that of one 201, and all that it has is of that upload."""
    recorded = {document["_id"]: document for document in documents(server)}
    assert sorted(recorded) == sorted(upload.answer["id"] for upload in acknowledged)
    for upload in acknowledged:
        document = recorded[upload.answer["id"]]
        assert [file["sha256"] for file in files_in(document)] == upload.contents
        assert [receipt["key"] for receipt in document["receipts"]] == [upload.key]


async def assert_swept_clean(folder: Path) -> None:
    """After the next start, and its first sweep, there is just what the documents point at."""
    server = ServerProcess(folder, **SWEPT_AT_ONCE)
    try:
        server.start()
        assert drafts_on_disk(server.media_root) == []
        await eventually(lambda: kept_on_disk(server.media_root) == referenced_paths(server))
        assert_promises_kept(server)
        assert server.stop() == 0
    finally:
        server.make_sure_it_ended()
