"""The fields of a Speaking upload, in both conventions of the API document."""

from __future__ import annotations

import pytest

from handlers.protocol.speaking_form import SpeakingPlan
from storage.domain.answer_sheet import AnswerSheet, SheetAnswer
from storage.domain.errors import InvalidForm, InvalidRequest, MissingFields
from storage.domain.media_rules import MediaKind
from storage.domain.submission import Section
from tests.forms import FORM_LIMITS, Part, empty_input, file, receive, text

NOTHING_SENT = "Ma'lumotlar noto'g'ri formatda yuborilgan: Kamida bitta javob yuborilishi kerak"
BY_PART = [text("user_test_id", 123), text("exam_id", 456), text("section_type", "speaking")]


def question(index: int, number: object) -> Part:
    return text(f"answers[{index}][question]", number)


def audio(index: int) -> Part:
    return file(f"answers[{index}][speaking_audio]", b"\x1aE\xdf\xa3 sound", "recording.webm")


def pair(index: int, number: object) -> list[Part]:
    return [question(index, number), audio(index)]


def part_audio(number: int) -> Part:
    return file(f"part{number}_audio", b"\x1aE\xdf\xa3 sound", "recording.webm")


def sheet_of(parts: list[Part]) -> AnswerSheet:
    return receive(SpeakingPlan(), parts).sheet


def refusal_of(parts: list[Part]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        receive(SpeakingPlan(), parts)
    return refused.value


def test_reads_the_eight_answers_of_the_api_document() -> None:
    parts = [text("test_result_id", 123)]
    for index in range(8):
        parts += pair(index, 101 + index)
    assert sheet_of(parts) == AnswerSheet(
        Section.SPEAKING,
        tuple(
            SheetAnswer(index + 1, "speaking", (f"answers[{index}][speaking_audio]",), 101 + index)
            for index in range(8)
        ),
        test_result_id=123,
    )


def test_reads_the_three_parts_of_the_composable() -> None:
    assert sheet_of([*BY_PART, part_audio(1), part_audio(2), part_audio(3)]) == AnswerSheet(
        Section.SPEAKING,
        tuple(SheetAnswer(number, f"part{number}", (f"part{number}_audio",)) for number in (1, 2, 3)),
        user_test_id=123,
        exam_id=456,
    )


def test_by_question_all_ids_are_optional() -> None:
    assert sheet_of(pair(0, 101)) == AnswerSheet(
        Section.SPEAKING, (SheetAnswer(1, "speaking", ("answers[0][speaking_audio]",), 101),)
    )
    everything = [text("test_result_id", 1), *BY_PART, *pair(0, 101)]
    assert sheet_of(everything) == AnswerSheet(
        Section.SPEAKING,
        (SheetAnswer(1, "speaking", ("answers[0][speaking_audio]",), 101),),
        user_test_id=123,
        exam_id=456,
        test_result_id=1,
    )


def test_answers_go_by_their_index_with_gaps_and_in_any_order() -> None:
    sheet = sheet_of([*pair(10, 3), audio(2), *pair(0, 1), question(2, 2)])
    assert [(answer.number, answer.question) for answer in sheet.answers] == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_takes_one_part_alone_under_its_own_number(number: int) -> None:
    (answer,) = sheet_of([part_audio(number), *BY_PART]).answers
    assert (answer.number, answer.kind, answer.question) == (number, f"part{number}", None)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        BY_PART,
        [text("test_result_id", 1)],
        [empty_input("part1_audio"), *BY_PART],
        [empty_input("answers[0][speaking_audio]")],
        [question(0, 101)],
        [question(0, 101), empty_input("answers[0][speaking_audio]")],
    ],
)
def test_refuses_a_form_without_recordings_in_the_words_of_the_api_document(parts: list[Part]) -> None:
    refusal = refusal_of(parts)
    assert isinstance(refusal, InvalidForm)
    assert refusal.shown == NOTHING_SENT


def test_refuses_a_recording_without_its_question() -> None:
    refusal = refusal_of([*pair(0, 101), audio(1)])
    assert isinstance(refusal, MissingFields)
    assert refusal.details == {"answers[1][question]": ["This field is required."]}


def test_refuses_a_question_without_its_recording() -> None:
    refusal = refusal_of([*pair(0, 101), question(1, 102)])
    assert isinstance(refusal, MissingFields)
    assert refusal.details == {"answers[1][speaking_audio]": ["No file was submitted."]}


