"""The one JSON shape of a submission, everywhere: answers, lists, events, snapshots, conflicts. Pure.

Source: design section 3, *Answers*; the API document's 201 and 200 examples. Students never see claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from handlers.protocol.list_query import write_cursor
from handlers.protocol.media_link import PREFIX, MediaLinks
from storage.domain.examination import CopyUse, Examined
from storage.domain.grading import MAX_TOTAL, Grade
from storage.domain.people import Person
from storage.domain.ports import Page
from storage.domain.submission import (
    Action,
    Answer,
    Claim,
    HistoryEntry,
    Section,
    Status,
    StoredFile,
    Submission,
)

Json = dict[str, Any]
_BY_REVIEWERS = {Action.CHECK, Action.REOPEN}
UPLOADED = "Speaking test muvaffaqiyatli yuklandi. Admin tomonidan tekshiriladi."


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


@dataclass(frozen=True, slots=True)
class Representations:
    """Writes submissions as JSON-ready dictionaries as of `now`, with media links signed for then."""

    links: MediaLinks
    now: datetime
    has_peaks: bool = False
    """Waveforms as well, half a kB each: too much for lists and events."""

    def for_student(self, submission: Submission) -> Json:
        grade = submission.grade
        body: Json = {
            "id": submission.id,
            "test_result_id": submission.id,
            "manual_review_id": submission.manual_review_id,
            "revision": submission.revision,
            "section_type": submission.section,
            "status": submission.status,
            "user_test_id": submission.user_test_id,
            "exam_id": submission.exam_id,
            "submitted_at": iso(submission.submitted_at),
            "reviewed_at": iso(grade.checked_at) if grade else None,
            "is_examined": submission.is_examined,
            "warnings": _warnings(submission),
            "questions": [self._question(submission.section, answer) for answer in submission.answers],
            "score": _score(grade) if grade else None,
            "feedback": dict(grade.feedback) if grade else None,
            "reviewer": (
                {"name": _reviewer_name(grade.reviewer), "reviewed_at": iso(grade.checked_at)}
                if grade
                else None
            ),
        }
        if submission.external_result_id is not None:
            body["external_result_id"] = submission.external_result_id
        return body

    def for_reviewer(self, submission: Submission, seen: Json | None = None) -> Json:
        """What a student sees (`seen`, where that was made already), and whose it is and who holds it."""
        claim = submission.claim_at(self.now)
        return (seen or self.for_student(submission)) | {
            "student": _person(submission.student),
            "claim": claim_json(claim) if claim else None,
        }

    def in_detail(self, submission: Submission) -> Json:
        """What a reviewer sees, the waveforms of recordings, and all that ever happened to it."""
        return replace(self, has_peaks=True).for_reviewer(submission) | {
            "history": [_history_entry(entry) for entry in submission.history]
        }

    def created(self, submission: Submission) -> Json:
        """The body of a 201 (API document, "Response (Success 201)" of both sections)."""
        body = self.for_student(submission)
        if submission.section is Section.SPEAKING:
            body |= {"message": UPLOADED, "audios_count": len(submission.files)}
        return body

    def results(self, page: Page) -> Json:
        return {
            "results": [self.for_student(submission) for submission in page.submissions],
            "next": write_cursor(page.next),
        }

    def queue(self, page: Page, counts: Mapping[Status, int]) -> Json:
        return {
            "results": [self.for_reviewer(submission) for submission in page.submissions],
            "next": write_cursor(page.next),
            "counts": counts_json(counts),
        }

    def snapshot(self, submissions: Sequence[Submission], offset: int) -> Json:
        """A student's channel as of `offset` (design section 4)."""
        return {
            "submissions": [self.for_student(submission) for submission in submissions],
            "as_of": offset,
        }

    def queue_snapshot(
        self, submissions: Sequence[Submission], offset: int, counts: Mapping[Status, int]
    ) -> Json:
        return {
            "submissions": [self.for_reviewer(submission) for submission in submissions],
            "as_of": offset,
            "counts": counts_json(counts),
        }

    def _question(self, section: Section, answer: Answer) -> Json:
        head: Json = {"question_number": answer.number, "question_type": answer.kind}
        if section is Section.WRITING:
            return head | {"images": [self._file(file) for file in answer.files]}
        return head | {"question": answer.question, "audio": self._file(answer.files[0])}

    def _file(self, file: StoredFile) -> Json:
        """`url` leads to the copy to look at or to listen to where there is one; `media_type`, `size_bytes` and
        `sha256` are the original's."""
        body = {
            "id": file.id,
            "url": self._url(file, CopyUse.VIEW) or self.links.url(file.path, self.now.timestamp()),
            "uploaded_at": iso(file.uploaded_at),
            "media_type": file.media_type,
            "size_bytes": file.size_bytes,
            "sha256": file.sha256,
        }
        if file.examined is not None:
            body |= self._found(file, file.examined)
        return body

    def _found(self, file: StoredFile, examined: Examined) -> Json:
        body: Json = {"original_url": PREFIX + file.path}
        if file.media_type.startswith("image/"):
            return body | {
                "width": examined.width,
                "height": examined.height,
                "thumbnail_url": self._url(file, CopyUse.THUMBNAIL),
            }
        body |= {
            "duration_seconds": examined.duration_seconds,
            "codec": examined.codec,
            "bitrate": examined.bitrate,
        }
        return body | {"peaks": list(examined.peaks)} if self.has_peaks else body

    def _url(self, file: StoredFile, use: CopyUse) -> str | None:
        copy = file.examined.copy_for(use) if file.examined else None
        return self.links.url(copy.path, self.now.timestamp()) if copy else None


def _warnings(submission: Submission) -> list[Json]:
    """Why a file may not be possible to grade, for the student to read."""
    return [
        {
            "code": warning,
            "warning": warning.sentence,
            "question_number": answer.number,
            "file_id": file.id,
        }
        for answer in submission.answers
        for file in answer.files
        if file.examined
        for warning in file.examined.warnings
    ]


def counts_json(counts: Mapping[Status, int]) -> Json:
    return {status.value: number for status, number in counts.items()}


def claim_json(claim: Claim) -> Json:
    return {"reviewer": _reviewer(claim.reviewer), "expires_at": iso(claim.expires_at)}


def _score(grade: Grade) -> Json:
    return {**grade.score, "max_score": MAX_TOTAL}


def _person(person: Person) -> Json:
    return {"id": person.id, "name": person.name}


def _reviewer(reviewer: Person) -> Json:
    return {"id": reviewer.id, "name": _reviewer_name(reviewer)}


def _reviewer_name(reviewer: Person) -> str:
    return reviewer.name or f"Reviewer {reviewer.id}"


def _history_entry(entry: HistoryEntry) -> Json:
    return {
        "action": entry.action,
        "at": iso(entry.at),
        "by": _reviewer(entry.by) if entry.action in _BY_REVIEWERS else _person(entry.by),
        "revision": entry.revision,
        "score": _score(entry.grade) if entry.grade else None,
        "feedback": dict(entry.grade.feedback) if entry.grade else None,
    }
