"""Disks that fail: a tmpfs small enough to fill and a folder that turns read-only, where mounting is permitted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A tmpfs on `folder` while the context lasts; skips the test where it may not be mounted."""
    folder.mkdir(parents=True)
    _mount("-t", "tmpfs", "-o", ",".join((*options, "mode=0750")), "tmpfs", str(folder))
    try:
        yield folder
    finally:
        _unmount(folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """`folder` cannot be written to while the context lasts, except to files that are open already."""
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        _unmount(folder)


def fill(file: Path, leaving_bytes: int) -> None:
    """Write `file` until only about `leaving_bytes` of its file system are left."""
    disk = os.statvfs(file.parent)
    file.write_bytes(bytes(max(0, disk.f_bavail * disk.f_frsize - leaving_bytes)))


def _mount(*arguments: str) -> None:
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
