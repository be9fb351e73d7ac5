"""Exams, user tests and questions that uploads may refer to; enforced only with `catalogue.enforce`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from storage.database import Database
from storage.database import unavailable_while_down as available
from storage.domain.answer_sheet import AnswerSheet
from storage.domain.errors import UnknownReference
from storage.domain.submission import Section
from storage.indexes import EXAMS, QUESTIONS, USER_TESTS


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    id: PositiveInt


class Exam(_Entry):
    title: str


class UserTest(_Entry):
    """One student's sitting of an exam."""

    exam_id: PositiveInt


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: PositiveInt
    section: Section
    text: str


class CatalogueFile(BaseModel):
    """What `python run.py import-catalogue FILE.yaml` reads."""

    model_config = ConfigDict(extra="forbid")
    exams: list[Exam] = []
    user_tests: list[UserTest] = []
    questions: list[Question] = []


class UnreadableCatalogue(Exception):
    """The file is not a catalogue; the message says where and why."""


def read_catalogue(path: Path) -> CatalogueFile:
    """Parse a catalogue file; raises UnreadableCatalogue. Blocking."""
    try:
        return CatalogueFile.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UnreadableCatalogue(f"{path}: {error}") from error
    except ValidationError as error:
        problems = (
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        )
        raise UnreadableCatalogue(f"{path}: " + "; ".join(problems)) from error


class Catalogue:
    """The three collections. `enforced` False lets every id pass."""

    def __init__(self, database: Database, *, enforced: bool) -> None:
        self._database = database
        self.enforced = enforced

    async def load(self, content: CatalogueFile) -> dict[str, int]:
        """Insert or overwrite every entry by id; returns how many of each collection."""
        entries: Mapping[str, list[Any]] = {
            EXAMS: content.exams,
            USER_TESTS: content.user_tests,
            QUESTIONS: content.questions,
        }
        with available():
            for name, rows in entries.items():
                for row in rows:
                    fields = row.model_dump(exclude={"id"})
                    await self._database.collection(name).replace_one({"_id": row.id}, fields, upsert=True)
        return {name: len(rows) for name, rows in entries.items()}

    async def check(self, sheet: AnswerSheet) -> None:
        """Raise UnknownReference for an id that is not in the catalogue (API document, "Possible Errors")."""
        if not self.enforced:
            return
        questions = [answer.question for answer in sheet.answers if answer.question is not None]
        in_section = {"section": sheet.section.value}
        if (missing := await self._first_missing(QUESTIONS, questions, in_section)) is not None:
            raise UnknownReference(
                f"Question {missing} not found", details={"question": [f"Question {missing} not found"]}
            )
        for label, field, name, wanted in (
            ("Exam", "exam_id", EXAMS, sheet.exam_id),
            ("UserTest", "user_test_id", USER_TESTS, sheet.user_test_id),
        ):
            if wanted is not None and await self._first_missing(name, [wanted], {}) is not None:
                sentence = f"{label} {wanted} not found"
                raise UnknownReference(sentence, details={field: [sentence]})

    async def _first_missing(self, name: str, wanted: list[int], also: Mapping[str, str]) -> int | None:
        with available():
            cursor = self._database.collection(name).find({"_id": {"$in": wanted}, **also}, {"_id": 1})
            known = {document["_id"] async for document in cursor}
        return next((id_ for id_ in wanted if id_ not in known), None)
