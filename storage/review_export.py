"""All submissions a filter asks for, a page at a time, for an export of any size."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from pydantic import TypeAdapter

from storage.database import ASCENDING, DESCENDING, Database
from storage.database import unavailable_while_down as available
from storage.domain.export import ExportFilter, ExportRow
from storage.domain.figures import Period
from storage.indexes import SUBMISSIONS

Document = dict[str, Any]

_ROWS = TypeAdapter(list[ExportRow])
_PAGE = 100
"""Rows read at once. With texts as long as `limits.json_bytes` lets them be that is 25 MB, without any some
30 kB."""
_BY_ID = [("_id", ASCENDING)]
_COLUMNS = [
    "manual_review_id",
    "section",
    "status",
    "revision",
    "user_test_id",
    "exam_id",
    "student",
    "submitted_at",
    "grade.score",
    "grade.feedback",
    "grade.criteria",
    "grade.comments",
    "grade.reviewer",
    "grade.checked_at",
]


class ReviewExport:
    """Reads submissions in the order of their ids, which never change."""

    def __init__(self, database: Database) -> None:
        self._submissions = database.collection(SUBMISSIONS)

    async def pages(self, wanted: ExportFilter) -> AsyncGenerator[list[ExportRow], None]:
        """The submissions that were there at the start and match when their page is read: each once, however much
        is graded, claimed or handed in meanwhile. Each page is a query of its own, so that whoever takes an hour
        over one finds the next still there. Raises Unavailable while there is no primary."""
        with available():
            newest = await self._submissions.find_one({}, {"_id": 1}, sort=[("_id", DESCENDING)])
        if newest is None:
            return
        query, last = _query(wanted), -1
        while True:
            query["_id"] = {"$gt": last, "$lte": newest["_id"]}
            with available():
                # By any other index each page would sort all that is left.
                found = self._submissions.find(query, _COLUMNS).sort(_BY_ID).hint(_BY_ID)
                documents = await found.limit(_PAGE).to_list(_PAGE)
            if documents:
                yield _ROWS.validate_python([_row(document) for document in documents])
            if len(documents) < _PAGE:
                return
            last = documents[-1]["_id"]


def _row(document: Document) -> Document:
    return {**document, "id": document["_id"]}


def _query(wanted: ExportFilter) -> Document:
    query: Document = {
        "status": wanted.status,
        "section": wanted.section,
        "exam_id": wanted.exam_id,
        "submitted_at": _between(wanted.submitted),
        "grade.checked_at": _between(wanted.checked),
    }
    return {name: value for name, value in query.items() if value is not None}


def _between(period: Period) -> Document | None:
    bounds = {"$gte": period.since, "$lt": period.until}
    return {operator: moment for operator, moment in bounds.items() if moment is not None} or None
