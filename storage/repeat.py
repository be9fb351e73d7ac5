"""An upload under an Idempotency-Key that has its 201 already: compared while it streams, nothing of it stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from storage.domain.file_operations import Batch, CloseFile, FileOperation, FileProgress, OpenFile, WriteBytes
from storage.domain.submission import Submission
from storage.media_vault import MediaVault


class Repeat:
    """Hashes what a draft would write; used as a draft is."""

    def __init__(self, vault: MediaVault, first: Submission, key: str) -> None:
        """`first` is the submission that has the 201 under `key`."""
        self.first = first
        self.key = key
        self._vault = vault
        self._pending = Batch()
        self._files: list[_HashedFile] = []

    @property
    def pending_bytes(self) -> int:
        return self._pending.size_bytes

    @property
    def progress(self) -> Sequence[FileProgress]:
        return [FileProgress(file.field, file.size_bytes, file.is_complete) for file in self._files]

    def add(self, operation: FileOperation) -> None:
        self._pending.add(operation)

    async def flush(self) -> None:
        operations = self._pending.take()
        if operations:
            await self._vault.run(lambda: self._carry_out(operations))

    async def sha256_by_field(self) -> Mapping[str, str]:
        """The hash of each file, all of it."""
        await self.flush()
        return {file.field: file.hash.hexdigest() for file in self._files}

    async def discard(self) -> None:
        """There is nothing to leave behind."""
        self._pending.take()

    def _carry_out(self, operations: Sequence[FileOperation]) -> None:
        for operation in operations:
            match operation:
                case OpenFile(field):
                    self._files.append(_HashedFile(field))
                case WriteBytes(data):
                    self._files[-1].write(data)
                case CloseFile():
                    self._files[-1].is_complete = True


class _HashedFile:
    def __init__(self, field: str) -> None:
        self.field = field
        self.size_bytes = 0
        self.is_complete = False
        self.hash: Any = hashlib.sha256()

    def write(self, data: bytes | memoryview) -> None:
        self.hash.update(data)
        self.size_bytes += len(data)
