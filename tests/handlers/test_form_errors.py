"""The error table of upload forms. What is refused leaves no file and no submission."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest

from server.services import Built
from storage.catalogue import CatalogueFile, Exam, Question, UserTest
from tests.forms import BOUNDARY, Part, empty_input, encode, file, frame, text
from tests.handlers.kept import Kept
from tests.handlers.refusals import Refusal, covers
from tests.handlers.reviews import Cast, Json
from tests.handlers.uploads import (
    EXAM,
    FORM,
    QUESTION,
    USER_TEST,
    page,
    sound,
    speaking_form,
    without,
    writing_form,
)
from tests.people import SPEAKING, WRITING

pytestmark = pytest.mark.gen_test(timeout=30)

WRONG_FORMAT = "Ma'lumotlar noto'g'ri formatda yuborilgan: "
REQUIRED, NO_FILE = ["This field is required."], ["No file was submitted."]


@dataclass(frozen=True, slots=True)
class WrongForm:
    """A form, and what its refusal says about each field."""

    path: str
    make: Callable[[], list[Part]]
    details: Json


MISSING = {
    "a text": WrongForm(WRITING, lambda: without(writing_form(), "exam_id"), {"exam_id": REQUIRED}),
    "an empty text": WrongForm(
        WRITING, lambda: [*without(writing_form(), "exam_id"), text("exam_id", " ")], {"exam_id": REQUIRED}
    ),
    "an empty input": WrongForm(
        WRITING,
        lambda: [*without(writing_form(), "task2_image1"), empty_input("task2_image1")],
        {"task2_image1": NO_FILE},
    ),
    "all of it": WrongForm(
        WRITING,
        list,
        {"user_test_id": REQUIRED, "exam_id": REQUIRED, "task1_image1": NO_FILE, "task2_image1": NO_FILE},
    ),
    "a question": WrongForm(
        SPEAKING,
        lambda: without(speaking_form(), "answers[0][question]"),
        {"answers[0][question]": REQUIRED},
    ),
    "a recording": WrongForm(
        SPEAKING,
        lambda: [*speaking_form(), text("answers[1][question]", 102)],
        {"answers[1][speaking_audio]": NO_FILE},
    ),
    "the texts of parts": WrongForm(
        SPEAKING,
        lambda: [file("part1_audio", sound(), "speaking_part1.wav")],
        {"user_test_id": REQUIRED, "exam_id": REQUIRED, "section_type": REQUIRED},
    ),
}

INVALID = {
    "no recording": WrongForm(SPEAKING, lambda: [text("answers[0][question]", QUESTION)], {}),
    "an id that is no number": WrongForm(
        WRITING,
        lambda: [*without(writing_form(), "exam_id"), text("exam_id", "12a")],
        {"exam_id": ["A valid integer is required."]},
    ),
    "another section": WrongForm(
        WRITING,
        lambda: [*without(writing_form(), "section_type"), text("section_type", "speaking")],
        {"section_type": ['"speaking" is not a valid choice.']},
    ),
    "an empty file": WrongForm(
        WRITING,
        lambda: [*writing_form(), file("task1_image2", b"")],
        {"task1_image2": ["The submitted file is empty."]},
    ),
    "a file twice": WrongForm(
        WRITING,
        lambda: [*writing_form(), file("task1_image1", page())],
        {"task1_image1": ["Only one file can be sent in this field."]},
    ),
    "an unknown file": WrongForm(
        WRITING,
        lambda: [*writing_form(), file("task3_image1", page())],
        {"task3_image1": ["This file field is unknown."]},
    ),
    "a text for a file": WrongForm(
        WRITING,
        lambda: [*without(writing_form(), "task1_image1"), text("task1_image1", "[object File]")],
        {"task1_image1": ["The submitted data was not a file. Check the encoding type on the form."]},
    ),
    "a question twice": WrongForm(
        SPEAKING,
        lambda: [
            *speaking_form(),
            text("answers[1][question]", QUESTION),
            file("answers[1][speaking_audio]", sound(1), "recording.wav"),
        ],
        {"answers[1][question]": ["Question 101 was answered twice."]},
    ),
    "both conventions": WrongForm(
        SPEAKING,
        lambda: [*speaking_form(), file("part1_audio", sound(1), "speaking_part1.wav")],
        {"part1_audio": ["Send either answers[i][speaking_audio] or partN_audio, not both."]},
    ),
}


@covers(400, "missing_fields")
async def test_names_every_missing_field(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, kept: Kept, subtests: pytest.Subtests
) -> None:
    for what, form in MISSING.items():
        with subtests.test(what):
            answer = await refusal.expect_of(
                client, "POST", form.path, cast.student | FORM, content=encode(form.make())
            )
            assert answer.json()["error"] == "Missing required fields"
            assert answer.json()["details"] == form.details
            await kept.assert_nothing()


@covers(400, "invalid_form")
async def test_names_the_field_that_is_wrong(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, kept: Kept, subtests: pytest.Subtests
) -> None:
    for what, form in INVALID.items():
        with subtests.test(what):
            answer = await refusal.expect_of(
                client, "POST", form.path, cast.student | FORM, content=encode(form.make())
            )
            assert answer.json()["error"].startswith(WRONG_FORMAT)
            assert answer.json()["details"] == form.details
            await kept.assert_nothing()


TOO_MANY = {
    "images of one task": WrongForm(
        WRITING,
        lambda: [*writing_form(), *(file(f"task2_image{number}", page()) for number in (2, 3))],
        {"task2_image3": ["No more than 2 images a task."]},
    ),
    "recordings": WrongForm(
        SPEAKING,
        lambda: [file(f"answers[{place}][speaking_audio]", sound()) for place in range(3)],
        {"answers[2][speaking_audio]": ["No more than 2 recordings."]},
    ),
    "texts": WrongForm(WRITING, lambda: [text(f"note{number}", "") for number in range(7)], {}),
}


@covers(400, "invalid_form")
@pytest.mark.settings(limits={"images_per_task": 2, "answers": 2, "fields": 6})
async def test_says_of_what_there_is_too_much(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, kept: Kept, subtests: pytest.Subtests
) -> None:
    for what, form in TOO_MANY.items():
        with subtests.test(what):
            answer = await refusal.expect_of(
                client, "POST", form.path, cast.student | FORM, content=encode(form.make())
            )
            assert answer.json()["details"] == form.details
            await kept.assert_nothing()


MALFORMED: dict[str, Callable[[], bytes]] = {
    "nothing": bytes,
    "garbage": lambda: b"not a form at all" * 40,
    "no closing boundary": lambda: encode([text("user_test_id", 1)])[:-4],
    "ends inside a file": lambda: encode(writing_form())[: -len(BOUNDARY) - 10],
    "a part without a name": lambda: frame([b'Content-Disposition: form-data\r\n\r\n"nameless"']),
    "a part without an end": lambda: frame([b'Content-Disposition: form-data; name="user_test_id"']),
    "a header beyond its limit": lambda: encode([file("task1_image1", page(), "x" * 5000)]),
    "another boundary": lambda: encode(writing_form(), "another-boundary"),
}


@covers(400, "malformed_body")
async def test_refuses_a_body_that_is_no_form(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, kept: Kept, subtests: pytest.Subtests
) -> None:
    for what, make in MALFORMED.items():
        with subtests.test(what):
            answer = await refusal.expect_of(client, "POST", WRITING, cast.student | FORM, content=make())
            assert answer.json()["error"].startswith(WRONG_FORMAT)
            await kept.assert_nothing()


@covers(400, "not_multipart")
async def test_refuses_any_other_content_type(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, subtests: pytest.Subtests
) -> None:
    for path in (WRITING, SPEAKING):
        for declared in ("application/json", "application/x-www-form-urlencoded", "text/plain", ""):
            with subtests.test(f"{path} {declared}"):
                headers = cast.student | {"Content-Type": declared}
                answer = await refusal.expect_of(client, "POST", path, headers, content=b"{}")
                assert answer.json()["error"] == "Content-Type multipart/form-data bo'lishi kerak"


UNKNOWN: dict[str, tuple[str, Callable[[], list[Part]], str]] = {
    "exam": (WRITING, lambda: [*without(writing_form(), "exam_id"), text("exam_id", 9)], "Exam 9 not found"),
    "user test": (WRITING, lambda: writing_form(user_test_id=9), "UserTest 9 not found"),
    "question": (SPEAKING, lambda: speaking_form(9), "Question 9 not found"),
    "question of the other section": (SPEAKING, lambda: speaking_form(201), "Question 201 not found"),
}


async def fill_catalogue(built: Built) -> None:
    await built.catalogue.load(
        CatalogueFile(
            exams=[Exam(id=EXAM, title="Multi-level")],
            user_tests=[UserTest(id=USER_TEST, exam_id=EXAM)],
            questions=[
                Question(id=QUESTION, section="speaking", text="Where do you live?"),
                Question(id=201, section="writing", text="Write a letter."),
            ],
        )
    )


@covers(400, "unknown_reference")
@pytest.mark.settings(catalogue={"enforce": True})
async def test_refuses_what_an_enforced_catalogue_does_not_know(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, built: Built, subtests: pytest.Subtests
) -> None:
    await fill_catalogue(built)
    for what, (path, make, sentence) in UNKNOWN.items():
        with subtests.test(what):
            answer = await refusal.expect_of(
                client, "POST", path, cast.student | FORM, content=encode(make())
            )
            assert answer.json()["error"] == sentence


@covers(404, "not_found")
@pytest.mark.settings(catalogue={"enforce": True})
async def test_an_enforced_catalogue_wants_an_earlier_result_to_exist(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, built: Built, kept: Kept
) -> None:
    await fill_catalogue(built)
    form = [*speaking_form(), text("test_result_id", 777)]
    await refusal.expect_of(client, "POST", SPEAKING, cast.student | FORM, content=encode(form))
    await kept.assert_nothing()


@covers(403, "forbidden")
@pytest.mark.parametrize("path", [WRITING, SPEAKING])
async def test_only_students_upload(
    refusal: Refusal, path: str, client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    form = writing_form() if path == WRITING else speaking_form()
    await refusal.expect_of(client, "POST", path, cast.reviewer | FORM, content=encode(form))
    await refusal.expect_of(client, "POST", path, cast.admin | FORM, content=encode(form))
    await kept.assert_nothing()
