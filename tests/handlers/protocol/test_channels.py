"""Who may have which channel, and what is heard there (design section 4)."""

from __future__ import annotations

import pytest

from handlers.protocol.channels import (
    EVENT_TYPES,
    may_have,
    queue_channel,
    queue_section,
    student_hears,
    user_channel,
)
from storage.domain.people import Person, Principal, Role
from storage.domain.submission import Action, Section
from tests.submissions import NOW


def principal(role: Role, user: str = "42") -> Principal:
    return Principal(Person(user), role, NOW)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("user", ["42", "aziza@example.uz", "3f2c-77"])
def test_everyone_may_have_their_own_channel_and_no_other_users(role: Role, user: str) -> None:
    assert may_have(principal(role, user), user_channel(user))
    assert user_channel(user) == f"user:{user}"
    for other in ("user:43", f"user:{user}1", f"user: {user}", f"USER:{user}", "user:", "user:*", user):
        assert not may_have(principal(role, user), other)


@pytest.mark.parametrize("section", list(Section))
@pytest.mark.parametrize(
    ("role", "allowed"), [(Role.STUDENT, False), (Role.REVIEWER, True), (Role.ADMIN, True)]
)
def test_queues_are_for_reviewers(section: Section, role: Role, allowed: bool) -> None:
    assert may_have(principal(role), queue_channel(section)) is allowed


@pytest.mark.parametrize(
    "channel",
    [
        "",
        "queue",
        "queue:",
        "queue:reading",
        "queue:WRITING",
        "queue:writing ",
        "queue:writing:1",
        "queue:queue:writing",
        "writing",
        "xqueue:writing",
        "$queue:writing",
    ],
)
def test_other_channels_are_nobodys(channel: str) -> None:
    assert queue_section(channel) is None
    assert not any(may_have(principal(role), channel) for role in Role)


def test_a_user_called_like_a_queue_gets_no_queue() -> None:
    assert not may_have(principal(Role.STUDENT, "writing"), "queue:writing")
    assert may_have(principal(Role.STUDENT, "queue:writing"), "user:queue:writing")


@pytest.mark.parametrize("section", list(Section))
def test_a_queue_channel_names_its_section(section: Section) -> None:
    assert queue_channel(section) == f"queue:{section.value}"
    assert queue_section(queue_channel(section)) is section


def test_a_users_channel_is_no_queue() -> None:
    assert queue_section("user:writing") is None


def test_every_action_is_an_event_but_a_renewed_claim_and_a_201_given_again() -> None:
    assert set(EVENT_TYPES) == set(Action) - {Action.RENEW, Action.ACKNOWLEDGE, Action.DRAFT}
    assert set(EVENT_TYPES.values()) == {
        "submission.created",
        "submission.claimed",
        "submission.released",
        "submission.checked",
        "submission.reopened",
        "submission.examined",
    }


@pytest.mark.parametrize("action", list(EVENT_TYPES))
def test_a_student_hears_everything_but_claims(action: Action) -> None:
    hidden = {Action.CLAIM, Action.TAKE_OVER, Action.RELEASE, Action.EXPIRE, Action.MARK}
    assert student_hears(action) is (action not in hidden)
