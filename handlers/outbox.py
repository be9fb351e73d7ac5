"""What waits to be written to one WebSocket, bounded: Tornado's own buffer has no end."""

from __future__ import annotations

from collections import deque

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from handlers.background import BackgroundTasks


class Outbox:
    """Frames in order, written by one task at a time."""

    def __init__(self, handler: WebSocketHandler, tasks: BackgroundTasks, limit_bytes: int) -> None:
        self._handler = handler
        self._tasks = tasks
        self._limit_bytes = limit_bytes
        self._frames: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._writing = False

    def put(self, frame: bytes) -> bool:
        """Queue a frame; False if the reader is too slow for what already waits."""
        if self._waiting_bytes and self._waiting_bytes + len(frame) > self._limit_bytes:
            return False  # alone, a frame may be larger: a long snapshot is no fault of the reader's
        self._waiting_bytes += len(frame)
        self._frames.append(frame)
        if not self._writing:
            self._writing = True
            self._tasks.start(self._write(), "write to a socket")
        return True

    async def _write(self) -> None:
        """Write until nothing waits. Each write ends when the kernel has taken the frame."""
        try:
            while self._frames:
                frame = self._frames.popleft()
                await self._handler.write_message(frame.decode())
                self._waiting_bytes -= len(frame)
        except WebSocketClosedError:
            self._frames.clear()
        finally:
            self._writing = False
