"""The disk below `media.root` fills up, turns read-only or fails: refused, nothing left, and then all is well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e import faulty_server
from tests.e2e.keyed_student import KeyedStudent, keyed_student
from tests.e2e.processes import eventually
from tests.e2e.promises import assert_promises_kept, documents, referenced_paths
from tests.e2e.server_process import ServerProcess
from tests.forms import Part, encode, file, text
from tests.handlers.refusals import Refusal
from tests.handlers.uploads import upload_head, without, writing_form
from tests.handlers.wire import Wire, connect
from tests.media_samples import padded, photo, recording
from tests.people import SPEAKING, WRITING
from tests.storage.small_disk import fill, mounted, read_only
from tests.storage.uploads import drafts_on_disk, kept_on_disk

pytestmark = pytest.mark.gen_test(timeout=60)

KEY = "d15c0000-6e0f-4f0b-8a64-1f7e2d3c4b5a"
DISK_BYTES = 8 << 20
RECORDING_BYTES = 3 << 20
"""Several batches of a draft, so that the disk is written to long before the end."""
SWEPT_SOON = {"TURANTALIM_MEDIA__DRAFT_TTL_SECONDS": "1", "TURANTALIM_MEDIA__SWEEP_SECONDS": "0.2"}
FULL = Refusal(507, "storage_full")
AWAY = Refusal(503, "unavailable")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "media", f"size={DISK_BYTES}") as folder:
        yield folder


@asynccontextmanager
async def serving(
    folder: Path, settings: dict[str, str], *entry: str
) -> AsyncIterator[tuple[ServerProcess, KeyedStudent]]:
    """A server that keeps its media in `folder`/media. In the end it takes an upload, as if nothing had been."""
    server = ServerProcess(folder, **settings)
    try:
        server.start(*entry)
        async with keyed_student(server) as student:
            yield server, student
            assert await readiness(server) == (200, "ok")
            answer = await student.send(KEY, writing_form())
            assert answer.status_code == 201, answer.text
            assert [document["_id"] for document in documents(server)] == [answer.json()["id"]]
        assert kept_on_disk(server.media_root) == referenced_paths(server)
        assert drafts_on_disk(server.media_root) == []
        assert_promises_kept(server)
        assert server.stop() == 0
    finally:
        server.make_sure_it_ended()


async def readiness(server: ServerProcess) -> tuple[int, str]:
    """The status of /readyz, and what it says of the media root."""
    async with httpx.AsyncClient(base_url=server.url) as http:
        answer = await http.get("/readyz")
        assert (await http.get("/healthz")).status_code == 200
    return answer.status_code, answer.json()["media"]


def assert_refused(answer: httpx.Response, refusal: Refusal) -> None:
    refusal.check(answer)
    assert int(answer.headers["Retry-After"]) > 0


def assert_nothing_left(server: ServerProcess) -> None:
    assert kept_on_disk(server.media_root) == set()
    assert drafts_on_disk(server.media_root) == []
    assert documents(server) == []


def disk_errors(server: ServerProcess) -> set[str]:
    """What the server logged as errors: each is what the operating system said."""
    return {line["error"] for line in server.log_lines("error") if line["event"] == "disk refused"}


def speaking_form(size_bytes: int = RECORDING_BYTES) -> list[Part]:
    return [
        text("answers[0][question]", 101),
        file("answers[0][speaking_audio]", padded(recording("wav"), size_bytes), "answer.wav"),
    ]


def large_pages() -> list[Part]:
    """A Writing form of two photos, each several batches of a draft."""
    photos = [file(f"task{task}_image1", padded(photo(), RECORDING_BYTES // 2)) for task in (1, 2)]
    return [*without(writing_form(), "task1_image1", "task2_image1"), *photos]


@asynccontextmanager
async def half_an_upload(
    server: ServerProcess, student: KeyedStudent, form: list[Part], path: str = SPEAKING
) -> AsyncIterator[tuple[Wire, bytes]]:
    """A connection with half an upload on it, of which some is on the disk, and the other half."""
    body = encode(form)
    async with connect(server.url) as wire:
        await wire.send(upload_head(path, len(body), student.keyed("half")), body[: len(body) // 2])
        await eventually(lambda: any(draft.stat().st_size for draft in drafts_on_disk(server.media_root)))
        yield wire, body[len(body) // 2 :]


async def test_a_disk_that_is_full_when_an_upload_begins_or_fills_with_it_refuses_it(
    tmp_path: Path, small_disk: Path, shared_mongod: dict[str, str]
) -> None:
    async with serving(tmp_path, shared_mongod) as (server, student):
        larger = await student.send("larger", speaking_form(DISK_BYTES + 1), SPEAKING)
        assert_refused(larger, FULL)
        assert_nothing_left(server)
        assert await readiness(server) == (200, "ok")
        filler = small_disk / "filler"
        fill(filler, leaving_bytes=DISK_BYTES // 100 - 8192)  # below what is kept back
        assert await readiness(server) == (503, "storage_full")
        assert_refused(await student.send("late", writing_form()), FULL)
        assert_nothing_left(server)
        filler.unlink()
    assert disk_errors(server) == {"[Errno 28] No space left on device"}


async def test_an_upload_under_way_is_refused_when_the_disk_fills_up(
    tmp_path: Path, small_disk: Path, shared_mongod: dict[str, str]
) -> None:
    async with serving(tmp_path, shared_mongod) as (server, student):
        async with half_an_upload(server, student, speaking_form()) as (wire, rest):
            filler = small_disk / "filler"
            fill(filler, leaving_bytes=0)
            assert await readiness(server) == (503, "storage_full")
            await wire.send(rest)
            assert_refused(await wire.answer(), FULL)
        assert_nothing_left(server)
        filler.unlink()


async def test_a_disk_that_can_only_be_read_refuses_uploads_and_serves_what_it_has(
    tmp_path: Path, small_disk: Path, shared_mongod: dict[str, str]
) -> None:
    async with serving(tmp_path, shared_mongod) as (server, student):
        with read_only(small_disk):
            assert await readiness(server) == (503, "unavailable")
            assert_refused(await student.send(KEY, writing_form()), AWAY)
            assert_nothing_left(server)
    assert all(error.startswith("[Errno 30] Read-only file system") for error in disk_errors(server))


@pytest.mark.parametrize("fault", [faulty_server.fail_a_files_fsync, faulty_server.fail_the_folders_fsync])
async def test_what_the_disk_could_not_make_sure_of_is_not_acknowledged(
    fault: Callable[[], None], tmp_path: Path, shared_mongod: dict[str, str]
) -> None:
    """EIO, which no test can cause: the server is given it where it asks for the fsync."""
    async with serving(tmp_path, shared_mongod, *faulty_server.entry(fault)) as (server, student):
        assert_refused(await student.send(KEY, writing_form()), AWAY)
        assert_nothing_left(server)
        assert (await student.receipt(KEY)).status_code == 404
    assert disk_errors(server) == {"[Errno 5] Input/output error"}


async def test_an_upload_under_way_is_refused_when_the_disk_turns_read_only(
    tmp_path: Path, small_disk: Path, shared_mongod: dict[str, str]
) -> None:
    """Its first file may still be written; nothing can be opened, and nothing removed before the sweep can."""
    settings = shared_mongod | SWEPT_SOON | {"TURANTALIM_LIMITS__UPLOADS_PER_USER": "1"}
    async with serving(tmp_path, settings) as (server, student):
        async with half_an_upload(server, student, large_pages(), WRITING) as (wire, rest):
            with read_only(small_disk):
                await wire.send(rest)
                assert_refused(await wire.answer(), AWAY)
        await eventually(lambda: drafts_on_disk(server.media_root) == [])
        assert_nothing_left(server)
    assert {line["event"] for line in server.log_lines("error")} == {"disk refused"}
