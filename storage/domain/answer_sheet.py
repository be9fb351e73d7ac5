"""What an upload form says once it is whole: which files answer which question. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from storage.domain.submission import Section


@dataclass(frozen=True, slots=True)
class SheetAnswer:
    """One question's answer: `fields` are the form fields that carried its files, in order."""

    number: int
    kind: str
    fields: tuple[str, ...]
    question: int | None = None


@dataclass(frozen=True, slots=True)
class AnswerSheet:
    """A checked form, before its files have their final places."""

    section: Section
    answers: tuple[SheetAnswer, ...]
    user_test_id: int | None = None
    exam_id: int | None = None
    test_result_id: int | None = None

    def content_digest(self, sha256_by_field: Mapping[str, str]) -> str:
        """One SHA-256 over all answers in order: equal contents, equal digest, whatever the files are called.

        Two uploads with one digest from one student are the same submission sent twice (design section 3,
        *Doing it twice*).
        """
        digest = hashlib.sha256()
        for answer in self.answers:
            hashes = ",".join(sha256_by_field[field] for field in answer.fields)
            digest.update(f"{answer.kind}:{answer.number}:{answer.question}:{hashes}\n".encode())
        return digest.hexdigest()

    def fingerprint(self, content_digest: str) -> str:
        """One SHA-256 over everything the form said: what a repeat under the same Idempotency-Key must equal."""
        said = (self.section, self.user_test_id, self.exam_id, self.test_result_id, content_digest)
        return hashlib.sha256(":".join(map(str, said)).encode()).hexdigest()
