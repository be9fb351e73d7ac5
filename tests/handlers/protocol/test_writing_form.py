"""The fields of a Writing upload, as the API document and its Nuxt composable send them."""

from __future__ import annotations

import pytest

from handlers.protocol.writing_form import WritingPlan
from storage.domain.answer_sheet import AnswerSheet, SheetAnswer
from storage.domain.errors import InvalidForm, MissingFields
from storage.domain.media_rules import MediaKind
from storage.domain.submission import Section
from tests.forms import FORM_LIMITS, Part, file, receive, text

TEXTS = {"user_test_id": "123", "exam_id": "456", "section_type": "writing"}


def images(task: int, *numbers: int) -> list[Part]:
    return [file(f"task{task}_image{number}") for number in numbers]


def form(*files: Part) -> list[Part]:
    return [*(text(name, value) for name, value in TEXTS.items()), *files]


def sheet_of(parts: list[Part]) -> AnswerSheet:
    return receive(WritingPlan(), parts).sheet


def test_reads_the_form_of_the_api_document() -> None:
    assert sheet_of(form(*images(1, 1, 2), *images(2, 1, 2, 3))) == AnswerSheet(
        Section.WRITING,
        (
            SheetAnswer(1, "letter", ("task1_image1", "task1_image2")),
            SheetAnswer(2, "essay", ("task2_image1", "task2_image2", "task2_image3")),
        ),
        user_test_id=123,
        exam_id=456,
    )


def test_answers_the_missing_fields_of_the_api_document_in_its_words() -> None:
    with pytest.raises(MissingFields) as refused:
        receive(WritingPlan(), [text("exam_id", 456), *images(2, 1)])
    assert refused.value.shown == "Missing required fields"
    assert refused.value.details == {
        "user_test_id": ["This field is required."],
        "task1_image1": ["No file was submitted."],
    }


def test_names_every_field_an_empty_form_misses() -> None:
    with pytest.raises(MissingFields) as refused:
        receive(WritingPlan(), [])
    assert refused.value.details == {
        "user_test_id": ["This field is required."],
        "exam_id": ["This field is required."],
        "task1_image1": ["No file was submitted."],
        "task2_image1": ["No file was submitted."],
    }


@pytest.mark.parametrize("task", [1, 2])
def test_refuses_a_task_without_images(task: int) -> None:
    with pytest.raises(MissingFields) as refused:
        receive(WritingPlan(), form(*images(3 - task, 1)))
    assert refused.value.details == {f"task{task}_image1": ["No file was submitted."]}


def test_takes_image_numbers_with_gaps_in_their_order_not_the_sending_order() -> None:
    sheet = sheet_of(form(*images(1, 7, 10, 1, 2), *images(2, 999)))
    assert [answer.fields for answer in sheet.answers] == [
        ("task1_image1", "task1_image2", "task1_image7", "task1_image10"),
        ("task2_image999",),
    ]


def test_takes_a_first_image_that_is_not_number_one() -> None:
    assert sheet_of(form(*images(1, 7), *images(2, 3))).answers[0].fields == ("task1_image7",)


def test_takes_as_many_images_a_task_as_allowed() -> None:
    numbers = range(1, FORM_LIMITS.images_per_task + 1)
    sheet = sheet_of(form(*images(1, *numbers), *images(2, *numbers)))
    assert [len(answer.fields) for answer in sheet.answers] == [FORM_LIMITS.images_per_task] * 2


@pytest.mark.parametrize("number", [FORM_LIMITS.images_per_task + 1, 900])
def test_refuses_one_image_a_task_more_than_allowed(number: int) -> None:
    full = images(1, *range(1, FORM_LIMITS.images_per_task + 1))
    with pytest.raises(InvalidForm) as refused:
        receive(WritingPlan(), form(*images(2, 1), *full, *images(1, number)))
    assert refused.value.details == {f"task1_image{number}": ["No more than 4 images a task."]}


def test_section_type_may_be_absent_or_blank() -> None:
    files = [*images(1, 1), *images(2, 1)]
    without = [part for part in form(*files) if part.name != "section_type"]
    assert sheet_of(without) == sheet_of([*without, text("section_type", "")]) == sheet_of(form(*files))


@pytest.mark.parametrize("given", ["speaking", "Writing", "writing2", "reading"])
def test_refuses_another_section_type(given: str) -> None:
    parts = [
        text("section_type", given),
        text("user_test_id", 1),
        text("exam_id", 2),
        *images(1, 1),
        *images(2, 1),
    ]
    with pytest.raises(InvalidForm) as refused:
        receive(WritingPlan(), parts)
    assert refused.value.details == {"section_type": [f'"{given}" is not a valid choice.']}


def test_quotes_no_more_than_the_beginning_of_a_wrong_section_type() -> None:
    with pytest.raises(InvalidForm) as refused:
        receive(WritingPlan(), [*form()[:2], text("section_type", "x" * 60), *images(1, 1), *images(2, 1)])
    assert refused.value.details == {"section_type": [f'"{"x" * 50}" is not a valid choice.']}


@pytest.mark.parametrize(
    "name",
    [
        "task0_image1",
        "task3_image1",
        "task1_image",
        "task1_image0",
        "task1_image01",
        "task1_image1000",
        "task1_image١",
        "Task1_image1",
        "task1_image1\n",
        "xtask1_image1",
        "part1_audio",
        "answers[0][speaking_audio]",
    ],
)
def test_knows_no_other_file_field(name: str) -> None:
    assert WritingPlan().kind_of(name) is None


@pytest.mark.parametrize("name", ["task1_image1", "task2_image10", "task1_image999"])
def test_wants_images(name: str) -> None:
    assert WritingPlan().kind_of(name) is MediaKind.IMAGE


def test_ignores_a_test_result_id() -> None:
    files = [*images(1, 1), *images(2, 1)]
    assert sheet_of([text("test_result_id", "not read"), *form(*files)]) == sheet_of(form(*files))
