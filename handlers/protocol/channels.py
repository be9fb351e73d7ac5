"""Channels of the status socket: their names, who may have them, and who hears which change how. Pure.

Source: design section 4. `user:{user_id}` is everyone's own; `queue:{section}` is the reviewers'.
"""

from __future__ import annotations

from storage.domain.people import Principal
from storage.domain.submission import Action, Section

_USER, _QUEUE = "user:", "queue:"

EVENT_TYPES: dict[Action, str] = {
    Action.SUBMIT: "submission.created",
    Action.REPLACE: "submission.created",
    Action.CLAIM: "submission.claimed",
    Action.TAKE_OVER: "submission.claimed",
    Action.RELEASE: "submission.released",
    Action.EXPIRE: "submission.released",
    Action.MARK: "submission.released",
    Action.CHECK: "submission.checked",
    Action.REOPEN: "submission.reopened",
    Action.EXAMINE: "submission.examined",
}
"""What an action is called on the wire. A replacement is a creation under the same id, one revision on."""

_REVIEWERS_ONLY = {Action.CLAIM, Action.TAKE_OVER, Action.RELEASE, Action.EXPIRE, Action.MARK}
"""A student never sees claims, nor that there is more than one mark."""


def user_channel(user_id: str) -> str:
    return _USER + user_id


def queue_channel(section: Section) -> str:
    return _QUEUE + section


def queue_section(channel: str) -> Section | None:
    """The section of a queue channel; None for any other."""
    name = channel.removeprefix(_QUEUE)
    return Section(name) if channel.startswith(_QUEUE) and name in set(Section) else None


def may_have(principal: Principal, channel: str) -> bool:
    return channel == user_channel(principal.person.id) or (
        principal.is_reviewer and queue_section(channel) is not None
    )


def student_hears(action: Action) -> bool:
    return action not in _REVIEWERS_ONLY
