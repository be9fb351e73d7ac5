"""Places under a name that hold over all workers of one state directory: `Slots` as locked bytes of files.

Place `i` of a name is one byte, far beyond the files' ends, which stay empty. Whoever holds the lock on it has the
place, so the kernel frees the places of a killed worker by itself and none is ever left taken.

The locks belong to the open file (F_OFD_SETLK, fcntl(2)), not to the process: those would all be dropped when
anything in the process closed the file. Locks of one owner do not exclude each other, so own places are noted here.
"""

from __future__ import annotations

import fcntl
import os
import struct
from hashlib import blake2b
from pathlib import Path

_FILES = 16
"""The kernel looks through all locks of a file: with 5,000 held, to take and free one costs 60 µs in one file, 6 µs
in 16, 3 µs in 64; each file costs a descriptor."""
_BYTES = 1 << 62
"""Offsets are 63 bits; two users whose places are the same bytes will not meet."""
_FLOCK = struct.Struct("@hhqqi0q")
"""`struct flock` of fcntl(2): type, whence, start, length, process."""


class SharedSlots:
    """`slots` places a name over all processes that opened the same `folder`; the folder is made if need be.

    Open it in the process that uses it: a fork would share the places, and both could take the same one.
    """

    def __init__(self, folder: Path, slots: int) -> None:
        self._slots = slots
        self._own: dict[str, set[int]] = {}
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._files = [
            os.open(folder / f"{number:02}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
            for number in range(_FILES)
        ]

    def take(self, name: str) -> bool:
        own = self._own.setdefault(name, set())
        for slot in range(self._slots):
            if slot not in own and self._lock(name, slot):
                own.add(slot)
                return True
        if not own:
            del self._own[name]
        return False

    def free(self, name: str) -> None:
        own = self._own[name]
        self._set(name, own.pop(), fcntl.F_UNLCK)
        if not own:
            del self._own[name]

    def close(self) -> None:
        """Give back all places of this process."""
        for file in self._files:
            os.close(file)
        self._files.clear()
        self._own.clear()

    def _lock(self, name: str, slot: int) -> bool:
        try:
            self._set(name, slot, fcntl.F_WRLCK)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: another process has it
            return False
        return True

    def _set(self, name: str, slot: int, kind: int) -> None:
        digest = blake2b(name.encode(), digest_size=9).digest()
        file = self._files[digest[0] % _FILES]
        place = int.from_bytes(digest[1:]) % (_BYTES // self._slots)
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, place * self._slots + slot, 1, 0))
