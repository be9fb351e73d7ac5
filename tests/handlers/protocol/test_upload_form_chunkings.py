"""Every chunking of a form gives the files and the sheet that its fields say, worked out here without a parser."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.protocol.speaking_form import SpeakingPlan
from handlers.protocol.writing_form import WritingPlan
from storage.domain.answer_sheet import AnswerSheet, SheetAnswer
from storage.domain.media_rules import MediaKind
from storage.domain.submission import Section
from tests.forms import (
    Part,
    Received,
    ReceivedFile,
    byte_by_byte,
    chunkings,
    contents,
    empty_input,
    encode,
    file,
    in_two,
    receive,
    receive_chunks,
    text,
)

ids = st.integers(1, 10**15 - 1)
optional_ids = st.none() | ids
pages = st.dictionaries(st.integers(1, 999), contents.filter(bool), min_size=1, max_size=4)
recordings = contents.filter(bool)
noise = st.lists(
    st.sampled_from([empty_input("photo"), text("note", "salom"), text("note", ""), text("csrf", "a;b=c")]),
    max_size=3,
)


@st.composite
def writing_forms(draw: st.DrawFn) -> tuple[list[Part], Received]:
    user_test_id, exam_id = draw(ids), draw(ids)
    tasks = {1: draw(pages), 2: draw(pages)}
    files = [
        file(f"task{task}_image{number}", content)
        for task, images in tasks.items()
        for number, content in images.items()
    ]
    unused = [empty_input("task1_image1")] if 1 not in tasks[1] else []
    texts = [text("user_test_id", user_test_id), text("exam_id", exam_id), text("section_type", "writing")]
    parts = draw(st.permutations([*files, *unused, *texts, *draw(noise)]))
    answers = tuple(
        SheetAnswer(task, kind, tuple(f"task{task}_image{number}" for number in sorted(tasks[task])))
        for task, kind in ((1, "letter"), (2, "essay"))
    )
    sheet = AnswerSheet(Section.WRITING, answers, user_test_id, exam_id)
    return parts, Received(_files(parts, MediaKind.IMAGE), sheet)


@st.composite
def forms_by_question(draw: st.DrawFn) -> tuple[list[Part], Received]:
    questions = draw(st.lists(ids, min_size=1, max_size=8, unique=True))
    indices = sorted(draw(st.sets(st.integers(0, 999), min_size=len(questions), max_size=len(questions))))
    optional = {name: draw(optional_ids) for name in ("test_result_id", "user_test_id", "exam_id")}
    parts = [text(name, value) for name, value in optional.items() if value is not None]
    for index, question in zip(indices, questions, strict=True):
        parts += [
            text(f"answers[{index}][question]", question),
            file(f"answers[{index}][speaking_audio]", draw(recordings)),
        ]
    parts = draw(st.permutations([*parts, *draw(noise)]))
    answers = tuple(
        SheetAnswer(place, "speaking", (f"answers[{index}][speaking_audio]",), question)
        for place, (index, question) in enumerate(zip(indices, questions, strict=True), start=1)
    )
    return parts, Received(_files(parts, MediaKind.AUDIO), AnswerSheet(Section.SPEAKING, answers, **optional))


@st.composite
def forms_by_part(draw: st.DrawFn) -> tuple[list[Part], Received]:
    numbers = draw(st.sets(st.sampled_from([1, 2, 3]), min_size=1))
    user_test_id, exam_id = draw(ids), draw(ids)
    parts = [
        text("user_test_id", user_test_id),
        text("exam_id", exam_id),
        text("section_type", "speaking"),
        *(file(f"part{number}_audio", draw(recordings)) for number in numbers),
        *(empty_input(f"part{number}_audio") for number in {1, 2, 3} - numbers),
    ]
    parts = draw(st.permutations([*parts, *draw(noise)]))
    answers = tuple(
        SheetAnswer(number, f"part{number}", (f"part{number}_audio",)) for number in sorted(numbers)
    )
    sheet = AnswerSheet(Section.SPEAKING, answers, user_test_id, exam_id)
    return parts, Received(_files(parts, MediaKind.AUDIO), sheet)


def _files(parts: list[Part], kind: MediaKind) -> list[ReceivedFile]:
    return [ReceivedFile(part.name, kind, part.content) for part in parts if part.filename]


@settings(deadline=None, max_examples=150)
@given(st.data(), writing_forms())
def test_every_chunking_of_a_writing_form_says_the_same(
    data: st.DataObject, form: tuple[list[Part], Received]
) -> None:
    parts, expected = form
    assert receive(WritingPlan(), parts) == expected
    assert receive_chunks(WritingPlan(), data.draw(chunkings(encode(parts)))) == expected


@settings(deadline=None, max_examples=150)
@given(st.data(), st.one_of(forms_by_question(), forms_by_part()))
def test_every_chunking_of_a_speaking_form_says_the_same(
    data: st.DataObject, form: tuple[list[Part], Received]
) -> None:
    parts, expected = form
    assert receive(SpeakingPlan(), parts) == expected
    assert receive_chunks(SpeakingPlan(), data.draw(chunkings(encode(parts)))) == expected


def test_a_form_says_the_same_whichever_byte_a_chunk_ends_at() -> None:
    parts = [
        file("task2_image1", b"\xff\xd8 essay \r\n--"),
        text("user_test_id", 123),
        file("task1_image7", b"\x89PNG letter, page 2"),
        file("task1_image1", b"\x89PNG letter, page 1"),
        text("exam_id", 456),
    ]
    answers = (
        SheetAnswer(1, "letter", ("task1_image1", "task1_image7")),
        SheetAnswer(2, "essay", ("task2_image1",)),
    )
    sheet = AnswerSheet(Section.WRITING, answers, 123, 456)
    expected = Received(_files(parts, MediaKind.IMAGE), sheet)
    body = encode(parts)
    for chunks in ([body], byte_by_byte(body), *in_two(body)):
        assert receive_chunks(WritingPlan(), chunks) == expected
