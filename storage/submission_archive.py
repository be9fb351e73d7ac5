"""A submission's files and its document as one zip, made while it is read: neither in memory nor on the disk.

The files lie in it as they are (they are compressed media), so its size is known before its first byte.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from zipstream import ZipStream

from storage.domain.errors import NotFound
from storage.domain.examination import CopyUse
from storage.domain.photo_metadata import Part, shown_parts, size_of
from storage.domain.submission import StoredFile
from storage.media_vault import MediaVault

log = structlog.get_logger(__name__)

_CHUNK_BYTES = 256 << 10
"""One thread hop reads at least this much, and as much more at most; a slow reader holds no more in memory."""


@dataclass(frozen=True, slots=True)
class ServedFile:
    """What people are given of an upload; of an `is_uploaded_photo`, that is it without its metadata."""

    place: Path
    is_uploaded_photo: bool


def served_file(vault: MediaVault, file: StoredFile) -> ServedFile:
    """The copy made to be looked at or listened to, if there is one, else what was sent."""
    copy = file.examined.copy_for(CopyUse.VIEW) if file.examined else None
    place = vault.locate(copy.path if copy else file.path)
    return ServedFile(place, is_uploaded_photo=copy is None and file.media_type.startswith("image/"))


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
    vault: MediaVault, files: Mapping[str, ServedFile], documents: Mapping[str, bytes]
) -> SubmissionArchive:
    """An archive of `documents` and of `files` by their names in it. Raises NotFound naming each file that is not
    there, so that it can be said before the first byte."""

    def open_each() -> ZipStream:
        zipped = ZipStream(sized=True)
        missing: dict[str, list[str]] = {}
        for name, content in documents.items():
            zipped.add(content, name)
        for name, file in files.items():
            try:
                _add(zipped, name, file)
            except FileNotFoundError:
                log.error("file missing", path=str(file.place))
                missing[name] = ["This file is missing."]
        if missing:
            raise NotFound(details=missing)
        return zipped

    return SubmissionArchive(vault, await vault.run(open_each))


def _add(zipped: ZipStream, name: str, file: ServedFile) -> None:
    if not file.is_uploaded_photo:
        zipped.add_path(str(file.place), name)
        return
    parts = shown_parts(file.place.read_bytes())
    zipped.add(_read(file.place, parts), name, size=size_of(parts))


def _read(place: Path, parts: Sequence[Part]) -> Iterator[bytes]:
    with place.open("rb") as content:
        for part in parts:
            if isinstance(part, bytes):
                yield part
                continue
            content.seek(part.start)
            for start in range(part.start, part.stop, _CHUNK_BYTES):
                yield content.read(min(_CHUNK_BYTES, part.stop - start))
