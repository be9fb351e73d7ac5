"""The fields of a Writing upload (API document, "Submit Writing Answers"). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from handlers.protocol.upload_form import (
    NO_FILE,
    FormLimits,
    Problems,
    check_section,
    read_id,
    wrong_fields,
)
from storage.domain.answer_sheet import AnswerSheet, SheetAnswer
from storage.domain.media_rules import MediaKind
from storage.domain.submission import Section

IMAGE = re.compile(r"task([12])_image([1-9][0-9]{0,2})")
_TEXTS = {"user_test_id", "exam_id", "section_type"}
_TASKS = {1: "letter", 2: "essay"}


class WritingPlan:
    """`task1_image1…` and `task2_image1…`, at least one a task; their numbers need not be gapless."""

    def reads(self, name: str) -> bool:
        return name in _TEXTS

    def kind_of(self, name: str) -> MediaKind | None:
        return MediaKind.IMAGE if IMAGE.fullmatch(name) else None

    def admit(self, name: str, sent: Collection[str], limits: FormLimits) -> None:
        task = name.partition("_")[0]
        if sum(other.startswith(f"{task}_") for other in sent) >= limits.images_per_task:
            raise wrong_fields({name: [f"No more than {limits.images_per_task} images a task."]})

    def sheet(self, texts: Mapping[str, str], sent: Collection[str]) -> AnswerSheet:
        problems = Problems()
        user_test_id = read_id(texts, "user_test_id", problems, required=True)
        exam_id = read_id(texts, "exam_id", problems, required=True)
        check_section(texts, Section.WRITING, problems, required=False)
        answers = []
        for task, kind in _TASKS.items():
            images = sorted((int(match[2]), name) for name, match in _images(sent) if int(match[1]) == task)
            if not images:
                problems.missing(f"task{task}_image1", NO_FILE)
            answers.append(SheetAnswer(task, kind, tuple(name for _, name in images)))
        problems.raise_if_any()
        return AnswerSheet(Section.WRITING, tuple(answers), user_test_id, exam_id)


def _images(sent: Collection[str]) -> list[tuple[str, re.Match[str]]]:
    return [(name, match) for name in sent if (match := IMAGE.fullmatch(name))]
