"""The aiohttp peer: `send_str` to one client after the other, which does not wait as long as nothing waits for the
client; one for whom something does is sent to in a task of its own, up to the bound.
"""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import WSMsgType, web
from reviews import BACKLOG, OUTGOING_BYTES, PING_SECONDS, PORT, Desk, Event, Refused, claims_of, room_of

DESK = web.AppKey("desk", Desk)


class Socket:
    """One client."""

    def __init__(self, request: web.Request, response: web.WebSocketResponse) -> None:
        self._transport = request.transport
        self._response = response
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, text: str) -> None:
        waiting = self._transport.get_write_buffer_size() if self._transport else 0
        if waiting > OUTGOING_BYTES and self._transport:
            self._transport.abort()
        elif waiting or self._tasks:
            task = asyncio.create_task(self._send(text))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            await self._send(text)

    async def _send(self, text: str) -> None:
        with contextlib.suppress(ConnectionError):
            await self._response.send_str(text)


rooms: dict[str, set[Socket]] = {}


async def emit(event: Event) -> None:
    text = event.as_json()
    for socket in tuple(rooms.get(event.room, ())):
        await socket.send(text)


async def status(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse(compress=False, heartbeat=PING_SECONDS)
    await response.prepare(request)
    try:
        claims = claims_of((await response.receive_json())["token"])
    except Refused as error:
        await response.close(code=4401, message=str(error).encode())
        return response
    socket, room = Socket(request, response), rooms.setdefault(room_of(claims), set())
    room.add(socket)
    try:
        await response.send_json({"submissions": await request.app[DESK].snapshot(claims)})
        async for message in response:
            if message.type is WSMsgType.ERROR:
                break
    finally:
        room.discard(socket)
    return response


async def reviews(request: web.Request) -> web.Response:
    authorization = request.headers.get("Authorization", "")
    try:
        outcome = await request.app[DESK].act(
            request.method, request.path, authorization, await request.read()
        )
    except Refused as error:
        return web.json_response({"error": str(error)}, status=error.status)
    for event in outcome.events:
        await emit(event)
    return web.json_response(outcome.submission)


async def build() -> web.Application:
    app = web.Application()
    app[DESK] = Desk()
    app.router.add_get("/status", status)
    app.router.add_route("*", "/multilevel/{rest:.*}", reviews)
    return app


if __name__ == "__main__":
    web.run_app(build(), host="127.0.0.1", port=PORT, backlog=BACKLOG, access_log=None, print=None)
