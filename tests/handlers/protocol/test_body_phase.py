"""The life of a request body: which event leads where, and that an end is an end."""

from __future__ import annotations

import pytest

from handlers.protocol.body_phase import ENDED, TABLE, Event, Phase, advance


@pytest.mark.parametrize(
    ("events", "phase"),
    [
        ([], Phase.NEW),
        ([Event.ADMIT], Phase.RECEIVING),
        ([Event.ADMIT, Event.ANSWER], Phase.ANSWERED),
        ([Event.ADMIT, Event.BODY_OVER], Phase.COMPLETING),
        ([Event.ADMIT, Event.BODY_OVER, Event.ANSWER], Phase.ANSWERED),
        ([Event.ADMIT, Event.REFUSE], Phase.REFUSED),
        ([Event.ADMIT, Event.REFUSE, Event.ANSWER], Phase.ANSWERED),
        ([Event.ADMIT, Event.PEER_GONE], Phase.ABORTED),
        ([Event.ADMIT, Event.REFUSE, Event.PEER_GONE], Phase.ABORTED),
        ([Event.ADMIT, Event.REFUSE, Event.ANSWER_EARLY], Phase.LINGERING),
        ([Event.ADMIT, Event.REFUSE, Event.ANSWER_EARLY, Event.ANSWER], Phase.ANSWERED),
        ([Event.ADMIT, Event.REFUSE, Event.ANSWER_EARLY, Event.PEER_GONE], Phase.ANSWERED),
        ([Event.REFUSE], Phase.REFUSED),
        ([Event.REFUSE, Event.ANSWER], Phase.ANSWERED),
        ([Event.REFUSE, Event.PEER_GONE], Phase.ABORTED),
        ([Event.ANSWER], Phase.ANSWERED),
        ([Event.PEER_GONE], Phase.ABORTED),
    ],
)
def test_events_lead_to_a_phase(events: list[Event], phase: Phase) -> None:
    reached = Phase.NEW
    for event in events:
        reached = advance(reached, event)
    assert reached is phase


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("phase", [Phase.ANSWERED, Phase.ABORTED])
def test_nothing_follows_an_end(phase: Phase, event: Event) -> None:
    assert advance(phase, event) is phase


def test_the_table_has_a_cell_for_every_phase_and_event() -> None:
    assert {phase: set(cells) for phase, cells in TABLE.items()} == {phase: set(Event) for phase in Phase}


def test_a_second_refusal_changes_nothing() -> None:
    assert advance(Phase.REFUSED, Event.REFUSE) is Phase.REFUSED


@pytest.mark.parametrize("phase", [Phase.RECEIVING, Phase.REFUSED, Phase.COMPLETING])
def test_a_body_is_admitted_once_and_never_after_a_refusal(phase: Phase) -> None:
    assert advance(phase, Event.ADMIT) is phase


@pytest.mark.parametrize("phase", [Phase.NEW, Phase.REFUSED])
def test_only_an_admitted_body_can_be_complete(phase: Phase) -> None:
    assert advance(phase, Event.BODY_OVER) is phase


@pytest.mark.parametrize("event", [Event.PEER_GONE, Event.REFUSE])
def test_a_complete_body_is_made_durable_whoever_goes(event: Event) -> None:
    assert advance(Phase.COMPLETING, event) is Phase.COMPLETING


def test_only_the_ends_are_ends() -> None:
    stuck = {phase for phase in Phase if all(advance(phase, event) is phase for event in Event)}
    assert stuck == ENDED == {Phase.ANSWERED, Phase.ABORTED}


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.ABORTED])
def test_an_answer_ends_every_life_that_still_has_a_peer(phase: Phase) -> None:
    assert advance(phase, Event.ANSWER) is Phase.ANSWERED
