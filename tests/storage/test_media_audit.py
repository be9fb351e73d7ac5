"""The audit on a real disk and a real MongoDB: each way in which documents and files can disagree, caused."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from storage.catalogue import Catalogue
from storage.database import Database
from storage.domain import clock
from storage.domain.errors import Unavailable
from storage.domain.submission import Action, Submission
from storage.indexes import SUBMISSIONS
from storage.media_audit import Audit, Finding, Problem, report
from storage.media_type import MediaTypeDetector
from storage.media_vault import MediaVault, VaultSettings
from storage.submission_store import SubmissionStore
from storage.upload_intake import IntakeRules, Resubmission, UploadIntake
from tests.storage.audits import SWEPT_AFTER_SECONDS, about, audited, found
from tests.storage.submissions import pending
from tests.storage.uploads import left_behind, stray_file, writing_draft, writing_sheet
from tests.submissions import STUDENT

STRAY = "writing/2025/10/08/stray.jpg"


@pytest.fixture
def intake(vault: MediaVault, store: SubmissionStore, database: Database) -> UploadIntake:
    catalogue = Catalogue(database, enforced=False)
    return UploadIntake(
        vault, store, catalogue, IntakeRules(Resubmission.REPLACE_PENDING, wait_seconds=0), clock.now
    )


async def admitted(vault: MediaVault, intake: UploadIntake, number: int = 1) -> Submission:
    return await intake.admit(writing_draft(vault, number), writing_sheet(number), STUDENT)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.gen_test
async def test_normal_use_leaves_nothing_to_report(
    vault: MediaVault, store: SubmissionStore, intake: UploadIntake, media_root: Path, deep: bool
) -> None:
    made = [await admitted(vault, intake, number) for number in (1, 2, 3)]
    made[0] = await intake.admit(writing_draft(vault, 4), writing_sheet(1), STUDENT)
    await left_behind(vault, 5)
    draft = writing_draft(vault, 6)
    await draft.flush()
    size = sum(file.size_bytes for each in made for file in each.files)
    assert await audited(store, media_root, deep=deep) == Audit(submissions=3, files=6, bytes=size, young=2)
    await draft.discard()


@pytest.mark.gen_test
async def test_there_is_nothing_to_report_before_the_first_start(
    store: SubmissionStore, tmp_path: Path
) -> None:
    assert await audited(store, tmp_path / "none" / "media") == Audit()
    assert not (tmp_path / "none").exists()


@pytest.mark.gen_test
async def test_a_file_that_is_gone_is_missing(
    vault: MediaVault, store: SubmissionStore, intake: UploadIntake, media_root: Path
) -> None:
    made = await admitted(vault, intake)
    vault.locate(made.files[1].path).unlink()
    assert await found(store, media_root) == [about(Problem.MISSING, made, made.files[1], "nothing")]


@pytest.mark.parametrize("change", [-1, 1])
@pytest.mark.gen_test
async def test_a_file_that_was_cut_or_grew_has_the_wrong_size(
    vault: MediaVault, store: SubmissionStore, intake: UploadIntake, media_root: Path, change: int
) -> None:
    made = await admitted(vault, intake)
    size = made.files[0].size_bytes + change
    os.truncate(vault.locate(made.files[0].path), size)
    for deep in (False, True):
        assert await found(store, media_root, deep=deep) == [
            about(Problem.SIZE, made, made.files[0], str(size))
        ]


@pytest.mark.gen_test
async def test_a_byte_that_changed_is_found_by_reading_everything(
    vault: MediaVault, store: SubmissionStore, intake: UploadIntake, media_root: Path
) -> None:
    made = await admitted(vault, intake)
    file = made.files[0]
    path = vault.locate(file.path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert await found(store, media_root) == []
    (problem,) = await found(store, media_root, deep=True)
    assert problem == about(Problem.SHA256, made, file, problem.found, file.sha256)
    assert len(problem.found) == 64


@pytest.mark.gen_test
async def test_files_that_were_never_hashed_are_counted_and_not_read(
    vault: MediaVault,
    store: SubmissionStore,
    intake: UploadIntake,
    database: Database,
    media_root: Path,
) -> None:
    await admitted(vault, intake, 1)
    unhashed = await admitted(vault, intake, 2)
    changes = {"$set": {"answers.$[].files.$[].sha256": ""}}
    await database.collection(SUBMISSIONS).update_one({"_id": unhashed.id}, changes)
    path = vault.locate(unhashed.files[0].path)
    path.write_bytes(bytes(path.stat().st_size))
    deep = await audited(store, media_root, deep=True)
    assert (deep.findings, deep.not_hashed, deep.files) == ([], 2, 4)
    assert (await audited(store, media_root)).not_hashed == 0


@pytest.mark.gen_test
async def test_an_old_file_without_a_document_is_extra(
    vault: MediaVault, store: SubmissionStore, intake: UploadIntake, media_root: Path
) -> None:
    await admitted(vault, intake)
    stray_file(media_root, STRAY, SWEPT_AFTER_SECONDS + 60)
    stray_file(media_root, "speaking/2025/10/08/young.mp3", SWEPT_AFTER_SECONDS - 60)
    stray_file(media_root, "lost+found/not-ours")
    result = await audited(store, media_root)
    assert result.findings == [Finding(Problem.EXTRA, STRAY, 0, "nothing", "5")]
    assert result.young == 1


@pytest.mark.parametrize("place", ["a folder", "a loop", "a pipe", "a file in the folder's place"])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.gen_test
async def test_what_cannot_be_read_is_inaccessible(
    vault: MediaVault, store: SubmissionStore, media_root: Path, place: str, deep: bool
) -> None:
    submission = pending(1)
    await store.insert(submission)
    for file in submission.files:
        at = vault.locate(file.path)
        at.parent.mkdir(exist_ok=True)
        match place:
            case "a folder":
                at.mkdir()
            case "a loop":
                at.symlink_to(at.name)
            case "a pipe":
                os.mkfifo(at)
            case _:
                at.parent.rmdir()
                at.parent.touch()
                break
    reasons = {
        "a loop": "Too many levels of symbolic links",
        "a file in the folder's place": "Not a directory",
    }
    expected = [
        about(Problem.INACCESSIBLE, submission, file, reasons.get(place, "not a regular file"))
        for file in submission.files
    ]
    problems = await found(store, media_root, deep=deep)
    # The file in the folder's place has no document.
    assert [each for each in problems if each.submission] == sorted(expected)


@pytest.mark.gen_test
async def test_a_folder_that_cannot_be_listed_is_inaccessible(
    store: SubmissionStore, media_root: Path, monkeypatch: pytest.MonkeyPatch, vault: MediaVault
) -> None:
    stray_file(media_root, STRAY)
    stray_file(media_root, "lost+found/not-ours")
    denied = {str(vault.locate("writing/2025")), str(vault.locate("lost+found"))}
    scandir = os.scandir

    def denying(path: str) -> os._ScandirIterator[str]:
        if path in denied:  # a mode would not keep root out
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denying)
    assert await found(store, media_root) == [
        Finding(Problem.INACCESSIBLE, "writing/2025", 0, "a folder", "Permission denied")
    ]


@pytest.mark.gen_test
async def test_a_file_of_two_documents_is_shared(
    vault: MediaVault, store: SubmissionStore, intake: UploadIntake, database: Database, media_root: Path
) -> None:
    made = await admitted(vault, intake)
    # As in a dump that was restored without its indexes.
    await database.collection(SUBMISSIONS).drop_index("by_file")
    await store.insert(replace(pending(99), answers=made.answers))
    shared = f"{made.id},99"
    assert await found(store, media_root) == sorted(
        about(Problem.SHARED, made, file, shared, str(made.id)) for file in made.files
    )


@pytest.mark.gen_test
async def test_a_file_that_one_document_has_twice_is_shared(
    vault: MediaVault, store: SubmissionStore, intake: UploadIntake, media_root: Path
) -> None:
    made = await admitted(vault, intake)
    one, other = made.answers
    both = replace(other, files=(*one.files, *other.files))
    # A unique index does not look at two places in one document.
    assert await store.save(made, replace(made, answers=(one, both)), Action.REPLACE, STUDENT, clock.now())
    (problem,) = await found(store, media_root)
    assert problem == about(Problem.SHARED, made, one.files[0], f"{made.id},{made.id}", str(made.id))


@pytest.mark.gen_test
async def test_drafts_of_the_dead_are_counted_and_no_problem(
    vault: MediaVault, store: SubmissionStore, media_root: Path, detector: MediaTypeDetector
) -> None:
    living = writing_draft(vault, 1)
    await living.flush()
    dead = MediaVault(VaultSettings(media_root, reserve_bytes=0), detector)
    dead.open()
    await writing_draft(dead, 2).flush()
    os.close(dead._lock_fd)  # as the kernel does for a process that dies
    dead._lock_fd = -1
    result = await audited(store, media_root)
    assert (result.findings, result.left_over_drafts) == ([], 2)
    dead.close()
    assert (await audited(store, media_root)).left_over_drafts == 0
    await living.discard()


@pytest.mark.gen_test
async def test_changes_nothing_on_the_disk(
    vault: MediaVault, store: SubmissionStore, intake: UploadIntake, media_root: Path
) -> None:
    made = await admitted(vault, intake)
    vault.locate(made.files[0].path).unlink()
    stray_file(media_root, STRAY)

    def everything() -> list[tuple[Path, int, int]]:
        seen = [(path, path.stat()) for path in sorted(media_root.rglob("*"))]
        return [(path, status.st_mtime_ns, status.st_ctime_ns) for path, status in seen]

    before = everything()
    assert len(await found(store, media_root, deep=True)) == 2
    assert everything() == before


@pytest.mark.gen_test
async def test_goes_through_many_submissions_and_files_in_batches(
    store: SubmissionStore, database: Database, media_root: Path
) -> None:
    documents = [{"_id": number, "answers": [{"files": []}]} for number in range(1, 252)]
    await database.collection(SUBMISSIONS).drop_indexes()  # these are no whole documents
    await database.collection(SUBMISSIONS).insert_many(documents)
    assert [len(batch) async for batch in store.all_files()] == [100, 100, 51]
    strays = {f"writing/2025/10/08/{number}.jpg" for number in range(1001)}
    for path in strays:
        stray_file(media_root, path)
    result = await audited(store, media_root)
    assert result.submissions == 251
    assert {each.path for each in result.findings} == strays


@pytest.mark.gen_test
async def test_says_nothing_while_mongodb_cannot_be_asked(media_root: Path) -> None:
    away = Database("mongodb://127.0.0.1:1/?directConnection=true", "test", timeout_seconds=0.2)
    with pytest.raises(Unavailable):
        await audited(SubmissionStore(away), media_root)
    away.close()


def test_a_report_has_a_line_a_problem_and_one_that_sums_up() -> None:
    problems = [
        Finding(Problem.EXTRA, "writing/a b\n\udcff.jpg", 0, "nothing", "5"),
        Finding(Problem.SIZE, "writing/a.jpg", 7, "12", "11"),
    ]
    result = Audit(3, 6, 789, young=1, left_over_drafts=2, not_hashed=4, findings=problems)
    assert list(report(result)) == [
        r"extra 'writing/a b\n\udcff.jpg' 0 nothing/5",
        "size writing/a.jpg 7 12/11",
        "3 submissions, 6 files, 789 bytes, 2 problems; "
        "without a document: 1 young, 2 left-over drafts; without a sha256: 4",
    ]
