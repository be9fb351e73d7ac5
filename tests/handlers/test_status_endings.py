"""How sockets end when something else goes wrong: a handshake cut short, a slow reader told."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator

import pytest
import websockets
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.uri import parse_uri

from handlers.protocol.centrifugo import CloseCode
from handlers.protocol.websocket_frame import text_frame
from server.services import Built
from tests.conftest import Tokens
from tests.e2e.processes import eventually
from tests.handlers.plain_socket import socket_url


@pytest.mark.gen_test(timeout=30)
async def test_a_peer_that_is_gone_before_its_upgrade_leaves_no_trace(base_url: str, built: Built) -> None:
    """Neither in the hub nor in the log, where an error would fail this test."""
    uri = parse_uri(socket_url(base_url))
    protocol = ClientProtocol(uri)
    protocol.send_request(protocol.connect())
    (request,) = protocol.data_to_send()
    for _ in range(20):
        with socket.create_connection((uri.host, uri.port)) as peer:
            await asyncio.sleep(0)
            peer.sendall(request)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await asyncio.sleep(0.01)  # a reset has no event to wait for
    await eventually(lambda: not built.services.hub._sockets)


@pytest.mark.gen_test(timeout=30)
async def test_nothing_follows_a_close_frame(base_url: str, built: Built, tokens: Tokens) -> None:
    """Told to a reader for whom thirty publications still wait."""
    protocol = ClientProtocol(parse_uri(socket_url(base_url)), max_size=None)
    loop = asyncio.get_running_loop()
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.setblocking(False)
        await loop.sock_connect(peer, (protocol.uri.host, protocol.uri.port))
        protocol.send_request(protocol.connect())
        await loop.sock_sendall(peer, b"".join(protocol.data_to_send()))
        while protocol.state is not websockets.protocol.State.OPEN:
            protocol.receive_data(await loop.sock_recv(peer, 4096))
        protocol.send_text(f'{{"id": 1, "connect": {{"token": "{tokens.mint()}"}}}}'.encode())
        await loop.sock_sendall(peer, b"".join(protocol.data_to_send()))
        received = b""
        while b'"connect"' not in received:
            received = await loop.sock_recv(peer, 1 << 16)
        hub = built.services.hub
        (subscription,) = hub._channels["user:42"]
        for number in range(1, 41):
            subscription.publish((1 << 52) + number, text_frame(b"x" * 20_000))
        hub.disconnect_all(CloseCode.SHUTDOWN)
        rest = b""
        async with asyncio.timeout(10):
            while data := await loop.sock_recv(peer, 1 << 16):
                rest += data
    opcodes = list(_opcodes(rest))
    assert opcodes.index(Opcode.CLOSE) == len(opcodes) - 1
    assert Opcode.TEXT in opcodes


def _opcodes(data: bytes) -> Iterator[int]:
    place = 0
    while place + 2 <= len(data):
        opcode, size = data[place] & 15, data[place + 1] & 127
        place += 2
        if size == 126:
            size, place = int.from_bytes(data[place : place + 2], "big"), place + 2
        yield opcode
        place += size
