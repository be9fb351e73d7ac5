"""One file of an upload while it arrives: type decided on its first bytes, hash taken on the way. Blocking."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from storage.domain.errors import ServiceError, UnsupportedMedia
from storage.domain.file_operations import FileProgress, KeptFile, OpenFile
from storage.domain.media_rules import MediaFormat
from storage.media_type import HEAD_BYTES, MediaTypeDetector

FILE_MODE = 0o640
"""Others on the machine have no business with students' answers; a backup group may read them."""
_FRESH_SECONDS = 30.0
"""A file that was complete so lately need not be touched to look young."""


@dataclass(frozen=True, slots=True)
class FileSettings:
    """`media.fsync` and `media.hashing` of config.yaml."""

    fsync: bool = True
    hashing: bool = True


class DraftFile:
    """Write, complete, then move or remove. Raises OSError, and UnsupportedMedia naming the field."""

    def __init__(
        self, path: str, name: str, wanted: OpenFile, detector: MediaTypeDetector, settings: FileSettings
    ) -> None:
        """`path`: where it lies until it is kept; `name`: what it is called then, without its extension."""
        self._settings = settings
        self._path = path
        self._name = name
        self._field = wanted.field
        self._kind = wanted.kind
        self._detector = detector
        self._head = b""
        self._format: MediaFormat | None = None
        self._hash = hashlib.sha256() if settings.hashing else None
        self._size_bytes = 0
        self._is_complete = False
        self._completed_at = 0.0
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)

    @property
    def progress(self) -> FileProgress:
        return FileProgress(self._field, self._size_bytes, self._is_complete)

    def write(self, data: bytes | memoryview) -> None:
        if self._format is None:
            if not self._head and len(data) >= HEAD_BYTES:
                self._format = self._recognised(bytes(data[:HEAD_BYTES]))
            else:
                self._head += data
                if len(self._head) < HEAD_BYTES:
                    return
                data = self._decide()
        self._append(data)

    def complete(self) -> None:
        if self._format is None:
            self._append(self._decide())
        if self._settings.fsync:
            # As soon as it is whole: the disk works while the rest of the upload comes.
            os.fsync(self._fd)
        self._is_complete = True
        self._completed_at = time.monotonic()
        self._close()  # twenty photos a form must not hold twenty descriptors until its end

    def new_path(self, folder: Path) -> str:
        """Its final name in `folder`."""
        return f"{folder}/{self._name}.{self._require_format().extension}"

    def move_to(self, root: Path, path: str) -> KeptFile:
        """Give it its final name, which is not on the disk before its folder is."""
        if time.monotonic() - self._completed_at > _FRESH_SECONDS:
            os.utime(
                self._path
            )  # the sweep goes by this; an upload may take longer than a draft may lie about
        os.rename(self._path, f"{root}/{path}")  # noqa: PTH104  # three a photo upload, and a Path costs as much again
        digest = self._hash.hexdigest() if self._hash else ""
        return KeptFile(self._field, path, self._require_format().media_type, self._size_bytes, digest)

    def remove(self) -> None:
        self._close()
        Path(self._path).unlink(missing_ok=True)

    def _require_format(self) -> MediaFormat:
        if self._format is None:
            raise ServiceError  # a file is completed before it is kept
        return self._format

    def _decide(self) -> bytes:
        self._format = self._recognised(self._head[:HEAD_BYTES])
        head, self._head = self._head, b""
        return head

    def _recognised(self, head: bytes) -> MediaFormat:
        found = self._detector.detect(self._kind, head)
        if found is None:
            raise UnsupportedMedia(details={self._field: [UnsupportedMedia.sentence]})
        return found

    def _append(self, data: bytes | memoryview) -> None:
        if self._hash:
            self._hash.update(data)
        self._size_bytes += len(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
