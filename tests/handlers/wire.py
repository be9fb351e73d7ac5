"""HTTP as bytes on a socket: for partial bodies, odd framing, and clients with other manners than httpx's."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import BinaryIO, TypeVar
from urllib.parse import urlsplit

import httpx

from tests import openapi

REQUEST_LINE = re.compile(rb"([A-Z]+) (/[!-~]*?)(?:\?[!-~]*)? HTTP/1\.[01]\r\n")
WAIT_SECONDS = 10.0
"""How long anything that should come is waited for; nothing takes so long but a failure."""
_WITHOUT_BODY = {204, 304}

Result = TypeVar("Result")


class Wire:
    """One connection to the server; see `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asked: re.Match[bytes] | None = None

    async def send(self, *pieces: bytes) -> None:
        """Write `pieces` one after the other, each on its own way before the next."""
        for piece in pieces:
            self._asked = REQUEST_LINE.match(piece) or self._asked
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)  # the server, on this same loop, gets its turn

    async def answer(self, method: str = "GET") -> httpx.Response:
        """The next answer, an interim one (1xx) included. `method`: what was asked with, HEAD has no body."""
        async with asyncio.timeout(WAIT_SECONDS):
            status, headers = _head(await self._reader.readuntil(b"\r\n\r\n"))
            length = _body_bytes(method, status, headers)
            answer = httpx.Response(status, headers=headers, content=await self._reader.readexactly(length))
        _hold(self._asked, answer)
        return answer

    async def head(self) -> None:
        """Read the next answer up to its body, and leave that for later."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self._reader.readuntil(b"\r\n\r\n")

    async def exactly(self, size_bytes: int) -> bytes:
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._reader.readexactly(size_bytes)

    async def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._reader.read()

    async def is_closed(self) -> bool:
        """True once the server has closed the connection, False if there is something to read first."""
        async with asyncio.timeout(WAIT_SECONDS):
            try:
                return not await self._reader.read(1)
            except ConnectionResetError:
                return True

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    def abort(self) -> None:
        """Go without a word, as a phone out of reach and its network do."""
        self._writer.transport.abort()

    def reset(self) -> None:
        """Go with a reset, as a browser does whose page is left."""
        reset_on_close(self._writer.get_extra_info("socket"))
        self.abort()


@asynccontextmanager
async def connect(base_url: str, *, receive_buffer_bytes: int | None = None) -> AsyncIterator[Wire]:
    """A connection, closed in the end. `receive_buffer_bytes`: how much the kernel takes for a slow reader."""
    host, port = _address(base_url)
    plain = socket.socket()
    if receive_buffer_bytes is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    plain.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(plain, (host, port))
    except OSError:
        plain.close()
        raise
    wire = Wire(*await asyncio.open_connection(sock=plain, limit=receive_buffer_bytes or 1 << 16))
    try:
        yield wire
    finally:
        await wire.close()


async def on_a_socket(base_url: str, client: Callable[[socket.socket], Result]) -> Result:
    """What `client` returns: it has a connection of its own and a thread to block in."""

    def run() -> Result:
        with socket.create_connection(_address(base_url), WAIT_SECONDS) as connection:
            return client(connection)

    return await asyncio.to_thread(run)


async def write_then_read(base_url: str, request: bytes) -> httpx.Response:
    """What a simple client sees that looks for an answer only after its whole request is written."""

    def exchange(connection: socket.socket) -> httpx.Response:
        connection.sendall(request)
        answer = next_answer(connection)
        _hold(REQUEST_LINE.match(request), answer)
        return answer

    return await on_a_socket(base_url, exchange)


def next_answer(connection: socket.socket) -> httpx.Response:
    """Blocks until it is there; the last one that is read from `connection`."""
    with connection.makefile("rb") as answer:
        return read_answer(answer)


def reset_on_close(connection: socket.socket) -> None:
    """See socket(7), SO_LINGER: on, and for no time at all."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_answer(source: BinaryIO) -> httpx.Response:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = source.readline()
        assert line, f"the connection ended after {head!r}"
        head += line
    status, headers = _head(head)
    return httpx.Response(status, headers=headers, content=source.read(_body_bytes("GET", status, headers)))


def request_head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    fields = {"Host": "127.0.0.1", **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunked(body: bytes, chunk_bytes: int) -> bytes:
    """`body` in the chunked transfer coding (RFC 9112, 7.1)."""
    source = io.BytesIO(body)
    chunks = iter(lambda: source.read(chunk_bytes), b"")
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def _hold(asked: re.Match[bytes] | None, answer: httpx.Response) -> None:
    """AssertionError if openapi.json does not allow `answer`. Interim ones and Tornado's own bare 400 to what is no
    HTTP are no answers of ours."""
    if asked is not None and answer.status_code >= 200 and "X-Request-Id" in answer.headers:
        openapi.check_answer(asked[1].decode(), asked[2].decode(), answer)


def _address(base_url: str) -> tuple[str, int]:
    parts = urlsplit(base_url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _head(head: bytes) -> tuple[int, list[tuple[str, str]]]:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split(" ", 2)[1]), [(name, value.strip()) for name, _, value in pairs]


def _body_bytes(method: str, status: int, headers: list[tuple[str, str]]) -> int:
    if method == "HEAD" or status < 200 or status in _WITHOUT_BODY:
        return 0
    return int(next(value for name, value in headers if name.lower() == "content-length"))
