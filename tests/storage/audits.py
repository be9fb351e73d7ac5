"""Audits as tests want them: strict about age, and without patience unless somebody is at work meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from storage.domain.submission import StoredFile, Submission
from storage.media_audit import Audit, AuditSettings, Finding, Problem, audit
from storage.submission_store import SubmissionStore

SWEPT_AFTER_SECONDS = 3900.0
STRICT = AuditSettings(Path(), SWEPT_AFTER_SECONDS, deep=False, patience_seconds=0)


async def audited(store: SubmissionStore, root: Path, *, deep: bool = False) -> Audit:
    return await audit(store, replace(STRICT, root=root, deep=deep))


async def found(store: SubmissionStore, root: Path, *, deep: bool = False) -> list[Finding]:
    return (await audited(store, root, deep=deep)).findings


def about(
    problem: Problem, submission: Submission, file: StoredFile, seen: str, expected: str = ""
) -> Finding:
    """What is expected of a file is its size, unless said otherwise."""
    return Finding(problem, file.path, submission.id, expected or str(file.size_bytes), seen)
