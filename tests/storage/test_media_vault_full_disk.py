"""What the vault does when the disk is full, nearly full or read-only: refuse, and leave nothing behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.domain.errors import StorageFull, Unavailable
from storage.domain.media_rules import MediaKind
from storage.domain.submission import Section
from storage.media_type import MediaTypeDetector
from storage.media_vault import MediaVault, VaultSettings
from tests.media_samples import padded, recording
from tests.storage.small_disk import fill, mounted, read_only
from tests.storage.uploads import add_all, draft_of, drafts_on_disk, kept_on_disk, operations, writing_draft
from tests.submissions import SUBMITTED

DISK_BYTES = 4 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", f"size={DISK_BYTES}") as folder:
        yield folder


@pytest.fixture
def small_vault(small_disk: Path, detector: MediaTypeDetector) -> Iterator[MediaVault]:
    vault = MediaVault(VaultSettings(small_disk, reserve_bytes=0), detector)
    vault.open()
    yield vault
    vault.close()


def free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


@pytest.mark.gen_test
async def test_refuses_an_upload_below_the_reserve(media_root: Path, detector: MediaTypeDetector) -> None:
    vault = MediaVault(VaultSettings(media_root, reserve_bytes=1 << 60), detector)
    vault.open()
    draft = writing_draft(vault)
    with pytest.raises(StorageFull):
        await draft.flush()
    with pytest.raises(StorageFull):
        await vault.check_writable()
    assert drafts_on_disk(media_root) == []
    await draft.discard()
    vault.close()


@pytest.mark.gen_test
async def test_keeps_a_hundredth_of_a_small_disk_in_reserve_by_default(
    small_disk: Path, detector: MediaTypeDetector
) -> None:
    vault = MediaVault(VaultSettings(small_disk, reserve_bytes=None), detector)
    vault.open()
    await vault.check_writable()
    filler = small_disk / "filler"
    fill(filler, leaving_bytes=DISK_BYTES // 100 - 8192)
    draft = writing_draft(vault)
    with pytest.raises(StorageFull):
        await draft.flush()
    await draft.discard()
    filler.unlink()
    await writing_draft(vault).keep(Section.WRITING, SUBMITTED)
    vault.close()


@pytest.mark.expects_errors
@pytest.mark.gen_test
async def test_a_disk_that_fills_up_during_a_file_refuses_it_and_gets_its_room_back(
    small_vault: MediaVault, small_disk: Path
) -> None:
    before = free_bytes(small_disk)
    large = padded(recording("wav"), 2 * DISK_BYTES)
    draft = draft_of(small_vault, {"part1_audio": large}, MediaKind.AUDIO)
    with pytest.raises(StorageFull):
        await draft.flush()
    await draft.discard()
    assert drafts_on_disk(small_disk) == []
    assert free_bytes(small_disk) == before


@pytest.mark.expects_errors
@pytest.mark.gen_test
async def test_a_disk_that_fills_up_at_the_end_keeps_no_file_of_the_upload(
    small_vault: MediaVault, small_disk: Path
) -> None:
    draft = writing_draft(small_vault)
    await draft.flush()
    add_all(draft, operations("part1_audio", padded(recording("wav"), DISK_BYTES), MediaKind.AUDIO))
    with pytest.raises(StorageFull):
        await draft.keep(Section.WRITING, SUBMITTED)
    await draft.discard()
    assert kept_on_disk(small_disk) == set()
    assert drafts_on_disk(small_disk) == []


@pytest.mark.expects_errors
@pytest.mark.gen_test
async def test_a_disk_without_room_for_the_folder_of_the_day_keeps_nothing(
    tmp_path: Path, detector: MediaTypeDetector
) -> None:
    with mounted(tmp_path / "few", "size=4m", "nr_inodes=9") as folder:
        vault = MediaVault(VaultSettings(folder, reserve_bytes=0), detector)
        vault.open()
        draft = writing_draft(vault)
        with pytest.raises(StorageFull):
            await draft.keep(Section.WRITING, SUBMITTED)
        await draft.discard()
        assert kept_on_disk(folder) == set()
        assert drafts_on_disk(folder) == []
        vault.close()


@pytest.mark.expects_errors
@pytest.mark.gen_test
async def test_a_read_only_media_root_refuses_uploads_until_it_can_be_written_again(
    vault: MediaVault, media_root: Path
) -> None:
    draft = writing_draft(vault)
    with read_only(media_root):
        with pytest.raises(Unavailable):
            await vault.check_writable()
        with pytest.raises(Unavailable):
            await draft.flush()
        await draft.discard()
    await vault.check_writable()
    await writing_draft(vault).keep(Section.WRITING, SUBMITTED)
    assert len(kept_on_disk(media_root)) == 2


@pytest.mark.expects_errors
@pytest.mark.gen_test
async def test_a_draft_is_not_kept_at_all_when_the_root_turns_read_only(
    vault: MediaVault, media_root: Path
) -> None:
    draft = writing_draft(vault)
    await draft.flush()
    with read_only(media_root), pytest.raises(Unavailable):
        await draft.keep(Section.WRITING, SUBMITTED)
    await draft.discard()
    assert kept_on_disk(media_root) == set()
    assert drafts_on_disk(media_root) == []


@pytest.mark.expects_errors
@pytest.mark.gen_test
async def test_files_that_cannot_be_removed_are_not_called_removed(
    vault: MediaVault, media_root: Path
) -> None:
    kept = await writing_draft(vault).keep(Section.WRITING, SUBMITTED)
    paths = [file.path for file in kept]
    with read_only(media_root), pytest.raises(Unavailable):
        await vault.remove(paths)
    await vault.remove(paths)
    assert kept_on_disk(media_root) == set()


def test_does_not_open_on_a_read_only_disk(media_root: Path, detector: MediaTypeDetector) -> None:
    media_root.mkdir()
    vault = MediaVault(VaultSettings(media_root, reserve_bytes=0), detector)
    with read_only(media_root), pytest.raises(OSError, match="Read-only file system"):
        vault.open()
    vault.close()
