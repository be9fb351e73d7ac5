"""A submission's life: what a state refuses and why, and what each step leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from storage.domain.grading import Grade
from storage.domain.people import Person
from storage.domain.submission import (
    Action,
    HistoryEntry,
    Needs,
    Status,
    Submission,
)
from storage.domain.submission_life import (
    ALLOWED,
    agreed,
    checked,
    claimed,
    drafted,
    marked,
    marking_refusal,
    refusal,
    released,
    reopened,
    replaced,
)
from tests.submissions import (
    ADMIN,
    CHECKED,
    COLLEAGUE,
    NOW,
    REVIEWER,
    SPEAKING_GRADE,
    STUDENT,
    WRITING,
    WRITING_GRADE,
    claim_of,
    stored_file,
)

GRADED = checked(WRITING, WRITING_GRADE)
LATER = NOW + timedelta(minutes=5)
REVIEW_ACTIONS = [Action.CLAIM, Action.RENEW, Action.RELEASE, Action.CHECK]


@pytest.mark.parametrize("action", [Action.REPLACE, *REVIEW_ACTIONS])
def test_everything_but_reopening_is_allowed_while_pending(action: Action) -> None:
    assert refusal(WRITING, action, REVIEWER, NOW) is None


@pytest.mark.parametrize(
    ("action", "conflict"),
    [
        (Action.CLAIM, AlreadyChecked),
        (Action.RENEW, AlreadyChecked),
        (Action.RELEASE, AlreadyChecked),
        (Action.CHECK, AlreadyChecked),
        (Action.REPLACE, AlreadySubmitted),
    ],
)
def test_nothing_but_reopening_is_allowed_once_checked(action: Action, conflict: type[Conflict]) -> None:
    refused = refusal(GRADED, action, REVIEWER, NOW)
    assert type(refused) is conflict
    assert refused.current is GRADED


def test_a_checked_one_can_be_reopened_and_a_pending_one_cannot() -> None:
    assert refusal(GRADED, Action.REOPEN, ADMIN, NOW) is None
    assert type(refusal(WRITING, Action.REOPEN, ADMIN, NOW)) is NotChecked


def test_the_table_names_every_action_that_needs_a_status() -> None:
    assert ALLOWED.keys() == set(Action) - {Action.SUBMIT, Action.ACKNOWLEDGE, Action.EXAMINE}


@pytest.mark.parametrize("action", REVIEW_ACTIONS)
def test_a_claim_keeps_other_reviewers_out(action: Action) -> None:
    held = replace(WRITING, claim=claim_of(REVIEWER))
    refused = refusal(held, action, COLLEAGUE, NOW)
    assert type(refused) is ClaimedByAnother
    assert refused.current is held


@pytest.mark.parametrize("action", REVIEW_ACTIONS)
def test_a_claim_does_not_keep_its_holder_out(action: Action) -> None:
    assert refusal(replace(WRITING, claim=claim_of(REVIEWER)), action, REVIEWER, NOW) is None


def test_the_holder_is_known_by_id_whatever_the_name() -> None:
    held = replace(WRITING, claim=claim_of(REVIEWER))
    assert refusal(held, Action.CHECK, Person(REVIEWER.id, "New Name"), NOW) is None
    assert type(refusal(held, Action.CHECK, Person("70", REVIEWER.name), NOW)) is ClaimedByAnother


@pytest.mark.parametrize("action", REVIEW_ACTIONS)
def test_an_expired_claim_keeps_nobody_out(action: Action) -> None:
    held = replace(WRITING, claim=claim_of(REVIEWER, expires_at=NOW))
    assert refusal(held, action, COLLEAGUE, NOW) is None
    assert type(refusal(held, action, COLLEAGUE, NOW - timedelta(milliseconds=1))) is ClaimedByAnother


def test_a_claim_does_not_keep_the_student_from_replacing() -> None:
    assert refusal(replace(WRITING, claim=claim_of(REVIEWER)), Action.REPLACE, STUDENT, NOW) is None


@pytest.mark.parametrize("revision", [0, 2, 99])
def test_a_stale_revision_is_refused_with_the_present_document(revision: int) -> None:
    refused = refusal(WRITING, Action.CHECK, REVIEWER, NOW, revision)
    assert type(refused) is StaleRevision
    assert refused.current is WRITING
    assert refusal(WRITING, Action.CHECK, REVIEWER, NOW, WRITING.revision) is None


def test_checked_is_told_before_stale_and_stale_before_claimed() -> None:
    held = replace(WRITING, claim=claim_of(REVIEWER))
    assert type(refusal(GRADED, Action.CHECK, COLLEAGUE, NOW, 1)) is AlreadyChecked
    assert type(refusal(held, Action.CHECK, COLLEAGUE, NOW, 2)) is StaleRevision


def test_a_claim_is_in_force_until_it_expires() -> None:
    held = replace(WRITING, claim=claim_of(REVIEWER, LATER))
    assert held.claim_at(NOW) == held.claim
    assert held.claim_at(LATER) is None
    assert WRITING.claim_at(NOW) is None


def test_claiming_and_releasing_change_the_claim_alone() -> None:
    held = claimed(WRITING, REVIEWER, LATER)
    assert held == replace(WRITING, claim=claim_of(REVIEWER, LATER))
    assert released(held) == WRITING


def test_checking_grades_ends_the_claim_and_counts_the_revision() -> None:
    held = claimed(WRITING, REVIEWER, LATER)
    assert checked(held, WRITING_GRADE) == replace(
        WRITING,
        status=Status.CHECKED,
        revision=2,
        grade=WRITING_GRADE,
        claim=None,
        history=(*WRITING.history, HistoryEntry(Action.CHECK, CHECKED, REVIEWER, 2, WRITING_GRADE)),
    )


def test_reopening_takes_the_grade_back_but_not_out_of_the_history() -> None:
    assert reopened(GRADED, ADMIN, LATER) == replace(
        GRADED,
        status=Status.PENDING,
        revision=3,
        grade=None,
        history=(*GRADED.history, HistoryEntry(Action.REOPEN, LATER, ADMIN, 3)),
    )


def test_replacing_takes_the_new_contents_under_the_old_ids() -> None:
    answers = (replace(WRITING.answers[0], files=(stored_file(9, "writing/new.jpg"),)),)
    new = replace(
        WRITING,
        id=1000,
        manual_review_id=1001,
        submitted_at=LATER,
        answers=answers,
        content_digest="f" * 64,
        exam_id=457,
    )
    assert replaced(claimed(WRITING, REVIEWER, LATER), new) == replace(
        WRITING,
        revision=2,
        submitted_at=LATER,
        answers=answers,
        content_digest="f" * 64,
        exam_id=457,
        history=(*WRITING.history, HistoryEntry(Action.REPLACE, LATER, STUDENT, 2)),
    )


def test_the_files_of_all_answers_come_in_order() -> None:
    assert [file.id for file in WRITING.files] == [1, 2, 3]


@settings(deadline=None)
@given(st.lists(st.sampled_from([Action.CLAIM, Action.RELEASE, Action.CHECK, Action.REOPEN]), max_size=20))
def test_every_grade_ever_given_stays_in_the_history(actions: list[Action]) -> None:
    submission, given_grades = WRITING, list[Grade]()
    for step, action in enumerate(actions):
        moment = NOW + timedelta(minutes=step)
        if refusal(submission, action, REVIEWER, moment) is not None:
            continue
        grade = replace((WRITING_GRADE, SPEAKING_GRADE)[step % 2], checked_at=moment)
        if action is Action.CHECK:
            given_grades.append(grade)
        submission = _after(submission, action, grade)
    assert [entry.grade for entry in submission.history if entry.action is Action.CHECK] == given_grades
    assert all(later.revision == earlier.revision + 1 for earlier, later in pairwise(submission.history))
    assert submission.revision == submission.history[-1].revision
    assert (submission.grade is not None) is (submission.status is Status.CHECKED)


def _after(before: Submission, action: Action, grade: Grade) -> Submission:
    match action:
        case Action.CLAIM:
            return claimed(before, REVIEWER, grade.checked_at + timedelta(minutes=15))
        case Action.RELEASE:
            return released(before)
        case Action.CHECK:
            return checked(before, grade)
        case _:
            return reopened(before, ADMIN, grade.checked_at)


MARKED = marked(claimed(WRITING, REVIEWER, LATER), WRITING_GRADE)
DISAGREED = marked(MARKED, replace(WRITING_GRADE, reviewer=COLLEAGUE))


def test_a_mark_is_in_the_history_and_nowhere_a_student_looks() -> None:
    entry = HistoryEntry(Action.MARK, CHECKED, REVIEWER, 1, WRITING_GRADE)
    assert replace(WRITING, marks=(WRITING_GRADE,), history=(*WRITING.history, entry)) == MARKED
    assert MARKED.marking == (entry,)
    assert [each.needs for each in (WRITING, MARKED, DISAGREED)] == list(Needs)


@pytest.mark.parametrize("action", [Action.CLAIM, Action.DRAFT, Action.MARK, Action.CHECK])
def test_the_second_mark_is_for_another_reviewer(action: Action) -> None:
    assert type(marking_refusal(MARKED, action, REVIEWER, decides=True)) is AlreadyMarked
    assert marking_refusal(MARKED, action, COLLEAGUE, decides=False) is None
    assert marking_refusal(WRITING, action, REVIEWER, decides=False) is None


@pytest.mark.parametrize("action", [Action.CLAIM, Action.DRAFT, Action.MARK, Action.CHECK])
@pytest.mark.parametrize("decides", [True, False])
def test_between_two_marks_only_a_grade_of_who_decides_chooses(action: Action, decides: bool) -> None:
    refused = marking_refusal(DISAGREED, action, ADMIN, decides)
    assert (refused is None) is (decides and action is Action.CHECK)
    assert refused is None or type(refused) is AwaitsDecision


@pytest.mark.parametrize("action", [Action.RELEASE, Action.EXPIRE, Action.REPLACE, Action.REOPEN])
def test_marks_keep_nobody_from_anything_else(action: Action) -> None:
    assert marking_refusal(DISAGREED, action, REVIEWER, decides=False) is None


def test_a_result_ends_the_marking_and_keeps_its_marks_in_the_history() -> None:
    second = replace(WRITING_GRADE, reviewer=COLLEAGUE)
    result = agreed(MARKED, second, second)
    assert (result.marks, result.marking, result.revision, result.was_graded) == ((), (), 2, True)
    assert [entry.action for entry in result.history[1:]] == [Action.MARK, Action.MARK, Action.CHECK]
    assert reopened(result, ADMIN, LATER).marking == ()


def test_other_contents_end_the_marking() -> None:
    assert replaced(MARKED, WRITING).marks == ()


def test_contents_were_graded_until_others_take_their_place() -> None:
    again = reopened(GRADED, ADMIN, LATER)
    assert (WRITING.was_graded, MARKED.was_graded, GRADED.was_graded, again.was_graded) == (
        False,
        False,
        True,
        True,
    )
    assert not replaced(again, WRITING).was_graded


def test_a_draft_needs_a_claim_and_changes_nothing_else() -> None:
    draft = DraftGrade(REVIEWER, 1, NOW)
    held = claimed(WRITING, REVIEWER, LATER)
    assert drafted(held, draft) == replace(held, draft=draft)
    assert type(refusal(WRITING, Action.DRAFT, REVIEWER, NOW)) is NotClaimed
    assert type(refusal(held, Action.DRAFT, COLLEAGUE, NOW)) is ClaimedByAnother
    assert refusal(held, Action.DRAFT, REVIEWER, NOW) is None
    assert type(refusal(held, Action.DRAFT, REVIEWER, LATER)) is NotClaimed


@pytest.mark.parametrize(
    "ended", [lambda each: checked(each, WRITING_GRADE), lambda each: replaced(each, WRITING)]
)
def test_a_grade_and_other_contents_end_the_draft(ended: Callable[[Submission], Submission]) -> None:
    assert ended(drafted(WRITING, DraftGrade(REVIEWER, 1, NOW))).draft is None
