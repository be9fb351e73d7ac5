"""The FastAPI peer, as its documentation shows uploads: `request.form()`, then each UploadFile copied to its place.

Starlette spools a file beyond 1 MiB to a temporary one without a name, so a large recording is written twice.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import submission
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pymongo import AsyncMongoClient
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

_COPY_BYTES = 1 << 20


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncMongoClient[dict[str, Any]](submission.MONGO_URI) as client:
        app.state.submissions = client[submission.MONGO_DATABASE]["submissions"]
        yield


app = FastAPI(lifespan=lifespan, openapi_url=None)


@app.exception_handler(submission.Refused)
async def refused(_: Request, error: submission.Refused) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 400)


@app.get("/healthz")
async def healthz() -> JSONResponse:
    return JSONResponse({"status": "ok"})


@app.post("/multilevel/testcheck/{section}/")
async def submit(section: str, request: Request) -> JSONResponse:
    student = submission.student_of(request.headers.get("Authorization"))
    async with request.form() as form:
        files = await run_in_threadpool(_keep, form)
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
    stored = submission.document(section, student, texts, files)
    await request.app.state.submissions.insert_one(stored)
    return JSONResponse(submission.answer(stored), 201)


def _keep(form: FormData) -> list[dict[str, Any]]:
    """Check and copy every file of the form, in a thread."""
    files = []
    for field, upload in form.multi_items():
        if not isinstance(upload, UploadFile):
            continue
        found = submission.media_type(upload.file.read(submission.HEAD_BYTES))
        upload.file.seek(0)
        name = submission.new_name()
        with (submission.MEDIA / name).open("xb", buffering=0) as kept:
            shutil.copyfileobj(upload.file, kept, _COPY_BYTES)
        files.append(submission.described(field, name, found, upload.size or 0))
    return files
