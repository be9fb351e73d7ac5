"""The order in which a kept file reaches the disk (promise 1): what a power cut at any moment could undo."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.domain.submission import Section
from storage.draft_file import FileSettings
from storage.media_type import MediaTypeDetector
from storage.media_vault import MediaVault, VaultSettings
from tests.storage.uploads import kept_on_disk, writing_draft
from tests.submissions import SUBMITTED

DAY = Path("writing/2025/10/08")


@dataclass(frozen=True)
class Synced:
    """One fsync: of which file or folder, and which files then had their final names."""

    path: Path
    inode: int
    size_bytes: int
    kept: frozenset[str]


@pytest.fixture
def synced(media_root: Path, monkeypatch: pytest.MonkeyPatch) -> list[Synced]:
    """Every fsync, in order; each is carried out as well."""
    seen: list[Synced] = []
    fsync = os.fsync

    def recording_fsync(fd: int) -> None:
        path = Path(f"/proc/self/fd/{fd}").readlink().relative_to(media_root)
        found = os.fstat(fd)
        seen.append(Synced(path, found.st_ino, found.st_size, frozenset(kept_on_disk(media_root))))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    return seen


@pytest.mark.gen_test
async def test_files_are_on_disk_before_they_are_renamed_and_their_folder_after(
    vault: MediaVault, synced: list[Synced]
) -> None:
    kept = await writing_draft(vault).keep(Section.WRITING, SUBMITTED)
    names = {file.path for file in kept}
    final = {vault.locate(path).stat().st_ino: path for path in names}
    drafts = [each for each in synced if Path(".drafts") in each.path.parents]
    assert sorted(each.size_bytes for each in drafts) == sorted(file.size_bytes for file in kept)
    for each in drafts:
        assert final.pop(each.inode) not in each.kept
    assert not final
    assert (synced[-1].path, set(synced[-1].kept)) == (DAY, names)


@pytest.mark.gen_test
async def test_a_new_folder_is_on_disk_before_a_file_is_put_into_it(
    vault: MediaVault, synced: list[Synced]
) -> None:
    await writing_draft(vault).keep(Section.WRITING, SUBMITTED)
    empty_so_far = {each.path for each in synced if not each.kept}
    assert {Path(), *list(DAY.parents)[:-1]} <= empty_so_far


@pytest.mark.gen_test
async def test_syncs_nothing_where_the_operator_said_so(
    media_root: Path, detector: MediaTypeDetector, synced: list[Synced]
) -> None:
    vault = MediaVault(VaultSettings(media_root, reserve_bytes=0, files=FileSettings(fsync=False)), detector)
    vault.open()
    kept = await writing_draft(vault).keep(Section.WRITING, SUBMITTED)
    assert synced == []
    assert kept_on_disk(media_root) == {file.path for file in kept}
    vault.close()
