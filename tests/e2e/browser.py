"""Chromium without a window, driven over its DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.e2e.processes import eventually

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SWITCHES = [
    "--headless",
    "--no-sandbox",  # which root, as in a container, cannot have
    "--disable-gpu",
    "--disable-dev-shm-usage",  # a container's /dev/shm is too small for a large body
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--remote-debugging-port=0",
]
_WAIT_SECONDS = 60.0


def chromium() -> str:
    """The program; without it the test is skipped."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("Chromium is not installed: apt install chromium")
    return found


@asynccontextmanager
async def open_page(url: str, folder: Path, *switches: str, before: str = "") -> AsyncIterator[Page]:
    """A browser with a fresh profile below `folder`, and more switches, that has loaded `url`; gone in the end.
    `before`: JavaScript that runs ahead of the page's own."""
    profile = folder / "chromium"
    process = _start(profile, folder / "chromium.log", switches)
    try:
        port_file = profile / "DevToolsActivePort"
        await eventually(lambda: port_file.exists() and port_file.read_text().count("\n") > 0)
        port = port_file.read_text().split()[0]
        async with httpx.AsyncClient(trust_env=False) as http:
            tab = (await http.put(f"http://127.0.0.1:{port}/json/new?about:blank")).json()
        async with websockets.connect(tab["webSocketDebuggerUrl"], proxy=None, max_size=None) as connection:
            page = Page(connection)
            await page.load(url, before)
            yield page
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(profile, ignore_errors=True)


class Page:
    """One tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    async def load(self, url: str, before: str = "") -> None:
        await self._command("Page.enable")
        await self._command("Page.addScriptToEvaluateOnNewDocument", source=before)
        await self._command("Page.navigate", url=url)
        async with asyncio.timeout(_WAIT_SECONDS):
            while (await self._message()).get("method") != "Page.loadEventFired":
                pass

    async def call(self, function: str, *arguments: object) -> Any:
        """What a function of the page returns, or what its promise resolves to; a rejection fails the test."""
        text = f"{function}({', '.join(map(json.dumps, arguments))})"
        result = await self._command(
            "Runtime.evaluate", expression=text, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def _command(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._numbers)
        await self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        async with asyncio.timeout(_WAIT_SECONDS):
            while (message := await self._message()).get("id") != number:
                pass
        assert "error" not in message, message["error"]
        result = message["result"]
        assert isinstance(result, dict)
        return result

    async def _message(self) -> dict[str, Any]:
        message = json.loads(await self._connection.recv())
        assert isinstance(message, dict)
        return message


def _start(profile: Path, log_path: Path, switches: Sequence[str]) -> subprocess.Popen[bytes]:
    with log_path.open("wb") as log:
        return subprocess.Popen(
            [chromium(), *_SWITCHES, *switches, f"--user-data-dir={profile}"], stdout=log, stderr=log
        )
