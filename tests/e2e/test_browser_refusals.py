"""A page in a real browser reads why its upload was refused, by fetch and by XMLHttpRequest (promise 7)."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from tests.e2e.browser import chromium, open_page
from tests.e2e.server_process import ServerProcess
from tests.latency_proxy import Link, latency_proxy
from tests.media_samples import photo
from tests.people import WRITING

TIMES = 3
BODY_BYTES = 60 << 20
WAYS = ("byFetch", "byXhr")
REFUSALS = {
    "no token": (401, "unauthenticated"),
    "too large": (413, "too_large"),
    "no picture": (415, "unsupported_media_type"),
    "unknown file": (400, "invalid_form"),
}
FAR = Link(bytes_per_second=512 << 20, under_way_bytes=16 << 20, buffer_bytes=256 << 10)
"""50 ms one way, and as fast as that lets it be: the bodies are large."""

PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<script>
const photo = Uint8Array.from(atob(PHOTO), character => character.charCodeAt(0))
const rest = new Blob([new Uint8Array(BODY_BYTES)])  // one for all: the browser keeps each for long

function upload(kind, token) {
  const form = new FormData()
  const begin = kind === 'no picture' ? 'The candidate answered the first question.' : photo
  const field = kind === 'unknown file' ? 'task9_image1' : 'task1_image1'
  form.append(field, new Blob([begin, rest], { type: 'image/jpeg' }), 'page.jpg')
  return [form, kind === 'no token' ? {} : { Authorization: `Bearer ${token}` }]
}

async function byFetch(url, kind, token) {
  const [body, headers] = upload(kind, token)
  const answer = await fetch(url, { method: 'POST', headers, body })
  return { status: answer.status, requestId: answer.headers.get('X-Request-Id'), body: await answer.json() }
}

function byXhr(url, kind, token) {
  const [body, headers] = upload(kind, token)
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', url)
    for (const name in headers) request.setRequestHeader(name, headers[name])
    request.onload = () => resolve({
      status: request.status,
      requestId: request.getResponseHeader('X-Request-Id'),
      body: JSON.parse(request.responseText),
    })
    request.onerror = () => reject(new Error(`network error: ${kind}`))
    request.send(body)
  })
}
</script>
"""


@pytest.mark.gen_test(timeout=120)
@pytest.mark.parametrize("drain", ["all", "a part"])
async def test_a_page_reads_why_its_upload_was_refused(drain: str, tmp_path: Path) -> None:
    """Also where the server answers when it has read only a part of the body, and over a distance."""
    chromium()
    limits = {} if drain == "all" else {"TURANTALIM_LIMITS__DRAIN_BYTES": str(4 << 20)}
    async with served_page() as page_url:
        origins = json.dumps([page_url])
        server = ServerProcess(tmp_path, TURANTALIM_CORS__ALLOWED_ORIGINS=origins, **limits)
        try:
            token = server.start().token("42")
            async with open_page(page_url, tmp_path) as page, latency_proxy(server.url, FAR) as far:
                for url in [server.url] * TIMES + [far] * TIMES:
                    for kind, (status, code) in REFUSALS.items():
                        for way in WAYS:
                            answer = await page.call(way, url + WRITING, kind, token)
                            assert (answer["status"], answer["body"]["code"]) == (status, code)
                            assert answer["body"]["request_id"] == answer["requestId"]
            assert server.log_lines("error") == []
        finally:
            server.make_sure_it_ended()


class PageHandler(RequestHandler):
    def get(self) -> None:
        content = PAGE.replace("PHOTO", json.dumps(base64.b64encode(photo(64, 48)).decode()))
        self.write(content.replace("BODY_BYTES", str(BODY_BYTES)))


@asynccontextmanager
async def served_page() -> AsyncIterator[str]:
    """The URL of PAGE, at an origin of its own."""
    (listening,) = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(Application([("/", PageHandler)], log_function=lambda _: None))
    server.add_socket(listening)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.stop()
        await server.close_all_connections()
