"""The fields of a Speaking upload, in both conventions of the API document. Pure.

"Submit Speaking Answers" sends `answers[i][question]` with `answers[i][speaking_audio]`; the example
composable `useSpeakingSubmit` sends `part1_audio` to `part3_audio`. Both at once is refused.
"""

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
from storage.domain.errors import InvalidForm
from storage.domain.media_rules import MediaKind
from storage.domain.submission import Section

AUDIO = re.compile(r"answers\[(0|[1-9][0-9]{0,2})\]\[speaking_audio\]")
QUESTION = re.compile(r"answers\[(0|[1-9][0-9]{0,2})\]\[question\]")
PART = re.compile(r"part([123])_audio")
_TEXTS = {"test_result_id", "user_test_id", "exam_id", "section_type"}


class SpeakingPlan:
    """Recordings by question or by part, at least one."""

    def reads(self, name: str) -> bool:
        return name in _TEXTS or QUESTION.fullmatch(name) is not None

    def kind_of(self, name: str) -> MediaKind | None:
        return MediaKind.AUDIO if AUDIO.fullmatch(name) or PART.fullmatch(name) else None

    def admit(self, name: str, sent: Collection[str], limits: FormLimits) -> None:
        by_part = PART.fullmatch(name) is not None
        if any((PART.fullmatch(other) is not None) is not by_part for other in sent):
            raise wrong_fields({name: ["Send either answers[i][speaking_audio] or partN_audio, not both."]})
        if len(sent) >= limits.answers:
            raise wrong_fields({name: [f"No more than {limits.answers} recordings."]})

    def sheet(self, texts: Mapping[str, str], sent: Collection[str]) -> AnswerSheet:
        if not sent:
            raise InvalidForm("Kamida bitta javob yuborilishi kerak")
        problems = Problems()
        by_part = any(PART.fullmatch(name) for name in sent)
        answers = _by_part(texts, sent, problems) if by_part else _by_question(texts, sent, problems)
        sheet = AnswerSheet(
            Section.SPEAKING,
            answers,
            user_test_id=read_id(texts, "user_test_id", problems, required=by_part),
            exam_id=read_id(texts, "exam_id", problems, required=by_part),
            test_result_id=read_id(texts, "test_result_id", problems, required=False),
        )
        check_section(texts, Section.SPEAKING, problems, required=by_part)
        problems.raise_if_any()
        return sheet


def _by_part(texts: Mapping[str, str], sent: Collection[str], problems: Problems) -> tuple[SheetAnswer, ...]:
    for name in texts:
        if QUESTION.fullmatch(name):
            problems.wrong(name, "Send either answers[i][question] or partN_audio, not both.")
    return tuple(SheetAnswer(int(name[4]), f"part{name[4]}", (name,)) for name in sorted(sent))


def _by_question(
    texts: Mapping[str, str], sent: Collection[str], problems: Problems
) -> tuple[SheetAnswer, ...]:
    recordings = {int(match[1]): name for name in sent if (match := AUDIO.fullmatch(name))}
    asked = {int(match[1]): name for name in texts if (match := QUESTION.fullmatch(name))}
    questions: dict[int, int] = {}
    for index in sorted(recordings.keys() | asked.keys()):
        field = f"answers[{index}][question]"
        question = read_id(texts, field, problems, required=index in recordings)
        if index not in recordings:
            problems.missing(f"answers[{index}][speaking_audio]", NO_FILE)
        elif question in questions.values():
            problems.wrong(field, f"Question {question} was answered twice.")
        elif question is not None:
            questions[index] = question
    return tuple(
        SheetAnswer(place, "speaking", (recordings[index],), questions.get(index))
        for place, index in enumerate(sorted(recordings), start=1)
    )
