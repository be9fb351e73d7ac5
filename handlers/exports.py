"""What is taken away from the review desk: a table of reviews, and one submission with its files."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson

from handlers.protocol.archive_names import archive_name, named_files
from handlers.protocol.csv_export import csv_header, csv_rows, read_export_query
from handlers.protocol.operations import (
    EXAM,
    SECTION,
    Bytes,
    Documented,
    Operation,
    bound,
    choice,
)
from handlers.streamed_answer import StreamedAnswerHandler
from storage.domain.errors import NotFound
from storage.domain.export import ExportFilter
from storage.domain.people import ADMINS, REVIEWERS
from storage.domain.submission import Status
from storage.submission_archive import open_archive, served_file

_FILE = ("Content-Disposition", "Cache-Control")


class ExportHandler(StreamedAnswerHandler):
    """GET /multilevel/manual-reviews/export.csv: a line a submission, in the order of their ids.

    Admins only: it is everybody's names and scores at once, which no reviewer needs to grade.
    """

    access = ADMINS
    documented = Documented(
        "/multilevel/manual-reviews/export.csv",
        get=Operation(
            "All reviews as a table",
            {200: Bytes(("text/csv",), _FILE)},
            description="UTF-8 with a byte order mark, as Excel opens it; a line a submission.",
            parameters=(
                choice("status", Status, "Both by default."),
                SECTION,
                EXAM,
                bound("submitted_since", "Submitted then or later."),
                bound("submitted_until", "Submitted before."),
                bound("checked_since", "Checked then or later."),
                bound("checked_until", "Checked before."),
            ),
        ),
    )

    async def get(self) -> None:
        time_zone = self.services.time_zone
        wanted = read_export_query(self.query_argument, time_zone)
        day = self.services.clock().astimezone(time_zone).date()
        self.set_header("Content-Type", "text/csv; charset=utf-8; header=present")  # RFC 4180, section 3
        self.set_header("Content-Disposition", f'attachment; filename="manual-reviews-{day}.csv"')
        self.set_header("Cache-Control", "no-store")
        await self.stream(self._lines(wanted))

    async def _lines(self, wanted: ExportFilter) -> AsyncGenerator[bytes, None]:
        unsent = csv_header()
        async with aclosing(self.services.export.pages(wanted)) as pages:
            async for rows in pages:
                # With the first rows: what goes wrong before them can still be answered.
                yield unsent + csv_rows(rows)
                unsent = b""
        if unsent:
            yield unsent


class ArchiveHandler(StreamedAnswerHandler):
    """GET /multilevel/manual-reviews/{id}/files.zip: the files as they are served, and submission.json."""

    access = REVIEWERS
    documented = Documented(
        "/multilevel/manual-reviews/{manual_review_id}/files.zip",
        get=Operation(
            "Its files and submission.json",
            {200: Bytes(("application/zip",), _FILE)},
            description="The files are those that `url` fields lead to, named by question.",
        ),
    )

    async def get(self, manual_review_id: str) -> None:
        submission = await self.services.submissions.find_review(int(manual_review_id))
        if submission is None:
            raise NotFound
        vault = self.services.vault
        files = {name: served_file(vault, file) for name, file in named_files(submission)}
        document = orjson.dumps(self.representations.in_detail(submission), option=orjson.OPT_INDENT_2)
        archive = await open_archive(
            vault,
            {f"{name}{file.place.suffix}": file for name, file in files.items()},
            {"submission.json": document},
        )
        self.set_header("Content-Type", "application/zip")
        self.set_header("Content-Disposition", f'attachment; filename="{archive_name(submission)}.zip"')
        self.set_header("Content-Length", str(archive.size_bytes))
        self.set_header("Cache-Control", "no-store")
        await self.stream(archive.chunks())
