"""Uploads while MongoDB goes away: never acknowledged without a document, never files thrown away too soon."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.embedded_mongod import EmbeddedMongod
from storage.catalogue import Catalogue
from storage.database import Database
from storage.domain import clock
from storage.domain.errors import NotStored, Unavailable
from storage.domain.submission import Submission
from storage.media_sweep import sweep
from storage.media_vault import MediaVault
from storage.submission_store import SubmissionStore
from storage.upload_intake import IntakeRules, Resubmission, UploadIntake
from tests.server.mongod_process import kill_mongod
from tests.storage.primary import primary_again
from tests.storage.submissions import paths_of
from tests.storage.uploads import drafts_on_disk, kept_on_disk, writing_draft, writing_sheet
from tests.submissions import STUDENT

pytestmark = pytest.mark.expects_errors


class DyingStore(SubmissionStore):
    """MongoDB is gone at the very moment the document is to be recorded."""

    def __init__(self, database: Database, state_dir: Path) -> None:
        super().__init__(database)
        self._state_dir = state_dir

    async def insert(self, submission: Submission) -> None:
        kill_mongod(self._state_dir)
        await super().insert(submission)


class DeafStore(SubmissionStore):
    """MongoDB records the document, and its answer is lost: no test can cut a connection in that moment."""

    async def insert(self, submission: Submission) -> None:
        await super().insert(submission)
        raise Unavailable


def intake_of(vault: MediaVault, database: Database, store: SubmissionStore) -> UploadIntake:
    catalogue = Catalogue(database, enforced=False)
    return UploadIntake(vault, store, catalogue, IntakeRules(Resubmission.REJECT, wait_seconds=0), clock.now)


@pytest.mark.gen_test(timeout=30)
async def test_is_not_stored_while_there_is_no_mongodb(
    vault: MediaVault, own_database: Database, media_root: Path, tmp_path: Path
) -> None:
    intake = intake_of(vault, own_database, SubmissionStore(own_database))
    kill_mongod(tmp_path / "own")
    draft = writing_draft(vault)
    with pytest.raises(NotStored):
        await intake.admit(draft, writing_sheet(), STUDENT)
    await draft.discard()
    assert len(kept_on_disk(media_root)) == 2
    assert drafts_on_disk(media_root) == []


@pytest.mark.gen_test(timeout=30)
async def test_is_not_stored_when_mongodb_goes_before_the_document_is_recorded(
    vault: MediaVault, own_mongod: EmbeddedMongod, own_database: Database, tmp_path: Path
) -> None:
    media_root = tmp_path / "media"
    intake = intake_of(vault, own_database, DyingStore(own_database, tmp_path / "own"))
    with pytest.raises(NotStored):
        await intake.admit(writing_draft(vault), writing_sheet(), STUDENT)
    assert len(kept_on_disk(media_root)) == 2
    own_mongod.ensure_running()
    await primary_again(own_database)
    store = SubmissionStore(own_database)
    assert (await store.of_student(STUDENT.id, None, 10)).submissions == ()
    assert await sweep(vault, store, untouched_seconds=-1) == 2
    assert kept_on_disk(media_root) == set()


@pytest.mark.gen_test
async def test_an_answer_of_mongodb_that_is_lost_costs_no_file(
    vault: MediaVault, database: Database, media_root: Path
) -> None:
    store = SubmissionStore(database)
    with pytest.raises(NotStored):
        await intake_of(vault, database, DeafStore(database)).admit(
            writing_draft(vault), writing_sheet(), STUDENT
        )
    (recorded,) = (await store.of_student(STUDENT.id, None, 10)).submissions
    assert kept_on_disk(media_root) == paths_of(recorded)
    again = await intake_of(vault, database, store).admit(writing_draft(vault), writing_sheet(), STUDENT)
    assert again == recorded
    assert kept_on_disk(media_root) == paths_of(recorded)
