"""The audit beside uploads, replacements and sweeps: whatever happens between two looks is not reported."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from storage.catalogue import Catalogue
from storage.database import Database
from storage.domain import clock
from storage.domain.ports import SubmissionFiles
from storage.domain.submission import Submission
from storage.media_audit import Audit, audit
from storage.media_sweep import sweep
from storage.media_type import MediaTypeDetector
from storage.media_vault import MediaVault, VaultSettings
from storage.submission_store import SubmissionStore
from storage.upload_intake import IntakeRules, Resubmission, UploadIntake
from tests.storage.audits import STRICT
from tests.storage.uploads import kept_on_disk, left_behind, writing_draft, writing_sheet
from tests.submissions import STUDENT

PATIENCE_SECONDS = 30.0
"""Far more than anything here takes: an audit ends as soon as no suspicion is left."""


class EventfulStore(SubmissionStore):
    """Something happens between what the audit reads and what it does next."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.after_documents: Callable[[], Awaitable[object]] | None = None
        self.before_first_answer: Callable[[], Awaitable[object]] | None = None
        self.questions = 0

    async def all_files(self) -> AsyncIterator[tuple[SubmissionFiles, ...]]:
        async for batch in super().all_files():
            if self.after_documents is not None:
                await self.after_documents()
            yield batch

    async def referenced(self, paths: Collection[str]) -> set[str]:
        self.questions += 1
        if self.questions == 1 and self.before_first_answer is not None:
            await self.before_first_answer()
        return await super().referenced(paths)


class SlowStore(SubmissionStore):
    """Records a document when it is allowed to."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.asked, self.allowed = asyncio.Event(), asyncio.Event()

    async def insert(self, submission: Submission) -> None:
        self.asked.set()
        await self.allowed.wait()
        await super().insert(submission)


class ReluctantVault(MediaVault):
    """Removes files when it is allowed to."""

    def __init__(self, settings: VaultSettings, detector: MediaTypeDetector) -> None:
        super().__init__(settings, detector)
        self.asked, self.allowed = asyncio.Event(), asyncio.Event()

    async def remove(self, paths: Iterable[str]) -> None:
        self.asked.set()
        await self.allowed.wait()
        await super().remove(paths)


@pytest.fixture
def eventful(database: Database) -> EventfulStore:
    return EventfulStore(database)


def replacing(vault: MediaVault, store: SubmissionStore, database: Database) -> UploadIntake:
    catalogue = Catalogue(database, enforced=False)
    return UploadIntake(
        vault, store, catalogue, IntakeRules(Resubmission.REPLACE_PENDING, wait_seconds=0), clock.now
    )


async def audited(store: SubmissionStore, root: Path, swept_after_seconds: float = -1.0) -> Audit:
    """Unless said otherwise, to this audit every file without a document is too old."""
    settings = replace(
        STRICT,
        root=root,
        deep=True,
        swept_after_seconds=swept_after_seconds,
        patience_seconds=PATIENCE_SECONDS,
    )
    return await audit(store, settings)


@pytest.mark.gen_test
async def test_a_replacement_after_its_document_was_read(
    vault: MediaVault, eventful: EventfulStore, database: Database, media_root: Path
) -> None:
    intake = replacing(vault, eventful, database)
    first = await intake.admit(writing_draft(vault, 1), writing_sheet(), STUDENT)

    async def replace_it() -> None:
        await intake.admit(writing_draft(vault, 2), writing_sheet(), STUDENT)
        assert not vault.locate(first.files[0].path).exists()

    eventful.after_documents = replace_it
    assert (await audited(eventful, media_root)).findings == []


@pytest.mark.gen_test
async def test_a_replacement_after_its_files_were_listed(
    vault: MediaVault, eventful: EventfulStore, database: Database, media_root: Path
) -> None:
    intake = replacing(vault, eventful, database)
    await intake.admit(writing_draft(vault, 1), writing_sheet(), STUDENT)
    eventful.before_first_answer = lambda: intake.admit(writing_draft(vault, 2), writing_sheet(), STUDENT)
    assert (await audited(eventful, media_root)).findings == []


@pytest.mark.gen_test
async def test_the_files_of_a_replaced_submission_that_are_about_to_go(
    media_root: Path, detector: MediaTypeDetector, eventful: EventfulStore, database: Database
) -> None:
    vault = ReluctantVault(VaultSettings(media_root, reserve_bytes=0), detector)
    vault.open()
    intake = replacing(vault, eventful, database)
    await intake.admit(writing_draft(vault, 1), writing_sheet(), STUDENT)
    again = asyncio.create_task(intake.admit(writing_draft(vault, 2), writing_sheet(), STUDENT))
    await vault.asked.wait()
    assert len(kept_on_disk(media_root)) == 4
    auditing = asyncio.create_task(audited(eventful, media_root))
    while eventful.questions < 3:
        assert not auditing.done()
        await asyncio.sleep(0.001)
    vault.allowed.set()
    assert (await auditing).findings == []
    await again
    vault.close()


@pytest.mark.gen_test
async def test_an_upload_whose_document_comes_after_its_files_were_listed(
    vault: MediaVault, eventful: EventfulStore, database: Database, media_root: Path
) -> None:
    slow = SlowStore(database)
    intake = replacing(vault, slow, database)
    admitting = asyncio.create_task(intake.admit(writing_draft(vault), writing_sheet(), STUDENT))
    await slow.asked.wait()
    assert len(kept_on_disk(media_root)) == 2

    async def let_it_be_recorded() -> None:
        slow.allowed.set()

    eventful.before_first_answer = let_it_be_recorded
    assert (await audited(eventful, media_root)).findings == []
    await admitting


@pytest.mark.gen_test
async def test_the_sweep_at_work(vault: MediaVault, eventful: EventfulStore, media_root: Path) -> None:
    for number in range(3):
        await left_behind(vault, number)
    eventful.before_first_answer = lambda: sweep(vault, eventful, -1)
    assert (await audited(eventful, media_root)).findings == []


@pytest.mark.gen_test(timeout=60)
async def test_replacements_uploads_and_sweeps_all_the_time(
    vault: MediaVault, store: SubmissionStore, database: Database, media_root: Path
) -> None:
    intake = replacing(vault, store, database)
    stop = asyncio.Event()

    async def replace_all_the_time(test: int) -> int:
        made = 0
        while not stop.is_set():
            await intake.admit(writing_draft(vault, 100 * test + made % 50), writing_sheet(test), STUDENT)
            made += 1
        return made

    async def sweep_all_the_time() -> None:
        while not stop.is_set():
            await sweep(vault, store, 60)

    working = [asyncio.create_task(replace_all_the_time(test)) for test in range(1, 4)]
    sweeping = asyncio.create_task(sweep_all_the_time())
    audits = [await audited(store, media_root) for _ in range(10)]
    stop.set()
    made = await asyncio.gather(*working)
    await sweeping
    assert [each.findings for each in audits] == [[]] * 10
    assert min(made) > 1
