"""The status socket's limits: who may open one, how many, how long, how large, how slow (design section 4)."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
import websockets
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from handlers.base import Application
from handlers.protocol.centrifugo import CloseCode
from handlers.status_socket import MAX_INBOUND_BYTES
from server.services import Built
from storage.change_feed import Change
from storage.domain.people import Role
from storage.domain.submission import Action
from tests import openapi
from tests.conftest import Tokens
from tests.handlers import wire
from tests.handlers.plain_socket import connected_socket, open_socket, socket_url
from tests.handlers.refusals import Refusal
from tests.media_samples import photo
from tests.people import Reviewer, Student, photo_file

PAGE = photo_file(photo(32, 24))


@pytest.mark.gen_test
@pytest.mark.settings(status={"connect_seconds": 0.1})
async def test_closes_a_socket_that_does_not_connect(base_url: str) -> None:
    async with open_socket(base_url) as plain:
        assert await plain.close_code() == 3502


@pytest.mark.gen_test
@pytest.mark.settings(status={"connect_seconds": 0.3})
async def test_an_expired_token_does_not_prolong_the_time_to_connect(base_url: str, tokens: Tokens) -> None:
    async with open_socket(base_url) as plain:
        assert await plain.refused("connect", token=tokens.mint(ttl_seconds=-10)) == 109
        assert await plain.close_code() == 3502


@pytest.mark.gen_test
@pytest.mark.settings(status={"connect_seconds": 0.3})
async def test_a_connected_socket_outlives_the_time_to_connect(base_url: str, tokens: Tokens) -> None:
    async with connected_socket(base_url, tokens.mint()) as connected, open_socket(base_url) as idle:
        assert await idle.close_code() == 3502  # it began later
        assert await connected.is_alive()


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:3001", "null", "https://localhost:3000"]
)
async def test_refuses_an_unknown_origin_before_the_upgrade(base_url: str, origin: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with open_socket(base_url, origin=origin):
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.gen_test
@pytest.mark.settings(cors={"allowed_origins": ["https://turantalim.uz", "http://localhost:3000"]})
@pytest.mark.parametrize("origin", ["https://turantalim.uz", "http://localhost:3000", None])
async def test_accepts_an_allowed_origin_and_a_client_that_is_no_browser(
    base_url: str, tokens: Tokens, origin: str | None
) -> None:
    async with open_socket(base_url, origin=origin) as plain:
        assert "user:42" in (await plain.connect(tokens.mint()))["subs"]


@pytest.mark.gen_test
async def test_accepts_the_origin_of_the_servers_own_pages(base_url: str, tokens: Tokens) -> None:
    async with open_socket(base_url, origin=base_url) as plain:
        assert "user:42" in (await plain.connect(tokens.mint()))["subs"]


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 400),
        ("POST", {}, 405),
        ("GET", {"Origin": "http://evil.example", "Upgrade": "websocket", "Connection": "Upgrade"}, 403),
    ],
)
async def test_a_request_that_is_not_upgraded_is_answered_like_any_other(
    base_url: str, method: str, headers: dict[str, str], status: int
) -> None:
    async with openapi.client(base_url) as http:
        answer = await http.request(method, "/connection/websocket", headers=headers)
    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Connection": "keep-alive"}, 400),
        ({"Sec-WebSocket-Key": ""}, 400),
        ({"Sec-WebSocket-Version": "12"}, 426),
        ({"Sec-WebSocket-Version": ""}, 426),
    ],
)
async def test_a_handshake_that_is_none_is_answered_as_documented(
    base_url: str, changes: dict[str, str], status: int
) -> None:
    async with wire.connect(base_url) as connection:
        await connection.send(wire.request_head("GET", "/connection/websocket", HANDSHAKE | changes))
        answer = await connection.answer()
    assert answer.status_code == status
    assert answer.headers["X-Request-Id"]
    if status == 400:
        Refusal(400, "invalid").check(answer)
    else:
        assert (answer.content, answer.headers["Sec-WebSocket-Version"]) == (b"", "13")


@pytest.mark.gen_test
@pytest.mark.settings(limits={"drain_seconds": 0.2})
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_body_sent_to_the_socket_is_read_past_not_kept(base_url: str, method: str) -> None:
    """More than Tornado would buffer: who buffers cannot answer it but with a bare 400 (promise 7)."""
    headers = {"Content-Length": str(200 << 20), "Upgrade": "websocket", "Connection": "Upgrade"}
    async with wire.connect(base_url) as connection:
        await connection.send(wire.request_head(method, "/connection/websocket", headers), b"x" * 4096)
        answer = await connection.answer()
    assert 400 <= answer.status_code < 500
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.gen_test
async def test_closes_on_a_frame_that_is_too_large(base_url: str, tokens: Tokens) -> None:
    async with connected_socket(base_url, tokens.mint()) as plain:
        await plain.send_text(_unknown_command(MAX_INBOUND_BYTES))
        assert (await plain.reply(9))["error"]["code"] == 104
        await plain.send_text(_unknown_command(MAX_INBOUND_BYTES + 1))
        assert await plain.close_code() == 1009


@pytest.mark.gen_test
async def test_refuses_a_users_sixth_socket_until_one_is_closed(base_url: str, tokens: Tokens) -> None:
    token = tokens.mint("42")
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(connected_socket(base_url, token))
        async with connected_socket(base_url, token), open_socket(base_url) as sixth:
            await sixth.send({"id": 1, "connect": {"token": token}})
            assert await sixth.close_code() == 3504
            await stack.enter_async_context(connected_socket(base_url, tokens.mint("43")))
        await stack.enter_async_context(connected_socket(base_url, token))
        async with open_socket(base_url) as again:
            await again.send({"id": 1, "connect": {"token": token}})
            assert await again.close_code() == 3504


@pytest.mark.gen_test
@pytest.mark.settings(status={"sockets": 3})
async def test_refuses_one_socket_too_many_before_the_upgrade(base_url: str, tokens: Tokens) -> None:
    async with AsyncExitStack() as stack:
        for user in ("41", "42"):
            await stack.enter_async_context(connected_socket(base_url, tokens.mint(user)))
        async with open_socket(base_url):  # counts although it has not said who it is
            with pytest.raises(websockets.InvalidStatus) as refused:
                await stack.enter_async_context(open_socket(base_url))
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["Retry-After"]
        await stack.enter_async_context(connected_socket(base_url, tokens.mint("43")))


@pytest.mark.gen_test
async def test_opens_no_socket_while_the_server_stops(base_url: str, app: Application) -> None:
    """Over a connection kept alive, say: nobody would tell it 3001 any more."""
    app.stopping = True
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with open_socket(base_url):
            pass
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["Retry-After"]


@pytest.mark.gen_test
@pytest.mark.settings(status={"commands_per_second": 2})
@pytest.mark.parametrize("flood", [["{}"] * 20, ["{}\n" * 20]])
async def test_closes_a_socket_that_sends_too_many_commands(
    base_url: str, tokens: Tokens, flood: list[str]
) -> None:
    """In as many frames or in one: pongs, for which nothing else would be due."""
    async with connected_socket(base_url, tokens.mint()) as plain:
        for frame in flood:
            await plain.send_text(frame)
        assert await plain.close_code() == 3501


@pytest.mark.gen_test
@pytest.mark.settings(status={"ping_seconds": 1, "pong_seconds": 0.4})
async def test_closes_a_socket_that_does_not_answer_a_ping(base_url: str, tokens: Tokens) -> None:
    async with open_socket(base_url, answers_pings=False) as silent:
        await silent.connect(tokens.mint())
        assert await silent.close_code() == 3012
    assert silent.pings == 1


@pytest.mark.gen_test
@pytest.mark.settings(status={"ping_seconds": 1, "pong_seconds": 0.4})
async def test_a_socket_that_answers_pings_stays(base_url: str, tokens: Tokens) -> None:
    async with connected_socket(base_url, tokens.mint()) as plain:
        await plain.pinged(3)
        assert await plain.is_alive()


@pytest.mark.gen_test
@pytest.mark.settings(status={"ping_seconds": 1, "pong_seconds": 1.5})
async def test_a_later_ping_gives_no_more_time_to_answer_an_earlier_one(
    base_url: str, tokens: Tokens
) -> None:
    async with open_socket(base_url, answers_pings=False) as silent:
        await silent.connect(tokens.mint())
        assert await silent.close_code() == 3012


@pytest.mark.gen_test(timeout=30)
@pytest.mark.settings(status={"outgoing_bytes": 64 << 10})
async def test_closes_a_reader_that_is_too_slow_and_nobody_else(
    base_url: str, built: Built, tokens: Tokens
) -> None:
    token = tokens.mint("7", Role.REVIEWER)
    async with openapi.client(base_url) as http:
        student, reviewer = Student(http, tokens.mint("42")), Reviewer(http, token)
        for number in range(1, 21):
            last = await student.submit_writing(number, [PAGE], [PAGE])
        async with connected_socket(base_url, token) as quick, _stalled_reader(base_url, token) as slow:
            await quick.subscribe("queue:writing")
            await slow.send_lines(_SUBSCRIBE)
            await reviewer.claim(last)
            heard = await quick.publication()
            assert heard.data["type"] == "submission.claimed"
            # The same again and again, over a kilobyte each, which one of the two does not read.
            submission = await built.services.submissions.find(last["id"])
            assert submission is not None
            offsets = itertools.count(heard.offset + 1)
            while await _open_sockets(http) == 2:
                for offset in itertools.islice(offsets, 20):
                    built.services.hub.changed(Change(offset, Action.CLAIM, submission))
            assert (await quick.publication()).offset == heard.offset + 1
            assert await slow.close_code() == 3008


@pytest.mark.gen_test
@pytest.mark.settings(status={"outgoing_bytes": 4096})
async def test_a_snapshot_larger_than_the_bound_reaches_a_reader_who_keeps_up(
    base_url: str, tokens: Tokens
) -> None:
    async with openapi.client(base_url) as http:
        student = Student(http, tokens.mint("42"))
        for number in range(1, 9):
            await student.submit_writing(number, [PAGE], [PAGE])
    async with connected_socket(base_url, tokens.mint("7", Role.REVIEWER)) as plain:
        # Both in one frame, as the SDKs do: the second snapshot waits for the first one's way out.
        await plain.send(
            {"id": 101, "subscribe": {"channel": "queue:writing"}},
            {"id": 102, "subscribe": {"channel": "queue:speaking"}},
            {"id": 103, "unsubscribe": {"channel": "queue:writing"}},
            {"id": 104, "subscribe": {"channel": "queue:writing"}},
        )
        replies = [await plain.reply(number) for number in (101, 102, 103, 104)]
    assert [len(replies[place]["subscribe"]["data"]["submissions"]) for place in (0, 1, 3)] == [8, 0, 8]


@pytest.mark.gen_test
async def test_says_that_it_shuts_down(base_url: str, built: Built, tokens: Tokens) -> None:
    async with connected_socket(base_url, tokens.mint()) as connected, open_socket(base_url) as fresh:
        built.services.hub.disconnect_all(CloseCode.SHUTDOWN)
        assert await connected.close_code() == 3001
        assert await fresh.close_code() == 3001


_SUBSCRIBE = '{"id":3,"subscribe":{"channel":"queue:writing"}}'


class _StalledReader:
    """A client on a bare TCP socket, whose receiving side is small and is left alone until `close_code`."""

    def __init__(self, tcp: socket.socket, protocol: ClientProtocol) -> None:
        self._tcp = tcp
        self._protocol = protocol

    async def send_lines(self, *commands: str) -> None:
        self._protocol.send_text("\n".join(commands).encode())
        await self.flush()

    async def flush(self) -> None:
        for data in self._protocol.data_to_send():
            await asyncio.get_running_loop().sock_sendall(self._tcp, data)

    async def read(self) -> bool:
        """Take what has come; False at the end."""
        data = await asyncio.get_running_loop().sock_recv(self._tcp, 64 << 10)
        if data:
            self._protocol.receive_data(data)
            self._protocol.events_received()
        return bool(data)

    async def close_code(self) -> int | None:
        """Read on, to the end of what was sent, and say with which code it was closed."""
        while self._protocol.close_rcvd is None and await self.read():
            pass
        return self._protocol.close_rcvd.code if self._protocol.close_rcvd else None


@asynccontextmanager
async def _stalled_reader(base_url: str, token: str) -> AsyncIterator[_StalledReader]:
    protocol = ClientProtocol(parse_uri(socket_url(base_url)), max_size=None)
    with socket.socket() as tcp:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        tcp.setblocking(False)
        url = httpx.URL(base_url)
        await asyncio.get_running_loop().sock_connect(tcp, (url.host, url.port))
        reader = _StalledReader(tcp, protocol)
        protocol.send_request(protocol.connect())
        await reader.flush()
        while protocol.state is not websockets.protocol.State.OPEN:
            assert await reader.read()
        await reader.send_lines(f'{{"id":1,"connect":{{"token":"{token}"}}}}')
        yield reader


async def _open_sockets(http: httpx.AsyncClient) -> int:
    lines = (await http.get("/metrics")).text.splitlines()
    return int(float(next(line for line in lines if line.startswith("turantalim_sockets ")).split()[1]))


def _unknown_command(size_bytes: int) -> str:
    start, end = '{"id": 9, "rpc": {"data": "', '"}}'
    return start + "x" * (size_bytes - len(start) - len(end)) + end
