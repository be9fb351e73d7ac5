"""Uploaded files on disk: drafts while they arrive, then under their final names for good.

Names are made here (`media_tree.py` has the layout); a client's file name never reaches the disk. All disk work
runs in the vault's own threads, one job a batch of operations.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

import structlog

from storage.domain.errors import StorageFull, Unavailable
from storage.domain.file_operations import KeptFile, OpenFile
from storage.domain.submission import Section
from storage.draft_file import FILE_MODE, DraftFile, FileSettings
from storage.media_tree import DRAFTS, LOCK, day_folder, is_abandoned, untouched
from storage.media_type import MediaTypeDetector

log = structlog.get_logger(__name__)
T = TypeVar("T")

_FOLDER_MODE = 0o750
_DISK_THREADS = 8
"""Enough to keep a disk's queue filled while some jobs wait in fsync; each upload has at most one job."""
_DISK_NICENESS = 5
"""Where threads that hash are more than cores, a request of a few microseconds waited for 50 ms behind them; giving
way costs them nothing that could be measured."""
_FULL = {errno.ENOSPC, errno.EDQUOT}
_SWEEP_BATCH = 500
_MAX_RESERVE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """See `media` in config.yaml. `reserve_bytes` None: 1 % of the file system, at most 1 GiB."""

    root: Path
    reserve_bytes: int | None
    files: FileSettings = field(default_factory=FileSettings)


