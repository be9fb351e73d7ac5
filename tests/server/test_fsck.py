"""`run.py fsck` as operators type it, on what real uploads left: exit codes, lines, and beside a running server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.server_process import ServerProcess
from tests.media_samples import photo
from tests.people import Json, Student, photo_file
from tests.server.mongod_process import has_mongod

NO_PROBLEM = "0 problems; without a document: 0 young, 0 left-over drafts; without a sha256: 0\n"


@pytest.fixture
def replacing(tmp_path: Path, shared_mongod: dict[str, str]) -> Iterator[ServerProcess]:
    """A server whose students may send other answers as long as theirs are pending."""
    server = ServerProcess(tmp_path, TURANTALIM_SUBMISSIONS__RESUBMISSION="replace_pending", **shared_mongod)
    try:
        yield server.start()
    finally:
        server.make_sure_it_ended()


async def submitted(server: ServerProcess, token: str, user_test_id: int, seed: int = 0) -> Json:
    page = photo_file(photo(64, 48, seed=seed))
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        return await Student(http, token).submit_writing(user_test_id, [page], [page])


def files_of(server: ServerProcess) -> list[Path]:
    """All files under final names, in the order in which they came."""
    kept = (path for path in (server.folder / "media" / "writing").rglob("*") if path.is_file())
    return sorted(kept, key=lambda path: path.stat().st_mtime_ns)


def test_finds_nothing_wrong_with_a_new_installation_and_makes_no_media_root(tmp_path: Path) -> None:
    installation = ServerProcess(tmp_path)
    done = installation.run("fsck")
    assert (done.returncode, done.stdout) == (0, f"0 submissions, 0 files, 0 bytes, {NO_PROBLEM}")
    assert not (tmp_path / "media").exists()
    assert not has_mongod(tmp_path / "var")


@pytest.mark.gen_test(timeout=60)
async def test_finds_nothing_wrong_after_uploads_with_or_without_the_server(
    quick_server: ServerProcess,
) -> None:
    token = quick_server.token("42")
    for number in (1, 2):
        await submitted(quick_server, token, number)
    size = sum(path.stat().st_size for path in files_of(quick_server))
    expected = (0, f"2 submissions, 4 files, {size} bytes, {NO_PROBLEM}")
    beside = quick_server.run("fsck", "--deep")
    assert (beside.returncode, beside.stdout) == expected
    quick_server.stop()
    alone = quick_server.run("fsck")
    assert (alone.returncode, alone.stdout) == expected


@pytest.mark.gen_test(timeout=60)
async def test_tells_what_is_wrong_in_a_line_each_and_exits_with_1(quick_server: ServerProcess) -> None:
    token = quick_server.token("42")
    for number in (1, 2):
        await submitted(quick_server, token, number)
    quick_server.stop()  # or its sweep would be faster
    gone, cut, flipped, replaced = files_of(quick_server)
    sizes = {path: path.stat().st_size for path in (gone, cut, flipped, replaced)}
    gone.unlink()
    os.truncate(cut, 100)
    flipped.write_bytes(bytes(sizes[flipped]))
    replaced.unlink()
    replaced.mkdir()
    stray = flipped.with_name("stray.jpg")
    stray.write_bytes(b"stray")
    os.utime(stray, (0, 0))

    done = quick_server.run("fsck", "--deep")
    lines = [line.split(" ", 3) for line in done.stdout.splitlines()]
    root = quick_server.folder / "media"
    told = [(kind, root / path, submission, values) for kind, path, submission, values in lines[:-1]]
    expected = [
        ("extra", stray, "0", "nothing/5"),
        ("inaccessible", replaced, "2", f"{sizes[replaced]}/not a regular file"),
        ("missing", gone, "1", f"{sizes[gone]}/nothing"),
        ("size", cut, "1", f"{sizes[cut]}/100"),
    ]
    assert [line for line in told if line[0] != "sha256"] == expected
    assert [line[:3] for line in told if line[0] == "sha256"] == [("sha256", flipped, "2")]
    assert [kind for kind, *_ in told] == sorted(kind for kind, *_ in told)
    assert "5 problems" in done.stdout.splitlines()[-1]
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.gen_test(timeout=90)
async def test_raises_no_false_alarm_beside_replacements(replacing: ServerProcess) -> None:
    token = replacing.token("42")
    checked = asyncio.Event()

    async def replace_all_the_time(user_test_id: int) -> int:
        times = 0
        while not checked.is_set():
            await submitted(replacing, token, user_test_id, seed=10 * user_test_id + times % 10)
            times += 1
        return times

    working = [asyncio.create_task(replace_all_the_time(number)) for number in (1, 2)]
    for deep in ([], ["--deep"]):
        done = await asyncio.to_thread(replacing.run, "fsck", *deep)
        assert (done.returncode, done.stderr) == (0, "")
        assert ", 0 problems; " in done.stdout
    checked.set()
    assert min(await asyncio.gather(*working)) > 1
    assert replacing.stop() == 0
    assert replacing.log_lines("error") == []


def test_says_by_key_why_it_could_not_look(tmp_path: Path) -> None:
    away = {"TURANTALIM_MONGO__URI": "mongodb://127.0.0.1:1/", "TURANTALIM_MONGO__TIMEOUT_SECONDS": "0.5"}
    done = ServerProcess(tmp_path, **away).run("fsck")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mongo.uri: ")
    assert len(done.stderr.splitlines()) == 1
