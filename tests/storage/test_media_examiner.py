"""Who examines what when something fails: nothing is forgotten, nothing stands in the way of the rest."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from storage.catalogue import Catalogue
from storage.database import Database
from storage.domain import clock
from storage.domain.errors import StorageFull, Unavailable
from storage.domain.examination import Examined, MediaWarning
from storage.domain.submission import Action, Submission
from storage.domain.submission_life import replaced
from storage.examining_process import ExaminingProcess, Job, ProcessLimits
from storage.leases import Leases
from storage.media_examiner import ExaminerSettings, MediaExaminer
from storage.media_vault import MediaVault
from storage.submission_store import SubmissionStore
from storage.upload_intake import IntakeRules, Resubmission, UploadIntake
from tests.e2e.server_process import HOME
from tests.odd_media import RULES
from tests.storage.test_examining_process import COMMAND
from tests.storage.uploads import drafts_on_disk, grow_old, kept_on_disk, writing_draft, writing_sheet
from tests.submissions import STUDENT

pytestmark = pytest.mark.gen_test(timeout=60)

SETTINGS = ExaminerSettings(at_once=1, scan_seconds=60, limits=ProcessLimits(20, 1 << 30), rules=RULES)


class Failing(ExaminingProcess):
    """Fails as it is told to before it does anything."""

    failures: list[Exception]

    async def examine(self, job: Job) -> AsyncIterator[Examined]:
        if self.failures:
            raise self.failures.pop()
        async for found in super().examine(job):
            yield found


class ForgetfulStore(SubmissionStore):
    """Loses the answer to a write that was done."""

    loses = 1

    async def record_examined(self, before: Submission, after: Submission) -> bool:
        is_recorded = await super().record_examined(before, after)
        if self.loses:
            self.loses -= 1
            raise Unavailable
        return is_recorded


class Bench:
    """An examiner on real parts, and what it has to do."""

    def __init__(self, vault: MediaVault, database: Database, store: SubmissionStore | None = None) -> None:
        self.store = store or SubmissionStore(database)
        self.leases = Leases(database, clock.now)
        self.process = Failing(COMMAND, HOME)
        object.__setattr__(self.process, "failures", [])
        rules = IntakeRules(Resubmission.REJECT, wait_seconds=0)
        catalogue = Catalogue(database, enforced=False)
        self._intake = UploadIntake(vault, self.store, catalogue, rules, clock.now)
        self._vault = vault
        self.examiner = MediaExaminer(vault, self.store, self.leases, self.process, SETTINGS)

    async def submit(self, number: int) -> Submission:
        return await self._intake.admit(writing_draft(self._vault, number), writing_sheet(number), STUDENT)

    async def seen(self, submission: Submission) -> Submission:
        found = await self.store.find(submission.id)
        assert found is not None
        return found


@pytest.fixture
def bench(vault: MediaVault, database: Database) -> Bench:
    return Bench(vault, database)


async def test_one_that_fails_is_put_off_and_does_not_keep_others_waiting(bench: Bench) -> None:
    older, newer = await bench.submit(1), await bench.submit(2)
    bench.process.failures.append(RuntimeError("a bug"))
    with pytest.raises(RuntimeError):
        await bench.examiner.examine_next()
    assert await bench.examiner.examine_next()
    assert (await bench.seen(older)).is_examined
    assert not (await bench.seen(newer)).is_examined
    assert not await bench.examiner.examine_next()


async def test_what_always_fails_is_given_up(bench: Bench) -> None:
    submission = await bench.submit(1)
    for _ in range(3):
        lease = await bench.leases.take(f"examination:{submission.id}", 0)
        assert lease is not None
    bench.process.failures.append(RuntimeError("never come to"))
    assert await bench.examiner.examine_next()
    seen = await bench.seen(submission)
    assert [file.examined for file in seen.files] == [Examined((MediaWarning.UNREADABLE,))] * 2


async def test_a_full_disk_is_no_reason_to_give_up(bench: Bench) -> None:
    submission = await bench.submit(1)
    for _ in range(5):
        bench.process.failures.append(StorageFull())
        with pytest.raises(StorageFull):
            await bench.examiner.examine_next()
        await bench.leases._leases.update_many({}, {"$set": {"until": clock.now()}})
    assert await bench.examiner.examine_next()
    seen = await bench.seen(submission)
    assert all(file.examined and file.examined.copies for file in seen.files)


async def test_the_disks_reserve_is_not_for_copies(bench: Bench, vault: MediaVault, media_root: Path) -> None:
    submission = await bench.submit(1)
    vault._settings = replace(vault._settings, reserve_bytes=1 << 62)
    with pytest.raises(StorageFull):
        await bench.examiner.examine_next()
    assert kept_on_disk(media_root) == submission.paths
    assert not (await bench.seen(submission)).is_examined


async def test_copies_look_young_to_the_sweep_of_another_process(bench: Bench, media_root: Path) -> None:
    """Which knows nothing of what is in hand here; the first of twenty may have been made minutes ago."""
    submission = await bench.submit(1)
    examine = bench.examiner._look_at

    async def long_ago(submission: Submission) -> list[Examined]:
        found = await examine(submission)
        for each in found:
            for copy in each.copies:
                grow_old(Path(copy.path), 3600)
        return found

    bench.examiner._look_at = long_ago  # type: ignore[method-assign]
    assert await bench.examiner.examine_next()
    copies = kept_on_disk(media_root) - submission.paths
    assert len(copies) == 2
    assert min((media_root / copy).stat().st_mtime for copy in copies) > time.time() - 600


async def test_copies_whose_record_was_not_answered_are_kept_if_it_was_done(
    vault: MediaVault, database: Database, media_root: Path
) -> None:
    bench = Bench(vault, database, ForgetfulStore(database))
    submission = await bench.submit(1)
    with pytest.raises(Unavailable):
        await bench.examiner.examine_next()
    seen = await bench.seen(submission)
    assert seen.is_examined
    assert kept_on_disk(media_root) == seen.paths
    assert drafts_on_disk(media_root) == []


async def test_whoever_comes_second_removes_what_it_made(bench: Bench, media_root: Path) -> None:
    """Its lease was lost meanwhile: the machine slept, say."""
    submission = await bench.submit(1)
    examine = bench.examiner._look_at

    async def overtaken(submission: Submission) -> list[Examined]:
        bench.examiner._look_at = examine  # type: ignore[method-assign]
        await bench.examiner._examine(submission.id, is_hopeless=False)
        return await examine(submission)

    bench.examiner._look_at = overtaken  # type: ignore[method-assign]
    assert await bench.examiner.examine_next()
    assert kept_on_disk(media_root) == (await bench.seen(submission)).paths
    assert drafts_on_disk(media_root) == []


async def test_a_replacement_in_the_same_moment_looks_again_which_copies_there_are(bench: Bench) -> None:
    """Or files no document points at would lie there until the next day's sweep."""
    before = await bench.submit(1)
    assert await bench.examiner.examine_next()
    after = replaced(before, replace(before, submitted_at=clock.now(), content_digest="another"))
    assert not await bench.store.save(before, after, Action.REPLACE, STUDENT, clock.now())
    seen = await bench.seen(before)
    assert await bench.store.save(seen, after, Action.REPLACE, STUDENT, clock.now())


async def test_documents_of_earlier_releases_are_examined(bench: Bench) -> None:
    submission = await bench.submit(1)
    fields = {"is_examined": "", "answers.$[].files.$[].examined": ""}
    await bench.store._submissions.update_one({"_id": submission.id}, {"$unset": fields})
    assert await bench.store.unexamined(10) == (submission.id,)
    assert await bench.examiner.examine_next()
    assert (await bench.seen(submission)).is_examined
