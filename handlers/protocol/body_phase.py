"""The life of a request body, as a table. Pure.

In Tornado no single hook is sure to run: a peer gone in mid-body calls only `on_connection_close`, a refusal
in `prepare` calls both hooks, a peer gone during the answer lets the method run to its end. So every hook
reports an event here, and the one that first leads to an end settles the request.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    NEW = "new"
    """Headers are there, nothing decided."""
    RECEIVING = "receiving"
    """Chunks are taken."""
    REFUSED = "refused"
    """The refusal is remembered; the rest of the body is read and dropped, so that the answer can be read."""
    COMPLETING = "completing"
    """The whole body is taken and is being made durable; a peer that goes now changes nothing about that."""
    ANSWERED = "answered"
    ABORTED = "aborted"
    """The peer went away before it had an answer."""


class Event(Enum):
    ADMIT = "admit"
    REFUSE = "refuse"
    COMPLETE = "complete"
    ANSWER = "answer"
    PEER_GONE = "peer gone"


_NEXT: dict[tuple[Phase, Event], Phase] = {
    (Phase.NEW, Event.ADMIT): Phase.RECEIVING,
    (Phase.NEW, Event.REFUSE): Phase.REFUSED,
    (Phase.NEW, Event.ANSWER): Phase.ANSWERED,
    (Phase.NEW, Event.PEER_GONE): Phase.ABORTED,
    (Phase.RECEIVING, Event.REFUSE): Phase.REFUSED,
    (Phase.RECEIVING, Event.COMPLETE): Phase.COMPLETING,
    (Phase.RECEIVING, Event.ANSWER): Phase.ANSWERED,
    (Phase.RECEIVING, Event.PEER_GONE): Phase.ABORTED,
    (Phase.COMPLETING, Event.ANSWER): Phase.ANSWERED,
    (Phase.REFUSED, Event.ANSWER): Phase.ANSWERED,
    (Phase.REFUSED, Event.PEER_GONE): Phase.ABORTED,
}

ENDED = {Phase.ANSWERED, Phase.ABORTED}


def advance(phase: Phase, event: Event) -> Phase:
    """The phase after `event`; an event that comes too late (a second refusal, a late answer) does nothing."""
    return _NEXT.get((phase, event), phase)
