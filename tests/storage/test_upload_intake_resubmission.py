"""A second upload where there is a submission already: `replace_pending`, and results named by `test_result_id`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from storage.catalogue import Catalogue, CatalogueFile, Exam, UserTest
from storage.database import Database
from storage.domain import clock
from storage.domain.errors import AlreadySubmitted, NotFound, UnknownReference
from storage.domain.people import Person
from storage.domain.submission import (
    Action,
    Section,
    Status,
    Submission,
)
from storage.media_vault import MediaVault
from storage.review_desk import ReviewDesk
from storage.submission_store import SubmissionStore
from storage.upload_intake import IntakeRules, Resubmission, UploadIntake
from tests.storage.submissions import paths_of, pending
from tests.storage.uploads import drafts_on_disk, kept_on_disk, writing_draft, writing_sheet
from tests.submissions import REVIEWER, STUDENT

CLASSMATE = Person("43", "Bobur")
SCORE = {"task1_score": 20.0, "task2_score": 40.0}


@pytest.fixture
def rejecting(vault: MediaVault, store: SubmissionStore, database: Database) -> UploadIntake:
    return UploadIntake(
        vault,
        store,
        Catalogue(database, enforced=False),
        IntakeRules(Resubmission.REJECT, wait_seconds=0),
        clock.now,
    )


@pytest.fixture
def replacing(vault: MediaVault, store: SubmissionStore, database: Database) -> UploadIntake:
    catalogue = Catalogue(database, enforced=False)
    return UploadIntake(
        vault, store, catalogue, IntakeRules(Resubmission.REPLACE_PENDING, wait_seconds=0), clock.now
    )


@pytest.fixture
def enforcing(vault: MediaVault, store: SubmissionStore, database: Database) -> UploadIntake:
    return UploadIntake(
        vault,
        store,
        Catalogue(database, enforced=True),
        IntakeRules(Resubmission.REJECT, wait_seconds=0),
        clock.now,
    )


@pytest.fixture
def desk(store: SubmissionStore) -> ReviewDesk:
    return ReviewDesk(store, lease_seconds=900, clock=clock.now)


@pytest.mark.gen_test
async def test_other_contents_take_the_place_of_pending_ones(
    replacing: UploadIntake, vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    first = await replacing.admit(writing_draft(vault, 1), writing_sheet(), STUDENT)
    second = await replacing.admit(writing_draft(vault, 2), writing_sheet(), STUDENT)
    assert (second.id, second.manual_review_id) == (first.id, first.manual_review_id)
    assert (second.revision, second.status) == (2, Status.PENDING)
    assert [entry.action for entry in second.history] == [Action.SUBMIT, Action.REPLACE]
    assert await store.find(first.id) == second
    assert kept_on_disk(media_root) == paths_of(second)
    assert paths_of(first) & paths_of(second) == set()


@pytest.mark.gen_test
async def test_contents_that_were_checked_are_not_replaced(
    replacing: UploadIntake, vault: MediaVault, store: SubmissionStore, desk: ReviewDesk, media_root: Path
) -> None:
    first = await replacing.admit(writing_draft(vault, 1), writing_sheet(), STUDENT)
    checked = await desk.check(first.manual_review_id, 1, SCORE, {}, REVIEWER)
    with pytest.raises(AlreadySubmitted) as refused:
        await replacing.admit(writing_draft(vault, 2), writing_sheet(), STUDENT)
    assert refused.value.current == checked
    assert await store.find(first.id) == checked
    assert kept_on_disk(media_root) == paths_of(first)


@pytest.mark.gen_test
async def test_replacing_ends_a_reviewers_claim(
    replacing: UploadIntake, vault: MediaVault, store: SubmissionStore, desk: ReviewDesk
) -> None:
    first = await replacing.admit(writing_draft(vault, 1), writing_sheet(), STUDENT)
    await desk.claim(first.manual_review_id, REVIEWER)
    second = await replacing.admit(writing_draft(vault, 2), writing_sheet(), STUDENT)
    assert second.claim is None
    assert await store.find(first.id) == second


@pytest.mark.gen_test
async def test_ten_replacements_with_the_same_contents_at_once_are_one(
    replacing: UploadIntake, vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    first = await replacing.admit(writing_draft(vault, 1), writing_sheet(), STUDENT)
    made = await asyncio.gather(
        *(replacing.admit(writing_draft(vault, 2), writing_sheet(), STUDENT) for _ in range(10))
    )
    now = await store.find(first.id)
    assert now is not None
    assert now.revision == 2
    assert list(made) == [now] * 10
    assert kept_on_disk(media_root) == paths_of(now)


@pytest.mark.gen_test
async def test_replacements_with_other_contents_at_once_leave_only_the_files_of_the_last(
    replacing: UploadIntake, vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    first = await replacing.admit(writing_draft(vault, 1), writing_sheet(), STUDENT)
    results = await asyncio.gather(
        *(replacing.admit(writing_draft(vault, number), writing_sheet(), STUDENT) for number in range(2, 12)),
        return_exceptions=True,
    )
    now = await store.find(first.id)
    assert now is not None
    won = [result for result in results if isinstance(result, Submission)]
    refused = [result for result in results if isinstance(result, AlreadySubmitted)]
    assert len(won) + len(refused) == 10
    assert now in won
    assert now.revision == 1 + len(won)
    assert {each.current.revision for each in refused} <= set(range(2, now.revision + 1))
    assert kept_on_disk(media_root) == paths_of(now)


@pytest.mark.gen_test
async def test_an_own_earlier_result_is_submitted_to_again_by_its_id(
    replacing: UploadIntake, vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    first = await replacing.admit(writing_draft(vault, 1), writing_sheet(None), STUDENT)
    again = await replacing.admit(writing_draft(vault, 1), writing_sheet(None, first.id), STUDENT)
    assert again == first
    other = await replacing.admit(writing_draft(vault, 2), writing_sheet(None, first.id), STUDENT)
    assert (other.id, other.revision) == (first.id, 2)
    assert await store.find(first.id) == other
    assert kept_on_disk(media_root) == paths_of(other)


@pytest.mark.gen_test
async def test_other_contents_for_an_own_earlier_result_are_rejected(
    rejecting: UploadIntake, vault: MediaVault, media_root: Path
) -> None:
    first = await rejecting.admit(writing_draft(vault, 1), writing_sheet(None), STUDENT)
    with pytest.raises(AlreadySubmitted) as refused:
        await rejecting.admit(writing_draft(vault, 2), writing_sheet(None, first.id), STUDENT)
    assert refused.value.current == first
    assert kept_on_disk(media_root) == paths_of(first)


@pytest.mark.gen_test
async def test_a_replacement_never_takes_the_contents_another_submission_has(
    replacing: UploadIntake, vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    first = await replacing.admit(writing_draft(vault, 1), writing_sheet(None), STUDENT)
    second = await replacing.admit(writing_draft(vault, 2), writing_sheet(None), STUDENT)
    with pytest.raises(AlreadySubmitted):
        await replacing.admit(writing_draft(vault, 2), writing_sheet(None, first.id), STUDENT)
    assert [await store.find(each.id) for each in (first, second)] == [first, second]
    assert kept_on_disk(media_root) == paths_of(first, second)


@pytest.mark.parametrize("whose", ["a stranger's", "nobody's", "of the other section"])
@pytest.mark.gen_test
async def test_a_result_that_is_not_ones_own_is_remembered_as_the_senders_own_number(
    rejecting: UploadIntake, vault: MediaVault, store: SubmissionStore, whose: str
) -> None:
    named = await foreign_result(whose, rejecting, vault, store)
    made = await rejecting.admit(writing_draft(vault, 1), writing_sheet(None, named), STUDENT)
    assert made.id != named
    assert made.external_result_id == named
    assert made.revision == 1


@pytest.mark.parametrize("whose", ["a stranger's", "nobody's", "of the other section"])
@pytest.mark.gen_test
async def test_a_result_that_is_not_ones_own_is_not_found_with_an_enforced_catalogue(
    vault: MediaVault, store: SubmissionStore, database: Database, media_root: Path, whose: str
) -> None:
    enforcing, rejecting = (
        UploadIntake(
            vault,
            store,
            Catalogue(database, enforced=enforced),
            IntakeRules(Resubmission.REJECT, wait_seconds=0),
            clock.now,
        )
        for enforced in (True, False)
    )
    await fill_catalogue(database)
    named = await foreign_result(whose, rejecting, vault, store)
    before = kept_on_disk(media_root)
    draft = writing_draft(vault, 1)
    with pytest.raises(NotFound):
        await enforcing.admit(draft, writing_sheet(None, named), STUDENT)
    await draft.discard()
    assert kept_on_disk(media_root) == before


@pytest.mark.gen_test
async def test_an_id_that_is_not_in_an_enforced_catalogue_keeps_nothing(
    enforcing: UploadIntake, vault: MediaVault, database: Database, media_root: Path
) -> None:
    await fill_catalogue(database)
    made = await enforcing.admit(writing_draft(vault, 1), writing_sheet(123), STUDENT)
    draft = writing_draft(vault, 2)
    with pytest.raises(UnknownReference):
        await enforcing.admit(draft, writing_sheet(124), STUDENT)
    await draft.discard()
    assert kept_on_disk(media_root) == paths_of(made)
    assert drafts_on_disk(media_root) == []


async def fill_catalogue(database: Database) -> None:
    content = CatalogueFile(exams=[Exam(id=456, title="October")], user_tests=[UserTest(id=123, exam_id=456)])
    await Catalogue(database, enforced=True).load(content)


async def foreign_result(whose: str, intake: UploadIntake, vault: MediaVault, store: SubmissionStore) -> int:
    """The id of a result that STUDENT cannot submit Writing to."""
    if whose == "nobody's":
        return 390
    if whose == "of the other section":
        await store.insert(pending(391, Section.SPEAKING, STUDENT))
        return 391
    return (await intake.admit(writing_draft(vault, 9), writing_sheet(None), CLASSMATE)).id
