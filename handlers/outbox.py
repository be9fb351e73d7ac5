"""What waits to be written to one WebSocket, bounded: Tornado's own buffer has no end."""

from __future__ import annotations

import asyncio
from collections import deque

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from handlers.background import BackgroundTasks


class Outbox:
    """Frames in order, written by one task at a time."""

    def __init__(self, handler: WebSocketHandler, tasks: BackgroundTasks, limit_bytes: int) -> None:
        self._handler = handler
        self._tasks = tasks
        self._limit_bytes = limit_bytes
        self._frames: deque[tuple[bytes, int]] = deque()
        self._published_bytes = 0
        self._writer: asyncio.Task[None] | None = None

    @property
    def is_empty(self) -> bool:
        """True when the kernel has taken everything."""
        return self._writer is None

    def reply(self, frame: bytes) -> None:
        """Queue the answer to a command; `drained` keeps those few."""
        self._put(frame, 0)

    def publish(self, frame: bytes) -> bool:
        """Queue a frame nobody asked for; False if too much of that waits for the reader already."""
        if self._published_bytes and self._published_bytes + len(frame) > self._limit_bytes:
            return False
        self._put(frame, len(frame))
        return True

    async def drained(self) -> None:
        """Wait until the kernel has taken everything, so that snapshots do not pile up for a slow reader."""
        while self._writer is not None:
            await asyncio.shield(self._writer)

    def _put(self, frame: bytes, counted_bytes: int) -> None:
        self._frames.append((frame, counted_bytes))
        self._published_bytes += counted_bytes
        if self._writer is None:
            self._writer = self._tasks.start(self._write(), "write to a socket")

    async def _write(self) -> None:
        """Write until nothing waits. Each write ends when the kernel has taken the frame."""
        try:
            while self._frames:
                frame, counted_bytes = self._frames.popleft()
                await self._handler.write_message(frame.decode())
                self._published_bytes -= counted_bytes
        except WebSocketClosedError:
            self._frames.clear()
        finally:
            self._writer = None
