"""Large uploads that the server refuses, one for each kind of refusal a client can meet while it still sends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache

import httpx
import pytest

from tests.forms import BOUNDARY, encode, file
from tests.handlers.refusals import ALLOWED_ORIGIN, Headers, Refusal
from tests.handlers.reviews import Cast
from tests.handlers.uploads import chunked_head, page, send, upload_head, writing_form
from tests.handlers.wire import chunked, connect
from tests.media_samples import not_media, padded, photo
from tests.people import WRITING

PAGE_BYTES = 1 << 20
_PAGES = 8
"""With so many a body is larger than what all buffers between client and server take."""
_CHUNK_BYTES = 100_000
_KEY = "3f1b8a52-9c0e-4a57-8f25-7b6d4c1e0a99"

FRAMINGS = ("Content-Length", "chunked")
"""How a request says where its body ends (RFC 9112, 6)."""
LIMITS = pytest.mark.settings(limits={"image_bytes": PAGE_BYTES})
"""For every test with these uploads; what a kind needs beyond it, KINDS says."""

_REFUSALS = {
    "no token": Refusal(401, "unauthenticated"),
    "a reviewer": Refusal(403, "forbidden"),
    "a file too large": Refusal(413, "too_large"),
    "a request too large": Refusal(413, "too_large"),
    "no picture": Refusal(415, "unsupported_media_type"),
    "compressed": Refusal(415, "unsupported_encoding"),
    "an unknown file": Refusal(400, "invalid_form"),
    "a broken form": Refusal(400, "malformed_body"),
    "no form": Refusal(400, "not_multipart"),
    "a key reused": Refusal(422, "key_reused"),
    "too many at once": Refusal(429, "too_many_uploads"),
}
_MARKS = {
    "a request too large": pytest.mark.settings(limits={"request_bytes": 2 * PAGE_BYTES}),
    "too many at once": pytest.mark.settings(limits={"uploads_per_user": 1}),
}
KINDS = [pytest.param(kind, marks=_MARKS.get(kind, ()), id=kind) for kind in _REFUSALS]
"""For parametrize: every kind there is, by its name."""


@dataclass(frozen=True, slots=True)
class RefusedUpload:
    """A request, and what it is answered with."""

    refusal: Refusal
    headers: Headers
    body: bytes

    def request(self, framing: str = "Content-Length") -> bytes:
        if framing == "chunked":
            return chunked_head(WRITING, self.headers) + chunked(self.body, _CHUNK_BYTES)
        return self.head() + self.body

    def head(self) -> bytes:
        """With Content-Length."""
        return upload_head(WRITING, len(self.body), self.headers)

    def check(self, answer: httpx.Response) -> None:
        """It is the refusal, a page of the allowed origin can read it, and the connection ends with it."""
        self.refusal.check(answer)
        assert answer.headers["Access-Control-Allow-Origin"] == ALLOWED_ORIGIN
        assert answer.headers["Connection"] == "close"


class RefusedUploads:
    """Makes them for one server."""

    def __init__(self, base_url: str, client: httpx.AsyncClient, cast: Cast) -> None:
        self.base_url = base_url
        self._client = client
        self._cast = cast

    @asynccontextmanager
    async def of(self, kind: str) -> AsyncIterator[RefusedUpload]:
        """An upload that is refused as long as the context lasts, however often it is sent."""
        headers = {"Origin": ALLOWED_ORIGIN} | _headers(kind, self._cast)
        upload = RefusedUpload(_REFUSALS[kind], headers, _body(kind))
        if kind == "a key reused":
            assert (await send(self._client, WRITING, writing_form(), upload.headers)).status_code == 201
        if kind != "too many at once":
            yield upload
            return
        async with connect(self.base_url) as other:
            await other.send(upload_head(WRITING, 1000, self._cast.student))
            while "turantalim_uploads_in_flight 1.0" not in (await self._client.get("/metrics")).text:
                pass
            yield upload


def _headers(kind: str, cast: Cast) -> Headers:
    return {
        "no token": {},
        "a reviewer": cast.reviewer,
        "compressed": cast.student | {"Content-Encoding": "gzip"},
        "no form": cast.student | {"Content-Type": "application/octet-stream"},
        "a key reused": cast.student | {"Idempotency-Key": _KEY},
    }.get(kind, cast.student)


@cache
def _body(kind: str) -> bytes:
    too_large = [file("task1_image9", padded(photo(), PAGE_BYTES + 1))]
    first = {
        "a file too large": too_large,
        "a key reused": too_large,  # and so it cannot be what was sent under the key
        "no picture": [file("task1_image9", not_media()["pdf"])],
        "an unknown file": [file("task3_image1", page())],
    }.get(kind, [])
    pages = [file(f"task2_image{number}", padded(photo(), PAGE_BYTES)) for number in range(2, 2 + _PAGES)]
    broken = f"--{BOUNDARY}\r\nno header\r\n\r\n".encode() if kind == "a broken form" else b""
    return broken + encode([*first, *pages, *writing_form()])
