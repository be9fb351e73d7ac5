"""/docs: a page for anyone that asks nothing of other servers."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.handlers.refusals import Refusal

pytestmark = pytest.mark.gen_test(timeout=30)

MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}


async def test_the_page_and_all_it_names_are_served(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) == 5
    for path in named:
        answer = await client.get(path)
        assert answer.status_code == 200
        assert answer.content
        media_type = MEDIA_TYPES.get(path[path.rindex(".") :], "application/json")
        assert answer.headers["Content-Type"].partition(";")[0] == media_type


async def test_only_what_we_serve_ourselves_may_run(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/docs/", "/docs/start.js"):
        policy = (await client.get(path)).headers["Content-Security-Policy"].split("; ")
        assert policy[0] == "default-src 'none'"
        assert "script-src 'self'" in policy
        assert "connect-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy


async def test_what_a_browser_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/docs/swagger-ui-bundle.js"):
        answer = await client.get(path)
        assert answer.headers["Cache-Control"] == "no-cache"
        again = await client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_nothing_else_lies_there(client: httpx.AsyncClient) -> None:
    for name in ("index.html", "swagger-ui-bundle.js.map", "..", "..%2Fopenapi.py", "%00"):
        Refusal(404, "not_found").check(await client.get(f"/docs/{name}"))
