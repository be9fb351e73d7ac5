"""The one JSON shape of a submission, everywhere: answers, lists, events, snapshots, conflicts. Pure.

Source: design section 3, *Answers*; the API document's 201 and 200 examples. Students never see claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from handlers.protocol.list_query import write_cursor
from handlers.protocol.media_link import PREFIX, MediaLinks
from storage.domain.anchored_comments import AnchoredComment
from storage.domain.draft_grade import DraftGrade, own_draft
from storage.domain.examination import CopyUse, Examined
from storage.domain.grading import MAX_TOTAL, Grade
from storage.domain.people import ADMINS, Person, Principal
from storage.domain.ports import Page
from storage.domain.rubrics import Rubric, Rubrics
from storage.domain.submission import (
    Action,
    Answer,
    Claim,
    HistoryEntry,
    Needs,
    Section,
    Status,
    StoredFile,
    Submission,
)

Json = dict[str, Any]
_CHANGE_THE_GRADE = {Action.CHECK, Action.REOPEN}
_BY_REVIEWERS = _CHANGE_THE_GRADE | {Action.MARK, Action.TAKE_OVER}
UPLOADED = "Speaking test muvaffaqiyatli yuklandi. Admin tomonidan tekshiriladi."


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


@dataclass(frozen=True, slots=True)
class Representations:
    """Writes submissions as JSON-ready dictionaries as of `now`, with media links signed for then."""

    links: MediaLinks
    now: datetime
    rubrics: Rubrics = field(default_factory=dict)
    """What reviewers are to grade by."""
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
            "criteria": criteria_json(grade),
            "comments": comments_json(grade),
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
            "awaits_decision": submission.needs is Needs.DECISION,
        }

    def in_detail(self, submission: Submission, viewer: Principal | None = None) -> Json:
        """What a reviewer sees, what to grade it by, the waveforms of recordings, all that ever happened to it, and
        the draft of `viewer`.

        While two marks are being given, reviewers see their own alone; admins see both once they are to decide.
        """
        return replace(self, has_peaks=True).for_reviewer(submission) | {
            "rubric": _rubric(self.rubrics.get(submission.section, {})),
            "draft": self._draft(submission, viewer),
            "marks": [
                _whole(mark) for mark in submission.marks if _may_see(submission, mark.reviewer, viewer)
            ],
            "history": _history(
                entry
                for entry in submission.history
                if entry not in submission.marking or _may_see(submission, entry.by, viewer)
            ),
        }

    def draft_saved(self, submission: Submission, viewer: Principal) -> Json:
        """The answer to a save, which comes every few seconds: not the whole submission."""
        claim = submission.claim_at(self.now)
        return {
            "id": submission.id,
            "manual_review_id": submission.manual_review_id,
            "revision": submission.revision,
            "claim": claim_json(claim) if claim else None,
            "draft": self._draft(submission, viewer),
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

    def _draft(self, submission: Submission, viewer: Principal | None) -> Json | None:
        """For whoever wrote it, while they hold the claim; nobody else ever sees it."""
        claim = submission.claim_at(self.now)
        if viewer is None or claim is None or claim.reviewer.id != viewer.person.id:
            return None
        draft = own_draft(submission.draft, viewer.person)
        return _draft_json(draft) if draft else None

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
    return {"reviewer": reviewer_json(claim.reviewer), "expires_at": iso(claim.expires_at)}


def _score(grade: Grade) -> Json:
    return {**grade.score, "max_score": MAX_TOTAL}


def _person(person: Person) -> Json:
    return {"id": person.id, "name": person.name}


def reviewer_json(reviewer: Person) -> Json:
    return {"id": reviewer.id, "name": _reviewer_name(reviewer)}


def _reviewer_name(reviewer: Person) -> str:
    return reviewer.name or f"Reviewer {reviewer.id}"


def criteria_json(grade: Grade | None) -> Json | None:
    return {name: dict(marks) for name, marks in grade.criteria.items()} if grade and grade.criteria else None


def comments_json(grade: Grade | None) -> list[Json]:
    return [_comment(comment) for comment in grade.comments] if grade else []


def _comment(comment: AnchoredComment) -> Json:
    if comment.box is None:
        return {"text": comment.text, "question": comment.question, "at_seconds": comment.at_seconds}
    return {"text": comment.text, "image_id": comment.image_id, "box": asdict(comment.box)}


def _draft_json(draft: DraftGrade) -> Json:
    return {
        "draft_revision": draft.number,
        "saved_at": iso(draft.saved_at),
        "score": dict(draft.score),
        "feedback": dict(draft.feedback),
        "criteria": {name: dict(marks) for name, marks in draft.criteria.items()},
        "comments": [_comment(comment) for comment in draft.comments],
    }


def _rubric(rubric: Rubric) -> Json | None:
    return {name: [asdict(criterion) for criterion in criteria] for name, criteria in rubric.items()} or None


def _may_see(submission: Submission, marker: Person, viewer: Principal | None) -> bool:
    """Whether `viewer` may see a mark of a double marking that goes on: blind is who must not be led by it."""
    if viewer is None:
        return False
    decides = submission.needs is Needs.DECISION and viewer.role in ADMINS
    return decides or viewer.person.id == marker.id


def _history(entries: Iterable[HistoryEntry]) -> list[Json]:
    """Each entry with the grade that stood before it and the one after. A grade given after a reopening is shown
    beside the one it takes the place of; of other contents there was none."""
    shown: list[Json] = []
    last: Grade | None = None
    for entry in entries:
        before = last if entry.action in _CHANGE_THE_GRADE else None
        if entry.action not in _BY_REVIEWERS:
            last = None
        elif entry.action is Action.CHECK:
            last = entry.grade
        shown.append(_history_entry(entry) | {"before": _whole(before), "after": _whole(entry.grade)})
    return shown


def _history_entry(entry: HistoryEntry) -> Json:
    taken = {"taken_from": reviewer_json(entry.taken_from)} if entry.taken_from else {}
    return taken | {
        "action": entry.action,
        "at": iso(entry.at),
        "by": reviewer_json(entry.by) if entry.action in _BY_REVIEWERS else _person(entry.by),
        "revision": entry.revision,
        "score": _score(entry.grade) if entry.grade else None,
        "feedback": dict(entry.grade.feedback) if entry.grade else None,
    }


def _whole(grade: Grade | None) -> Json | None:
    if grade is None:
        return None
    return {
        "score": _score(grade),
        "feedback": dict(grade.feedback),
        "criteria": criteria_json(grade),
        "comments": comments_json(grade),
        "reviewer": reviewer_json(grade.reviewer),
        "reviewed_at": iso(grade.checked_at),
    }
