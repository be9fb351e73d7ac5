"""The aiohttp peer: `request.multipart()` read in chunks straight into the file's place, written on the event loop.

In chunks of 8 KiB it is what its documentation shows; in chunks of 1 MiB, with a read buffer of that size, it is
the fastest that was tried, and everything else waits while it writes.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import submission
from aiohttp import BodyPartReader, web
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

_CHUNK_BYTES = int(os.environ["BENCH_CHUNK_BYTES"])
_BUFFER_BYTES = max(_CHUNK_BYTES, 64 << 10)
"""aiohttp's default, or a whole chunk."""
SUBMISSIONS = web.AppKey[AsyncCollection[dict[str, Any]]]("submissions")


async def healthz(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def submit(request: web.Request) -> web.Response:
    student = submission.student_of(request.headers.get("Authorization"))
    texts: dict[str, str] = {}
    files = []
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise submission.Refused("a nested form")
        if part.filename is None:
            texts[part.name or ""] = await part.text()
        else:
            files.append(await _keep(part))
    stored = submission.document(request.match_info["section"], student, texts, files)
    await request.app[SUBMISSIONS].insert_one(stored)
    return web.json_response(submission.answer(stored), status=201)


async def _keep(part: BodyPartReader) -> dict[str, Any]:
    head = b""
    while len(head) < submission.HEAD_BYTES and (chunk := await part.read_chunk(_CHUNK_BYTES)):
        head += chunk
    found = submission.media_type(head[: submission.HEAD_BYTES])
    name = submission.new_name()
    size_bytes = len(head)
    with (submission.MEDIA / name).open("xb", buffering=0) as kept:
        kept.write(head)
        while chunk := await part.read_chunk(_CHUNK_BYTES):
            size_bytes += kept.write(chunk)
    return submission.described(part.name or "", name, found, size_bytes)


@web.middleware
async def refusals(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except submission.Refused as error:
        return web.json_response({"error": str(error)}, status=400)
    return answer


async def database(app: web.Application) -> AsyncIterator[None]:
    async with AsyncMongoClient[dict[str, Any]](submission.MONGO_URI) as client:
        app[SUBMISSIONS] = client[submission.MONGO_DATABASE]["submissions"]
        yield


def build() -> web.Application:
    app = web.Application(middlewares=[refusals], handler_args={"read_bufsize": _BUFFER_BYTES})
    app.cleanup_ctx.append(database)
    app.router.add_get("/healthz", healthz)
    app.router.add_post("/multilevel/testcheck/{section}/", submit)
    return app


if __name__ == "__main__":
    web.run_app(build(), host="127.0.0.1", port=int(os.environ["PORT"]), access_log=None, print=None)
