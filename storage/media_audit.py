"""Compares what documents point at with what is on disk (promises 1 to 3). Reads only, also beside a server.

Everything moves meanwhile, so nothing is reported on one look. A file is looked at after the document that points
at it was read, and counts as a problem only if the present document still does; a file without a document is
looked at before the documents are asked, and again after a while. Memory holds a batch, and the problems.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import time
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path

from storage.domain.ports import SubmissionFiles, Submissions
from storage.domain.submission import StoredFile
from storage.media_tree import kept_files, left_over_drafts

_BATCH = 500
_NOTHING = "nothing"
_ASK_AGAIN_SECONDS = 0.1


class Problem(StrEnum):
    """How a document and a disk can disagree. The order is that of a report."""

    EXTRA = "extra"
    """A file no document points at, so old that the sweep should have taken it."""
    INACCESSIBLE = "inaccessible"
    """Something is there that cannot be read as a file, or a folder that cannot be listed."""
    MISSING = "missing"
    SHA256 = "sha256"
    SHARED = "shared"
    """More than one place in the documents points at one file: replacing one would take the other's file."""
    SIZE = "size"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One broken promise. `submission` is 0 where no document is concerned."""

    problem: Problem
    path: str
    submission: int
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """`swept_after_seconds` is the age at which a file without a document should be gone. `deep`: read all files
    and compare their SHA-256. `patience_seconds` is how long such a file may still be just about to go: a
    replacement removes the old files after its document is recorded."""

    root: Path
    swept_after_seconds: float
    deep: bool = False
    patience_seconds: float = 5.0


@dataclass(slots=True)
class Audit:
    """What there is, and what is wrong with it."""

    submissions: int = 0
    files: int = 0
    bytes: int = 0
    young: int = 0
    """Files without a document whose time to be swept has not come."""
    left_over_drafts: int = 0
    """Files of processes that no longer live; they go at the next start."""
    not_hashed: int = 0
    """Files whose document has no SHA-256 to compare with; counted if `deep`."""
    findings: list[Finding] = field(default_factory=list)


async def audit(submissions: Submissions, settings: AuditSettings) -> Audit:
    """Go through all documents, then through all files. Raises Unavailable if MongoDB cannot be asked."""
    result = Audit()
    async for batch in submissions.all_files():
        await _check_documents(batch, submissions, settings, result)
    await _check_files(submissions, settings, result)
    result.left_over_drafts = await asyncio.to_thread(left_over_drafts, settings.root)
    result.findings.sort()
    return result


def report(result: Audit) -> Iterator[str]:
    """A line a problem, `problem path submission expected/found` (submission 0: none), and one that sums up."""
    for each in result.findings:
        # A stray file's name may be anything; a line stays a line, and a word a word.
        path = each.path if each.path.isprintable() and " " not in each.path else ascii(each.path)
        yield f"{each.problem} {path} {each.submission} {each.expected}/{each.found}"
    yield (
        f"{result.submissions} submissions, {result.files} files, {result.bytes} bytes, "
        f"{len(result.findings)} problems; without a document: {result.young} young, "
        f"{result.left_over_drafts} left-over drafts; without a sha256: {result.not_hashed}"
    )


async def _check_documents(
    batch: tuple[SubmissionFiles, ...], submissions: Submissions, settings: AuditSettings, result: Audit
) -> None:
    pointed_at = [(each.submission, file) for each in batch for file in each.files]
    result.submissions += len(batch)
    result.files += len(pointed_at)
    result.bytes += sum(file.size_bytes for _, file in pointed_at)
    suspicions = await asyncio.to_thread(
        lambda: [found for owner, file in pointed_at if (found := _look(settings.root, owner, file))]
    )
    if settings.deep:
        suspected = {(each.submission, each.path) for each in suspicions}
        for owner, file in pointed_at:
            if not file.sha256:
                result.not_hashed += 1
            elif (owner, file.path) not in suspected and (
                found := await asyncio.to_thread(_hash, settings.root, owner, file)
            ):
                suspicions.append(found)
    owners = await submissions.owners({file.path for _, file in pointed_at})
    result.findings += {each for each in suspicions if each.submission in owners.get(each.path, ())}
    result.findings += {
        Finding(Problem.SHARED, file.path, owner, str(owner), ",".join(map(str, sorted(sharing))))
        for owner, file in pointed_at
        if len(sharing := owners.get(file.path, [])) > 1 and owner == min(sharing)
    }


async def _check_files(submissions: Submissions, settings: AuditSettings, result: Audit) -> None:
    """Find files no document points at. The list comes first: what is in it and has no document afterwards either
    was never recorded, or is no longer needed."""
    suspected: list[str] = []
    unreadable: list[OSError] = []
    walk = kept_files(settings.root, unreadable=unreadable.append)
    async for batch in _batches(walk):
        kept = await submissions.referenced(batch)
        seen = await asyncio.to_thread(_ages, settings.root, [path for path in batch if path not in kept])
        suspected += [path for path, age in seen.items() if age > settings.swept_after_seconds]
        result.young += sum(age <= settings.swept_after_seconds for age in seen.values())
    result.findings += [found for error in unreadable if (found := _unreadable(settings.root, error))]
    result.findings += await _still_extra(suspected, submissions, settings)


async def _still_extra(
    suspected: list[str], submissions: Submissions, settings: AuditSettings
) -> list[Finding]:
    """What is left of `suspected` when whoever was about to remove it, or to record it, has had time to."""
    deadline = time.monotonic() + settings.patience_seconds
    while True:
        left: list[Finding] = []
        async for batch in _batches(iter(suspected)):
            extras = await asyncio.to_thread(_extras, settings.root, batch)
            kept = await submissions.referenced([each.path for each in extras])
            left += [each for each in extras if each.path not in kept]
        if not left or time.monotonic() >= deadline:
            return left
        suspected = [each.path for each in left]
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


async def _batches(paths: Iterator[str]) -> AsyncIterator[Collection[str]]:
    """The walk over a folder waits for a disk, so each batch is a job in a thread."""
    while batch := await asyncio.to_thread(lambda: list(islice(paths, _BATCH))):
        yield batch


# What follows runs in threads.


def _look(root: Path, owner: int, file: StoredFile) -> Finding | None:
    try:
        size = _size_of(root / file.path)
    except FileNotFoundError:
        return Finding(Problem.MISSING, file.path, owner, str(file.size_bytes), _NOTHING)
    except OSError as error:
        return Finding(Problem.INACCESSIBLE, file.path, owner, str(file.size_bytes), _reason(error))
    if size != file.size_bytes:
        return Finding(Problem.SIZE, file.path, owner, str(file.size_bytes), str(size))
    return None


def _size_of(path: Path) -> int:
    """By opening it, because that is what a reviewer wants of it; without waiting should it be a pipe."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        seen = os.fstat(fd)
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(0, "not a regular file")
        return seen.st_size
    finally:
        os.close(fd)


