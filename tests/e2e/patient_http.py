"""HTTP against a server that is killed now and then: no answer, and 503, leave open what has come of a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

Json = dict[str, Any]
Headers = dict[str, str]

RETRY_SECONDS = 0.1
_ANSWER_SECONDS = 60.0
"""Longer than the server may take by any of its bounds."""
_PAGE = 200


class PatientHttp:
    """Asks, and reads until there is an answer."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ask(self, method: str, path: str, headers: Headers, **content: Any) -> httpx.Response | None:
        """One attempt. None: nobody knows whether it was done."""
        try:
            answer = await self._http.request(method, path, headers=headers, **content)
        except httpx.TransportError:
            return None
        return None if answer.status_code == 503 else answer

    async def insist(self, method: str, path: str, headers: Headers, **content: Any) -> httpx.Response:
        """Again and again, for what does no harm twice."""
        while True:
            answer = await self.ask(method, path, headers, **content)
            if answer is not None:
                return answer
            await asyncio.sleep(RETRY_SECONDS)

    async def read(self, path: str, headers: Headers) -> Json:
        answer = await self.insist("GET", path, headers)
        assert answer.status_code == 200, answer.text
        content = answer.json()
        assert isinstance(content, dict)
        return content

    async def read_all(self, path: str, headers: Headers) -> list[Json]:
        """The results of every page of a list; `path` has a query already."""
        results: list[Json] = []
        cursor = ""
        while True:
            page = await self.read(f"{path}&limit={_PAGE}{cursor}", headers)
            results += page["results"]
            if page["next"] is None:
                return results
            cursor = f"&cursor={page['next']}"


@asynccontextmanager
async def patient_http(url: str) -> AsyncIterator[PatientHttp]:
    async with httpx.AsyncClient(base_url=url, timeout=_ANSWER_SECONDS) as http:
        yield PatientHttp(http)
