"""Drafts as uploads fill them, the sheets that go with them, and what they leave on the disk."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

from storage.domain.answer_sheet import AnswerSheet, SheetAnswer
from storage.domain.file_operations import CloseFile, FileOperation, OpenFile, WriteBytes
from storage.domain.media_rules import MediaKind
from storage.domain.submission import Section
from storage.draft import Draft
from storage.media_vault import MediaVault
from tests.media_samples import photo
from tests.submissions import SUBMITTED

TASKS = ("task1_image1", "task2_image1")


@cache
def photo_number(number: int) -> bytes:
    """A small photo; another number gives another one."""
    return photo(40, 30, seed=number)


def operations(
    field: str, content: bytes, kind: MediaKind = MediaKind.IMAGE, write_bytes: int = 1 << 20
) -> list[FileOperation]:
    """One whole file, in writes of at most `write_bytes`."""
    starts = range(0, len(content), write_bytes)
    writes = [WriteBytes(content[start : start + write_bytes]) for start in starts]
    return [OpenFile(field, kind), *writes, CloseFile()]


def draft_of(vault: MediaVault, files: Mapping[str, bytes], kind: MediaKind = MediaKind.IMAGE) -> Draft:
    draft = Draft(vault)
    for field, content in files.items():
        add_all(draft, operations(field, content, kind))
    return draft


def add_all(draft: Draft, wanted: Iterable[FileOperation]) -> None:
    for operation in wanted:
        draft.add(operation)


def writing_draft(vault: MediaVault, number: int = 1) -> Draft:
    """Two photos; another `number` gives other contents."""
    return draft_of(vault, {field: photo_number(10 * number + place) for place, field in enumerate(TASKS)})


def writing_sheet(user_test_id: int | None = 123, test_result_id: int | None = None) -> AnswerSheet:
    kinds = ("letter", "essay")
    return AnswerSheet(
        Section.WRITING,
        tuple(SheetAnswer(place, kinds[place - 1], (field,)) for place, field in enumerate(TASKS, start=1)),
        user_test_id=user_test_id,
        exam_id=456,
        test_result_id=test_result_id,
    )


def drafts_on_disk(root: Path) -> list[Path]:
    """Every file of every draft, of whichever process."""
    return sorted(path for path in root.glob(".drafts/*/*") if path.name != "lock")


def draft_folders(root: Path) -> list[Path]:
    """One of each process that has the root open, or had when it died."""
    return [path for path in (root / ".drafts").iterdir() if path.is_dir()]


def locks_on_disk(root: Path) -> list[Path]:
    """The locks of all draft folders, and the one that guards them."""
    return sorted((root / ".drafts").rglob("lock"))


def kept_on_disk(root: Path) -> set[str]:
    """Every file under a final name, by its path below the media root."""
    found = (path for section in Section for path in (root / section).rglob("*") if path.is_file())
    return {str(path.relative_to(root)) for path in found}


async def left_behind(vault: MediaVault, number: int = 1, moment: datetime = SUBMITTED) -> set[str]:
    """Two kept photos whose submission was given up; returns their paths."""
    kept = {file.path for file in await writing_draft(vault, number).keep(Section.WRITING, moment)}
    vault.settled(kept)
    return kept


def grow_old(path: Path, seconds: float) -> None:
    """Make a file look untouched for so long."""
    moment = time.time() - seconds
    os.utime(path, (moment, moment), follow_symlinks=False)


def stray_file(root: Path, path: str, seconds: float = 10 * 24 * 3600) -> Path:
    """A file no document points at, untouched for so long."""
    stray = root / path
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"stray")
    grow_old(stray, seconds)
    return stray
