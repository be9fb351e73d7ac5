"""A server, a student and a reviewer at applications that use one of the official SDKs, over a line one can cut."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.e2e.clients import Login, PythonSdkClient, SdkClient
from tests.e2e.javascript import in_chromium, in_node
from tests.e2e.processes import free_port
from tests.e2e.server_process import ServerProcess
from tests.handlers.tokens import signed
from tests.latency_proxy import Link, latency_proxy
from tests.media_samples import photo
from tests.people import Reviewer, Student, photo_file
from tests.serving import SECRET

PAGE = photo_file(photo(64, 48))
SCORE = {"task1_score": 20.5, "task2_score": 45.0}
SDKS = ("python", "node", "chromium")

_LINE = Link(delay_seconds=0.0)


def token(user: str, role: str = "student", ttl_seconds: int = 600) -> str:
    return signed(SECRET, user_id=user, role=role, exp=int(time.time()) + ttl_seconds)


@dataclass(slots=True)
class ExamDay:
    """`sdk` makes an application at a URL; all of them are disconnected in the end."""

    server: ServerProcess
    sdk: Callable[[str, Login], SdkClient]
    _ending: AsyncExitStack
    _line: AsyncExitStack = field(default_factory=AsyncExitStack)
    _line_port: int = field(default_factory=free_port)

    def client(self, login: Login) -> SdkClient:
        """An application that has not connected yet; its connections go over the line."""
        client = self.sdk(f"ws://127.0.0.1:{self._line_port}/connection/websocket", login)
        self._ending.push_async_callback(client.disconnect)
        return client

    async def connected(self, user: str, role: str = "student", *channels: str) -> SdkClient:
        client = self.client(Login(token(user, role)))
        await client.connect()
        if channels:
            await client.subscribe(*channels)
        return client

    @asynccontextmanager
    async def people(self) -> AsyncIterator[tuple[Student, Reviewer]]:
        """Student 42 and admin 7, at the server itself: their requests do not go over the line."""
        async with httpx.AsyncClient(base_url=self.server.url, timeout=30) as http:
            yield Student(http, token("42")), Reviewer(http, token("7", "admin"))

    async def cut_line(self) -> None:
        """Close every connection without a WebSocket close frame, and accept no others."""
        await self._line.aclose()

    async def mend_line(self) -> None:
        await self._line.enter_async_context(latency_proxy(self.server.url, _LINE, self._line_port))


@asynccontextmanager
async def exam_day(sdk: str, folder: Path, **environment: str) -> AsyncIterator[ExamDay]:
    """`sdk`: one of SDKS. The server is gone in the end; it comes back under the same address."""
    async with _sdk(sdk, folder) as (make, origins):
        server = ServerProcess(
            folder,
            TURANTALIM_SERVER__PORT=str(free_port()),
            TURANTALIM_AUTH__SECRET=SECRET,
            TURANTALIM_CORS__ALLOWED_ORIGINS=json.dumps(origins),
            **environment,
        )
        async with AsyncExitStack() as ending:
            ending.callback(server.make_sure_it_ended)
            day = ExamDay(server.start(), make, ending)
            ending.push_async_callback(day.cut_line)
            await day.mend_line()
            yield day


@asynccontextmanager
async def _sdk(name: str, folder: Path) -> AsyncIterator[tuple[Callable[[str, Login], SdkClient], list[str]]]:
    if name == "python":
        yield PythonSdkClient, []
        return
    async with {"node": in_node, "chromium": in_chromium}[name](folder) as (driver, origins):
        yield driver.client, origins
