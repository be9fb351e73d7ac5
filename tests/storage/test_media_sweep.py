"""The sweep on a real disk and a real MongoDB: takes what nobody needs, and nothing else (promise 2)."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from storage.catalogue import Catalogue
from storage.database import Database
from storage.domain import clock
from storage.domain.errors import Unavailable
from storage.domain.submission import Section
from storage.media_sweep import sweep
from storage.media_vault import MediaVault
from storage.submission_store import SubmissionStore
from storage.upload_intake import IntakeRules, Resubmission, UploadIntake
from tests.storage.submissions import paths_of
from tests.storage.uploads import (
    add_all,
    drafts_on_disk,
    kept_on_disk,
    left_behind,
    operations,
    photo_number,
    stray_file,
    writing_draft,
    writing_sheet,
)
from tests.submissions import STUDENT, SUBMITTED

TTL_SECONDS = 3600


@pytest.fixture
def intake(vault: MediaVault, store: SubmissionStore, database: Database) -> UploadIntake:
    catalogue = Catalogue(database, enforced=False)
    return UploadIntake(vault, store, catalogue, IntakeRules(Resubmission.REJECT, wait_seconds=0), clock.now)


def let_time_pass(root: Path, seconds: float = TTL_SECONDS + 60) -> None:
    """Make every file look untouched for so long."""
    moment = time.time() - seconds
    for path in root.rglob("*"):
        os.utime(path, (moment, moment))


@pytest.mark.gen_test
async def test_leaves_the_files_of_submissions_however_old(
    vault: MediaVault, store: SubmissionStore, intake: UploadIntake, media_root: Path
) -> None:
    made = [
        await intake.admit(writing_draft(vault, number), writing_sheet(number), STUDENT)
        for number in (1, 2, 3)
    ]
    let_time_pass(media_root)
    assert await sweep(vault, store, TTL_SECONDS) == 0
    assert kept_on_disk(media_root) == paths_of(*made)


@pytest.mark.gen_test
async def test_takes_old_files_no_document_points_at_and_old_drafts(
    vault: MediaVault, store: SubmissionStore, intake: UploadIntake, media_root: Path
) -> None:
    made = await intake.admit(writing_draft(vault, 1), writing_sheet(), STUDENT)
    await left_behind(vault, 2)
    lying = writing_draft(vault, 3)
    await lying.flush()
    let_time_pass(media_root)
    assert await sweep(vault, store, TTL_SECONDS) == 4
    assert kept_on_disk(media_root) == paths_of(made)
    assert drafts_on_disk(media_root) == []
    assert await sweep(vault, store, TTL_SECONDS) == 0
    await lying.discard()


@pytest.mark.gen_test
async def test_leaves_young_files_whose_submission_may_just_be_recorded(
    vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    await left_behind(vault)
    draft = writing_draft(vault, 2)
    await draft.flush()
    let_time_pass(media_root, TTL_SECONDS - 60)
    assert await sweep(vault, store, TTL_SECONDS) == 0
    assert len(kept_on_disk(media_root)) == 2
    assert len(drafts_on_disk(media_root)) == 2
    await draft.discard()


@pytest.mark.gen_test
async def test_leaves_all_files_of_a_draft_that_is_still_being_written(
    vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    draft = writing_draft(vault)
    await draft.flush()
    let_time_pass(media_root)
    add_all(draft, operations("task2_image2", photo_number(5)))
    await draft.flush()
    assert await sweep(vault, store, TTL_SECONDS) == 0
    assert len(await draft.keep(Section.WRITING, SUBMITTED)) == 3


@pytest.mark.gen_test
async def test_leaves_the_uploads_that_come_meanwhile(
    vault: MediaVault, store: SubmissionStore, intake: UploadIntake, media_root: Path
) -> None:
    await left_behind(vault, 50)
    let_time_pass(media_root)

    async def sweep_often() -> int:
        return sum([await sweep(vault, store, TTL_SECONDS) for _ in range(10)])

    sweeping = asyncio.create_task(sweep_often())
    made = await asyncio.gather(
        *(
            intake.admit(writing_draft(vault, number), writing_sheet(number), STUDENT)
            for number in range(1, 11)
        )
    )
    assert await sweeping == 2
    assert kept_on_disk(media_root) == paths_of(*made)


@pytest.mark.gen_test
async def test_takes_a_file_whose_name_is_not_even_text(
    vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    stray_file(media_root, os.fsdecode(b"writing/2025/10/08/\xff.jpg"))
    assert await sweep(vault, store, TTL_SECONDS) == 1
    assert kept_on_disk(media_root) == set()


@pytest.mark.gen_test
async def test_takes_nothing_while_mongodb_cannot_be_asked(vault: MediaVault, media_root: Path) -> None:
    await left_behind(vault)
    let_time_pass(media_root)
    database = Database("mongodb://127.0.0.1:1/?directConnection=true", "test", timeout_seconds=0.2)
    with pytest.raises(Unavailable):
        await sweep(vault, SubmissionStore(database), TTL_SECONDS)
    database.close()
    assert len(kept_on_disk(media_root)) == 2


@pytest.mark.gen_test
async def test_what_others_keep_below_the_media_root_is_not_touched(
    vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    notes = media_root / "backup-notes" / "keep.txt"
    notes.parent.mkdir()
    notes.touch()
    let_time_pass(media_root)
    assert await sweep(vault, store, TTL_SECONDS) == 0
    assert notes.exists()


@pytest.mark.gen_test
@pytest.mark.expects_errors
async def test_a_file_that_cannot_be_removed_keeps_none_of_the_others(
    vault: MediaVault, store: SubmissionStore, media_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To root nothing is forbidden: the refusal is a mock."""
    for number in (1, 2):
        kept = await writing_draft(vault, number).keep(Section.WRITING, SUBMITTED)
        vault.settled(file.path for file in kept)
    let_time_pass(media_root)
    stubborn = sorted(kept_on_disk(media_root))[1]
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == media_root / stubborn:
            raise PermissionError(1, "Operation not permitted")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    await sweep(vault, store, TTL_SECONDS)
    assert kept_on_disk(media_root) == {stubborn}
