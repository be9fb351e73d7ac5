"""What is said on a socket besides framing: ours speaks Centrifugo's protocol, the peers simpler ones.

A dialect greets after the upgrade and reads until the client is served: until it has its snapshot, or what it
missed. From then on, anything longer than a ping is an event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

QUEUE = "queue:speaking"
Json = dict[str, Any]


class BadAnswer(Exception):
    """A server answered something else than success."""


@dataclass(slots=True)
class Seat:
    """Whose connection it is, and what it needs to remember to connect again."""

    user_id: int
    token: str
    is_reviewer: bool = False
    epoch: str = ""
    offset: int = 0
    has_recovered: bool = False
    caught_up: list[Json] = field(default_factory=list)
    """The events that the latest connect brought along."""


@dataclass(frozen=True, slots=True)
class Said:
    """What to send in return, and whether the client is now served."""

    answer: bytes = b""
    is_served: bool = False


class Dialect(Protocol):
    """One protocol; the seat is where it keeps a client's state."""

    path: str

    def greeting(self, seat: Seat) -> bytes:
        """What the client says first after the upgrade; empty: it waits."""

    def received(self, seat: Seat, text: bytes) -> Said:
        """A message before the client is served, or a short one after."""

    def event(self, seat: Seat, text: bytes) -> Json:
        """`{"type": …, "submission": …}` out of one line of a message."""


class Centrifugo:
    """Ours: connect, for reviewers then subscribe; positions, where there are any, are recovered."""

    path = "/connection/websocket"

    def greeting(self, seat: Seat) -> bytes:
        connect: Json = {"token": seat.token}
        if seat.epoch:
            recover = {"recover": True, "epoch": seat.epoch, "offset": seat.offset}
            connect["subs"] = {f"user:{seat.user_id}": recover}
        return orjson.dumps({"id": 1, "connect": connect})

    def received(self, seat: Seat, text: bytes) -> Said:
        if text == b"{}":
            return Said(b"{}")
        for line in text.split(b"\n"):
            reply = orjson.loads(line)
            if "error" in reply or "push" in reply:
                raise BadAnswer(f"instead of a reply: {text[:500]!r}")
            if "connect" in reply:
                subscribed = reply["connect"]["subs"][f"user:{seat.user_id}"]
                seat.epoch, seat.offset = subscribed["epoch"], subscribed["offset"]
                seat.has_recovered = subscribed["recovered"]
                seat.caught_up = [each["data"] for each in subscribed.get("publications", ())]
        if seat.is_reviewer and b'"subscribe"' not in text:
            return Said(orjson.dumps({"id": 2, "subscribe": {"channel": QUEUE}}))
        return Said(is_served=True)

    def event(self, seat: Seat, text: bytes) -> Json:
        publication = orjson.loads(text)["push"]["pub"]
        seat.offset = publication["offset"]
        found: Json = publication["data"]
        return found


class Plain:
    """Most peers: the token as first message, a snapshot as first answer, then events; pings are the library's."""

    path = "/status"

    def greeting(self, seat: Seat) -> bytes:
        return orjson.dumps({"token": seat.token})

    def received(self, seat: Seat, text: bytes) -> Said:
        answer = orjson.loads(text)
        if "submissions" not in answer:
            raise BadAnswer(f"instead of a snapshot: {text[:500]!r}")
        seat.caught_up = [{"submission": each} for each in answer["submissions"]]
        return Said(is_served=True)

    def event(self, seat: Seat, text: bytes) -> Json:
        found: Json = orjson.loads(text)
        return found


class SocketIo:
    """python-socketio's: Engine.IO packets, a token as `auth` of the connect packet, then a snapshot event."""

    path = "/socket.io/?EIO=4&transport=websocket"

    def greeting(self, seat: Seat) -> bytes:
        return b""

    def received(self, seat: Seat, text: bytes) -> Said:
        if text == b"2":
            return Said(b"3")
        if text.startswith(b"0"):
            return Said(b"40" + orjson.dumps({"token": seat.token}))
        if text.startswith(b"40"):
            return Said()
        if not text.startswith(b'42["snapshot"'):
            raise BadAnswer(f"instead of a snapshot: {text[:500]!r}")
        seat.caught_up = [{"submission": each} for each in orjson.loads(text[2:])[1]["submissions"]]
        return Said(is_served=True)

    def event(self, seat: Seat, text: bytes) -> Json:
        name, submission = orjson.loads(text[2:])
        return {"type": name, "submission": submission}
