"""The sweep beside uploads whose documents are still on their way: no file in hand is taken, whatever its age."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from storage.catalogue import Catalogue
from storage.database import Database
from storage.domain import clock
from storage.domain.errors import AlreadySubmitted, NotStored, Unavailable
from storage.domain.file_operations import KeptFile
from storage.domain.submission import Section, Submission
from storage.draft_file import DraftFile
from storage.media_sweep import sweep
from storage.media_vault import MediaVault
from storage.submission_store import SubmissionStore
from storage.upload_intake import IntakeRules, Resubmission, UploadIntake
from tests.storage.submissions import paths_of
from tests.storage.uploads import kept_on_disk, writing_draft, writing_sheet
from tests.submissions import STUDENT, SUBMITTED

OLD_AT_ONCE = -1.0
"""Seconds: files count as old even before they are made."""


class HangingStore(SubmissionStore):
    """MongoDB hangs at the very moment the document is to be recorded; then it does, or says it cannot."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.reached = asyncio.Event()
        self.answers = asyncio.Event()
        self.goes_away = False

    async def insert(self, submission: Submission) -> None:
        self.reached.set()
        await self.answers.wait()
        if self.goes_away:
            raise Unavailable
        await super().insert(submission)


@pytest.fixture
def hanging(database: Database) -> HangingStore:
    return HangingStore(database)


@pytest.fixture
def intake(vault: MediaVault, hanging: HangingStore, database: Database) -> UploadIntake:
    return UploadIntake(
        vault,
        hanging,
        Catalogue(database, enforced=False),
        IntakeRules(Resubmission.REJECT, wait_seconds=0),
        clock.now,
    )


@pytest.mark.parametrize("ttl_seconds", [0.0, OLD_AT_ONCE])
@pytest.mark.gen_test
async def test_takes_no_file_whose_document_is_being_recorded(
    vault: MediaVault, hanging: HangingStore, intake: UploadIntake, media_root: Path, ttl_seconds: float
) -> None:
    admitting = asyncio.create_task(intake.admit(writing_draft(vault), writing_sheet(), STUDENT))
    await hanging.reached.wait()
    assert await sweep(vault, hanging, ttl_seconds) == 0
    assert len(kept_on_disk(media_root)) == 2
    hanging.answers.set()
    made = await admitting
    assert await sweep(vault, hanging, ttl_seconds) == 0
    assert kept_on_disk(media_root) == paths_of(made)


@pytest.mark.gen_test
async def test_takes_no_file_that_is_just_getting_its_name(
    vault: MediaVault, media_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, move_to = asyncio.get_running_loop(), DraftFile.move_to
    seen: list[tuple[int, list[str]]] = []

    async def kept_and_old() -> list[str]:
        return [path for batch in [b async for b in vault.old_files(OLD_AT_ONCE)] for path in batch]

    def watched(file: DraftFile, root: Path, path: str) -> KeptFile:
        moved = move_to(file, root, path)
        old = asyncio.run_coroutine_threadsafe(kept_and_old(), loop).result()
        seen.append((len(kept_on_disk(media_root)), [path for path in old if not path.startswith(".")]))
        return moved

    monkeypatch.setattr(DraftFile, "move_to", watched)
    draft = writing_draft(vault)
    await draft.flush()
    await draft.keep(Section.WRITING, SUBMITTED)
    assert seen == [(1, []), (2, [])]


@pytest.mark.expects_errors
@pytest.mark.gen_test
async def test_takes_the_files_of_an_upload_that_was_given_up(
    vault: MediaVault, hanging: HangingStore, intake: UploadIntake, media_root: Path
) -> None:
    hanging.goes_away = True
    hanging.answers.set()
    with pytest.raises(NotStored):
        await intake.admit(writing_draft(vault), writing_sheet(), STUDENT)
    assert len(kept_on_disk(media_root)) == 2
    assert await sweep(vault, hanging, OLD_AT_ONCE) == 2
    assert kept_on_disk(media_root) == set()


@pytest.mark.gen_test
async def test_takes_the_files_of_an_upload_that_was_cancelled(
    vault: MediaVault, hanging: HangingStore, intake: UploadIntake, media_root: Path
) -> None:
    admitting = asyncio.create_task(intake.admit(writing_draft(vault), writing_sheet(), STUDENT))
    await hanging.reached.wait()
    admitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await admitting
    assert await sweep(vault, hanging, OLD_AT_ONCE) == 2


@pytest.mark.gen_test
async def test_leaves_the_present_files_when_others_were_refused(
    vault: MediaVault, hanging: HangingStore, intake: UploadIntake, media_root: Path
) -> None:
    hanging.answers.set()
    made = await intake.admit(writing_draft(vault, 1), writing_sheet(), STUDENT)
    with pytest.raises(AlreadySubmitted):
        await intake.admit(writing_draft(vault, 2), writing_sheet(), STUDENT)
    assert await sweep(vault, hanging, OLD_AT_ONCE) == 0
    assert kept_on_disk(media_root) == paths_of(made)