def _hash(root: Path, owner: int, file: StoredFile) -> Finding | None:
    try:
        with (root / file.path).open("rb", buffering=0) as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return Finding(Problem.MISSING, file.path, owner, str(file.size_bytes), _NOTHING)
    except OSError as error:
        return Finding(Problem.INACCESSIBLE, file.path, owner, str(file.size_bytes), _reason(error))
    if found != file.sha256:
        return Finding(Problem.SHA256, file.path, owner, file.sha256, found)
    return None


def _ages(root: Path, paths: list[str]) -> dict[str, float]:
    """How many seconds ago each was touched, as the sweep sees it; those gone meanwhile are left out."""
    now = time.time()
    ages: dict[str, float] = {}
    for path in paths:
        try:
            ages[path] = now - (root / path).lstat().st_mtime
        except FileNotFoundError:
            continue
        except OSError:
            ages[path] = float("inf")  # `_extras` tells why
    return ages


def _extras(root: Path, paths: Collection[str]) -> list[Finding]:
    """Those of `paths` that are still there."""
    found = []
    for path in paths:
        try:
            size = (root / path).lstat().st_size
        except FileNotFoundError:
            continue
        except OSError as error:
            found.append(Finding(Problem.INACCESSIBLE, path, 0, _NOTHING, _reason(error)))
        else:
            found.append(Finding(Problem.EXTRA, path, 0, _NOTHING, str(size)))
    return found


def _unreadable(root: Path, error: OSError) -> Finding | None:
    path = os.path.relpath(error.filename, root)
    if isinstance(error, FileNotFoundError):  # removed meanwhile, or not made yet
        return None
    return Finding(Problem.INACCESSIBLE, path, 0, "a folder", _reason(error))


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
