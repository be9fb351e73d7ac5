"""MediaVault and its drafts on a real disk: from the first byte to the final name, or to nothing."""

from __future__ import annotations

import hashlib
import re
from contextlib import aclosing
from datetime import date
from pathlib import Path

import pytest

from storage import media_tree
from storage.domain.errors import UnsupportedMedia
from storage.domain.file_operations import OpenFile, WriteBytes
from storage.domain.media_rules import MediaKind
from storage.domain.submission import Section
from storage.draft import Draft
from storage.media_tree import modified
from storage.media_type import HEAD_BYTES
from storage.media_vault import MediaVault
from tests.media_samples import not_media, photo, recording
from tests.storage.uploads import (
    add_all,
    draft_of,
    drafts_on_disk,
    grow_old,
    kept_on_disk,
    locks_on_disk,
    operations,
    photo_number,
    stray_file,
)
from tests.submissions import SUBMITTED

DAY = "2025/10/08"


@pytest.mark.gen_test
async def test_keeps_files_under_names_it_made_in_a_folder_of_the_day(
    vault: MediaVault, media_root: Path
) -> None:
    contents = {"task1_image1": photo_number(1), "../../etc/passwd": photo(40, 30, format="PNG")}
    kept = await draft_of(vault, contents).keep(Section.WRITING, SUBMITTED)
    assert [file.field for file in kept] == list(contents)
    assert [file.media_type for file in kept] == ["image/jpeg", "image/png"]
    for file, extension in zip(kept, ("jpg", "png"), strict=True):
        content = contents[file.field]
        assert re.fullmatch(rf"writing/{DAY}/[0-9a-f]{{32}}\.{extension}", file.path)
        assert vault.locate(file.path).read_bytes() == content
        assert (file.size_bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert kept_on_disk(media_root) == {file.path for file in kept}
    assert drafts_on_disk(media_root) == []


@pytest.mark.gen_test
async def test_keeps_files_from_everyone_but_owner_and_group(vault: MediaVault, media_root: Path) -> None:
    (file,) = await draft_of(vault, {"part1_audio": recording("webm")}, MediaKind.AUDIO).keep(
        Section.SPEAKING, SUBMITTED
    )
    place = vault.locate(file.path)
    assert place.stat().st_mode & 0o777 == 0o640
    folders = [media_root.joinpath("speaking", *parts) for parts in ((), ("2025",), ("2025", "10"))]
    assert {folder.stat().st_mode & 0o777 for folder in (*folders, place.parent)} == {0o750}


@pytest.mark.parametrize("write_bytes", [1, 7, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, 1 << 20])
@pytest.mark.gen_test
async def test_keeps_the_bytes_as_they_came_however_they_were_cut(
    vault: MediaVault, write_bytes: int
) -> None:
    content = photo(160, 120)
    assert len(content) > HEAD_BYTES
    draft = Draft(vault)
    for operation in operations("task1_image1", content, write_bytes=write_bytes):
        draft.add(operation)
        if draft.pending_bytes >= 3 * write_bytes:
            await draft.flush()
    (file,) = await draft.keep(Section.WRITING, SUBMITTED)
    assert vault.locate(file.path).read_bytes() == content
    assert file.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.gen_test
async def test_gives_every_file_another_name(vault: MediaVault) -> None:
    names = set()
    for _ in range(3):
        kept = await draft_of(vault, {"a": photo_number(1), "b": photo_number(1)}).keep(
            Section.WRITING, SUBMITTED
        )
        names |= {file.path for file in kept}
    assert len(names) == 6


@pytest.mark.gen_test
async def test_does_nothing_on_disk_before_a_batch_is_due(vault: MediaVault, media_root: Path) -> None:
    draft = draft_of(vault, {"task1_image1": photo_number(1)})
    assert draft.pending_bytes == len(photo_number(1))
    assert drafts_on_disk(media_root) == []
    await draft.flush()
    assert draft.pending_bytes == 0
    assert len(drafts_on_disk(media_root)) == 1
    await draft.flush()
    assert len(drafts_on_disk(media_root)) == 1
    await draft.discard()


@pytest.mark.parametrize("name", not_media())
@pytest.mark.gen_test
async def test_refuses_other_content_on_its_head(vault: MediaVault, media_root: Path, name: str) -> None:
    content = not_media()[name]
    draft = Draft(vault)
    draft.add(OpenFile("task1_image1", MediaKind.IMAGE))
    draft.add(WriteBytes(content.ljust(HEAD_BYTES, b" ")))
    with pytest.raises(UnsupportedMedia) as refused:
        await draft.flush()
    assert list(refused.value.details) == ["task1_image1"]
    assert [path.stat().st_size for path in drafts_on_disk(media_root)] == [0]
    await draft.discard()
    assert drafts_on_disk(media_root) == []


@pytest.mark.gen_test
async def test_refuses_a_recording_where_a_photo_belongs(vault: MediaVault) -> None:
    draft = draft_of(vault, {"task1_image1": photo_number(1), "task2_image1": recording("mp3")})
    with pytest.raises(UnsupportedMedia) as refused:
        await draft.keep(Section.WRITING, SUBMITTED)
    assert list(refused.value.details) == ["task2_image1"]
    await draft.discard()


@pytest.mark.gen_test
async def test_decides_on_a_file_shorter_than_a_head_at_its_end(vault: MediaVault, media_root: Path) -> None:
    content = photo_number(1)
    assert len(content) < HEAD_BYTES
    draft = Draft(vault)
    whole = operations("task1_image1", content)
    add_all(draft, whole[:-1])
    await draft.flush()
    assert [path.stat().st_size for path in drafts_on_disk(media_root)] == [0]
    draft.add(whole[-1])
    (file,) = await draft.keep(Section.WRITING, SUBMITTED)
    assert file.size_bytes == len(content)


@pytest.mark.gen_test
async def test_keeps_nothing_of_a_draft_with_one_bad_file(vault: MediaVault, media_root: Path) -> None:
    draft = draft_of(vault, {"task1_image1": photo_number(1), "task2_image1": b"no photo"})
    with pytest.raises(UnsupportedMedia):
        await draft.keep(Section.WRITING, SUBMITTED)
    await draft.discard()
    assert kept_on_disk(media_root) == set()
    assert drafts_on_disk(media_root) == []


@pytest.mark.gen_test
async def test_makes_the_folder_of_the_day_again_when_someone_tidied_it_away(vault: MediaVault) -> None:
    (file,) = await draft_of(vault, {"a": photo_number(1)}).keep(Section.WRITING, SUBMITTED)
    place = vault.locate(file.path)
    place.unlink()
    place.parent.rmdir()
    (file,) = await draft_of(vault, {"a": photo_number(1)}).keep(Section.WRITING, SUBMITTED)
    assert vault.locate(file.path).read_bytes() == photo_number(1)


@pytest.mark.gen_test
async def test_removes_files_and_does_not_mind_missing_ones(vault: MediaVault, media_root: Path) -> None:
    kept = await draft_of(vault, {"a": photo_number(1), "b": photo_number(2)}).keep(
        Section.WRITING, SUBMITTED
    )
    await vault.remove([kept[0].path, f"writing/{DAY}/{'0' * 32}.jpg", "writing/1999/01/01/none.jpg"])
    assert kept_on_disk(media_root) == {kept[1].path}
    await vault.remove([kept[0].path])


async def keep_one(vault: MediaVault, number: int) -> str:
    (file,) = await draft_of(vault, {"task1_image1": photo_number(number)}).keep(Section.WRITING, SUBMITTED)
    vault.settled([file.path])
    return file.path


@pytest.mark.gen_test
async def test_finds_files_and_drafts_that_nobody_touched_for_long(
    vault: MediaVault, media_root: Path
) -> None:
    old, young = await keep_one(vault, 1), await keep_one(vault, 2)
    abandoned = draft_of(vault, {"task1_image1": photo_number(3)})
    await abandoned.flush()
    (lying,) = drafts_on_disk(media_root)
    for path in (vault.locate(old), lying):
        grow_old(path, seconds=101)
    grow_old(vault.locate(young), seconds=50)
    (batch,) = [batch async for batch in vault.old_files(100)]
    assert sorted(batch) == sorted([old, str(lying.relative_to(media_root))])
    await abandoned.discard()


@pytest.mark.gen_test
async def test_never_calls_a_draft_folders_lock_old(vault: MediaVault, media_root: Path) -> None:
    for lock in locks_on_disk(media_root):
        grow_old(lock, seconds=1000)
    assert [batch async for batch in vault.old_files(100)] == []


@pytest.mark.gen_test
async def test_finds_many_old_files_in_batches(vault: MediaVault, media_root: Path) -> None:
    folder = media_root / "speaking" / DAY
    folder.mkdir(parents=True)
    for number in range(1001):
        path = folder / f"{number:032x}.webm"
        path.touch()
        grow_old(path, seconds=1000)
    batches = [batch async for batch in vault.old_files(100)]
    assert [len(batch) for batch in batches] == [500, 500, 1]
    assert len({path for batch in batches for path in batch}) == 1001


@pytest.mark.gen_test
async def test_walks_no_further_than_the_batch_that_is_asked_for(
    vault: MediaVault, media_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1001):
        stray_file(media_root, f"speaking/2025/10/{1 + number // 300:02}/{number}.webm")
    looked_at: list[Path] = []

    def counted(path: Path) -> float:
        looked_at.append(path)
        return modified(path)

    monkeypatch.setattr(media_tree, "modified", counted)
    async with aclosing(vault.old_files(100)) as batches:
        for batch in (1, 2):
            assert len(await anext(batches)) == 500
            assert len(looked_at) == 500 * batch


@pytest.mark.parametrize(
    ("since", "found"),
    [
        (None, {"2024/12/31", "2025/12/30", "2025/12/31", "2026/01/01", "2026/02/01"}),
        (date(2025, 12, 31), {"2025/12/31", "2026/01/01", "2026/02/01"}),
        (date(2026, 1, 1), {"2026/01/01", "2026/02/01"}),
        (date(2026, 1, 2), {"2026/02/01"}),
        (date(2026, 3, 1), set()),
    ],
)
@pytest.mark.gen_test
async def test_looks_only_at_days_from_the_one_that_is_asked_for(
    vault: MediaVault, media_root: Path, since: date | None, found: set[str]
) -> None:
    for day in ("2024/12/31", "2025/12/30", "2025/12/31", "2026/01/01", "2026/02/01"):
        stray_file(media_root, f"writing/{day}/a.jpg")
    draft = draft_of(vault, {"task1_image1": photo_number(3)})
    await draft.flush()
    (lying,) = drafts_on_disk(media_root)
    grow_old(lying, seconds=1000)
    (batch,) = [batch async for batch in vault.old_files(100, since)]
    assert set(batch) == {str(lying.relative_to(media_root))} | {f"writing/{day}/a.jpg" for day in found}
    await draft.discard()


@pytest.mark.gen_test
async def test_a_file_is_young_when_it_gets_its_final_name_however_long_it_took(
    vault: MediaVault, media_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.draft_file._FRESH_SECONDS", -1.0)  # no test waits for half a minute
    draft = draft_of(vault, {"task1_image1": photo_number(1)})
    await draft.flush()
    (arriving,) = drafts_on_disk(media_root)
    grow_old(arriving, seconds=1000)
    kept = await draft.keep(Section.WRITING, SUBMITTED)
    vault.settled(file.path for file in kept)
    assert [batch async for batch in vault.old_files(100)] == []
