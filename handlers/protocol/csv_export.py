"""Reviews as CSV (RFC 4180) that Excel opens as it is: its header, its rows, what it is asked for. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

import orjson

from handlers.protocol.query_arguments import Argument, read_choice, read_id, read_period
from handlers.protocol.representations import comments_json, criteria_json, iso, reviewer_json
from storage.domain.export import ExportFilter, ExportRow
from storage.domain.grading import MAX_TOTAL
from storage.domain.submission import Section, Status

COLUMNS = (
    "id",
    "manual_review_id",
    "section_type",
    "status",
    "revision",
    "user_test_id",
    "exam_id",
    "student_id",
    "student_name",
    "submitted_at",
    "reviewed_at",
    "reviewer_id",
    "reviewer_name",
    "task1_score",
    "task2_score",
    "total_score",
    "max_score",
    "task1_comment",
    "task2_comment",
    "comment",
    "criteria",
    "comments",
)
_SCORES = ("task1_score", "task2_score", "total_score")
_TEXTS = ("task1_comment", "task2_comment", "comment")
_BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel takes UTF-8 for the machine's own code page."""
_FORMULA_START = re.compile(r"""^(?=[=+\-@\t\r\n＝＋－＠])|(?<=[;\t\r\n])(?="*([=+@＝＋－＠]|-(?! )))""")
"""OWASP, "CSV Injection": what makes a spreadsheet run a cell, full-width forms too. After the start also where
a cell begins for one that separates by semicolons or tabs, as Excel may; but a list's dash is left alone."""

Cell = str | int | float | None


class _Sink(list[str]):
    write = list.append


def read_export_query(argument: Argument, time_zone: tzinfo) -> ExportFilter:
    """Raises InvalidRequest naming the first argument that is wrong."""
    return ExportFilter(
        status=read_choice(argument, "status", Status),
        section=read_choice(argument, "section_type", Section),
        exam_id=read_id(argument, "exam_id"),
        submitted=read_period(argument, "submitted_since", "submitted_until", time_zone),
        checked=read_period(argument, "checked_since", "checked_until", time_zone),
    )


def csv_header() -> bytes:
    return _BYTE_ORDER_MARK.encode() + _encode([COLUMNS])


def csv_rows(rows: Iterable[ExportRow]) -> bytes:
    """A line a row. Nothing in a text is run as a formula: what begins like one gets an apostrophe before it."""
    return _encode(_cells(row) for row in rows)


def _cells(row: ExportRow) -> list[Cell]:
    grade = row.grade
    reviewer = reviewer_json(grade.reviewer) if grade else {}
    return [
        row.id,
        row.manual_review_id,
        row.section.value,
        row.status.value,
        row.revision,
        row.user_test_id,
        row.exam_id,
        _text(row.student.id),
        _line(row.student.name),
        iso(row.submitted_at),
        iso(grade.checked_at) if grade else None,
        _text(reviewer.get("id")),
        _line(reviewer.get("name")),
        *((grade.score.get(name) if grade else None) for name in _SCORES),
        MAX_TOTAL if grade else None,
        *(_text(grade.feedback.get(name) if grade else None) for name in _TEXTS),
        _text(_json(criteria_json(grade))),
        _text(_json(comments_json(grade))),
    ]


def _text(value: str | None) -> str | None:
    return _FORMULA_START.sub("'", value) if value else value


def _line(value: str | None) -> str | None:
    """A name, which is on one line whatever its token says."""
    return _text(" ".join(value.split())) if value else value


def _json(content: Mapping[str, Any] | Sequence[Any] | None) -> str | None:
    """What has no columns of its own: rubrics change, and there are many comments or none."""
    return orjson.dumps(content).decode() if content else None


def _encode(lines: Iterable[Iterable[Cell]]) -> bytes:
    sink = _Sink()
    csv.writer(sink, lineterminator="\r\n").writerows(lines)
    return "".join(sink).encode()
