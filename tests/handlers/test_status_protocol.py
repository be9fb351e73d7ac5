"""The status socket's commands: connecting, tokens, channels, frames that hold none (design section 4)."""

from __future__ import annotations

import asyncio

import pytest

from handlers import status_socket
from storage.domain.people import Role
from tests import openapi
from tests.conftest import Tokens
from tests.handlers.plain_socket import connected_socket, open_socket
from tests.media_samples import photo
from tests.people import Student, photo_file

PAGE = photo_file(photo(32, 24))


@pytest.mark.gen_test
async def test_connecting_gives_an_identity_the_ping_interval_and_the_own_channel(
    base_url: str, tokens: Tokens
) -> None:
    async with open_socket(base_url) as socket:
        connected = await socket.connect(tokens.mint("42", ttl_seconds=600))
    assert connected["client"]
    assert (connected["ping"], connected["pong"], connected["expires"]) == (25, True, True)
    assert 590 < connected["ttl"] <= 600
    assert list(connected["subs"]) == ["user:42"]


@pytest.mark.gen_test
async def test_two_sockets_have_two_identities(base_url: str, tokens: Tokens) -> None:
    token = tokens.mint()
    async with open_socket(base_url) as one, open_socket(base_url) as other:
        assert (await one.connect(token))["client"] != (await other.connect(token))["client"]


@pytest.mark.gen_test
@pytest.mark.parametrize("token", ["no token", "", "a.b.c", "ключ"])
async def test_closes_on_a_bad_token(base_url: str, token: str) -> None:
    async with open_socket(base_url) as socket:
        await socket.send({"id": 1, "connect": {"token": token}})
        assert await socket.close_code() == 3500


@pytest.mark.gen_test
async def test_closes_on_a_token_of_another_secret(base_url: str, tokens: Tokens) -> None:
    head, claims, signature = tokens.mint().split(".")
    async with open_socket(base_url) as socket:
        await socket.send({"id": 1, "connect": {"token": f"{head}.{claims}.{signature[::-1]}"}})
        assert await socket.close_code() == 3500


@pytest.mark.gen_test
async def test_closes_on_a_missing_token(base_url: str) -> None:
    async with open_socket(base_url) as socket:
        await socket.send({"id": 1, "connect": {}})
        assert await socket.close_code() == 3500


@pytest.mark.gen_test
async def test_answers_an_expired_token_and_waits_for_a_fresh_one(base_url: str, tokens: Tokens) -> None:
    async with open_socket(base_url) as socket:
        assert await socket.refused("connect", token=tokens.mint(ttl_seconds=-10)) == 109
        assert "user:42" in (await socket.connect(tokens.mint()))["subs"]


@pytest.mark.gen_test
async def test_closes_when_the_token_of_a_live_socket_runs_out_unless_it_is_refreshed(
    base_url: str, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_socket, "_EXPIRY_GRACE_SECONDS", 0.2)
    short = tokens.mint(ttl_seconds=2)
    async with connected_socket(base_url, short) as refreshed, connected_socket(base_url, short) as left:
        reply = await refreshed.ask("refresh", token=tokens.mint(ttl_seconds=600))
        assert reply["refresh"]["expires"] is True
        assert 590 < reply["refresh"]["ttl"] <= 600
        # The other began later: when its time is up, so was the refreshed one's.
        assert await left.close_code() == 3005
        assert await refreshed.is_alive()


@pytest.mark.gen_test
@pytest.mark.settings(status={"commands_per_second": 100})
async def test_a_socket_outlives_its_token_by_the_grace(base_url: str, tokens: Tokens) -> None:
    short = tokens.mint(ttl_seconds=2)
    async with connected_socket(base_url, short) as socket:
        while "refresh" in await socket.ask("refresh", token=short):  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # nobody announces that a token has expired
        assert await socket.refused("refresh", token=short) == 109
        assert await socket.is_alive()


@pytest.mark.gen_test
async def test_a_refresh_with_an_expired_token_is_answered_and_the_socket_stays(
    base_url: str, tokens: Tokens
) -> None:
    async with connected_socket(base_url, tokens.mint()) as socket:
        assert await socket.refused("refresh", token=tokens.mint(ttl_seconds=-10)) == 109
        assert await socket.is_alive()


@pytest.mark.gen_test
async def test_a_refresh_cannot_turn_a_socket_into_somebody_elses(base_url: str, tokens: Tokens) -> None:
    async with connected_socket(base_url, tokens.mint("42")) as socket:
        await socket.send({"id": 9, "refresh": {"token": tokens.mint("43")}})
        assert await socket.close_code() == 3500


@pytest.mark.gen_test
async def test_whoever_is_a_reviewer_no_more_loses_the_queues_at_the_next_refresh(
    base_url: str, tokens: Tokens
) -> None:
    async with connected_socket(base_url, tokens.mint("7", Role.REVIEWER)) as socket:
        await socket.subscribe("queue:writing")
        await socket.subscribe("queue:speaking")
        await socket.ask("refresh", token=tokens.mint("7", Role.STUDENT))
        assert await socket.refused("subscribe", channel="queue:writing") == 103
        ended = [
            (push["push"]["channel"], push["push"]["unsubscribe"]["code"])
            for push in socket.received
            if "unsubscribe" in push.get("push", {})
        ]
        assert ended == [("queue:writing", 2000), ("queue:speaking", 2000)]
        async with openapi.client(base_url) as http:
            sent = await Student(http, tokens.mint("7")).submit_writing(1, [PAGE], [PAGE])
        heard = await socket.publication()
        assert (heard.channel, heard.data["submission"]["id"]) == ("user:7", sent["id"])
        assert await socket.is_alive()


