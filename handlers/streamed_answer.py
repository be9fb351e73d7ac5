"""Answers of any size, sent piece by piece as their reader takes them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from tornado.iostream import StreamClosedError

from handlers.errors import is_unforeseen
from handlers.small_body import SmallBodyHandler
from storage.domain.errors import ServiceError

log = structlog.get_logger(__name__)

_RESET = struct.pack("ii", 1, 0)
"""See socket(7), SO_LINGER: on, and for no time at all."""


class StreamedAnswerHandler(SmallBodyHandler):
    """Sends what a generator makes, at the pace of whoever reads it."""

    async def stream(self, chunks: AsyncGenerator[bytes, None]) -> None:
        """Send `chunks`, each once the one before has left. What fails before the first is answered like any error.
        What fails later cuts the connection, so that nobody takes a part for the whole."""
        async with aclosing(chunks):
            chunk = await anext(chunks, b"")
            try:
                while chunk:
                    self.write(chunk)
                    await self._taken()
                    if self.request.method == "HEAD":
                        return
                    chunk = await anext(chunks, b"")
            except StreamClosedError:
                return  # whoever asked has gone
            except TimeoutError:
                self._cut("the reader stopped")  # it must not hold what is behind the answer for ever
                return
            except Exception as error:
                if is_unforeseen(error):
                    log.error("unexpected error", exc_info=error, request_id=self.request_id)
                self._cut(error.shown if isinstance(error, ServiceError) else "an error of ours")
                return
        if self.request.version == "HTTP/1.0" and "Content-Length" not in self._headers:
            self._connection.close()  # all such a client can know an end by

    async def _taken(self) -> None:
        """Wait for a slow reader, as long as a slow sender is waited for."""
        async with asyncio.timeout(self.services.body_limits.pace.idle_seconds):
            await self.flush()

    def _cut(self, cause: str) -> None:
        """End the connection by a reset: a plain close would be an end in order to a client of HTTP/1.0, and to a
        proxy that speaks it with us, as nginx does by default."""
        log.warning("answer cut off", cause=cause, request_id=self.request_id)
        stream = self._connection.stream
        if not stream.closed():
            with contextlib.suppress(OSError):
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._connection.close()
