"""Reviews as CSV: what another reader of CSV finds in it, and that no cell is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.protocol.csv_export import COLUMNS, csv_header, csv_rows
from storage.domain.anchored_comments import AnchoredComment, Box
from storage.domain.export import ExportRow
from storage.domain.grading import Grade
from storage.domain.people import Person
from storage.domain.submission import Section, Status
from tests.submissions import CHECKED, COLLEAGUE, STUDENT, SUBMITTED, WRITING_GRADE

PENDING = ExportRow(
    id=789,
    manual_review_id=12,
    section=Section.WRITING,
    status=Status.PENDING,
    revision=1,
    user_test_id=123,
    exam_id=None,
    student=STUDENT,
    submitted_at=SUBMITTED,
    grade=None,
)
CHECKED_ROW = replace(PENDING, status=Status.CHECKED, revision=2, grade=WRITING_GRADE)
FORMULA_STARTS = "=+-@\t\r\n＝＋－＠"


def read(rows: Iterable[ExportRow]) -> list[dict[str, str]]:
    text = (csv_header() + csv_rows(rows)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def commented(comment: str, name: str = "Aziza") -> ExportRow:
    grade = Grade({"total_score": 70.0}, {"comment": comment}, COLLEAGUE, CHECKED)
    return replace(CHECKED_ROW, section=Section.SPEAKING, student=Person("42", name), grade=grade)


def test_it_begins_as_excel_wants_it_and_ends_its_lines_as_the_rfc_does() -> None:
    assert csv_header().startswith(b"\xef\xbb\xbfid,manual_review_id,")
    assert (csv_header().count(b"\r\n"), csv_header()[-2:]) == (1, b"\r\n")
    assert csv_rows([PENDING, PENDING]).count(b"\r\n") == 2
    assert csv_rows([]) == b""


def test_a_pending_one_has_no_grade() -> None:
    (row,) = read([PENDING])
    assert tuple(row) == COLUMNS
    assert {name: value for name, value in row.items() if value} == {
        "id": "789",
        "manual_review_id": "12",
        "section_type": "writing",
        "status": "pending",
        "revision": "1",
        "user_test_id": "123",
        "student_id": "42",
        "student_name": "Aziza",
        "submitted_at": "2025-10-08T12:30:45.123Z",
    }


def test_a_checked_one_has_its_scores_and_comments() -> None:
    (row,) = read([CHECKED_ROW])
    assert {name: row[name] for name in COLUMNS[10:]} == {
        "reviewed_at": "2025-10-08T15:30:45.123Z",
        "reviewer_id": "7",
        "reviewer_name": "Admin User",
        "task1_score": "20.5",
        "task2_score": "45.0",
        "total_score": "65.5",
        "max_score": "75",
        "task1_comment": "Good structure.",
        "task2_comment": "Excellent essay.",
        "comment": "",
        "criteria": "",
        "comments": "",
    }


def test_what_more_a_grade_says_is_json_as_the_api_has_it() -> None:
    grade = replace(
        WRITING_GRADE,
        criteria={"task1_score": {"Grammatik, ü": 12.5, "Structure": 8.0}},
        comments=(
            AnchoredComment('"Where" is wrong, =1', image_id=3, box=Box(0, 0.25, 0.5, 0.5)),
            AnchoredComment("Stress", question=2, at_seconds=1.5),
        ),
    )
    (row,) = read([replace(CHECKED_ROW, grade=grade)])
    assert row["criteria"] == '{"task1_score":{"Grammatik, ü":12.5,"Structure":8.0}}'
    assert orjson.loads(row["comments"]) == [
        {
            "text": '"Where" is wrong, =1',
            "image_id": 3,
            "box": {"x": 0, "y": 0.25, "width": 0.5, "height": 0.5},
        },
        {"text": "Stress", "question": 2, "at_seconds": 1.5},
    ]


def test_a_reviewer_without_a_name_is_called_as_elsewhere() -> None:
    (row,) = read([commented("Good.")])
    assert (row["reviewer_name"], row["total_score"], row["task1_score"]) == ("Reviewer 8", "70.0", "")


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_what_begins_like_a_formula_gets_an_apostrophe(start: str) -> None:
    text = f"{start}HYPERLINK(1)"
    (row,) = read([commented(text, name=text)])
    name = f"'{text}" if start.strip() else "HYPERLINK(1)"
    assert (row["comment"], row["student_name"]) == (f"'{text}", name)


def test_ids_are_texts_too() -> None:
    (row,) = read([replace(PENDING, student=Person("=1+1", "x"))])
    assert row["student_id"] == "'=1+1"


DANGEROUS = st.text(st.sampled_from(FORMULA_STARTS + "\"',; a")) | st.text(
    st.characters(exclude_categories=["Cs"])
)


@given(st.lists(DANGEROUS, max_size=5))
def test_any_text_comes_out_as_it_went_in_but_for_apostrophes(texts: list[str]) -> None:
    for row, text in zip(read([commented(text) for text in texts]), texts, strict=True):
        assert row["comment"].replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@given(DANGEROUS, DANGEROUS)
def test_no_cell_is_a_formula_whatever_the_spreadsheet_separates_by(
    separator: str, text: str, name: str
) -> None:
    """Where a comma is in the middle of numbers, as in Tashkent, Excel takes a semicolon."""
    row = commented(text, name)
    assert row.grade is not None
    said = replace(row.grade, comments=(AnchoredComment(text, question=1, at_seconds=0),))
    written = csv_rows([replace(row, grade=said)]).decode()
    for cells in csv.reader(io.StringIO(written, newline=""), delimiter=separator):
        begun = [cell.lstrip("\t\r\n") for cell in cells]
        assert not [cell for cell in begun if cell.startswith(tuple("=+-@＝＋－＠")) and cell[:2] != "- "]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Aziza;=1+1", "Aziza;'=1+1"),
        ('Aziza;"=1+1;', "Aziza;'\"=1+1;"),
        ("Aziza\n=1+1", "Aziza\n'=1+1"),
        ("Good:\n\n- words\n- stress; 2+2=4", "Good:\n\n- words\n- stress; 2+2=4"),
    ],
)
def test_what_begins_a_cell_elsewhere_gets_one_too_but_lists_stay_as_they_are(text: str, shown: str) -> None:
    (row,) = read([commented(text)])
    assert row["comment"] == shown


def test_a_name_is_one_line() -> None:
    (row,) = read([commented("", name="Aziza\r\n- HYPERLINK(1)")])
    assert row["student_name"] == "Aziza - HYPERLINK(1)"
