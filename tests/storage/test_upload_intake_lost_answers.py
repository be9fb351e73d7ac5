"""A write of MongoDB's whose answer is lost, and another upload of the student before it is tried again: what is
acknowledged is there, and what a document points at is on the disk (promises 1, 2 and 3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import pytest

from storage.catalogue import Catalogue
from storage.database import Database
from storage.domain import clock
from storage.domain.errors import Unavailable
from storage.domain.people import Person
from storage.domain.submission import Action, Submission
from storage.media_sweep import sweep
from storage.media_vault import MediaVault
from storage.submission_store import SubmissionStore
from storage.upload_intake import IntakeRules, Resubmission, UploadIntake
from tests.storage.submissions import paths_of
from tests.storage.uploads import kept_on_disk, writing_draft, writing_sheet
from tests.submissions import STUDENT

pytestmark = [pytest.mark.gen_test(timeout=30)]


class DeafOnce(SubmissionStore):
    """The answer to the first write of `deaf_for` is lost, and something happens before anyone tries again."""

    def __init__(
        self, database: Database, deaf_for: Action, meanwhile: Callable[[], Awaitable[object]]
    ) -> None:
        super().__init__(database)
        self._deaf_for: Action | None = deaf_for
        self._meanwhile = meanwhile

    async def insert(self, submission: Submission) -> None:
        await super().insert(submission)
        await self._lose(Action.SUBMIT)

    async def save(
        self, before: Submission, after: Submission, action: Action, actor: Person, moment: datetime
    ) -> bool:
        saved = await super().save(before, after, action, actor, moment)
        await self._lose(action)
        return saved

    async def _lose(self, action: Action) -> None:
        if action is self._deaf_for:
            self._deaf_for = None
            await self._meanwhile()
            raise Unavailable


@pytest.mark.parametrize("lost", [Action.SUBMIT, Action.REPLACE])
async def test_who_was_replaced_before_it_knew_that_it_was_recorded_replaces_nobody(
    lost: Action, vault: MediaVault, database: Database, store: SubmissionStore, media_root: Path
) -> None:
    rules = IntakeRules(Resubmission.REPLACE_PENDING, wait_seconds=5)
    catalogue = Catalogue(database, enforced=False)
    undisturbed = UploadIntake(vault, store, catalogue, rules, clock.now)
    if lost is Action.REPLACE:
        await undisturbed.admit(writing_draft(vault, 1), writing_sheet(), STUDENT)

    async def another_upload() -> None:
        await undisturbed.admit(writing_draft(vault, 3), writing_sheet(), STUDENT)

    deaf = DeafOnce(database, lost, another_upload)
    mine = await UploadIntake(vault, deaf, catalogue, rules, clock.now).admit(
        writing_draft(vault, 2), writing_sheet(), STUDENT
    )
    (now,) = (await store.of_student(STUDENT.id, None, 10)).submissions
    assert now.id == mine.id
    assert now.revision == mine.revision + 1
    assert paths_of(now).isdisjoint(paths_of(mine))
    assert paths_of(now) <= kept_on_disk(media_root)
    await sweep(vault, store, untouched_seconds=-1)  # takes what the lost answer left
    assert kept_on_disk(media_root) == paths_of(now)


async def test_a_replacement_whose_answer_was_lost_is_made_once(
    vault: MediaVault, database: Database, store: SubmissionStore, media_root: Path
) -> None:
    rules = IntakeRules(Resubmission.REPLACE_PENDING, wait_seconds=5)
    catalogue = Catalogue(database, enforced=False)
    await UploadIntake(vault, store, catalogue, rules, clock.now).admit(
        writing_draft(vault, 1), writing_sheet(), STUDENT
    )

    async def nothing() -> None:
        """Nobody comes in between."""

    deaf = DeafOnce(database, Action.REPLACE, nothing)
    mine = await UploadIntake(vault, deaf, catalogue, rules, clock.now).admit(
        writing_draft(vault, 2), writing_sheet(), STUDENT
    )
    (now,) = (await store.of_student(STUDENT.id, None, 10)).submissions
    assert (now.id, now.revision) == (mine.id, mine.revision) == (now.id, 2)
    assert paths_of(now) == paths_of(mine) <= kept_on_disk(media_root)
