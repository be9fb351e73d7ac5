"""What waits to be written to one WebSocket, bounded: Tornado's own buffer has no end.

A frame goes straight to the kernel while nothing waits, which is nearly always: a queue's event then costs one
system call a reviewer, and an idle socket keeps neither a task nor a buffer (`benchmarks/README.md`).
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from tornado.concurrent import Future
from tornado.iostream import IOStream, StreamClosedError

Bytes = bytes | memoryview

_KERNEL_BYTES = 64 << 10
"""Of the socket's send buffer. The kernel would let it grow to 4 MiB, beside which a bound of 1 MiB were none."""
_MAX_VOLATILE = 64
"""Uploads whose progress is kept for a slow reader; as many as one user may have under way."""


@dataclass(slots=True)
class _Backlog:
    """What the kernel would not take. There is one only while something waits."""

    frames: deque[tuple[bytes, int]] = field(default_factory=deque)
    """Each with how many published bytes are gone with it. Of the one being written Tornado has all the rest, so
    that no control frame of its own comes in the middle."""
    volatile: dict[str, bytes] = field(default_factory=dict)
    published_bytes: int = 0
    has_moved: bool = True
    emptied: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Outbox:
    """Frames to one client, in order."""

    __slots__ = ("_backlog", "_limit_bytes", "_send_now", "_stream")

    def __init__(self, stream: IOStream, limit_bytes: int) -> None:
        """`stream` is open."""
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
        self._stream = stream
        self._send_now = stream.socket.send
        self._limit_bytes = limit_bytes
        self._backlog: _Backlog | None = None

    @property
    def is_empty(self) -> bool:
        """True when the kernel has taken everything."""
        return self._backlog is None

    def reply(self, frames: Iterable[bytes]) -> None:
        """Send the answer to a command; whoever waits for `drained` before each has few of those waiting."""
        for frame in frames:
            self._put(frame)

    def publish(self, frame: bytes) -> bool:
        """Send a frame nobody asked for; False if too much of that waits for the reader already."""
        backlog, size = self._backlog, len(frame)
        if backlog is None:  # all there is to do, for thousands in a row
            if rest := self._send(frame):
                self._fall_behind(rest, size)
            return True
        if backlog.published_bytes and backlog.published_bytes + size > self._limit_bytes:
            return False
        self._queue(backlog, frame, size)
        return True

    def publish_volatile(self, key: str, frame: bytes) -> None:
        """Send a frame that the next one of the same `key` outdates: to a slow reader only the last of them, after
        all that is not outdated."""
        if self._backlog is None:
            self._put(frame)
            return
        waiting = self._backlog.volatile
        waiting.pop(key, None)
        waiting[key] = frame
        if len(waiting) > _MAX_VOLATILE:
            del waiting[next(iter(waiting))]

    async def drained(self) -> None:
        """Wait until the kernel has taken everything, so that answers do not pile up for a slow reader."""
        if self._backlog is not None:
            await asyncio.wait([self._backlog.emptied])

    def give_up(self) -> None:
        """Drop what waits: after a close frame nothing may follow (RFC 6455, section 5.5.1). A frame of which the
        kernel has a part stays whole."""
        if self._backlog is not None:
            self._backlog.frames.clear()
            self._backlog.volatile.clear()

    def has_moved(self) -> bool:
        """True if nothing waits, or the reader has taken something since this was last asked."""
        if self._backlog is None:
            return True
        moved, self._backlog.has_moved = self._backlog.has_moved, False
        return moved

    def _put(self, frame: bytes) -> None:
        """Send or queue what does not count against the bound."""
        if self._backlog is not None:
            self._queue(self._backlog, frame, 0)
        elif rest := self._send(frame):
            self._fall_behind(rest, 0)

    def _fall_behind(self, rest: Bytes, published_bytes: int) -> None:
        self._backlog = _Backlog(published_bytes=published_bytes)
        self._write(self._backlog, rest, published_bytes)

    def _queue(self, backlog: _Backlog, frame: bytes, published_bytes: int) -> None:
        backlog.published_bytes += published_bytes
        backlog.frames.append((frame, published_bytes))

    def _send(self, frame: bytes) -> Bytes:
        """Give the kernel what it takes at once; returns the rest. Nothing is left of what goes to a dead peer."""
        if self._stream.writing():  # a control frame of Tornado's own
            return frame
        try:
            sent_bytes = self._send_now(frame)
        except BlockingIOError:
            return frame
        except OSError as error:  # also of a socket that is closed
            self._stream.close(exc_info=error)
            return b""
        return b"" if sent_bytes == len(frame) else memoryview(frame)[sent_bytes:]

    def _write(self, backlog: _Backlog, rest: Bytes, published_bytes: int) -> None:
        """Have Tornado write the rest of a frame; it says when the kernel has taken it."""
        try:
            written = self._stream.write(rest)
        except StreamClosedError:
            self._end(backlog)
            return
        written.add_done_callback(partial(self._written, backlog, published_bytes))

    def _written(self, backlog: _Backlog, published_bytes: int, written: Future[None]) -> None:
        if written.cancelled() or written.exception() is not None:
            self._end(backlog)
            return
        backlog.has_moved = True
        backlog.published_bytes -= published_bytes
        while backlog.frames or backlog.volatile:
            if not backlog.frames:
                backlog.frames.extend((frame, 0) for frame in backlog.volatile.values())
                backlog.volatile.clear()
            frame, published_bytes = backlog.frames.popleft()
            rest = self._send(frame)
            if rest:
                self._write(backlog, rest, published_bytes)
                return
            backlog.published_bytes -= published_bytes
        self._end(backlog)

    def _end(self, backlog: _Backlog) -> None:
        self._backlog = None
        if not backlog.emptied.done():
            backlog.emptied.set_result(None)
