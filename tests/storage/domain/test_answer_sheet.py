"""When two uploads are the same contents: the digest over an answer sheet."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from storage.domain.answer_sheet import AnswerSheet, SheetAnswer
from storage.domain.submission import Section

HASHES = {"a": "1" * 64, "b": "2" * 64, "c": "3" * 64}
WRITING = AnswerSheet(
    Section.WRITING, (SheetAnswer(1, "letter", ("a", "b")), SheetAnswer(2, "essay", ("c",))), 123, 456
)
SPEAKING = AnswerSheet(
    Section.SPEAKING, (SheetAnswer(1, "speaking", ("a",), 101), SheetAnswer(2, "speaking", ("b",), 102))
)


def test_stays_what_stored_submissions_were_recorded_with() -> None:
    lines = f"letter:1:None:{'1' * 64},{'2' * 64}\nessay:2:None:{'3' * 64}\n"
    assert WRITING.content_digest(HASHES) == hashlib.sha256(lines.encode()).hexdigest()
    lines = f"speaking:1:101:{'1' * 64}\nspeaking:2:102:{'2' * 64}\n"
    assert SPEAKING.content_digest(HASHES) == hashlib.sha256(lines.encode()).hexdigest()


def test_equal_contents_have_one_digest_whatever_the_fields_and_ids_are() -> None:
    answers = (SheetAnswer(1, "letter", ("x1", "x7")), SheetAnswer(2, "essay", ("y",)))
    other = AnswerSheet(Section.WRITING, answers, user_test_id=9, exam_id=None, test_result_id=5)
    hashes = {"x1": HASHES["a"], "x7": HASHES["b"], "y": HASHES["c"]}
    assert other.content_digest(hashes) == WRITING.content_digest(HASHES)


@pytest.mark.parametrize(
    "answers",
    [
        (SheetAnswer(1, "letter", ("b", "a")), SheetAnswer(2, "essay", ("c",))),
        (SheetAnswer(1, "letter", ("a",)), SheetAnswer(2, "essay", ("b", "c"))),
        (SheetAnswer(1, "letter", ("c",)), SheetAnswer(2, "essay", ("a", "b"))),
        (SheetAnswer(1, "letter", ("a", "b")),),
        (SheetAnswer(1, "letter", ("a", "b", "b")), SheetAnswer(2, "essay", ("c",))),
    ],
)
def test_another_order_or_another_place_is_other_contents(answers: tuple[SheetAnswer, ...]) -> None:
    assert replace(WRITING, answers=answers).content_digest(HASHES) != WRITING.content_digest(HASHES)


def test_one_changed_file_is_other_contents() -> None:
    assert WRITING.content_digest(HASHES | {"c": "4" * 64}) != WRITING.content_digest(HASHES)


def test_the_same_recording_for_another_question_is_other_contents() -> None:
    first, second = SPEAKING.answers
    other = replace(SPEAKING, answers=(first, replace(second, question=103)))
    assert other.content_digest(HASHES) != SPEAKING.content_digest(HASHES)


def test_recordings_by_part_and_by_question_are_other_contents() -> None:
    by_part = replace(SPEAKING, answers=(SheetAnswer(1, "part1", ("a",)), SheetAnswer(2, "part2", ("b",))))
    assert by_part.content_digest(HASHES) != SPEAKING.content_digest(HASHES)
