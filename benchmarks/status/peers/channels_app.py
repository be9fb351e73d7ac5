"""The Django Channels peer: groups of its in-memory layer, an async view for the grades; on uvicorn.

Its documentation wants the Redis layer in production, which is slower for one process; the in-memory one holds 100
messages a client and drops what is over.
"""

from __future__ import annotations

import json
from typing import Any

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path, re_path
from reviews import Desk, Refused, claims_of, room_of

settings.configure(
    SECRET_KEY="for nothing here",  # noqa: S106
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    LOGGING_CONFIG=None,
)
django.setup()
desk = Desk()


class Status(AsyncWebsocketConsumer):
    """One client."""

    room = ""

    async def connect(self) -> None:
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.room:
            return
        try:
            claims = claims_of(json.loads(text_data or "{}").get("token", ""))
        except Refused:
            await self.close(4401)
            return
        self.room = room_of(claims)
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.send(json.dumps({"submissions": await desk.snapshot(claims)}))

    async def submission(self, message: dict[str, Any]) -> None:
        """An event from the group."""
        await self.send(message["text"])

    async def disconnect(self, code: int) -> None:
        if self.room:
            await self.channel_layer.group_discard(self.room, self.channel_name)


async def reviews(request: HttpRequest) -> JsonResponse:
    authorization = request.headers.get("Authorization", "")
    try:
        outcome = await desk.act(request.method or "", request.path, authorization, request.body)
    except Refused as error:
        return JsonResponse({"error": str(error)}, status=error.status)
    layer = get_channel_layer()
    for event in outcome.events:
        await layer.group_send(event.room, {"type": "submission", "text": event.as_json()})
    return JsonResponse(outcome.submission)


urlpatterns = [re_path("^multilevel/", reviews)]
app = ProtocolTypeRouter(
    {"http": get_asgi_application(), "websocket": URLRouter([path("status", Status.as_asgi())])}
)
