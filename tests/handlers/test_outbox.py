"""Outbox over a real socket pair: order, the bound, what is merged, whoever does not read or is gone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tornado.iostream import IOStream

from handlers.outbox import Outbox

LIMIT_BYTES = 1 << 20
FRAME = b"x" * 4096

pytestmark = pytest.mark.gen_test


class Reader:
    """The other end, which reads only when it is asked to."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    async def read(self, size_bytes: int) -> bytes:
        """Exactly so many bytes."""
        data = b""
        async with asyncio.timeout(4):
            while len(data) < size_bytes:
                data += await asyncio.get_running_loop().sock_recv(self._end, size_bytes - len(data))
        return data

    def close(self) -> None:
        self._end.close()


@contextmanager
def _outbox(limit_bytes: int = LIMIT_BYTES) -> Iterator[tuple[Outbox, Reader]]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    stream = IOStream(ours)
    try:
        yield Outbox(stream, limit_bytes), Reader(theirs)
    finally:
        stream.close()
        theirs.close()


def _fill(outbox: Outbox) -> int:
    """Publish until the kernel takes no more; returns how many bytes that were."""
    size_bytes = 0
    while outbox.is_empty:
        assert outbox.publish(FRAME)
        size_bytes += len(FRAME)
    return size_bytes


async def test_what_the_kernel_takes_is_there_before_anything_else_runs() -> None:
    with _outbox() as (outbox, reader):
        outbox.reply([b"one"])
        assert outbox.publish(b"two")
        outbox.publish_volatile("upload", b"three")
        assert outbox.is_empty
        assert await reader.read(11) == b"onetwothree"


async def test_order_holds_through_a_reader_who_pauses() -> None:
    with _outbox() as (outbox, reader):
        size_bytes = _fill(outbox)
        outbox.reply([b"rep", b"ly"])
        assert outbox.publish(b"publication")
        assert await reader.read(size_bytes) == b"x" * size_bytes
        assert await reader.read(16) == b"replypublication"
        await outbox.drained()
        assert outbox.is_empty


async def test_a_frame_larger_than_any_buffer_arrives_whole() -> None:
    snapshot = bytes(range(256)) * (8 << 10)  # 2 MiB, beyond the bound: that is for what nobody asked for
    with _outbox() as (outbox, reader):
        outbox.reply([snapshot])
        assert outbox.publish(b"after")
        assert await reader.read(len(snapshot) + 5) == snapshot + b"after"


async def test_refuses_what_is_over_the_bound_and_takes_it_again_once_some_was_read() -> None:
    with _outbox(limit_bytes=64 << 10) as (outbox, reader):
        size_bytes = _fill(outbox)
        waiting = 0
        while outbox.publish(FRAME):
            waiting += len(FRAME)
        assert (64 << 10) - 2 * len(FRAME) <= waiting <= 64 << 10
        await reader.read(size_bytes + waiting)
        await outbox.drained()
        assert outbox.publish(FRAME)


async def test_one_publication_larger_than_the_bound_is_sent() -> None:
    with _outbox(limit_bytes=10) as (outbox, reader):
        assert outbox.publish(FRAME)
        assert await reader.read(len(FRAME)) == FRAME


async def test_a_slow_reader_gets_only_the_last_of_what_is_outdated() -> None:
    with _outbox() as (outbox, reader):
        size_bytes = _fill(outbox)
        for number in range(1000):
            outbox.publish_volatile("a", b"a%03d" % number)
            outbox.publish_volatile("b", b"b%03d" % number)
        assert outbox.publish(b"publication")
        await reader.read(size_bytes)
        assert await reader.read(19) == b"publicationa999b999"
        await outbox.drained()
        assert outbox.is_empty


async def test_the_progress_of_endless_uploads_does_not_pile_up() -> None:
    with _outbox() as (outbox, reader):
        size_bytes = _fill(outbox)
        for number in range(1000):
            outbox.publish_volatile(str(number), b"%03d" % number)
        await reader.read(size_bytes)
        await outbox.drained()
        assert await reader.read(3 * 64) == b"".join(b"%03d" % number for number in range(936, 1000))


async def test_whoever_gave_up_sends_the_frame_under_way_and_no_other() -> None:
    with _outbox() as (outbox, reader):
        size_bytes = _fill(outbox)
        outbox.reply([b"never"])
        outbox.publish_volatile("upload", b"never")
        outbox.give_up()
        assert await reader.read(size_bytes) == b"x" * size_bytes
        await outbox.drained()
        outbox.reply([b"last"])
        assert await reader.read(4) == b"last"


async def test_says_whether_the_reader_takes_anything() -> None:
    with _outbox() as (outbox, reader):
        assert outbox.has_moved()
        _fill(outbox)
        outbox.reply([FRAME] * 256)
        assert outbox.has_moved()
        assert not outbox.has_moved()
        await reader.read(512 << 10)
        async with asyncio.timeout(4):
            while not outbox.has_moved():  # noqa: ASYNC110
                await asyncio.sleep(0)  # until the kernel has said so


@pytest.mark.parametrize("is_waiting", [True, False])
async def test_a_peer_that_is_gone_costs_nothing_and_keeps_nobody_waiting(*, is_waiting: bool) -> None:
    with _outbox() as (outbox, reader):
        if is_waiting:
            _fill(outbox)
        reader.close()
        outbox.reply([FRAME])
        async with asyncio.timeout(4):
            await outbox.drained()
        for _ in range(1000):
            assert outbox.publish(FRAME)
        assert outbox.is_empty
