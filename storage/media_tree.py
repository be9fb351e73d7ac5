"""What lies where below the media root, and walks over it. Blocking, and changes nothing.

.drafts/{instance}/{draft}.{number}    one folder a process, locked while the process lives
{section}/{year}/{month}/{day}/{name}.{extension}
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

from storage.domain.submission import Section

DRAFTS, LOCK = ".drafts", "lock"
_DAY = "%Y/%m/%d"


def day_folder(section: Section, moment: datetime) -> Path:
    """Where files of a section that came at `moment` are kept, relative to the root."""
    return Path(section) / moment.strftime(_DAY)


def untouched(root: Path, horizon: float, since: date | None = None) -> Iterator[str]:
    """Drafts and kept files last touched before `horizon`, as relative paths; with `since`, of the kept ones only
    those in day folders from then on. Lazy: no more than the names of one folder are in memory."""
    yield from _untouched_drafts(root, horizon)
    for path in kept_files(root, since):
        if modified(root / path) < horizon:
            yield path


def kept_files(
    root: Path, since: date | None = None, unreadable: Callable[[OSError], None] | None = None
) -> Iterator[str]:
    """Whatever is no draft, as relative paths, in day folders from `since` on; `unreadable` hears of folders that
    cannot be listed."""
    for section in Section:  # whatever else lies below the root is not ours
        for folder, folders, names in os.walk(root / section, onerror=unreadable):
            here = Path(folder).relative_to(root)
            folders[:] = [name for name in folders if _reaches(here / name, since)]
            yield from (str(here / name) for name in names)


def modified(path: Path) -> float:
    """When a file was last touched, in seconds since 1970; in the future (infinite) if it is gone meanwhile, or
    cannot be looked at."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return float("inf")


def is_abandoned(folder: Path) -> bool:
    """True if no living process holds the lock of a draft folder."""
    try:
        fd = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False  # not made by a vault: its files fall to the sweep
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def left_over_drafts(root: Path) -> int:
    """How many drafts' files processes left that no longer live; they go at the next start."""
    try:
        one_at_a_time = os.open(root / DRAFTS / LOCK, os.O_RDWR)
    except OSError:
        return 0  # no process ever kept drafts here, or it is not for us to ask
    try:
        # As at every start: one that starts just now would take a folder whose lock is tried for a living one's.
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        return sum(
            len([name for name in names if name != LOCK])
            for folder, names in _draft_folders(root)
            if is_abandoned(folder)
        )
    finally:
        os.close(one_at_a_time)


def _untouched_drafts(root: Path, horizon: float) -> Iterator[str]:
    """The files of one draft are as old as its newest."""
    for folder, names in _draft_folders(root):
        ages = {name: modified(folder / name) for name in names if name != LOCK}
        newest: dict[str, float] = {}
        for name, moment in ages.items():
            draft = name.partition(".")[0]
            newest[draft] = max(newest.get(draft, 0), moment)
        for name in ages:
            if newest[name.partition(".")[0]] < horizon:
                yield str((folder / name).relative_to(root))


def _draft_folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    return ((Path(folder), names) for folder, _, names in os.walk(root / DRAFTS))


def _reaches(folder: Path, since: date | None) -> bool:
    """True unless all files below a folder are of days before `since`: names of days sort as days do."""
    if since is None:
        return True
    day, wanted = folder.parts[1:], tuple(since.strftime(_DAY).split("/"))
    return day >= wanted[: len(day)]