def test_refuses_a_question_whose_file_input_was_left_empty() -> None:
    refusal = refusal_of([*pair(0, 101), question(1, 102), empty_input("answers[1][speaking_audio]")])
    assert refusal.details == {"answers[1][speaking_audio]": ["No file was submitted."]}


@pytest.mark.parametrize("again", ["101", "0101", " 101 "])
def test_refuses_a_second_audio_for_one_question(again: str) -> None:
    refusal = refusal_of([*pair(0, 101), *pair(1, again)])
    assert isinstance(refusal, InvalidForm)
    assert refusal.details == {"answers[1][question]": ["Question 101 was answered twice."]}


def test_refuses_a_second_audio_at_one_index() -> None:
    refusal = refusal_of([*pair(0, 101), audio(0)])
    assert refusal.details == {"answers[0][speaking_audio]": ["Only one file can be sent in this field."]}


def test_refuses_a_second_question_at_one_index() -> None:
    refusal = refusal_of([*pair(0, 101), question(0, 102)])
    assert refusal.details == {"answers[0][question]": ["This field was sent twice with different values."]}


@pytest.mark.parametrize("number", ["0", "-5", "Q1", "101.5"])
def test_refuses_a_question_that_is_no_id(number: str) -> None:
    refusal = refusal_of([*pair(0, 101), *pair(1, number)])
    assert refusal.details == {"answers[1][question]": ["A valid integer is required."]}


@pytest.mark.parametrize(
    ("first", "second"),
    [(audio(0), part_audio(1)), (part_audio(3), audio(7))],
    ids=["parts last", "parts first"],
)
def test_refuses_both_conventions_at_once(first: Part, second: Part) -> None:
    refusal = refusal_of([*BY_PART, question(0, 101), question(7, 102), first, second])
    assert isinstance(refusal, InvalidForm)
    assert refusal.details == {
        second.name: ["Send either answers[i][speaking_audio] or partN_audio, not both."]
    }


def test_refuses_questions_beside_parts() -> None:
    refusal = refusal_of([*BY_PART, part_audio(1), question(0, 101)])
    assert isinstance(refusal, InvalidForm)
    assert list(refusal.details) == ["answers[0][question]"]


def test_by_part_all_ids_and_the_section_are_required() -> None:
    refusal = refusal_of([part_audio(1)])
    assert isinstance(refusal, MissingFields)
    assert refusal.shown == "Missing required fields"
    assert refusal.details == {
        "user_test_id": ["This field is required."],
        "exam_id": ["This field is required."],
        "section_type": ["This field is required."],
    }


@pytest.mark.parametrize("files", [pair(0, 101), [part_audio(1)]], ids=["by question", "by part"])
def test_refuses_another_section_type(files: list[Part]) -> None:
    refusal = refusal_of([*BY_PART[:2], text("section_type", "writing"), *files])
    assert isinstance(refusal, InvalidForm)
    assert refusal.details == {"section_type": ['"writing" is not a valid choice.']}


@pytest.mark.parametrize("name", ["test_result_id", "user_test_id", "exam_id"])
def test_refuses_an_optional_id_that_is_none(name: str) -> None:
    refusal = refusal_of([text(name, "abc"), *pair(0, 101)])
    assert refusal.details == {name: ["A valid integer is required."]}


def test_takes_as_many_recordings_as_allowed_and_refuses_one_more() -> None:
    parts = [part for index in range(FORM_LIMITS.answers) for part in pair(index, 101 + index)]
    assert len(sheet_of(parts).answers) == FORM_LIMITS.answers
    refusal = refusal_of([*parts, *pair(99, 999)])
    assert refusal.details == {"answers[99][speaking_audio]": ["No more than 8 recordings."]}


@pytest.mark.parametrize(
    "name",
    [
        "answers[00][speaking_audio]",
        "answers[01][speaking_audio]",
        "answers[1000][speaking_audio]",
        "answers[-1][speaking_audio]",
        "answers[][speaking_audio]",
        "answers[٣][speaking_audio]",
        "answers[0][audio]",
        "answers[0][question]",
        "answers.0.speaking_audio",
        "answers[0][speaking_audio]\n",
        "part0_audio",
        "part4_audio",
        "part11_audio",
        "task1_image1",
    ],
)
def test_knows_no_other_file_field(name: str) -> None:
    assert SpeakingPlan().kind_of(name) is None


@pytest.mark.parametrize(
    "name", ["answers[0][speaking_audio]", "answers[999][speaking_audio]", "part3_audio"]
)
def test_wants_audio(name: str) -> None:
    assert SpeakingPlan().kind_of(name) is MediaKind.AUDIO
