"""The official Centrifugo SDK for JavaScript, in node and in Chromium; `sdk/driver.mjs` runs it there."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, StaticFileHandler
from tornado.websocket import WebSocketHandler

from tests import asyncapi
from tests.e2e.browser import chromium, open_page
from tests.e2e.clients import (
    MAX_RECONNECT_SECONDS,
    MIN_RECONNECT_SECONDS,
    WAIT_SECONDS,
    Json,
    Login,
    SdkClient,
)

_FOLDER = Path(__file__).parent / "sdk"
_PACKAGE = _FOLDER / "node_modules" / "centrifuge"
_OPTIONS = {
    "minReconnectDelay": int(MIN_RECONNECT_SECONDS * 1000),
    "maxReconnectDelay": int(MAX_RECONNECT_SECONDS * 1000),
}


def check_that_it_is_installed() -> None:
    """Without the SDK, which `make test` installs where it finds node and npm, the test is skipped."""
    if not _PACKAGE.exists() or shutil.which("node") is None:
        pytest.skip("the JavaScript SDK is not installed: apt install nodejs npm, then make test")


class Driver:
    """One running `driver.mjs`, which holds any number of clients."""

    def __init__(self) -> None:
        self._socket: WebSocketHandler | None = None
        self._arrived = asyncio.Event()
        self._clients: list[JavaScriptSdkClient] = []

    def client(self, websocket_url: str, login: Login) -> JavaScriptSdkClient:
        client = JavaScriptSdkClient(self, len(self._clients), login)
        self._clients.append(client)
        client.command("begin", url=websocket_url, token=login.token, options=_OPTIONS)
        return client

    def send(self, message: Json) -> None:
        assert self._socket is not None
        self._socket.write_message(json.dumps(message))

    async def arrived(self) -> None:
        """Wait until it takes commands."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self._arrived.wait()

    # What its side of the socket does

    def opened(self, socket: WebSocketHandler) -> None:
        self._socket = socket
        self._arrived.set()

    async def told(self, message: Json) -> None:
        await self._clients[message["client"]].told_by_sdk(message["event"], message.get("context", {}))


class JavaScriptSdkClient(SdkClient):
    def __init__(self, driver: Driver, number: int, login: Login) -> None:
        super().__init__(login)
        self._driver = driver
        self._number = number
        self.frames: list[int] = []
        """How many commands each frame held that the SDK has sent."""

    def command(self, command: str, **content: object) -> None:
        self._driver.send({"client": self._number, "command": command, **content})

    async def begin_to_connect(self) -> None:
        self.command("connect")

    async def begin_to_subscribe(self, *channels: str) -> None:
        self.command("subscribe", channels=channels)

    async def begin_to_unsubscribe(self, channel: str) -> None:
        self.command("unsubscribe", channel=channel)

    async def disconnect(self) -> None:
        self.command("disconnect")
        await self.until(lambda: self.gave_up)

    async def told_by_sdk(self, event: str, context: Json) -> None:
        """One of the SDK's own events (see ClientEvents and SubscriptionEvents in its types), or one of the
        driver's: a token is wanted, a frame was sent or received."""
        match event:
            case "connecting" if context["code"] != 0:  # 0: connect was called
                await self.connection_lost(context["code"])
            case "disconnected":
                await self.connection_given_up(context["code"])
            case "subscribed":
                await self.subscription_begun(context["channel"], context["recovered"], context.get("data"))
            case "unsubscribed":
                await self.subscription_ended(context["channel"], context["code"])
            case "publication":
                await self.publication_heard(context["channel"], context["data"], context.get("offset", 0))
            case "sent":
                commands = [json.loads(line) for line in context["text"].splitlines()]
                for command in commands:
                    asyncapi.check_command(command)
                await self.note(lambda: self.frames.append(len(commands)))
            case "received":
                for line in filter(None, context["text"].split("\n")):
                    asyncapi.check_message(line)
            case "token":
                self.command("giveToken", token=await self.token_wanted())


class _ControlHandler(WebSocketHandler):
    def initialize(self, driver: Driver) -> None:
        self._driver = driver

    def open(self, *_: str, **__: str) -> None:
        self._driver.opened(self)

    async def on_message(self, message: str | bytes) -> None:
        await self._driver.told(cast(Json, json.loads(message)))


@asynccontextmanager
async def served_driver() -> AsyncIterator[tuple[Driver, str]]:
    """A driver that has yet to come, and the origin at which its page and its control socket are."""
    driver = Driver()
    files: list[Any] = [
        ("/control", _ControlHandler, {"driver": driver}),
        ("/(centrifuge.js)", StaticFileHandler, {"path": _PACKAGE / "dist"}),
        ("/(page.html|driver.mjs)", StaticFileHandler, {"path": _FOLDER}),
    ]
    (listening,) = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(Application(files, log_function=lambda _: None))
    server.add_socket(listening)
    try:
        yield driver, f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.stop()
        await server.close_all_connections()


@asynccontextmanager
async def in_node(folder: Path) -> AsyncIterator[tuple[Driver, list[str]]]:
    """A driver in node, and the origins its connections come from: none."""
    check_that_it_is_installed()
    async with served_driver() as (driver, url):
        process = _start_node(url.replace("http://", "ws://") + "/control", folder / "node.log")
        try:
            await driver.arrived()
            yield driver, []
        finally:
            process.kill()
            process.wait()
        assert (folder / "node.log").read_bytes() == b""


@asynccontextmanager
async def in_chromium(folder: Path) -> AsyncIterator[tuple[Driver, list[str]]]:
    """A driver in a page of Chromium, and the page's origin."""
    chromium()
    check_that_it_is_installed()
    async with served_driver() as (driver, url), open_page(f"{url}/page.html", folder):
        await driver.arrived()
        yield driver, [url]


def _start_node(control_url: str, log_path: Path) -> subprocess.Popen[bytes]:
    with log_path.open("wb") as log:
        return subprocess.Popen(["node", "node.mjs", control_url], cwd=_FOLDER, stdout=log, stderr=log)
