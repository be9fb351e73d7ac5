"""The real server with one fault built in: `python -m tests.e2e.faulty_server FAULT`, settings as for `run.py`.

Each fault replaces one method by one that lets the fault happen at just that point. The points lie in the last hops
of an upload: fsync and rename of each file, fsync of the folder, insert, answer.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tornado.iostream import IOStream

from server.commands import main
from storage.domain.errors import Unavailable
from storage.domain.submission import Submission
from storage.draft_file import DraftFile
from storage.submission_store import SubmissionStore
from tests.e2e.processes import hang

MONGOD = "MONGOD_PID"
"""The environment variable that says which process the mongod to stop is."""

_move, _insert, _write, _fsync = DraftFile.move_to, SubmissionStore.insert, IOStream.write, os.fsync


def die(*_: Any, **__: Any) -> None:
    """kill -9 of this very process."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_before_the_first_fsync() -> None:
    patch("os.fsync", lambda fd: die() if _is_of_a_draft(fd) else _fsync(fd)).start()


def _is_of_a_draft(fd: int) -> bool:
    return ".drafts" in Path(f"/proc/self/fd/{fd}").readlink().parts


def die_between_renames() -> None:
    moved: list[DraftFile] = []

    def move_to(file: DraftFile, *args: Any, **kwargs: Any) -> Any:
        if moved:
            die()
        moved.append(file)
        return _move(file, *args, **kwargs)

    patch.object(DraftFile, "move_to", move_to).start()


def die_before_the_insert() -> None:
    patch.object(SubmissionStore, "insert", die).start()


def die_before_the_answer() -> None:
    async def insert(store: SubmissionStore, submission: Submission) -> None:
        await _insert(store, submission)
        die()

    patch.object(SubmissionStore, "insert", insert).start()


def die_in_the_answer() -> None:
    def write(stream: IOStream, data: Any) -> Any:
        if bytes(data[:12]) == b"HTTP/1.1 201":
            stream.socket.send(data[: len(data) // 2])
            die()
        return _write(stream, data)

    patch.object(IOStream, "write", write).start()


def lose_mongod_before_the_insert() -> None:
    _at_the_first_insert(_kill_mongod, _insert)


def lose_mongod_before_its_answer() -> None:
    """The document is recorded; that it is, nobody hears."""

    async def lose(store: SubmissionStore, submission: Submission) -> None:
        await _insert(store, submission)
        _kill_mongod()
        raise Unavailable

    _at_the_first_insert(lambda: None, lose)


def hang_mongod_before_the_insert() -> None:
    """Its connections stay, and nothing comes of what is sent on them before somebody lets it go on."""
    _at_the_first_insert(lambda: hang(int(os.environ[MONGOD])), _insert)


def fail_a_files_fsync() -> None:
    """EIO, once, for an upload's second file."""
    seen: list[int] = []

    def fsync(fd: int) -> None:
        if _is_of_a_draft(fd):
            seen.append(fd)
            if len(seen) == 2:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        _fsync(fd)

    patch("os.fsync", fsync).start()


def fail_the_folders_fsync() -> None:
    """EIO, once, for the folder that an upload's files were moved to."""
    failed: list[int] = []

    def fsync(fd: int) -> None:
        folder = Path(f"/proc/self/fd/{fd}").resolve()
        if not failed and folder.is_dir() and any(folder.glob("*.jpg")):
            failed.append(fd)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        _fsync(fd)

    patch("os.fsync", fsync).start()


def _kill_mongod() -> None:
    """kill -9 of the embedded one, whose lock file names it."""
    lock = Path(os.environ["TURANTALIM_SERVER__STATE_DIR"]) / "mongo" / "data" / "mongod.lock"
    os.kill(int(lock.read_text()), signal.SIGKILL)


def _at_the_first_insert(before: Callable[[], None], first: Callable[..., Any]) -> None:
    """Every later insert is as ever."""
    inserts: list[Submission] = []

    async def insert(store: SubmissionStore, submission: Submission) -> None:
        inserts.append(submission)
        if len(inserts) == 1:
            before()
            await first(store, submission)
        else:
            await _insert(store, submission)

    patch.object(SubmissionStore, "insert", insert).start()


FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__: fault
    for fault in (
        die_before_the_first_fsync,
        die_between_renames,
        die_before_the_insert,
        die_before_the_answer,
        die_in_the_answer,
        lose_mongod_before_the_insert,
        lose_mongod_before_its_answer,
        hang_mongod_before_the_insert,
        fail_a_files_fsync,
        fail_the_folders_fsync,
    )
}


def entry(fault: Callable[[], None]) -> tuple[str, ...]:
    """What `ServerProcess.start` is given to have `fault` happen."""
    return "-m", "tests.e2e.faulty_server", fault.__name__


if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.exit(main([]))
