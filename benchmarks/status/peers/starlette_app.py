"""The uvicorn peer: Starlette's WebSocket endpoint, events sent to one client after the other, as FastAPI's
documentation shows. There is no bound for slow clients: ASGI does not say what waits, and a stalled one stalls all.
"""

from __future__ import annotations

import contextlib

from reviews import Desk, Event, Refused, claims_of, room_of
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

desk = Desk()
rooms: dict[str, set[WebSocket]] = {}


async def emit(event: Event) -> None:
    text = event.as_json()
    for socket in tuple(rooms.get(event.room, ())):
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # gone: its own endpoint tidies up
            await socket.send_text(text)


async def status(socket: WebSocket) -> None:
    await socket.accept()
    try:
        claims = claims_of((await socket.receive_json())["token"])
    except Refused as error:
        await socket.close(4401, str(error))
        return
    room = rooms.setdefault(room_of(claims), set())
    room.add(socket)
    try:
        await socket.send_json({"submissions": await desk.snapshot(claims)})
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        return
    finally:
        room.discard(socket)


async def reviews(request: Request) -> JSONResponse:
    try:
        outcome = await desk.act(
            request.method,
            request.url.path,
            request.headers.get("Authorization", ""),
            await request.body(),
        )
    except Refused as error:
        return JSONResponse({"error": str(error)}, error.status)
    for event in outcome.events:
        await emit(event)
    return JSONResponse(outcome.submission)


app = Starlette(
    routes=[
        WebSocketRoute("/status", status),
        Route("/multilevel/{rest:path}", reviews, methods=["PUT", "POST", "DELETE"]),
    ]
)
