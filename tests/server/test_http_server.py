"""Reading straight from the socket: the same bytes as Tornado's own way, with the Tornado that is pinned."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import bind_sockets

from server.http_server import _BUFFERED, DirectStream, PacedListener

pytestmark = pytest.mark.gen_test(timeout=20)

CONTENT = bytes(range(256)) * 4096


@asynccontextmanager
async def connected(
    stream_type: type[IOStream] = DirectStream,
) -> AsyncIterator[tuple[IOStream, socket.socket]]:
    """A stream, and the socket at its other end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    stream = stream_type(ours)
    try:
        yield stream, theirs
    finally:
        stream.close()
        theirs.close()


async def send(peer: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(peer, data)


async def read_all(stream: IOStream, size_bytes: int, at_most: int) -> bytes:
    received = b""
    while len(received) < size_bytes:
        received += await stream.read_bytes(min(at_most, size_bytes - len(received)), partial=True)
    return received


async def test_tornado_still_has_what_the_direct_way_rests_on() -> None:
    """Where this fails, uploads still work, in Tornado's own and slower way."""
    async with connected() as (stream, _):
        assert vars(stream)[_BUFFERED] == 0


async def test_what_waits_is_taken_in_one_piece_past_tornados_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("Tornado's own way was taken")

    async with connected() as (stream, peer):
        await send(peer, CONTENT[:50_000])
        monkeypatch.setattr(stream, "read_from_fd", never)
        assert await stream.read_bytes(1 << 20, partial=True) == CONTENT[:50_000]


@pytest.mark.parametrize("at_most", [1, 1000, 1 << 20])
async def test_all_bytes_come_in_order_after_a_header_was_read_too_far(at_most: int) -> None:
    size = 5000 if at_most == 1 else len(CONTENT)
    async with connected() as (stream, peer):
        sending = asyncio.ensure_future(send(peer, b"head\r\n\r\n" + CONTENT[:size]))
        assert await stream.read_until(b"\r\n\r\n") == b"head\r\n\r\n"
        assert await read_all(stream, size, at_most) == CONTENT[:size]
        await sending


async def test_a_read_waits_for_the_sender() -> None:
    async with connected() as (stream, peer):
        reading = asyncio.ensure_future(read_all(stream, 3, 1 << 20))
        for byte in (b"a", b"b", b"c"):
            await asyncio.sleep(0)
            await send(peer, byte)
        assert await reading == b"abc"


async def test_never_more_is_taken_than_asked_for() -> None:
    async with connected() as (stream, peer):
        await send(peer, b"abcdef")
        assert await stream.read_bytes(4, partial=True) == b"abcd"
        assert await stream.read_bytes(2) == b"ef"


async def test_the_end_is_told_after_the_last_byte() -> None:
    async with connected() as (stream, peer):
        await send(peer, b"last")
        peer.close()
        assert await stream.read_bytes(1 << 20, partial=True) == b"last"
        with pytest.raises(StreamClosedError):
            await stream.read_bytes(1 << 20, partial=True)
        assert stream.closed()


async def test_a_reset_is_told_as_an_end() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    peer = socket.create_connection(listener.getsockname())
    accepted, _ = listener.accept()
    stream = DirectStream(accepted)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    peer.close()
    listener.close()
    with pytest.raises(StreamClosedError):
        await stream.read_bytes(1 << 20, partial=True)
    assert stream.closed()


async def test_without_tornados_name_for_it_tornados_own_way_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.http_server._BUFFERED", "a name of another version", raising=True)
    async with connected() as (stream, peer):
        await send(peer, CONTENT[:50_000])
        assert await read_all(stream, 50_000, 1 << 20) == CONTENT[:50_000]


async def test_of_many_who_come_at_once_a_few_are_taken_at_each_turn_of_the_loop() -> None:
    (bound,) = bind_sockets(0, "127.0.0.1", backlog=64)
    address = bound.getsockname()
    with PacedListener(bound) as listener, contextlib.ExitStack() as clients:
        for _ in range(10):
            clients.enter_context(socket.create_connection(address))
        turns: list[int] = []
        while sum(turns) < 10:
            taken = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
                    taken += 1
            turns.append(taken)
            await asyncio.sleep(0)
        assert turns == [4, 4, 2]
        assert listener.getsockname() == address