class MediaVault:
    """The media root. `open()` before use, `close()` at the end; both block."""

    def __init__(self, settings: VaultSettings, detector: MediaTypeDetector) -> None:
        self._settings = settings
        self._root = settings.root
        self._drafts = self._root / DRAFTS / uuid.uuid4().hex
        self._lock_fd = -1
        self._durable_folders: set[Path] = set()
        self._in_hand: set[str] = set()
        """Kept, or just being renamed, and not settled: no sweep takes these, however long MongoDB hangs."""
        self._threads = ThreadPoolExecutor(_DISK_THREADS, thread_name_prefix="disk", initializer=_give_way)
        self.detector = detector

    def open(self) -> None:
        """Make and lock this process's draft folder, and remove those of processes that died."""
        everyone = self._drafts.parent
        everyone.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        if self._settings.files.fsync:
            _fsync_folder(self._root.parent)  # the root may have been made just now
        # One at a time, or a folder just made could be taken for one whose process is gone.
        with (everyone / LOCK).open("w") as one_at_a_time:
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            self._drafts.mkdir(mode=_FOLDER_MODE)
            self._lock_fd = os.open(self._drafts / LOCK, os.O_CREAT | os.O_RDWR, FILE_MODE)
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
            for folder in everyone.iterdir():
                if folder.is_dir() and folder != self._drafts and is_abandoned(folder):
                    shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        self._threads.shutdown()
        shutil.rmtree(self._drafts, ignore_errors=True)
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def submit(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Do disk work in a thread of ours; raises what it raises, see `refused_by_disk`."""
        return asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def run(self, work: Callable[[], T]) -> T:
        """Do disk work in a thread; what the operating system refuses becomes StorageFull or Unavailable."""
        with refused_by_disk():
            return await self.submit(work)

    def locate(self, path: str) -> Path:
        """Where a document's `path` is on disk."""
        return self._root / path

    async def remove(self, paths: Iterable[str]) -> None:
        """Unlink files no document points at; missing ones are fine. One that cannot be unlinked keeps none of the
        others; raises for it in the end."""
        gone = [self._root / path for path in paths]

        def unlink() -> None:
            with ExitStack() as every:
                for path in gone:
                    every.callback(path.unlink, missing_ok=True)

        await self.run(unlink)

    async def check_writable(self) -> None:
        """Raise Unavailable or StorageFull if an upload could not be stored now."""
        probe = self._drafts / f"probe-{uuid.uuid4().hex}"

        def write_and_remove() -> None:
            self.check_room()
            probe.touch(mode=FILE_MODE)
            probe.unlink()

        await self.run(write_and_remove)

    async def old_files(
        self, untouched_seconds: float, since: date | None = None
    ) -> AsyncGenerator[list[str], None]:
        """All kept files and drafts nobody touched for so long, in batches of relative paths, one job a batch;
        with `since` of the kept files only those of that day and later. What is in hand is left out."""
        old = untouched(self._root, time.time() - untouched_seconds, since)
        while batch := await self.run(lambda: list(islice(old, _SWEEP_BATCH))):
            # Asked after the walk saw them: what was settled by then, MongoDB knows by now.
            if at_rest := [path for path in batch if path not in self._in_hand]:
                yield at_rest

    def settled(self, paths: Iterable[str]) -> None:
        """The documents of kept files are recorded, or never will be: they are no longer in hand, and the sweep
        goes by what MongoDB says."""
        self._in_hand.difference_update(paths)

    def new_copies(self, count: int) -> list[Path]:
        """Places among the drafts for copies that another process makes; left there, they are swept."""
        copies = uuid.uuid4().hex
        return [self._drafts / f"{copies}.{number}" for number in range(count)]

    async def keep_copies(self, moves: Mapping[Path, str]) -> None:
        """Give copies, which are on the disk, their names in folders of their originals, and have those names on
        the disk too. They are in hand until `settled`, and look young to the sweep of another process."""

        def rename() -> None:
            for place, path in moves.items():
                os.utime(place)
                place.rename(self._root / path)
            if self._settings.files.fsync:
                for folder in {(self._root / path).parent for path in moves.values()}:
                    _fsync_folder(folder)

        self._in_hand.update(moves.values())
        try:
            await self.run(rename)
        except BaseException:
            self.settled(moves.values())  # those that have their name already fall to the sweep
            raise

    # What follows runs in the vault's threads.

    def check_room(self) -> None:
        """Raise StorageFull below the reserve: the disk's last bytes belong to the database and the logs."""
        disk = os.statvfs(self._root)
        reserve = self._settings.reserve_bytes
        if reserve is None:
            reserve = min(disk.f_blocks * disk.f_frsize // 100, _MAX_RESERVE_BYTES)
        if disk.f_bavail * disk.f_frsize < reserve:
            raise StorageFull

    def new_file(self, draft: uuid.UUID, number: int, wanted: OpenFile) -> DraftFile:
        """The `number`th file of a draft, open."""
        path = f"{self._drafts}/{draft.hex}.{number}"
        # Final names are as unique as their draft, for which the kernel was asked for random bits once.
        name = f"{(draft.int + number) % (1 << 128):032x}"
        return DraftFile(path, name, wanted, self.detector, self._settings.files)

    def keep(self, files: Iterable[DraftFile], section: Section, moment: datetime) -> tuple[KeptFile, ...]:
        """Rename the files, which are on the disk, then fsync the folder: after this a power cut loses nothing
        (promise 1).

        The files are in hand from before they have their names until `settled`.
        """
        folder = day_folder(section, moment)
        self._ensure_folder(folder)
        names = {file.new_path(folder): file for file in files}
        self._in_hand.update(names)
        kept: list[KeptFile] = []
        try:
            for path, file in names.items():
                kept.append(file.move_to(self._root, path))
            if self._settings.files.fsync:
                _fsync_folder(self._root / folder)
        except OSError:
            self.settled(names)  # first: what cannot be removed here falls to the sweep
            for moved in kept:
                (self._root / moved.path).unlink(missing_ok=True)
            raise
        return tuple(kept)

    def _ensure_folder(self, folder: Path) -> None:
        """Make `folder` and its parents, each entry on disk before anything is put below it."""
        if self._root / folder in self._durable_folders and (self._root / folder).is_dir():
            return
        current = self._root
        for part in folder.parts:
            parent, current = current, current / part
            try:
                current.mkdir(mode=_FOLDER_MODE)
            except FileExistsError:
                # Perhaps just made by another thread, or process, that has not come to its fsync yet.
                if current in self._durable_folders:
                    continue
            if self._settings.files.fsync:
                _fsync_folder(parent)
            self._durable_folders.add(current)


def _give_way() -> None:
    """Let the event loop's thread go first. On Linux a niceness is a thread's own (setpriority(2))."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _DISK_NICENESS)


@contextmanager
def refused_by_disk() -> Iterator[None]:
    """Turn what the operating system refuses into StorageFull or Unavailable."""
    try:
        yield
    except OSError as error:
        log.error("disk refused", error=str(error), errno=error.errno)
        raise (StorageFull if error.errno in _FULL else Unavailable) from error


def _fsync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
