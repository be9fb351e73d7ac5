"""The python-socketio peer, on Tornado: rooms and `emit`, as its documentation shows.

Each client has a queue without a bound: python-socketio has none for slow clients.
"""

from __future__ import annotations

import asyncio
from typing import Any

import socketio
from reviews import BACKLOG, PING_SECONDS, PONG_SECONDS, PORT, Desk, Refused, claims_of, room_of
from tornado.web import Application, RequestHandler

sio = socketio.AsyncServer(
    async_mode="tornado",
    cors_allowed_origins="*",
    ping_interval=PING_SECONDS,
    ping_timeout=PONG_SECONDS,
    transports=["websocket"],
    always_connect=True,
)


class Reviews(RequestHandler):
    """Grades and claims."""

    def initialize(self, desk: Desk) -> None:
        self._desk = desk

    async def put(self) -> None:
        request = self.request
        try:
            outcome = await self._desk.act(
                request.method or "", request.path, request.headers.get("Authorization", ""), request.body
            )
        except Refused as error:
            self.set_status(error.status)
            self.finish({"error": str(error)})
            return
        for event in outcome.events:
            await sio.emit(event.type, event.submission, room=event.room)
        self.finish(outcome.submission)

    post = delete = put


async def main() -> None:
    desk = Desk()

    @sio.event
    async def connect(sid: str, _: Any, auth: Any) -> None:
        try:
            claims = claims_of(auth["token"])
        except Refused as error:
            raise socketio.exceptions.ConnectionRefusedError(str(error)) from error
        await sio.enter_room(sid, room_of(claims))
        await sio.emit("snapshot", {"submissions": await desk.snapshot(claims)}, to=sid)

    application = Application(
        [(r"/socket.io/", socketio.get_tornado_handler(sio)), (r"/multilevel/.*", Reviews, {"desk": desk})],
        log_function=lambda _: None,
    )
    application.listen(PORT, "127.0.0.1", backlog=BACKLOG)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
