"""The files of one upload while it arrives, written a batch of operations at a time."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from storage.domain.errors import StorageFull, Unavailable
from storage.domain.file_operations import (
    Batch,
    CloseFile,
    FileOperation,
    FileProgress,
    KeptFile,
    OpenFile,
    WriteBytes,
)
from storage.domain.submission import Section
from storage.draft_file import DraftFile
from storage.media_vault import MediaVault, refused_by_disk

T = TypeVar("T")


class Draft:
    """The files of one upload while it arrives. Add operations, flush when a batch is due, keep or discard."""

    def __init__(self, vault: MediaVault) -> None:
        self._vault = vault
        self._pending = Batch()
        self._files: list[DraftFile] = []
        self._kept: tuple[KeptFile, ...] = ()
        self._job: asyncio.Future[Any] | None = None
        self._over = False
        self._name = uuid.uuid4()

    @property
    def pending_bytes(self) -> int:
        return self._pending.size_bytes

    @property
    def progress(self) -> list[FileProgress]:
        """What of each file is on the disk."""
        return [file.progress for file in self._files]

    def add(self, operation: FileOperation) -> None:
        """Note an operation; nothing happens on disk before `flush` or `keep`."""
        self._pending.add(operation)

    async def flush(self) -> None:
        """Carry out what was added, in one job. Awaiting this is the upload's backpressure.

        Raises UnsupportedMedia naming the field, StorageFull, Unavailable.
        """
        operations = self._pending.take()
        if operations:
            await self._run(lambda: self._carry_out(operations))

    async def keep(self, section: Section, moment: datetime) -> tuple[KeptFile, ...]:
        """Carry out the rest and move every file to its final name, durably; the draft is over.

        The files are in hand until the caller says `settled`.
        """
        operations = self._pending.take()

        def finish() -> tuple[KeptFile, ...]:
            self._carry_out(operations)
            self._kept = self._vault.keep(self._files, section, moment)
            return self._kept

        kept = await self._run(finish)
        self._over = True
        return kept

    async def discard(self) -> None:
        """Leave nothing behind; what a failing disk does not let go of, the sweep takes. Idempotent; waits for a
        write in flight, which cannot be cancelled."""
        if self._over:
            return
        self._over = True
        self._pending.take()
        if (job := self._job) is not None and not job.done():
            await asyncio.wait([job])
        if job is not None and not job.cancelled():
            job.exception()  # whoever waited for it has it; if nobody did, nobody needs it
        self._vault.settled(file.path for file in self._kept)  # whoever asked for it was cancelled meanwhile
        with contextlib.suppress(Unavailable, StorageFull):  # logged where it came from
            await self._vault.run(self._remove_files)

    async def _run(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread of the vault's. It cannot be cancelled, so whoever discards waits for it."""
        self._job = job = self._vault.submit(work)
        with refused_by_disk():
            return await asyncio.shield(job)

    def _remove_files(self) -> None:
        with contextlib.ExitStack() as every:  # the one that cannot be removed must not keep the others open
            for file in self._files:
                every.callback(file.remove)

    def _carry_out(self, operations: Sequence[FileOperation]) -> None:
        if any(isinstance(operation, OpenFile) for operation in operations):
            self._vault.check_room()  # before a file is begun; what is begun may end
        for operation in operations:
            match operation:
                case OpenFile():
                    self._files.append(self._vault.new_file(self._name, len(self._files), operation))
                case WriteBytes(data):
                    self._files[-1].write(data)
                case CloseFile():
                    self._files[-1].complete()
