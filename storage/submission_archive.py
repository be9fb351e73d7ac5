"""A submission's files and its document as one zip, made while it is read: neither in memory nor on the disk.

The files lie in it as they are (they are compressed media), so its size is known before its first byte.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from pathlib import Path

import structlog
from zipstream import ZipStream

from storage.domain.errors import NotFound
from storage.domain.examination import CopyUse
from storage.domain.submission import StoredFile
from storage.media_vault import MediaVault

log = structlog.get_logger(__name__)

_CHUNK_BYTES = 256 << 10
"""One thread hop reads at least this much, and 64 KiB more at most; a slow reader holds no more in memory."""


def served_file(vault: MediaVault, file: StoredFile) -> Path:
    """The copy of `file` that people are given: the one made to be looked at or listened to, if there is one."""
    copy = file.examined.copy_for(CopyUse.VIEW) if file.examined else None
    return vault.locate(copy.path if copy else file.path)


class SubmissionArchive:
    """A zip whose `size_bytes` are known; see `open_archive`."""

    def __init__(self, vault: MediaVault, zipped: ZipStream) -> None:
        self.size_bytes = len(zipped)
        self._vault = vault
        self._pieces: Generator[bytes, None, None] = iter(zipped)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """All of it, once. Raises Unavailable if a file cannot be read after all."""
        try:
            while chunk := await self._vault.run(self._next_chunk):
                yield chunk
        finally:
            await self._vault.run(self._pieces.close)

    def _next_chunk(self) -> bytes:
        """Runs in one of the vault's threads."""
        pieces, size_bytes = [], 0
        for piece in self._pieces:
            pieces.append(piece)
            size_bytes += len(piece)
            if size_bytes >= _CHUNK_BYTES:
                break
        return b"".join(pieces)


async def open_archive(
    vault: MediaVault, files: Mapping[str, Path], documents: Mapping[str, bytes]
) -> SubmissionArchive:
    """An archive of `documents` and of `files` by their names in it. Raises NotFound naming each file that is not
    there, so that it can be said before the first byte."""

    def open_each() -> ZipStream:
        zipped = ZipStream(sized=True)
        missing: dict[str, list[str]] = {}
        for name, content in documents.items():
            zipped.add(content, name)
        for name, path in files.items():
            try:
                zipped.add_path(str(path), name)
            except FileNotFoundError:
                log.error("file missing", path=str(path))
                missing[name] = ["This file is missing."]
        if missing:
            raise NotFound(details=missing)
        return zipped

    return SubmissionArchive(vault, await vault.run(open_each))
