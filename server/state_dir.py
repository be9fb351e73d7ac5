"""`server.state_dir`: one server at a time, and the secret made at the first start."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from pathlib import Path

from server.settings import MIN_SECRET_BYTES, BadSettings

_HEIRS_SECONDS = 5.0
"""Workers have the lock of their supervisor; the kernel is done with them soon after that was killed."""


class StateDirInUse(Exception):
    """Another server runs on this state directory."""


class StateDir:
    """The folder of a server's own state. Blocking; used before the event loop starts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_fd = -1

    def lock(self) -> None:
        """Claim the folder until `release` or the end of this process, however it ends; raises StateDirInUse.

        The kernel drops the lock with the process, so nothing stale is ever left behind.
        """
        self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        fd = os.open(self.path / "server.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
        deadline = time.monotonic() + _HEIRS_SECONDS
        while not _is_locked(fd):
            holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
            if _runs(holder) or time.monotonic() > deadline:
                os.close(fd)
                raise StateDirInUse(
                    f"server.state_dir: {self.path} is in use by another server (process {holder}); "
                    "stop it, or give this one another directory"
                )
            time.sleep(0.02)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._lock_fd = fd

    def release(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def secret(self) -> str:
        """The secret kept here, made once, readable by this user only (`auth.secret` empty).

        Raises BadSettings if what is kept is too short to be one.
        """
        path = self.path / "secret"
        self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        if not path.exists():
            self._make_secret(path)
        secret = path.read_text().strip()
        if len(secret.encode()) < MIN_SECRET_BYTES:
            raise BadSettings(f"auth.secret: {path} is damaged; remove it (tokens must then be made anew)")
        return secret

    def _make_secret(self, path: Path) -> None:
        """Written aside, to the disk, and linked into place: of two first starts at once both read the same one,
        and a power cut leaves a whole one or none."""
        draft = path.with_name(f"secret.{os.getpid()}")
        draft.touch(mode=0o600)
        with draft.open("w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()


def _is_locked(fd: int) -> bool:
    """Lock it; False if somebody else has the lock."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _runs(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError):
        pass  # it is just about to write its number, or somebody else's
    return True
