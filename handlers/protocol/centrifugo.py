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


@dataclass(frozen=True, slots=True)
class Pong:
    pass


@dataclass(frozen=True, slots=True)
class Connect:
    id: int
    token: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    id: int
    channel: str


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
    for line in frame.splitlines():
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
            return Connect(number, _text(connect, "token"))
        case {"subscribe": {} as subscribe}:
            return Subscribe(number, _text(subscribe, "channel"))
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


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription as its reply describes it: where the channel is, and the snapshot it starts from."""

    offset: int
    epoch: str
    data: Json

    def as_json(self) -> Json:
        return {"positioned": True, "offset": self.offset, "epoch": self.epoch, "data": self.data}


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


def publication(channel: str, data: Json, offset: int) -> bytes:
    """A push of one publication, encoded once for all who receive it."""
    return orjson.dumps({"push": {"channel": channel, "pub": {"data": data, "offset": offset}}})
