"""The catalogue: reading its file, filling its collections, and refusing ids that are not in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.catalogue import (
    Catalogue,
    CatalogueFile,
    Exam,
    Question,
    UnreadableCatalogue,
    UserTest,
    read_catalogue,
)
from storage.database import Database
from storage.domain.answer_sheet import AnswerSheet, SheetAnswer
from storage.domain.errors import Unavailable, UnknownReference
from storage.domain.submission import Section
from storage.indexes import EXAMS, QUESTIONS, USER_TESTS
from tests.storage.uploads import writing_sheet

SAMPLE = Path(__file__).parents[2] / "examples" / "catalogue.yaml"
CONTENT = CatalogueFile(
    exams=[Exam(id=456, title="October")],
    user_tests=[UserTest(id=123, exam_id=456)],
    questions=[
        Question(id=101, section="speaking", text="Your name?"),
        Question(id=102, section="speaking", text="Your weekends?"),
        Question(id=201, section="writing", text="A letter."),
    ],
)


@pytest.fixture
def catalogue(database: Database) -> Catalogue:
    return Catalogue(database, enforced=True)


def speaking(*questions: int, user_test_id: int | None = None, exam_id: int | None = None) -> AnswerSheet:
    answers = tuple(
        SheetAnswer(place, "speaking", (f"answers[{place}][speaking_audio]",), question)
        for place, question in enumerate(questions, start=1)
    )
    return AnswerSheet(Section.SPEAKING, answers, user_test_id=user_test_id, exam_id=exam_id)


def test_reads_the_sample() -> None:
    content = read_catalogue(SAMPLE)
    assert [exam.id for exam in content.exams] == [456]
    assert content.user_tests == [UserTest(id=123, exam_id=456)]
    assert [question.id for question in content.questions] == list(range(101, 109))
    assert {question.section for question in content.questions} == {"speaking"}


@pytest.mark.parametrize("text", ["", "exams: []", "# nothing yet"])
def test_reads_an_empty_catalogue(tmp_path: Path, text: str) -> None:
    assert read_catalogue(written(tmp_path, text)) == CatalogueFile()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("exams: [{id: one, title: October}]", "exams.0.id"),
        ("exams: [{id: 0, title: October}]", "exams.0.id"),
        ("exams: [{id: true, title: October}]", "exams.0.id"),
        ("exams: [{id: 1}]", "exams.0.title"),
        ("exams: [{id: 1, title: October, year: 2025}]", "exams.0.year"),
        ("user_tests: [{id: 1}]", "user_tests.0.exam_id"),
        ("questions: [{id: 1, section: speaking}]", "questions.0.text"),
        ("questions: [{id: 1, section: listening, text: What}]", "questions.0.section"),
        ("exams: 5", "exams"),
        ("students: []", "students"),
        ("- 1", ""),
        ("exams: [", ""),
        ("exams: \ud800", ""),
    ],
)
def test_says_what_is_wrong_with_a_file_and_where(tmp_path: Path, text: str, place: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UnreadableCatalogue) as refused:
        read_catalogue(path)
    assert str(path) in str(refused.value)
    assert place in str(refused.value)


def test_says_that_there_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableCatalogue, match=r"none\.yaml"):
        read_catalogue(tmp_path / "none.yaml")


@pytest.mark.gen_test
async def test_loading_again_overwrites_by_id(catalogue: Catalogue, database: Database) -> None:
    assert await catalogue.load(CONTENT) == {EXAMS: 1, USER_TESTS: 1, QUESTIONS: 3}
    renamed = CatalogueFile(exams=[Exam(id=456, title="November"), Exam(id=457, title="December")])
    assert await catalogue.load(renamed) == {EXAMS: 2, USER_TESTS: 0, QUESTIONS: 0}
    exams = await database.collection(EXAMS).find().sort("_id").to_list(None)
    assert exams == [{"_id": 456, "title": "November"}, {"_id": 457, "title": "December"}]
    assert await database.collection(QUESTIONS).count_documents({}) == 3


@pytest.mark.gen_test
async def test_lets_known_ids_pass(catalogue: Catalogue) -> None:
    await catalogue.load(CONTENT)
    await catalogue.check(speaking(101, 102))
    await catalogue.check(speaking(101, user_test_id=123, exam_id=456))
    await catalogue.check(writing_sheet(123))


@pytest.mark.parametrize(
    ("sheet", "field", "sentence"),
    [
        (speaking(101, 999, 998), "question", "Question 999 not found"),
        (speaking(201), "question", "Question 201 not found"),
        (speaking(101, exam_id=457), "exam_id", "Exam 457 not found"),
        (speaking(101, user_test_id=124), "user_test_id", "UserTest 124 not found"),
        (writing_sheet(124), "user_test_id", "UserTest 124 not found"),
    ],
)
@pytest.mark.gen_test
async def test_refuses_an_unknown_id_in_the_words_of_the_api_document(
    catalogue: Catalogue, sheet: AnswerSheet, field: str, sentence: str
) -> None:
    await catalogue.load(CONTENT)
    with pytest.raises(UnknownReference) as refused:
        await catalogue.check(sheet)
    assert refused.value.shown == sentence
    assert refused.value.details == {field: [sentence]}


@pytest.mark.gen_test
async def test_lets_every_id_pass_unless_it_is_enforced(database: Database) -> None:
    await Catalogue(database, enforced=False).check(speaking(999, user_test_id=999, exam_id=999))


@pytest.mark.gen_test
async def test_does_not_let_ids_pass_while_mongodb_is_away() -> None:
    database = Database("mongodb://127.0.0.1:1/?directConnection=true", "test", timeout_seconds=0.2)
    with pytest.raises(Unavailable):
        await Catalogue(database, enforced=True).check(speaking(101))
    database.close()


def written(folder: Path, text: str) -> Path:
    path = folder / "catalogue.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path
