"""Files that would hurt a server hurt a process that is there for that; those beside them are examined."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from storage.domain.errors import StorageFull, Unavailable
from storage.domain.examination import CopyUse, Examined, MediaWarning
from storage.examining_process import (
    JOB,
    READY,
    ExaminingProcess,
    FileJob,
    Job,
    Killed,
    Medium,
    ProcessLimits,
)
from tests.e2e.processes import eventually, is_running
from tests.e2e.server_process import HOME
from tests.media_samples import photo, recording
from tests.odd_media import RULES, decompression_bomb

COMMAND = (sys.executable, "-m", "server.examining")
LIMITS = ProcessLimits(seconds=20, memory_bytes=1 << 30)
UNREADABLE = Examined((MediaWarning.UNREADABLE,))
ON_FILE = """
import os, signal, sys, time
from server import examining
examine = examining._examine
def odd(job, file):
    if "odd" in file.source.name:
        {what}
    return examine(job, file)
examining._examine = odd
sys.exit(examining.main())
"""
"""The real process, but for what it does on a file called odd."""


def process(*command: str) -> ExaminingProcess:
    return ExaminingProcess(command or COMMAND, HOME)


def odd_process(what: str) -> ExaminingProcess:
    return process(sys.executable, "-c", ON_FILE.format(what=what))


def job(folder: Path, medium: Medium, files: Sequence[tuple[str, bytes]]) -> Job:
    jobs = []
    for name, content in files:
        (folder / name).write_bytes(content)
        jobs.append(FileJob(folder / name, {use: folder / f"{name}-{use}" for use in CopyUse}))
    return Job(os.getpid(), medium, jobs, LIMITS, RULES)


async def found(process: ExaminingProcess, job: Job) -> list[Examined]:
    return [each async for each in process.examine(job)]


pytestmark = pytest.mark.gen_test(timeout=60)


@pytest.mark.parametrize(
    "what",
    [
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "os._exit(0)",
        "bytearray(2 << 30)",
        "b = []\n        while True: b.append(bytearray(1 << 20))",
        "print('no line of JSON', flush=True)",
        "print('x' * 200_000, flush=True)",
        """print('{"copies": [{"use": "view", "path": "/etc/passwd", "media_type": "", "size_bytes": 1, """
        """"sha256": ""}]}', flush=True)""",
        "raise RuntimeError",
    ],
    ids=["crash", "exit", "one allocation", "many", "no JSON", "a long line", "a foreign copy", "error"],
)
async def test_whatever_a_file_does_the_others_are_examined(tmp_path: Path, what: str) -> None:
    files = [("a.jpg", photo(800, 600)), ("odd.jpg", photo()), ("b.jpg", photo(800, 600))]
    first, odd, last = await found(odd_process(what), job(tmp_path, Medium.PHOTO, files))
    assert odd == UNREADABLE
    assert (first.width, last.width, first.warnings, last.warnings) == (800, 800, (), ())


@pytest.mark.parametrize("what", ["time.sleep(1000)", "while True: pass"], ids=["hangs", "spins"])
async def test_a_file_has_only_so_much_time(tmp_path: Path, what: str) -> None:
    asked = replace(
        job(tmp_path, Medium.PHOTO, [("odd.jpg", photo()), ("b.jpg", photo(800, 600))]),
        limits=ProcessLimits(seconds=0.5, memory_bytes=1 << 30),
    )
    quick = odd_process(what)
    odd, last = await found(quick, asked)
    assert odd == UNREADABLE
    assert last.width == 800


async def test_a_file_gets_only_so_much_memory(tmp_path: Path) -> None:
    """Here one that may be decoded: 900 megapixels in a quarter of a gigabyte."""
    asked = replace(
        job(tmp_path, Medium.PHOTO, [("a.png", decompression_bomb()), ("b.jpg", photo(800, 600))]),
        limits=ProcessLimits(seconds=20, memory_bytes=256 << 20),
        rules=replace(RULES, photo_pixels=10**9),
    )
    bomb, last = await found(process(), asked)
    assert bomb == UNREADABLE
    assert last.width == 800


async def test_a_full_disk_says_nothing_about_a_file(tmp_path: Path) -> None:
    files = [("odd.webm", recording("webm-live", 3.0))]
    full = odd_process("raise OSError(28, 'No space left on device')")
    with pytest.raises(StorageFull):
        await found(full, job(tmp_path, Medium.RECORDING, files))


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGKILL"])
async def test_a_process_that_somebody_ends_says_nothing_about_a_file(tmp_path: Path, number: str) -> None:
    """systemd tells every process of a service to end while its server drains; a kernel short of memory kills."""
    ended = odd_process(f"os.kill(os.getpid(), signal.{number}); time.sleep(1000)")
    with pytest.raises(Killed if number == "SIGKILL" else Unavailable):
        await found(ended, job(tmp_path, Medium.PHOTO, [("odd.jpg", photo())]))


@pytest.mark.expects_errors
@pytest.mark.parametrize(
    "command",
    [("/nothing/there",), (sys.executable, "-c", "import not_installed"), (sys.executable, "-c", "print()")],
    ids=["no process", "a broken installation", "another program"],
)
async def test_a_process_that_does_not_begin_says_nothing_about_a_file(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    with pytest.raises(Unavailable):
        await found(process(*command), job(tmp_path, Medium.PHOTO, [("a.jpg", photo())]))


async def test_a_process_that_has_to_wait_for_a_processor_has_time(tmp_path: Path) -> None:
    asked = replace(
        job(tmp_path, Medium.PHOTO, [("odd.jpg", photo(800, 600))]),
        limits=ProcessLimits(seconds=0.5, memory_bytes=1 << 30),
    )
    (seen,) = await found(odd_process("time.sleep(2)"), asked)
    assert seen.width == 800


async def test_recordings_are_heard_in_it(tmp_path: Path) -> None:
    (heard,) = await found(
        process(), job(tmp_path, Medium.RECORDING, [("a.webm", recording("webm-live", 3.0))])
    )
    assert heard.duration_seconds == pytest.approx(3.0, abs=0.1)
    assert len(heard.peaks) == 200
    assert [copy.path for copy in heard.copies] == [str(tmp_path / "a.webm-view")]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that starts one which examines, and waits for it."""
    what = "print(os.getpid(), os.getpriority(0, 0), flush=True); time.sleep(1000)"
    (tmp_path / "child.py").write_text(ON_FILE.format(what=what))
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path / "child.py")],
        cwd=HOME,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        yield server
        server.kill()


async def test_it_gives_way_to_others_and_dies_with_its_server(
    tmp_path: Path, server: subprocess.Popen[bytes]
) -> None:
    asked = job(tmp_path, Medium.PHOTO, [("odd.jpg", photo())])
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(JOB.dump_json(replace(asked, server=server.pid)))
    server.stdin.close()
    assert server.stdout.readline() == READY
    pid, niceness = map(int, server.stdout.readline().split())
    assert niceness >= 15
    server.kill()
    await eventually(lambda: not is_running(pid))


SERVER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, sys.argv[1]], stdin=subprocess.PIPE, env={"PYTHONPATH": "."})
child.communicate(sys.stdin.buffer.read())
"""
