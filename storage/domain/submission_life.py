"""A submission's life: what its state allows, why an action on it is refused, and what each makes of it. Pure.

`pending` → (claim, renew, release, draft, mark, replace)* → `checked` → (reopen) → `pending`. The table `ALLOWED`
is the whole of it. The store repeats the same conditions in the filter of one guarded update; when that matches
nothing, `refusal` explains why from the document as it then is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from storage.domain.draft_grade import DraftGrade
from storage.domain.errors import (
    AlreadyChecked,
    AlreadyMarked,
    AlreadySubmitted,
    AwaitsDecision,
    ClaimedByAnother,
    Conflict,
    NotChecked,
    NotClaimed,
    StaleRevision,
)
from storage.domain.examination import Examined
from storage.domain.grading import Grade
from storage.domain.people import Person
from storage.domain.submission import (
    Action,
    Answer,
    Claim,
    Contents,
    HistoryEntry,
    Needs,
    Receipt,
    Status,
    Submission,
)

ALLOWED: dict[Action, Status] = {
    Action.REPLACE: Status.PENDING,
    Action.CLAIM: Status.PENDING,
    Action.RENEW: Status.PENDING,
    Action.TAKE_OVER: Status.PENDING,
    Action.RELEASE: Status.PENDING,
    Action.EXPIRE: Status.PENDING,
    Action.DRAFT: Status.PENDING,
    Action.MARK: Status.PENDING,
    Action.CHECK: Status.PENDING,
    Action.REOPEN: Status.CHECKED,
}
"""The status an action needs."""

_BY_UNMARKED = {Action.CLAIM, Action.TAKE_OVER, Action.RENEW, Action.DRAFT, Action.MARK, Action.CHECK}
"""What is not for those who gave the first of two marks."""

_DESPITE_A_CLAIM = {Action.REPLACE, Action.TAKE_OVER}

_WRONG_STATUS: dict[Action, type[Conflict]] = {
    Action.REPLACE: AlreadySubmitted,
    Action.REOPEN: NotChecked,
}

MAX_RECEIPTS = 50
"""Of one submission; the oldest go. An honest client needs one key a submission, a stubborn one a few."""


def refusal(
    submission: Submission, action: Action, actor: Person, moment: datetime, revision: int | None = None
) -> Conflict | None:
    """Why `actor` cannot do `action` at `moment`, or None if nothing stands against it.

    A `revision` is what the actor believes the present one to be (design promise 5). A reviewer's claim keeps
    other reviewers from claiming, renewing, releasing and checking, never the student from replacing, nor an admin
    from taking over (which is for admins, whoever asks here). A draft needs a claim.
    """
    if submission.status is not ALLOWED[action]:
        return _WRONG_STATUS.get(action, AlreadyChecked)(submission)
    if revision is not None and revision != submission.revision:
        return StaleRevision(submission)
    claim = submission.claim_at(moment)
    if claim is not None and claim.reviewer.id != actor.id and action not in _DESPITE_A_CLAIM:
        return ClaimedByAnother(submission)
    if claim is None and action is Action.DRAFT:
        return NotClaimed(submission)
    return None


def marking_refusal(submission: Submission, action: Action, actor: Person, decides: bool) -> Conflict | None:
    """Why double marking keeps `actor` from `action`, or None. Who gave the first mark does not give the second;
    between two that do not agree, only who `decides` may choose, which takes a grade and no claim."""
    if action not in _BY_UNMARKED or submission.needs is Needs.FIRST_MARK:
        return None
    if submission.needs is Needs.DECISION:
        return None if decides and action is Action.CHECK else AwaitsDecision(submission)
    return AlreadyMarked(submission) if submission.is_marked_by(actor) else None


def claimed(before: Submission, reviewer: Person, expires_at: datetime) -> Submission:
    """The claim is `reviewer`'s until `expires_at`. Claims do not change the revision."""
    return replace(before, claim=Claim(reviewer, expires_at))


def taken_over(before: Submission, by: Person, at: datetime, expires_at: datetime) -> Submission:
    """The claim is `by`'s, whoever held it; the history says from whom it was taken. No revision comes of it."""
    holder = before.claim.reviewer if before.claim is not None else None
    entry = HistoryEntry(Action.TAKE_OVER, at, by, before.revision, taken_from=holder)
    return replace(claimed(before, by, expires_at), history=(*before.history, entry))


def released(before: Submission) -> Submission:
    return replace(before, claim=None)


def drafted(before: Submission, draft: DraftGrade) -> Submission:
    """The draft is kept until there is a grade, or other contents. It does not change the revision."""
    return replace(before, draft=draft)


