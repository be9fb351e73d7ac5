"""Progress of an upload on the student's own channel (`X-Upload-Id`; design section 4, `upload.progress`)."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from handlers.upload import BATCH_BYTES
from tests.conftest import Tokens
from tests.e2e.processes import eventually
from tests.forms import encode, file
from tests.handlers.kept import Kept
from tests.handlers.plain_socket import Json, PlainSocket, connected_socket
from tests.handlers.reviews import Cast
from tests.handlers.uploads import send, upload_head, writing_form
from tests.handlers.wire import Wire, connect
from tests.media_samples import not_media, padded, photo
from tests.people import WRITING

pytestmark = pytest.mark.gen_test(timeout=30)

UPLOAD_ID = "upload-0001"
LARGE = encode([file("task1_image2", padded(photo(), 4 << 20)), *writing_form()])


async def progress(socket: PlainSocket) -> Json:
    """The next message about an upload, which must have no offset."""
    while True:
        publication = await socket.publication()
        if publication.data["type"] == "upload.progress":
            assert publication.channel == "user:42"
            assert publication.offset == 0
            assert publication.data["upload_id"] == UPLOAD_ID
            return publication.data


async def test_says_what_is_on_the_disk_while_the_upload_comes_and_that_it_was_accepted(
    base_url: str, cast: Cast, tokens: Tokens, kept: Kept
) -> None:
    async with connected_socket(base_url, tokens.mint("42")) as socket, connect(base_url) as wire:
        head = upload_head(WRITING, len(LARGE), cast.student | {"X-Upload-Id": UPLOAD_ID})
        await wire.send(head, LARGE[: 3 << 20])
        first = await progress(socket)
        assert first["total_bytes"] == len(LARGE)
        assert 0 < first["received_bytes"] < len(LARGE)
        (part,) = first["files"]
        assert (part["field"], part["state"]) == ("task1_image2", "receiving")
        assert sum(path.stat().st_size for path in kept.files()) >= part["received_bytes"] > 0
        await wire.send(LARGE[3 << 20 :])
        assert (await wire.answer()).status_code == 201
        last = first
        while last["received_bytes"] < len(LARGE):
            last = await progress(socket)
    assert {each["field"]: each["state"] for each in last["files"]} == {
        "task1_image2": "accepted",
        "task1_image1": "accepted",
        "task2_image1": "accepted",
    }


async def test_a_slow_sender_hears_of_every_quarter_second_not_of_every_batch(
    base_url: str, cast: Cast, tokens: Tokens
) -> None:
    """What comes by then is written out, so that what is said is true."""
    async with connected_socket(base_url, tokens.mint("42")) as socket, connect(base_url) as wire:
        head = upload_head(WRITING, len(LARGE), cast.student | {"X-Upload-Id": UPLOAD_ID})
        await wire.send(head)
        sending = asyncio.ensure_future(_trickle(wire))
        received = [(await progress(socket))["received_bytes"] for _ in range(3)]
        sending.cancel()
    assert received == sorted(set(received))
    assert received[-1] < BATCH_BYTES


async def _trickle(wire: Wire) -> None:
    """A phone: a few packets, again and again."""
    for place in range(0, len(LARGE), 5000):
        await wire.send(LARGE[place : place + 5000])
        await asyncio.sleep(0.02)


async def test_says_which_file_was_refused(base_url: str, cast: Cast, tokens: Tokens) -> None:
    body = encode([*writing_form(), file("task1_image2", not_media()["pdf"])])
    async with connected_socket(base_url, tokens.mint("42")) as socket, connect(base_url) as wire:
        await wire.send(upload_head(WRITING, len(body), cast.student | {"X-Upload-Id": UPLOAD_ID}), body)
        assert (await wire.answer()).status_code == 415
        while True:
            states = {each["field"]: each["state"] for each in (await progress(socket))["files"]}
            if "refused" in states.values():
                break
    assert states == {"task1_image1": "accepted", "task2_image1": "accepted", "task1_image2": "refused"}


async def test_nobody_else_hears_of_it_and_a_bad_id_is_ignored(
    client: httpx.AsyncClient, base_url: str, cast: Cast, tokens: Tokens
) -> None:
    async with (
        connected_socket(base_url, tokens.mint("42")) as own,
        connected_socket(base_url, tokens.mint("43")) as other,
    ):
        for number, upload_id in enumerate(("short", "x" * 65, "under_score", "with space", ""), start=1):
            answer = await send(
                client, WRITING, writing_form(number), cast.student | {"X-Upload-Id": upload_id}
            )
            assert answer.status_code == 201
            assert (await own.publication()).data["type"] == "submission.created"
        await send(client, WRITING, writing_form(9), cast.student | {"X-Upload-Id": UPLOAD_ID})
        await progress(own)
        await send(client, WRITING, writing_form(1), cast.other_student)
        assert (await other.publication()).data["type"] == "submission.created"
        assert len(other.received) == 2  # the reply to connect, and that


async def test_an_upload_that_asked_for_none_writes_nothing_early(
    base_url: str, cast: Cast, kept: Kept, client: httpx.AsyncClient
) -> None:
    async with connect(base_url) as wire:
        head = upload_head(WRITING, len(LARGE), cast.student)
        await wire.send(head, LARGE[:20_000])
        assert (await client.get("/healthz")).status_code == 200
        assert kept.files() == []
        wire.abort()
    await eventually(lambda: kept.files() == [])
