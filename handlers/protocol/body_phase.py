"""The life of a request body, as a table of every phase and every event. Pure.

In Tornado no single hook is sure to run: a peer gone in mid-body calls only `on_connection_close`, a refusal
in `prepare` calls both hooks, a peer gone during the answer lets the method run to its end. So every hook
reports an event here, and the one that first leads to an end settles the request, once.

How each thing that can happen is spelt: refused on its headers NEW·REFUSE; refused in mid-body, sender too slow,
disk full, server stopping RECEIVING·REFUSE (the refusal's own error tells which); MongoDB gone while the upload is
recorded, an answer like any other, COMPLETING·ANSWER; a drain budget used up REFUSED·ANSWER_EARLY.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    NEW = "new"
    """Headers are there, nothing decided."""
    RECEIVING = "receiving"
    """Chunks are taken."""
    COMPLETING = "completing"
    """The whole body is taken and is being made durable; a peer that goes now changes nothing about that."""
    REFUSED = "refused"
    """The refusal is remembered; the rest of the body is read and dropped, so that the answer can be read."""
    LINGERING = "lingering"
    """The refusal is sent while the body still comes; reading goes on, as closing now would be a reset."""
    ANSWERED = "answered"
    ABORTED = "aborted"
    """The peer went away before it had an answer."""


class Event(Enum):
    ADMIT = "admit"
    REFUSE = "refuse"
    BODY_OVER = "body over"
    ANSWER_EARLY = "answer early"
    """The refusal goes out before the body is over."""
    ANSWER = "answer"
    """The answer is complete, and with it the request."""
    PEER_GONE = "peer gone"


_IGNORED = None
"""The event comes too late, or means nothing in this phase: a second refusal, a late answer."""

TABLE: dict[Phase, dict[Event, Phase | None]] = {
    Phase.NEW: {
        Event.ADMIT: Phase.RECEIVING,
        Event.REFUSE: Phase.REFUSED,
        Event.BODY_OVER: _IGNORED,
        Event.ANSWER_EARLY: _IGNORED,
        Event.ANSWER: Phase.ANSWERED,
        Event.PEER_GONE: Phase.ABORTED,
    },
    Phase.RECEIVING: {
        Event.ADMIT: _IGNORED,
        Event.REFUSE: Phase.REFUSED,
        Event.BODY_OVER: Phase.COMPLETING,
        Event.ANSWER_EARLY: _IGNORED,
        Event.ANSWER: Phase.ANSWERED,
        Event.PEER_GONE: Phase.ABORTED,
    },
    Phase.COMPLETING: {
        Event.ADMIT: _IGNORED,
        Event.REFUSE: _IGNORED,
        Event.BODY_OVER: _IGNORED,
        Event.ANSWER_EARLY: _IGNORED,
        Event.ANSWER: Phase.ANSWERED,
        Event.PEER_GONE: _IGNORED,
    },
    Phase.REFUSED: {
        Event.ADMIT: _IGNORED,
        Event.REFUSE: _IGNORED,
        Event.BODY_OVER: _IGNORED,
        Event.ANSWER_EARLY: Phase.LINGERING,
        Event.ANSWER: Phase.ANSWERED,
        Event.PEER_GONE: Phase.ABORTED,
    },
    Phase.LINGERING: {
        Event.ADMIT: _IGNORED,
        Event.REFUSE: _IGNORED,
        Event.BODY_OVER: _IGNORED,
        Event.ANSWER_EARLY: _IGNORED,
        Event.ANSWER: Phase.ANSWERED,
        Event.PEER_GONE: Phase.ANSWERED,
    },
    Phase.ANSWERED: dict.fromkeys(Event, _IGNORED),
    Phase.ABORTED: dict.fromkeys(Event, _IGNORED),
}

ENDED = {Phase.ANSWERED, Phase.ABORTED}


def advance(phase: Phase, event: Event) -> Phase:
    """The phase after `event`; the same one if the table ignores it."""
    return TABLE[phase][event] or phase
