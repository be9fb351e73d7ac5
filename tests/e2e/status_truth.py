"""What the clients of the status channel should know, from REST, and should have been told, from MongoDB's oplog.

Design section 4: the submission document is the only truth, the oplog the only event log, and an offset is the
cluster time packed into 53 bits.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pymongo import MongoClient

from tests.e2e.patient_http import Headers, PatientHttp
from tests.e2e.status_view import HEARD_BY_STUDENTS, ChannelView, Stay
from tests.handlers.reviews import unsigned

Json = dict[str, Any]

SECTIONS = ("writing", "speaking")
_TYPES = {
    "submitted": "submission.created",
    "claimed": "submission.claimed",
    "released": "submission.released",
    "expired": "submission.released",
    "checked": "submission.checked",
    "reopened": "submission.reopened",
}
"""The event that each action is to others; a renewed claim and a repeated 201 are none."""
_WAIT_MS = 20_000


@dataclass(frozen=True, slots=True)
class Event:
    """A publication, less what the submission's present state in REST tells anyway."""

    offset: int
    type: str
    id: int
    revision: int
    holder: str | None


@dataclass(frozen=True, slots=True)
class Truth:
    """By channel: every submission it may have shown, as it is now, and everything that ever happened in it."""

    submissions: Mapping[str, Mapping[int, Json]]
    events: Mapping[str, list[Event]]

    def is_known_to(self, view: ChannelView) -> bool:
        """Whether a client is up to date; cheap, to be asked again and again."""
        events, present = self.events.get(view.name, []), self.submissions.get(view.name, {})
        if not view.stays or (events and view.position < events[-1].offset):
            return False
        known = {id: _state(submission) for id, submission in view.submissions.items()}
        wanted = {
            id: _state(submission) for id, submission in present.items() if _belongs(view, id, submission)
        }
        return known == wanted

    def differences(self, view: ChannelView) -> Iterator[str]:
        """How what a client knows in the end differs from what is so."""
        present = self.submissions.get(view.name, {})
        for id in view.submissions.keys() - present.keys():
            yield f"knows {id}, which is none of its own"
        for id, submission in present.items():
            if not _belongs(view, id, submission):
                continue
            known = view.submissions.get(id)
            if known is None:
                yield f"does not know {id}: {_state(submission)}"
                continue
            is_so, seems = _comparable(submission), _comparable(known)
            for name in sorted(is_so.keys() | seems.keys()):
                if is_so.get(name) != seems.get(name):
                    yield f"has {name} of {id} as {seems.get(name)}, it is {is_so.get(name)}"

    def gaps(self, view: ChannelView) -> Iterator[str]:
        """Where what a client was told is not all that happened, once, in its order, and nothing else."""
        events = self.events.get(view.name, [])
        for place, stay in enumerate(view.stays):
            is_last = stay is view.stays[-1]
            begins = bisect.bisect_right(events, stay.since, key=lambda event: event.offset)
            ends = bisect.bisect_right(events, stay.position, key=lambda event: event.offset)
            wanted, heard = events[begins : None if is_last else ends], list(map(_event, stay.heard))
            where = f"stay {place} from {stay.since} at {stay.began_at:%H:%M:%S.%f}"
            if not _tells(heard, wanted):
                yield f"{where}: missed {_less(wanted, heard)}, heard besides {_less(heard, wanted)}"
            yield from (f"{where}: {what}" for what in _stale(view, stay, events[:begins], events[begins:]))


async def read_submissions(
    http: PatientHttp, students: Mapping[str, Headers], reviewer: Headers
) -> dict[str, dict[int, Json]]:
    """Every submission by channel, as those who have the channel see it over HTTP."""
    lists = {
        f"user:{user}": await http.read_all("/multilevel/test-results/?", headers)
        for user, headers in students.items()
    }
    for section in SECTIONS:
        path = f"/multilevel/manual-reviews/?section_type={section}&status="
        lists[f"queue:{section}"] = [
            submission
            for status in ("pending", "checked")
            for submission in await http.read_all(f"{path}{status}", reviewer)
        ]
    return {
        channel: {submission["id"]: submission for submission in submissions}
        for channel, submissions in lists.items()
    }


def read_events(uri: str, name: str) -> dict[str, list[Event]]:
    """Every publication there should have been, by channel: the oplog from its beginning up to a mark made now.
    Blocks."""
    events: dict[str, list[Event]] = defaultdict(list)
    with MongoClient[Json](uri, serverSelectionTimeoutMS=_WAIT_MS) as client:
        database = client[name]
        first = client["local"]["oplog.rs"].find_one(sort=[("$natural", 1)])
        assert first is not None
        mark = database["marks"].insert_one({}).inserted_id
        with database.watch(full_document="whenAvailable", start_at_operation_time=first["ts"]) as changes:
            for change in changes:
                if change.get("documentKey", {}).get("_id") == mark:
                    return events
                if change["ns"].get("coll") == "submissions" and "documentKey" in change:
                    _note(change, events)
    raise AssertionError("the oplog ended before the mark")


def _note(change: Json, events: dict[str, list[Event]]) -> None:
    document, time = change["fullDocument"], change["clusterTime"]
    if (type := _TYPES.get(document["last_action"])) is None:
        return
    claim = document["claim"]
    holder = None if claim is None else claim["reviewer"]["id"]
    event = Event((time.time << 20) + time.inc, type, document["_id"], document["revision"], holder)
    events[f"queue:{document['section']}"].append(event)
    if type in HEARD_BY_STUDENTS:
        events[f"user:{document['student']['id']}"].append(event)


def _stale(view: ChannelView, stay: Stay, before: Sequence[Event], after: Sequence[Event]) -> Iterator[str]:
    """What a snapshot did not show though it had happened before, and did not follow either."""
    if stay.snapshot is None:
        return
    latest = {event.id: event for event in before}
    checked_later = {event.id for event in after if event.type == "submission.checked"}
    for id, event in latest.items():
        if view.section is not None and event.type == "submission.checked":
            continue
        shown = stay.snapshot.get(id)
        left_meanwhile = view.section is not None and id in checked_later
        if (shown is None and not left_meanwhile) or (shown is not None and shown < event.revision):
            yield f"the snapshot showed revision {shown} of {id} after {event}"


def _belongs(view: ChannelView, id: int, submission: Json) -> bool:
    """A student knows all that is their own, a reviewer what is pending and what they saw checked."""
    return view.section is None or submission["status"] == "pending" or id in view.submissions


def _event(publication: Json) -> Event:
    data = publication["data"]
    submission = data["submission"]
    return Event(
        publication["offset"], data["type"], submission["id"], submission["revision"], _holder(submission)
    )


def _state(submission: Json) -> tuple[int, str, str | None]:
    return submission["revision"], submission["status"], _holder(submission)


def _holder(submission: Json) -> str | None:
    claim = submission.get("claim")
    return None if claim is None else claim["reviewer"]["id"]


def _comparable(submission: Json) -> Json:
    """Without what depends on when it was written; of a claim who holds it, as a renewal is not published."""
    content: Json = unsigned(submission)
    return content | ({"claim": _holder(submission)} if "claim" in submission else {})


def _tells(heard: Sequence[Event], wanted: Sequence[Event]) -> bool:
    """A claim that ran out meanwhile may be told without its holder: its end follows."""
    return len(heard) == len(wanted) and all(
        told in {event, replace(event, holder=None)} for told, event in zip(heard, wanted, strict=True)
    )


def _less(some: Sequence[Event], others: Iterable[Event]) -> list[Event]:
    return sorted(set(some) - set(others), key=lambda event: event.offset)[:5]
