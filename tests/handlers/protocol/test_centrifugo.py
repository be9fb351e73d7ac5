"""Reading commands and writing replies and pushes, in the words of the Centrifugo client protocol."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.protocol.centrifugo import (
    PING,
    BadFrame,
    CloseCode,
    Command,
    Connect,
    Connected,
    ErrorCode,
    Pong,
    Recover,
    Refresh,
    Subscribe,
    Subscribed,
    Unknown,
    Unsubscribe,
    error_reply,
    publication,
    push,
    read_commands,
    reply,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
contents = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("token", "channel", "subs", "recover", "offset", "epoch", "data"), json_values),
)
commands = st.fixed_dictionaries(
    {}, optional={"id": json_values, "connect": contents, "subscribe": contents, "refresh": contents}
)


def read(frame: str | bytes) -> list[Command]:
    return list(read_commands(frame))


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ('{"id":1,"connect":{"token":"a.b.c","name":"js"}}', Connect(1, "a.b.c")),
        ('{"id":1,"connect":{}}', Connect(1, "")),
        ('{"connect":{"token":"a.b.c"},"id":1}', Connect(1, "a.b.c")),
        ('{"id":2,"subscribe":{"channel":"queue:writing"}}', Subscribe(2, "queue:writing")),
        ('{"id":3,"unsubscribe":{"channel":"queue:writing"}}', Unsubscribe(3, "queue:writing")),
        ('{"id":4,"refresh":{"token":"d.e.f"}}', Refresh(4, "d.e.f")),
        ('{"id":4294967295,"rpc":{"method":"x"}}', Unknown(4294967295)),
        ('{"id":5}', Unknown(5)),
        ('{"id":5,"connect":null}', Unknown(5)),
        ("{}", Pong()),
        (" {} ", Pong()),
    ],
)
def test_reads_a_command(line: str, command: Command) -> None:
    assert read(line) == [command]
    assert read(line.encode()) == [command]


def test_reads_the_commands_of_a_frame_in_their_order() -> None:
    frame = '{"id":1,"connect":{"token":"t"}}\n{"id":2,"subscribe":{"channel":"c"}}\n{}\n{"id":3,"x":{}}'
    assert read(frame) == [Connect(1, "t"), Subscribe(2, "c"), Pong(), Unknown(3)]


@pytest.mark.parametrize("frame", ["{}\n", "\n{}", "{}\r\n", "\n\n{}\n\n", " \n{}"])
def test_passes_over_empty_lines(frame: str) -> None:
    assert read(frame) == [Pong()]


@pytest.mark.parametrize("frame", ["", "\n", b""])
def test_an_empty_frame_holds_nothing(frame: str | bytes) -> None:
    assert read(frame) == []


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x1e"])
def test_only_line_feeds_end_a_line(separator: str) -> None:
    """JSON lets the first three stand in a string as they are; other lines know them as their ends."""
    frame = f'{{"id":1,"subscribe":{{"channel":"a{separator}b"}}}}'
    if separator < " ":
        with pytest.raises(BadFrame):
            read(frame)
    else:
        assert read(frame) == [Subscribe(1, f"a{separator}b")]


@pytest.mark.parametrize(
    "line",
    [
        "connect",
        "[]",
        "[{}]",
        "1",
        "null",
        '"{}"',
        "{",
        '{"id":1,"rpc":{}}{"id":2,"rpc":{}}',
        '{"connect":{"token":"t"}}',
        '{"id":0,"rpc":{}}',
        '{"id":-1,"rpc":{}}',
        '{"id":1.5,"rpc":{}}',
        '{"id":"1","rpc":{}}',
        '{"id":true,"rpc":{}}',
        '{"id":null,"rpc":{}}',
        '{"id":18446744073709551616,"rpc":{}}',
        '{"id":1,"connect":{"token":7}}',
        '{"id":1,"connect":{"token":null}}',
        '{"id":1,"subscribe":{"channel":["queue:writing"]}}',
        '{"id":1,"refresh":{"token":{}}}',
        '{"id":1,"connect":{"token":"\\ud800"}}',
        '{"id":1,"connect":{"token":NaN}}',
        b'{"id":1,"connect":{"token":"\xff"}}',
        "[" * 10_000,
    ],
)
def test_refuses_what_is_no_command(line: str | bytes) -> None:
    with pytest.raises(BadFrame):
        read(line)


def test_commands_before_a_bad_line_are_read() -> None:
    found = read_commands('{"id":1,"rpc":{}}\nrubbish')
    assert next(found) == Unknown(1)
    with pytest.raises(BadFrame):
        next(found)


def test_reads_where_a_client_was_before() -> None:
    sub = '{"recover":true,"epoch":"e","offset":7}'
    assert read(f'{{"id":1,"connect":{{"token":"t","subs":{{"user:42":{sub},"user:43":{{}}}}}}}}') == [
        Connect(1, "t", {"user:42": Recover("e", 7)})
    ]
    assert read('{"id":2,"subscribe":{"channel":"c","recover":true,"epoch":"e","offset":7}}') == [
        Subscribe(2, "c", Recover("e", 7))
    ]


def test_a_position_without_the_wish_to_recover_is_none() -> None:
    assert read('{"id":2,"subscribe":{"channel":"c","recover":false,"epoch":"e","offset":7}}') == [
        Subscribe(2, "c")
    ]


@given(st.lists(commands | json_values, max_size=3))
def test_reads_commands_or_refuses_whatever_json_comes(lines: list[Any]) -> None:
    try:
        found = read("\n".join(json.dumps(line) for line in lines))
    except BadFrame:
        return
    assert len(found) == len(lines)


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_reads_commands_or_refuses_whatever_bytes_come(frame: str | bytes) -> None:
    with contextlib.suppress(BadFrame):
        read(frame)


@pytest.mark.parametrize(
    "code",
    [
        CloseCode.SHUTDOWN,
        CloseCode.SERVER_ERROR,
        CloseCode.EXPIRED,
        CloseCode.SLOW,
        CloseCode.INSUFFICIENT_STATE,
        CloseCode.NO_PONG,
    ],
)
def test_the_sdks_come_back_after_what_passes(code: tuple[int, str]) -> None:
    assert 3000 <= code[0] < 3500


@pytest.mark.parametrize(
    "code",
    [CloseCode.INVALID_TOKEN, CloseCode.BAD_REQUEST, CloseCode.STALE, CloseCode.CONNECTION_LIMIT],
)
def test_the_sdks_give_up_after_what_will_not_pass(code: tuple[int, str]) -> None:
    assert 3500 <= code[0] < 4000


def test_a_reply_carries_its_commands_number() -> None:
    assert json.loads(reply(7, "unsubscribe", {})) == {"id": 7, "unsubscribe": {}}


def test_an_error_reply_says_whether_to_try_again() -> None:
    assert json.loads(error_reply(7, ErrorCode.PERMISSION_DENIED)) == {
        "id": 7,
        "error": {"code": 103, "message": "permission denied"},
    }
    assert json.loads(error_reply(7, ErrorCode.INTERNAL))["error"]["temporary"] is True


def test_a_push_carries_the_publication_its_channel_and_its_offset() -> None:
    body = publication({"type": "submission.created", "submission": {"id": 789}}, 1882699034787846)
    assert json.loads(push("user:42", body)) == {
        "push": {
            "channel": "user:42",
            "pub": {
                "data": {"type": "submission.created", "submission": {"id": 789}},
                "offset": 1882699034787846,
            },
        }
    }


def test_a_channel_name_cannot_break_a_push() -> None:
    assert json.loads(push('user:"}\n{', publication({}, 1)))["push"]["channel"] == 'user:"}\n{'


def test_frames_hold_one_line() -> None:
    """The SDKs split frames at line feeds."""
    for frame in (reply(1, "connect", {"data": "a\nb"}), push("c", publication({"text": "a\nb"}, 1)), PING):
        assert b"\n" not in frame


def test_a_connect_reply_lists_server_side_subscriptions() -> None:
    connected = Connected("c1", "turantalim", 25, 600, {"user:42": Subscribed(9, "e", {"submissions": []})})
    content = connected.as_json()
    subscription = content.pop("subs")["user:42"]
    assert content == {
        "client": "c1",
        "version": "turantalim",
        "expires": True,
        "ttl": 600,
        "ping": 25,
        "pong": True,
    }
    assert (subscription["offset"], subscription["epoch"]) == (9, "e")
    assert subscription["data"] == {"submissions": []}
    assert "publications" not in subscription


def test_a_recovered_subscription_has_publications_in_the_place_of_a_snapshot() -> None:
    missed = tuple(publication({"type": "submission.checked"}, offset) for offset in (8, 9))
    recovered = Subscribed(9, "e", publications=missed, recovered=True, was_recovering=True)
    content = json.loads(reply(1, "subscribe", recovered.as_json()))["subscribe"]
    assert [each["offset"] for each in content["publications"]] == [8, 9]
    assert (content["recovered"], content["was_recovering"]) == (True, True)
    assert "data" not in content
