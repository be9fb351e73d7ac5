"""What every Python peer does besides holding sockets: tokens, one guarded update, the snapshot at connect.

One document of the same MongoDB changes, acknowledged by a majority, and then whoever it concerns is told, in the
same process: what one would write with these servers. No change stream, no recovery: a client that was away gets a
snapshot.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from pymongo import AsyncMongoClient, ReturnDocument
from pymongo.write_concern import WriteConcern

PORT = int(os.environ["PORT"])
PING_SECONDS = float(os.environ["BENCH_PING_SECONDS"])
PONG_SECONDS = 8.0
OUTGOING_BYTES = int(os.environ["BENCH_OUTGOING_BYTES"])
"""The bound for a slow client, where a server shows how much waits for it."""
BACKLOG = 4096
"""As many as the kernel allows: a storm must not wait for lost SYNs, which are no matter of the server's speed."""

_SECRET = os.environ["BENCH_SECRET"]
_OWN_LATEST, _OLDEST_PENDING = 50, 200
_ROUTE = re.compile(r"/multilevel/manual-reviews/(\d+)/(claim/)?")
_LEASE = timedelta(seconds=900)
Json = dict[str, Any]


class Refused(Exception):
    """A request or a token that is not accepted; `status` is HTTP's."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Event:
    """Who is to be told what."""

    room: str
    type: str
    submission: Json

    def as_json(self) -> str:
        return json.dumps({"type": self.type, "submission": self.submission}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a request, and the events to send before it."""

    submission: Json
    events: list[Event] = field(default_factory=list)


def claims_of(token: str) -> Json:
    """Raises Refused."""
    try:
        return dict(jwt.decode(token, _SECRET, algorithms=["HS256"], options={"require": ["exp"]}))
    except jwt.PyJWTError as error:
        raise Refused(401, "a bad token") from error


def room_of(claims: Json) -> str:
    """In which events for this client are sent; the name is one that Channels accepts, too."""
    return "queue" if claims.get("role") == "reviewer" else f"user.{claims['user_id']}"


class Desk:
    """The submissions in MongoDB."""

    def __init__(self) -> None:
        client = AsyncMongoClient[Json](os.environ["BENCH_MONGO_URI"])
        database = client[os.environ["BENCH_MONGO_DATABASE"]]
        self._submissions = database.get_collection("submissions", write_concern=WriteConcern("majority"))

    async def snapshot(self, claims: Json) -> list[Json]:
        """A student's latest, or the oldest of the queue."""
        wanted: Json = {"student.id": str(claims["user_id"])}
        order, limit = ("submitted_at", -1), _OWN_LATEST
        if claims.get("role") == "reviewer":
            wanted, order, limit = {"status": "pending"}, ("submitted_at", 1), _OLDEST_PENDING
        return await self._submissions.find(wanted, {"_id": 0}).sort([order]).limit(limit).to_list()

    async def act(self, method: str, path: str, authorization: str, body: bytes) -> Outcome:
        """PUT a grade, POST or DELETE a claim, as ours takes them. Raises Refused."""
        route = _ROUTE.fullmatch(path)
        if route is None:
            raise Refused(404, "no such path")
        claims = claims_of(authorization.removeprefix("Bearer "))
        if claims.get("role") != "reviewer":
            raise Refused(403, "not a reviewer")
        guard: Json = {"_id": int(route[1]), "status": "pending"}
        now, name = datetime.now(UTC), f"Reviewer {claims['user_id']}"
        claiming = bool(route[2])
        if method == "PUT" and not claiming:
            grade = json.loads(body)
            guard["revision"] = grade["revision"]
            given = {
                "score": grade["score"] | {"max_score": 75},
                "feedback": grade["feedback"],
                "claim": None,
            }
            by = {"name": name, "reviewed_at": _iso(now)}
            changed = {"status": "checked", "reviewed_at": _iso(now), "reviewer": by}
            submission = await self._update(guard, {"$set": given | changed, "$inc": {"revision": 1}})
            seen = {key: value for key, value in submission.items() if key not in {"claim", "student"}}
            owner = f"user.{submission['student']['id']}"
            event = Event("queue", "submission.checked", submission)
            return Outcome(submission, [Event(owner, "submission.checked", seen), event])
        if method == "POST" and claiming:
            by = {"id": str(claims["user_id"]), "name": name}
            claim = {"reviewer": by, "expires_at": _iso(now + _LEASE)}
            submission = await self._update(guard, {"$set": {"claim": claim}})
            return Outcome(submission, [Event("queue", "submission.claimed", submission)])
        if method == "DELETE" and claiming:
            submission = await self._update(guard, {"$set": {"claim": None}})
            return Outcome(submission, [Event("queue", "submission.released", submission)])
        raise Refused(405, "no such method")

    async def _update(self, guard: Json, change: Json) -> Json:
        found = await self._submissions.find_one_and_update(
            guard, change, projection={"_id": 0}, return_document=ReturnDocument.AFTER
        )
        if found is None:
            raise Refused(409, "not pending at this revision")
        return found


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
