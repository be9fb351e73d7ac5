"""What every refusal must look like, and which of them a test trips (design section 3, *Errors*)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

ALLOWED_ORIGIN = "http://localhost:3000"
_FOREIGN_ORIGIN = "http://localhost:3000.example"
_REQUEST_ID = "edge-test.0001"

Headers = dict[str, str]
Ask = Callable[[Headers], Awaitable[httpx.Response]]
"""Sends one request with these headers besides its own."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status and a machine code that belong together."""

    status: int
    code: str

    async def expect(self, ask: Ask) -> httpx.Response:
        """Ask as pages of an allowed and of another origin do; both read this refusal. Returns the first answer.

        Both at once: the request must be refused as often as it is sent.
        """
        answer, foreign = await asyncio.gather(
            ask({"Origin": ALLOWED_ORIGIN, "X-Request-Id": _REQUEST_ID}), ask({"Origin": _FOREIGN_ORIGIN})
        )
        self.check(answer)
        assert answer.headers["X-Request-Id"] == _REQUEST_ID
        assert answer.headers["Access-Control-Allow-Origin"] == ALLOWED_ORIGIN
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
        self.check(foreign)
        assert "Access-Control-Allow-Origin" not in foreign.headers
        return answer

    async def expect_of(
        self, client: httpx.AsyncClient, method: str, path: str, headers: Headers, **content: Any
    ) -> httpx.Response:
        """`expect` of an ordinary request."""
        return await self.expect(
            lambda extra: client.request(method, path, headers=headers | extra, **content)
        )

    def check(self, answer: httpx.Response) -> None:
        assert answer.status_code == self.status, answer.text
        body = answer.json()
        assert body["code"] == self.code
        assert body.keys() >= {"error", "code", "details", "request_id"}
        assert isinstance(body["error"], str)
        assert body["error"]
        _check_details(body["details"])
        assert body["request_id"] == answer.headers["X-Request-Id"]
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Origin" in answer.headers["Vary"]


COVERED: set[Refusal] = set()
"""Every refusal that a test in an imported module is marked to trip."""


def covers(status: int, code: str) -> pytest.MarkDecorator:
    """Hand the test its `refusal`, and count it as covered."""
    refusal = Refusal(status, code)
    COVERED.add(refusal)
    return pytest.mark.parametrize("refusal", [refusal], ids=[f"{status}-{code}"])


def _check_details(details: Any) -> None:
    assert isinstance(details, dict)
    for field, sentences in details.items():
        assert isinstance(field, str)
        assert sentences
        assert all(isinstance(sentence, str) and sentence for sentence in sentences)