def marked(before: Submission, mark: Grade) -> Submission:
    """Graded by one of two: kept in the history for good, no result, and the revision as it was, since its student
    is not to know."""
    entry = HistoryEntry(Action.MARK, mark.checked_at, mark.reviewer, before.revision, mark)
    marks, history = (*before.marks, mark), (*before.history, entry)
    return replace(before, claim=None, draft=None, marks=marks, history=history)


def agreed(before: Submission, mark: Grade, grade: Grade) -> Submission:
    """`mark` is the second and agrees with the first: `grade` is what both make together."""
    return checked(marked(before, mark), grade)


def checked(before: Submission, grade: Grade) -> Submission:
    """Graded: one revision on, nobody's claim, the grade kept in the history for good (promise 5)."""
    entry = HistoryEntry(Action.CHECK, grade.checked_at, grade.reviewer, before.revision + 1, grade)
    return _revised(before, entry, status=Status.CHECKED, grade=grade)


def reopened(before: Submission, by: Person, at: datetime) -> Submission:
    """Pending again; the earlier grade stays in the history, in the entry of its check."""
    entry = HistoryEntry(Action.REOPEN, at, by, before.revision + 1)
    return _revised(before, entry, status=Status.PENDING, grade=None)


def replaced(before: Submission, new: Submission) -> Submission:
    """The contents of `new` under the ids of `before` (`submissions.resubmission: replace_pending`)."""
    entry = HistoryEntry(Action.REPLACE, new.submitted_at, new.student, before.revision + 1)
    return _revised(
        before,
        entry,
        submitted_at=new.submitted_at,
        answers=new.answers,
        is_examined=False,
        content_digest=new.content_digest,
        user_test_id=before.user_test_id if before.user_test_id is not None else new.user_test_id,
        exam_id=new.exam_id,
        receipts=(*(_outlived(receipt, before) for receipt in before.receipts), *_renumbered(new, entry))[
            -MAX_RECEIPTS:
        ],
    )


def acknowledged(submission: Submission, receipt: Receipt | None = None) -> Submission:
    """The submission as the 201 showed it that acknowledged its contents, or those of `receipt`: pending, whatever
    became of it since."""
    as_it_was = replace(
        submission,
        status=Status.PENDING,
        revision=submission.contents_revision,
        grade=None,
        claim=None,
        answers=_unexamined(submission.answers),
        is_examined=False,
    )
    if receipt is None:
        return as_it_was
    then = receipt.replaced
    if then is None:
        return replace(as_it_was, revision=receipt.revision)
    return replace(
        as_it_was,
        revision=receipt.revision,
        submitted_at=then.submitted_at,
        answers=_unexamined(then.answers),
        user_test_id=then.user_test_id,
        exam_id=then.exam_id,
    )


def with_examined(before: Submission, found: Mapping[str, Examined]) -> Submission:
    """With what was found out of its files, by their paths. No revision: nobody has to look again for it."""
    answers = tuple(
        replace(
            answer,
            files=tuple(replace(file, examined=found.get(file.path, file.examined)) for file in answer.files),
        )
        for answer in before.answers
    )
    return replace(before, answers=answers, is_examined=True)


def _unexamined(answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
    return tuple(
        replace(answer, files=tuple(replace(file, examined=None) for file in answer.files))
        for answer in answers
    )


def recorded_as(new: Submission, found: Submission) -> Submission | None:
    """`new` as it once was recorded in `found`, or None: for a write whose answer was lost, and whose contents may
    have been replaced since by another upload of the student."""
    if found.id == new.id:
        return new
    for entry in found.history:
        if entry.action is Action.REPLACE and entry.at == new.submitted_at:
            return replace(new, id=found.id, manual_review_id=found.manual_review_id, revision=entry.revision)
    return None


def _outlived(receipt: Receipt, before: Submission) -> Receipt:
    """`receipt` with the contents it speaks of, which the submission is about to lose."""
    if receipt.replaced is not None:
        return receipt
    contents = Contents(before.submitted_at, _unexamined(before.answers), before.user_test_id, before.exam_id)
    return replace(receipt, replaced=contents)


def _renumbered(new: Submission, entry: HistoryEntry) -> tuple[Receipt, ...]:
    return tuple(replace(receipt, revision=entry.revision) for receipt in new.receipts)


def _revised(before: Submission, entry: HistoryEntry, **changes: Any) -> Submission:
    ended: dict[str, Any] = {"claim": None, "draft": None, "marks": ()}
    history = (*before.history, entry)
    return replace(before, revision=entry.revision, history=history, **(ended | changes))
