"""The words of the Centrifugo client protocol, JSON variant: commands in, replies and pushes out. Pure.

Source: Centrifugo's "Client protocol" page and its client.proto. A frame holds one or more JSON objects, one a
line; an empty object is a ping from us and a pong from the client. Only what this server offers is known here:
connect, subscribe, unsubscribe, refresh, pong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

Json = dict[str, Any]
PING = b"{}"


class CloseCode:
    """Close codes; the SDKs reconnect below 3500 and give up from there on."""

    SHUTDOWN = (3001, "shutdown")
    SERVER_ERROR = (3004, "internal server error")
    EXPIRED = (3005, "connection expired")
    SLOW = (3008, "slow")
    INSUFFICIENT_STATE = (3010, "insufficient state")
    NO_PONG = (3012, "no pong")
    INVALID_TOKEN = (3500, "invalid token")
    BAD_REQUEST = (3501, "bad request")
    STALE = (3502, "stale")
    CONNECTION_LIMIT = (3504, "connection limit")


class ErrorCode:
    """Codes of error replies, which leave the connection open."""

    INTERNAL = (100, "internal server error", True)
    PERMISSION_DENIED = (103, "permission denied", False)
    METHOD_NOT_FOUND = (104, "method not found", False)
    ALREADY_SUBSCRIBED = (105, "already subscribed", False)
    TOKEN_EXPIRED = (109, "token expired", False)


class UnsubscribeCode:
    """Codes of unsubscribe pushes: the SDKs subscribe again from 2500 on."""

    SERVER = (2000, "server unsubscribe")


@dataclass(frozen=True, slots=True)
class Pong:
    pass


@dataclass(frozen=True, slots=True)
class Recover:
    """Where a client was in a channel before its connection broke."""

    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class Connect:
    """`recover` has the server-side subscriptions the client had before."""

    id: int
    token: str
    recover: dict[str, Recover] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subscribe:
    id: int
    channel: str
    recover: Recover | None = None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    id: int
    channel: str


@dataclass(frozen=True, slots=True)
class Refresh:
    id: int
    token: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A command this server does not offer (publish, presence, history, rpc …)."""

    id: int


Command = Pong | Connect | Subscribe | Unsubscribe | Refresh | Unknown


class BadFrame(Exception):
    """Not commands of this protocol; the connection cannot go on."""


def read_commands(frame: str | bytes) -> Iterator[Command]:
    """The commands of one frame, in order. Raises BadFrame at the first line that is none."""
    text = frame if isinstance(frame, bytes) else frame.encode()
    for line in text.split(b"\n"):  # not splitlines: U+2028 may stand inside a JSON string
        if not line.strip():
            continue
        try:
            content = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadFrame from error
        if not isinstance(content, dict):
            raise BadFrame
        yield _command(content)


def _command(content: Json) -> Command:
    if not content:
        return Pong()
    number = content.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        raise BadFrame
    match content:
        case {"connect": {} as connect}:
            return Connect(number, _text(connect, "token"), _recoveries(connect))
        case {"subscribe": {} as subscribe}:
            return Subscribe(number, _text(subscribe, "channel"), _recovery(subscribe))
        case {"unsubscribe": {} as unsubscribe}:
            return Unsubscribe(number, _text(unsubscribe, "channel"))
        case {"refresh": {} as refresh}:
            return Refresh(number, _text(refresh, "token"))
        case _:
            return Unknown(number)


def _text(content: Json, name: str) -> str:
    text = content.get(name, "")
    if not isinstance(text, str):
        raise BadFrame
    return text


def _recoveries(connect: Json) -> dict[str, Recover]:
    subs = connect.get("subs", {})
    if not isinstance(subs, dict):
        raise BadFrame
    found = {}
    for channel, sub in subs.items():
        if isinstance(sub, dict) and (recovery := _recovery(sub)) is not None:
            found[channel] = recovery
    return found


def _recovery(sub: Json) -> Recover | None:
    if sub.get("recover") is not True:
        return None
    offset = sub.get("offset", 0)
    if not isinstance(offset, int) or isinstance(offset, bool):
        raise BadFrame
    return Recover(_text(sub, "epoch"), offset)


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription as its reply describes it: where the channel is, and what the client starts from.

    `data` is a snapshot; or, where `recovered`, `publications` (each as JSON) are what the client missed.
    """

    offset: int
    epoch: str
    data: Json | None = None
    publications: tuple[bytes, ...] = ()
    recovered: bool = False
    was_recovering: bool = False

    def as_json(self) -> Json:
        content: Json = {
            "recoverable": True,
            "positioned": True,
            "offset": self.offset,
            "epoch": self.epoch,
            "recovered": self.recovered,
            "was_recovering": self.was_recovering,
        }
        if self.publications:
            content["publications"] = [orjson.Fragment(body) for body in self.publications]
        if self.data is not None:
            content["data"] = self.data
        return content


@dataclass(frozen=True, slots=True)
class Connected:
    """The reply to a connect command; `ttl_seconds` is how long the token still holds."""

    client: str
    version: str
    ping_seconds: int
    ttl_seconds: int
    subscriptions: dict[str, Subscribed] = field(default_factory=dict)

    def as_json(self) -> Json:
        return {
            "client": self.client,
            "version": self.version,
            "expires": True,
            "ttl": self.ttl_seconds,
            "ping": self.ping_seconds,
            "pong": True,
            "subs": {channel: sub.as_json() for channel, sub in self.subscriptions.items()},
        }


def reply(number: int, name: str, content: Json) -> bytes:
    return orjson.dumps({"id": number, name: content})


def error_reply(number: int, error: tuple[int, str, bool]) -> bytes:
    code, message, temporary = error
    content: Json = {"code": code, "message": message}
    if temporary:
        content["temporary"] = True
    return orjson.dumps({"id": number, "error": content})


def publication(data: Json, offset: int) -> bytes:
    """A publication as JSON, encoded once for the ring and for all who receive it."""
    # Copied: orjson leaves the spare room of its buffer behind the result, which the ring would keep.
    return bytes(memoryview(orjson.dumps({"data": data, "offset": offset})))


def volatile_publication(data: Json) -> bytes:
    """A publication without an offset: it moves nobody's position and cannot be recovered."""
    return orjson.dumps({"data": data})


def push(channel: str, body: bytes) -> bytes:
    """The frame that brings the publication `body` to the subscribers of `channel`."""
    return orjson.dumps({"push": {"channel": channel, "pub": orjson.Fragment(body)}})


def unsubscribe_push(channel: str, why: tuple[int, str]) -> bytes:
    """Tells a client that a subscription ended without its asking."""
    code, reason = why
    return orjson.dumps({"push": {"channel": channel, "unsubscribe": {"code": code, "reason": reason}}})