@pytest.mark.gen_test
async def test_whoever_became_a_reviewer_can_have_the_queues_after_a_refresh(
    base_url: str, tokens: Tokens
) -> None:
    async with connected_socket(base_url, tokens.mint("7")) as socket:
        assert await socket.refused("subscribe", channel="queue:writing") == 103
        await socket.ask("refresh", token=tokens.mint("7", Role.REVIEWER))
        await socket.subscribe("queue:writing")


@pytest.mark.gen_test
async def test_a_refresh_with_a_bad_token_closes(base_url: str, tokens: Tokens) -> None:
    async with connected_socket(base_url, tokens.mint()) as socket:
        await socket.send({"id": 9, "refresh": {"token": "no token"}})
        assert await socket.close_code() == 3500


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("role", "channel"),
    [
        (Role.STUDENT, "queue:writing"),
        (Role.STUDENT, "queue:speaking"),
        (Role.STUDENT, "user:43"),
        (Role.REVIEWER, "user:43"),
        (Role.ADMIN, "user:43"),
        (Role.REVIEWER, "queue:reading"),
        (Role.ADMIN, "queue:"),
        (Role.REVIEWER, ""),
    ],
)
async def test_refuses_a_channel_one_may_not_have(
    base_url: str, tokens: Tokens, role: Role, channel: str
) -> None:
    async with connected_socket(base_url, tokens.mint("42", role)) as socket:
        assert await socket.refused("subscribe", channel=channel) == 103
        assert await socket.is_alive()


@pytest.mark.gen_test
@pytest.mark.parametrize("role", [Role.REVIEWER, Role.ADMIN])
async def test_reviewers_and_admins_may_have_both_queues(base_url: str, tokens: Tokens, role: Role) -> None:
    async with connected_socket(base_url, tokens.mint("7", role)) as socket:
        for channel in ("queue:writing", "queue:speaking"):
            assert (await socket.subscribe(channel))["positioned"] is True


@pytest.mark.gen_test
async def test_a_channel_can_be_left_and_had_again_but_not_had_twice(base_url: str, tokens: Tokens) -> None:
    async with connected_socket(base_url, tokens.mint("7", Role.REVIEWER)) as socket:
        await socket.subscribe("queue:writing")
        assert await socket.refused("subscribe", channel="queue:writing") == 105
        assert await socket.refused("subscribe", channel="user:7") == 105
        assert (await socket.ask("unsubscribe", channel="queue:writing"))["unsubscribe"] == {}
        await socket.subscribe("queue:writing")


@pytest.mark.gen_test
async def test_commands_of_one_frame_are_answered_in_their_order(base_url: str, tokens: Tokens) -> None:
    token = tokens.mint("7", Role.REVIEWER)
    async with open_socket(base_url) as socket:
        await socket.send(
            {"id": 1, "connect": {"token": token}},
            {"id": 2, "subscribe": {"channel": "queue:writing"}},
            {"id": 3, "subscribe": {"channel": "user:8"}},
            {"id": 4, "subscribe": {"channel": "queue:speaking"}},
            {"id": 5, "presence": {"channel": "queue:writing"}},
            {"id": 6, "unsubscribe": {"channel": "queue:writing"}},
        )
        await socket.reply(6)
    assert [(reply["id"], *sorted(set(reply) - {"id"})) for reply in socket.received] == [
        (1, "connect"),
        (2, "subscribe"),
        (3, "error"),
        (4, "subscribe"),
        (5, "error"),
        (6, "unsubscribe"),
    ]


@pytest.mark.gen_test
@pytest.mark.parametrize("command", ["publish", "presence", "history", "rpc", "send", "sub_refresh"])
async def test_a_command_nobody_offers_leaves_the_socket_alive(
    base_url: str, tokens: Tokens, command: str
) -> None:
    async with connected_socket(base_url, tokens.mint()) as socket:
        assert await socket.refused(command, channel="user:42", data={}) == 104
        assert await socket.is_alive()


@pytest.mark.gen_test
async def test_a_binary_frame_is_read_like_a_text(base_url: str, tokens: Tokens) -> None:
    async with connected_socket(base_url, tokens.mint()) as socket:
        await socket.send_text(b'{"id": 9, "rpc": {}}\n')
        assert (await socket.reply(9))["error"]["code"] == 104


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "frame",
    [
        '{"id": 1, "subscribe": {"channel": "queue:writing"}}',
        '{"id": 1, "refresh": {"token": "x"}}',
        '{"id": 1, "rpc": {}}',
        "{}",
    ],
)
async def test_closes_on_a_command_before_connect(base_url: str, frame: str) -> None:
    async with open_socket(base_url) as socket:
        await socket.send_text(frame)
        assert await socket.close_code() == 3501


@pytest.mark.gen_test
async def test_closes_on_a_second_connect(base_url: str, tokens: Tokens) -> None:
    async with connected_socket(base_url, tokens.mint()) as socket:
        await socket.send({"id": 9, "connect": {"token": tokens.mint()}})
        assert await socket.close_code() == 3501


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "frame",
    [
        "GET / HTTP/1.1",
        "[]",
        "null",
        '"connect"',
        '{"connect": {}}',
        '{"id": 0, "rpc": {}}',
        '{"id": true, "rpc": {}}',
        '{"id": 2, "subscribe": {"channel": 7}}',
        "[" * 5000,
        b"\xff\xfe",
    ],
)
async def test_closes_on_what_is_no_command(base_url: str, tokens: Tokens, frame: str | bytes) -> None:
    async with connected_socket(base_url, tokens.mint()) as socket:
        await socket.send_text(frame)
        assert await socket.close_code() == 3501
