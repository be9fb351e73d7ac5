"""UploadIntake on a real disk and a real MongoDB: one submission, however often and from wherever it is sent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from storage.catalogue import Catalogue
from storage.database import Database
from storage.domain import clock
from storage.domain.errors import AlreadySubmitted, UnsupportedMedia
from storage.domain.people import Person
from storage.domain.submission import (
    Action,
    Section,
    Status,
    Submission,
)
from storage.media_vault import MediaVault
from storage.submission_store import SubmissionStore
from storage.upload_intake import IntakeRules, Resubmission, UploadIntake
from tests.storage.submissions import paths_of
from tests.storage.uploads import (
    TASKS,
    draft_of,
    drafts_on_disk,
    kept_on_disk,
    photo_number,
    writing_draft,
    writing_sheet,
)
from tests.submissions import STUDENT

CLASSMATE = Person("43", "Bobur")


@pytest.fixture
def intake(vault: MediaVault, store: SubmissionStore, database: Database) -> UploadIntake:
    catalogue = Catalogue(database, enforced=False)
    return UploadIntake(vault, store, catalogue, IntakeRules(Resubmission.REJECT, wait_seconds=0), clock.now)


async def all_of(store: SubmissionStore, student: Person = STUDENT) -> tuple[Submission, ...]:
    return (await store.of_student(student.id, None, 200)).submissions


@pytest.mark.gen_test
async def test_makes_one_pending_submission_of_a_form(
    intake: UploadIntake, vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    made = await intake.admit(writing_draft(vault), writing_sheet(), STUDENT)
    assert (made.status, made.revision, made.section) == (Status.PENDING, 1, Section.WRITING)
    assert (made.student, made.user_test_id, made.exam_id) == (STUDENT, 123, 456)
    assert [(answer.number, answer.kind) for answer in made.answers] == [(1, "letter"), (2, "essay")]
    assert [entry.action for entry in made.history] == [Action.SUBMIT]
    assert {file.uploaded_at for file in made.files} == {made.submitted_at}
    for place, file in enumerate(made.files):
        content = vault.locate(file.path).read_bytes()
        assert content == photo_number(10 + place)
        assert file.size_bytes == len(content)
    assert await store.find(made.id) == made
    assert kept_on_disk(media_root) == paths_of(made)


@pytest.mark.gen_test
async def test_gives_every_submission_and_file_an_id_of_its_own(
    intake: UploadIntake, vault: MediaVault
) -> None:
    made = [
        await intake.admit(writing_draft(vault, number), writing_sheet(number), STUDENT)
        for number in (1, 2, 3)
    ]
    assert len({submission.id for submission in made}) == 3
    assert len({submission.manual_review_id for submission in made}) == 3
    assert len({file.id for submission in made for file in submission.files}) == 6


@pytest.mark.parametrize("user_test_id", [123, None])
@pytest.mark.gen_test
async def test_the_same_contents_again_are_the_first_submission(
    intake: UploadIntake,
    vault: MediaVault,
    store: SubmissionStore,
    media_root: Path,
    user_test_id: int | None,
) -> None:
    first = await intake.admit(writing_draft(vault), writing_sheet(user_test_id), STUDENT)
    again = await intake.admit(writing_draft(vault), writing_sheet(user_test_id), STUDENT)
    assert again == first
    assert await all_of(store) == (first,)
    assert kept_on_disk(media_root) == paths_of(first)
    assert drafts_on_disk(media_root) == []


@pytest.mark.gen_test
async def test_the_same_contents_for_another_user_test_are_another_submission(
    intake: UploadIntake, vault: MediaVault
) -> None:
    first = await intake.admit(writing_draft(vault), writing_sheet(123), STUDENT)
    second = await intake.admit(writing_draft(vault), writing_sheet(124), STUDENT)
    third = await intake.admit(writing_draft(vault), writing_sheet(None), STUDENT)
    assert len({first.id, second.id, third.id}) == 3


@pytest.mark.gen_test
async def test_the_same_contents_of_another_student_are_another_submission(
    intake: UploadIntake, vault: MediaVault, store: SubmissionStore
) -> None:
    first = await intake.admit(writing_draft(vault), writing_sheet(), STUDENT)
    second = await intake.admit(writing_draft(vault), writing_sheet(), CLASSMATE)
    assert first.id != second.id
    assert await all_of(store, CLASSMATE) == (second,)


@pytest.mark.gen_test
async def test_the_same_photos_the_other_way_round_are_other_contents(
    intake: UploadIntake, vault: MediaVault
) -> None:
    await intake.admit(writing_draft(vault), writing_sheet(), STUDENT)
    swapped = draft_of(vault, {TASKS[1]: photo_number(10), TASKS[0]: photo_number(11)})
    with pytest.raises(AlreadySubmitted):
        await intake.admit(swapped, writing_sheet(), STUDENT)


@pytest.mark.gen_test
async def test_other_contents_for_one_user_test_are_rejected_and_leave_no_files(
    intake: UploadIntake, vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    first = await intake.admit(writing_draft(vault, 1), writing_sheet(), STUDENT)
    with pytest.raises(AlreadySubmitted) as refused:
        await intake.admit(writing_draft(vault, 2), writing_sheet(), STUDENT)
    assert refused.value.current == first
    assert await all_of(store) == (first,)
    assert kept_on_disk(media_root) == paths_of(first)


@pytest.mark.gen_test
async def test_ten_uploads_of_the_same_contents_at_once_are_one_submission(
    intake: UploadIntake, vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    made = await asyncio.gather(
        *(intake.admit(writing_draft(vault), writing_sheet(), STUDENT) for _ in range(10))
    )
    (only,) = await all_of(store)
    assert list(made) == [only] * 10
    assert kept_on_disk(media_root) == paths_of(only)


@pytest.mark.gen_test
async def test_of_ten_uploads_of_other_contents_at_once_one_wins(
    intake: UploadIntake, vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    results = await asyncio.gather(
        *(intake.admit(writing_draft(vault, number), writing_sheet(), STUDENT) for number in range(10)),
        return_exceptions=True,
    )
    (only,) = await all_of(store)
    assert [result for result in results if isinstance(result, Submission)] == [only]
    refused = [result for result in results if isinstance(result, AlreadySubmitted)]
    assert [each.current for each in refused] == [only] * 9
    assert kept_on_disk(media_root) == paths_of(only)


@pytest.mark.gen_test
async def test_a_refused_file_makes_no_submission(
    intake: UploadIntake, vault: MediaVault, store: SubmissionStore, media_root: Path
) -> None:
    draft = draft_of(vault, {TASKS[0]: photo_number(1), TASKS[1]: b"no photo"})
    with pytest.raises(UnsupportedMedia):
        await intake.admit(draft, writing_sheet(), STUDENT)
    await draft.discard()
    assert await all_of(store) == ()
    assert kept_on_disk(media_root) == set()
