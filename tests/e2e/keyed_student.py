"""A student whose client does as it should: a key for each upload, and the same again when no answer came."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.e2e.server_process import ServerProcess
from tests.forms import Part, content_type, encode
from tests.people import WRITING, files_of

Json = dict[str, Any]

_ANSWER_SECONDS = 60.0
"""Longer than the server may take by any of its bounds."""


class KeyedStudent:
    """Finds the server also after a restart under another address. The token is asked for once."""

    def __init__(self, server: ServerProcess, http: httpx.AsyncClient, user: str) -> None:
        self._server = server
        self._http = http
        self._user = user
        self._token = ""

    async def sign_in(self) -> None:
        answer = await self._http.post(f"{self._server.url}/dev/token", json={"user_id": self._user})
        self._token = answer.json()["access"]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def keyed(self, key: str) -> dict[str, str]:
        return self.headers | {"Idempotency-Key": key}

    async def send(self, key: str, form: Iterable[Part], path: str = WRITING) -> httpx.Response:
        """One attempt; raises httpx.TransportError if there is no answer."""
        return await self._http.post(
            self._server.url + path,
            content=encode(form),
            headers=self.keyed(key) | {"Content-Type": content_type()},
        )

    async def read(self, path: str) -> httpx.Response:
        return await self._http.get(self._server.url + path, headers=self.headers)

    async def receipt(self, key: str) -> httpx.Response:
        return await self.read(f"/multilevel/receipts/{key}/")

    async def results(self) -> list[Json]:
        results: list[Json] = (await self.read("/multilevel/test-results/")).json()["results"]
        return results

    async def files(self, submission: Json) -> list[bytes]:
        """The contents of all of a submission's files as they were sent, which only a token opens, not a link."""
        paths = [file["url"].partition("?")[0] for file in files_of(submission)]
        return [(await self.read(path)).raise_for_status().content for path in paths]


@asynccontextmanager
async def keyed_student(server: ServerProcess, user: str = "42") -> AsyncIterator[KeyedStudent]:
    """Signed in at a `server` that runs with `auth.dev_login`."""
    async with httpx.AsyncClient(timeout=_ANSWER_SECONDS) as http:
        student = KeyedStudent(server, http, user)
        await student.sign_in()
        yield student
