"""What every upload form has in common: sizes, counts, empty, unknown, repeated and misplaced fields."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handlers.protocol.multipart_stream import PartBytes, PartEnded, PartStarted
from handlers.protocol.speaking_form import SpeakingPlan
from handlers.protocol.upload_form import FormLimits, FormPlan, UploadForm
from handlers.protocol.writing_form import WritingPlan
from storage.domain.errors import InvalidForm, MissingFields, ServiceError, TooLarge
from storage.domain.file_operations import CloseFile, OpenFile, WriteBytes
from storage.domain.media_rules import MediaKind
from tests.forms import (
    FORM_LIMITS,
    Part,
    ReceivedFile,
    empty_input,
    file,
    frame,
    part_bytes,
    receive,
    receive_chunks,
    text,
)

MIB = 1 << 20
DEFAULTS = FormLimits(
    image_bytes=10 * MIB, audio_bytes=50 * MIB, images_per_task=10, answers=20, fields=60, field_bytes=4096
)
WRITING = [
    text("user_test_id", 123),
    text("exam_id", 456),
    text("section_type", "writing"),
    file("task1_image1"),
    file("task2_image1"),
]


def refusal_of(
    parts: list[Part], plan: FormPlan | None = None, limits: FormLimits = FORM_LIMITS
) -> ServiceError:
    with pytest.raises(ServiceError) as refused:
        receive(plan or WritingPlan(), parts, limits)
    return refused.value


def test_opens_a_file_with_its_first_byte_and_closes_it_at_its_end() -> None:
    form = UploadForm(WritingPlan(), FORM_LIMITS)
    assert list(form.take(PartStarted("task1_image1", "page.jpg"))) == []
    assert list(form.take(PartBytes(b"one"))) == [
        OpenFile("task1_image1", MediaKind.IMAGE),
        WriteBytes(b"one"),
    ]
    assert list(form.take(PartBytes(b"two"))) == [WriteBytes(b"two")]
    assert list(form.take(PartEnded())) == [CloseFile()]


def test_asks_nothing_of_the_draft_for_text_fields_and_empty_inputs() -> None:
    assert receive(WritingPlan(), [*WRITING, empty_input("task1_image2")]).files == (
        receive(WritingPlan(), WRITING[3:] + WRITING[:3]).files
    )


def test_takes_text_fields_after_the_files() -> None:
    assert receive(WritingPlan(), WRITING[3:] + WRITING[:3]).sheet == receive(WritingPlan(), WRITING).sheet


@pytest.mark.parametrize(
    ("plan", "field", "limit_bytes", "sentence"),
    [
        (WritingPlan, "task1_image1", 10 * MIB, "Fayl hajmi 10MB dan oshmasligi kerak"),
        (SpeakingPlan, "part1_audio", 50 * MIB, "Audio fayl hajmi 50MB dan oshmasligi kerak"),
        (SpeakingPlan, "answers[0][speaking_audio]", 50 * MIB, "Audio fayl hajmi 50MB dan oshmasligi kerak"),
    ],
)
def test_takes_a_file_of_exactly_the_limit_and_refuses_one_byte_more(
    plan: Callable[[], FormPlan], field: str, limit_bytes: int, sentence: str
) -> None:
    for first_bytes in (1, MIB, limit_bytes):
        form = UploadForm(plan(), DEFAULTS)
        form.take(PartStarted(field, "answer"))
        form.take(PartBytes(bytes(first_bytes)))
        if first_bytes < limit_bytes:
            form.take(PartBytes(bytes(limit_bytes - first_bytes)))
        with pytest.raises(TooLarge) as refused:
            form.take(PartBytes(b"x"))
        assert refused.value.details == {field: [sentence]}
        assert refused.value.shown == "Fayl hajmi juda katta"


def test_closes_a_file_of_exactly_the_limit() -> None:
    content = b"x" * FORM_LIMITS.image_bytes
    received = receive(WritingPlan(), [*WRITING[:4], file("task2_image1", content)])
    assert received.files[-1].content == content


def test_counts_each_file_on_its_own() -> None:
    content = b"x" * FORM_LIMITS.image_bytes
    received = receive(
        WritingPlan(), [*WRITING[:3], file("task1_image1", content), file("task2_image1", content)]
    )
    assert len(received.files) == 2


def test_takes_a_text_field_of_exactly_the_limit_and_refuses_one_byte_more() -> None:
    receive(WritingPlan(), [*WRITING, text("note", "x" * FORM_LIMITS.field_bytes)])
    refusal = refusal_of([*WRITING, text("note", "x" * (FORM_LIMITS.field_bytes + 1))])
    assert isinstance(refusal, TooLarge)
    assert refusal.details == {"note": ["Ensure this field has no more than 60 bytes."]}


def test_takes_as_many_text_fields_as_allowed_and_refuses_one_more() -> None:
    notes = [text(f"note{number}", "") for number in range(FORM_LIMITS.fields - 3)]
    receive(WritingPlan(), [*notes, *WRITING])
    assert isinstance(refusal_of([*notes, text("one more", ""), *WRITING]), InvalidForm)


@pytest.mark.parametrize(
    "name", ["photo", "task3_image1", "task1_image0", "task1_image01", "task1_image1 ", "exam_id"]
)
def test_refuses_an_unknown_file_field_before_its_first_byte(name: str) -> None:
    form = UploadForm(WritingPlan(), FORM_LIMITS)
    with pytest.raises(InvalidForm) as refused:
        form.take(PartStarted(name, "page.jpg"))
    assert refused.value.details == {name: ["This file field is unknown."]}


def test_refuses_an_unknown_file_field_without_a_file_name_at_its_first_byte() -> None:
    refusal = refusal_of([*WRITING, Part("photo", b"x", "")])
    assert refusal.details == {"photo": ["This file field is unknown."]}


def test_ignores_unknown_text_fields_even_repeated_ones() -> None:
    extra = [text("csrf", "a"), text("csrf", "b"), text("note", "ўзбек")]
    assert receive(WritingPlan(), [*extra, *WRITING]) == receive(WritingPlan(), WRITING)


def test_an_empty_file_input_counts_as_not_sent_whatever_its_name_and_number() -> None:
    empty = [empty_input("task1_image1"), empty_input("task1_image1"), empty_input("photo")]
    assert receive(WritingPlan(), [*empty, *WRITING, *empty]) == receive(WritingPlan(), WRITING)


def test_refuses_an_empty_file_that_has_a_name() -> None:
    refusal = refusal_of([*WRITING, file("task1_image2", b"")])
    assert isinstance(refusal, InvalidForm)
    assert refusal.details == {"task1_image2": ["The submitted file is empty."]}


def test_a_file_whose_name_got_lost_is_still_a_file() -> None:
    received = receive(WritingPlan(), [*WRITING[:4], Part("task2_image1", b"photo", "")])
    assert received.files[-1].content == b"photo"


def test_refuses_a_file_field_sent_twice_before_its_first_byte() -> None:
    form = UploadForm(WritingPlan(), FORM_LIMITS)
    for event in (PartStarted("task1_image1", "a.jpg"), PartBytes(b"x"), PartEnded()):
        form.take(event)
    with pytest.raises(InvalidForm) as refused:
        form.take(PartStarted("task1_image1", "b.jpg"))
    assert refused.value.details == {"task1_image1": ["Only one file can be sent in this field."]}


@pytest.mark.parametrize("content", [b"null", b"[object File]", b"undefined"])
def test_refuses_text_sent_in_a_file_field(content: bytes) -> None:
    refusal = refusal_of([*WRITING, Part("task1_image2", content)])
    assert isinstance(refusal, InvalidForm)
    assert refusal.details == {
        "task1_image2": ["The submitted data was not a file. Check the encoding type on the form."]
    }


@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0 photo", b"x" * (FORM_LIMITS.field_bytes + 1)])
def test_says_the_same_of_a_photo_sent_without_a_file_name(content: bytes) -> None:
    refusal = refusal_of([*WRITING, Part("task1_image2", content)])
    assert isinstance(refusal, InvalidForm)
    assert refusal.details == {
        "task1_image2": ["The submitted data was not a file. Check the encoding type on the form."]
    }


def test_takes_a_photo_whose_only_file_name_is_an_extended_one() -> None:
    raw = b"Content-Disposition: form-data; name=\"task1_image2\"; filename*=UTF-8''page.jpg\r\n\r\n\xff\xd8 photo"
    received = receive_chunks(WritingPlan(), [frame([raw, *map(part_bytes, WRITING)])])
    assert ReceivedFile("task1_image2", MediaKind.IMAGE, b"\xff\xd8 photo") in received.files


def test_an_empty_text_in_a_file_field_counts_as_not_sent() -> None:
    assert receive(WritingPlan(), [*WRITING, text("task1_image2", "")]) == receive(WritingPlan(), WRITING)


def test_refuses_a_text_field_that_is_not_utf8() -> None:
    refusal = refusal_of([*WRITING[1:], Part("user_test_id", b"12\xff")])
    assert isinstance(refusal, InvalidForm)
    assert refusal.details == {"user_test_id": ["Enter text in UTF-8."]}


def test_takes_a_text_field_sent_twice_with_one_value() -> None:
    assert receive(WritingPlan(), [*WRITING, text("exam_id", 456)]) == receive(WritingPlan(), WRITING)


def test_refuses_a_text_field_sent_twice_with_different_values() -> None:
    refusal = refusal_of([*WRITING, text("exam_id", 457)])
    assert isinstance(refusal, InvalidForm)
    assert refusal.details == {"exam_id": ["This field was sent twice with different values."]}


def test_a_form_without_fields_misses_all_of_them() -> None:
    assert isinstance(refusal_of([]), MissingFields)


@pytest.mark.parametrize("given", ["1", "0001", " 7\t", "9007199254740991"])
def test_reads_an_id(given: str) -> None:
    sheet = receive(WritingPlan(), [text("user_test_id", given), *WRITING[1:]]).sheet
    assert sheet.user_test_id == int(given)


@pytest.mark.parametrize(
    "given", ["0", "-1", "+1", "1.0", "1e3", "0x10", "1_000", "1 2", "abc", "null", "١٢٣", "²", str(1 << 53)]
)
def test_refuses_what_is_no_id(given: str) -> None:
    refusal = refusal_of([text("user_test_id", given), *WRITING[1:]])
    assert isinstance(refusal, InvalidForm)
    assert refusal.details == {"user_test_id": ["A valid integer is required."]}
    assert refusal.shown == (
        "Ma'lumotlar noto'g'ri formatda yuborilgan: user_test_id: A valid integer is required."
    )


@pytest.mark.parametrize("given", ["", " ", "\r\n"])
def test_a_blank_id_counts_as_not_sent(given: str) -> None:
    refusal = refusal_of([text("user_test_id", given), *WRITING[1:]])
    assert isinstance(refusal, MissingFields)
    assert refusal.details == {"user_test_id": ["This field is required."]}


def test_tells_everything_that_is_wrong_at_once() -> None:
    refusal = refusal_of([text("user_test_id", "x"), text("section_type", "speaking"), file("task2_image1")])
    assert refusal.shown == "Missing required fields"
    assert refusal.details == {
        "user_test_id": ["A valid integer is required."],
        "exam_id": ["This field is required."],
        "section_type": ['"speaking" is not a valid choice.'],
        "task1_image1": ["No file was submitted."],
    }
