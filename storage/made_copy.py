"""Writes a copy of an upload so that it is on the disk, and describes it. Blocking."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from io import BufferedRandom
from pathlib import Path

from storage.domain.examination import CopyUse, FileCopy
from storage.draft_file import FILE_MODE

_DISK = {errno.EDQUOT, errno.EIO, errno.ENOSPC, errno.EROFS}


def is_disks_fault(error: Exception) -> bool:
    """True for what says something of the disk, not of the file."""
    return getattr(error, "errno", None) in _DISK


def blame_disk(error: Exception) -> None:
    """Raise an OSError if it is the disk's fault: then nothing is known of the file yet."""
    if is_disks_fault(error):
        raise OSError(*error.args[:2]) from error


def write_copy(
    place: Path, use: CopyUse, media_type: str, write: Callable[[BufferedRandom], object]
) -> FileCopy:
    """The copy that `write` made at `place`, flushed to the disk. Raises OSError."""
    with place.open("w+b") as file:
        write(file)
        file.flush()
        return described(file, place, use, media_type)


def described(file: BufferedRandom, place: Path, use: CopyUse, media_type: str) -> FileCopy:
    """The whole of `file`, which is at `place`, for nobody else on the machine and flushed to the disk."""
    os.fchmod(file.fileno(), FILE_MODE)  # whoever made it may know nothing of that
    os.fsync(file.fileno())
    file.seek(0)
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return FileCopy(use, str(place), media_type, file.tell(), sha256)
