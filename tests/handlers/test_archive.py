"""`files.zip` over HTTP: whole and of the size that was said, for people to unpack; or refused, or cut off."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from handlers.base import Application
from server.services import Built
from server.settings import Settings
from tests.forms import file, text
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import Cast, Json, read, review_path, unsigned
from tests.handlers.uploads import page, send, sound, submit_speaking, submit_writing
from tests.handlers.wire import connect, request_head
from tests.media_samples import padded
from tests.odd_media import GPS, phone_photo
from tests.people import SPEAKING, WRITING, files_of

pytestmark = pytest.mark.gen_test(timeout=60)

LARGE_BYTES = 24 << 20
"""More than any socket takes before somebody reads."""
SLOW_READER_BYTES = 4096


def zip_path(submission: Json) -> str:
    return f"{review_path(submission)}files.zip"


async def large_recordings(client: httpx.AsyncClient, cast: Cast) -> Json:
    form = [
        text("user_test_id", 1),
        text("exam_id", 2),
        text("section_type", "speaking"),
        *(file(f"part{part}_audio", padded(sound(part), LARGE_BYTES), f"part{part}.wav") for part in (1, 3)),
    ]
    answer = await send(client, SPEAKING, form, cast.student)
    assert answer.status_code == 201, answer.text
    content = answer.json()
    assert isinstance(content, dict)
    return content


def on_disk(settings: Settings, image: Json) -> Path:
    return settings.media.root / urlsplit(image["url"]).path.removeprefix("/media/")


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        return {name: archive.read(name) for name in archive.namelist()}


async def test_it_holds_the_files_as_they_were_sent_and_what_is_known_of_them(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    written = await submit_writing(client, cast.student)
    review_id = written["manual_review_id"]
    answer = await client.get(zip_path(written), headers=cast.reviewer)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="writing-{review_id}.zip"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    entries = unpacked(answer.content)
    shown = json.loads(entries.pop("submission.json"))
    assert unsigned(shown) == unsigned(await read(client, review_path(written), cast.reviewer))
    assert entries == {
        f"writing-{review_id}-task1-1.jpg": page(0),
        f"writing-{review_id}-task2-1.jpg": page(1),
    }


async def test_recordings_are_named_by_question_or_part(client: httpx.AsyncClient, cast: Cast) -> None:
    spoken = await submit_speaking(client, cast.student, 101)
    entries = unpacked((await client.get(zip_path(spoken), headers=cast.admin)).content)
    assert entries.keys() == {"submission.json", f"speaking-{spoken['manual_review_id']}-1-question101.wav"}


@pytest.mark.parametrize("is_examined", [False, True])
async def test_photos_in_it_do_not_say_where_they_were_taken(
    client: httpx.AsyncClient, cast: Cast, built: Built, is_examined: bool
) -> None:
    """Examined or not yet, and also of a photo that no copy could be made of."""
    broken = phone_photo()[:4000]
    form = [
        text("user_test_id", 1),
        text("exam_id", 2),
        file("task1_image1", phone_photo(), "page.jpg"),
        file("task2_image1", broken, "page.jpg"),
    ]
    written = (await send(client, WRITING, form, cast.student)).json()
    if is_examined:
        assert await built.examiner.examine_next()
    answer = await client.get(zip_path(written), headers=cast.reviewer)
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    entries = unpacked(answer.content)
    whole, part = (entries[f"writing-{written['manual_review_id']}-task{task}-1.jpg"] for task in (1, 2))
    assert Image.open(io.BytesIO(whole)).size == ((600, 800) if is_examined else (800, 600))
    assert b"PhoneMaker" in broken
    for content in (whole, part):
        assert b"PhoneMaker" not in content
        assert GPS not in Image.open(io.BytesIO(content)).getexif()


async def test_head_says_what_get_would(client: httpx.AsyncClient, cast: Cast) -> None:
    written = await submit_writing(client, cast.student)
    answers = [
        await client.request(method, zip_path(written).rstrip("/"), headers=cast.reviewer)
        for method in ("GET", "HEAD")
    ]
    assert answers[1].content == b""
    for name in ("Content-Length", "Content-Type", "Content-Disposition"):
        assert answers[0].headers[name] == answers[1].headers[name]


async def test_it_is_for_reviewers(client: httpx.AsyncClient, cast: Cast) -> None:
    written = await submit_writing(client, cast.student)
    Refusal(401, "unauthenticated").check(await client.get(zip_path(written)))
    Refusal(403, "forbidden").check(await client.get(zip_path(written), headers=cast.student))
    Refusal(404, "not_found").check(
        await client.get(zip_path({"manual_review_id": 999}), headers=cast.reviewer)
    )
    Refusal(405, "method_not_allowed").check(await client.delete(zip_path(written), headers=cast.admin))


async def test_a_slow_reader_gets_all_and_slows_nobody(
    client: httpx.AsyncClient, base_url: str, cast: Cast
) -> None:
    spoken = await large_recordings(client, cast)
    whole = (await client.get(zip_path(spoken), headers=cast.reviewer)).content
    async with connect(base_url, receive_buffer_bytes=SLOW_READER_BYTES) as slow:
        await slow.send(request_head("GET", zip_path(spoken), cast.reviewer))
        await slow.head()
        other = (await client.get(zip_path(spoken), headers=cast.reviewer)).content
        content = await slow.exactly(len(whole))
    review_id = spoken["manual_review_id"]
    for each in (whole, other, content):
        entries = unpacked(each)
        for part in (1, 3):
            assert entries[f"speaking-{review_id}-part{part}.wav"] == padded(sound(part), LARGE_BYTES)


async def test_a_reader_that_hangs_up_is_no_error(
    client: httpx.AsyncClient, base_url: str, cast: Cast, app: Application
) -> None:
    """An error in the log fails this test."""
    spoken = await large_recordings(client, cast)
    async with connect(base_url, receive_buffer_bytes=SLOW_READER_BYTES) as wire:
        await wire.send(request_head("GET", zip_path(spoken), cast.reviewer))
        await wire.head()
        wire.abort()
    await app.in_flight.drained()


@pytest.mark.expects_errors
async def test_a_file_that_is_not_there_is_named_before_the_first_byte(
    client: httpx.AsyncClient, cast: Cast, settings: Settings
) -> None:
    written = await submit_writing(client, cast.student)
    on_disk(settings, files_of(written)[1]).unlink()
    for method in ("GET", "HEAD"):
        answer = await client.request(method, zip_path(written), headers=cast.reviewer)
        assert answer.status_code == 404
    answer = await client.get(zip_path(written), headers=cast.reviewer)
    Refusal(404, "not_found").check(answer)
    name = f"writing-{written['manual_review_id']}-task2-1.jpg"
    assert answer.json()["details"] == {name: ["This file is missing."]}
    assert "Content-Disposition" not in answer.headers


@pytest.mark.expects_errors
async def test_what_is_cut_short_is_never_taken_for_the_whole(
    client: httpx.AsyncClient, base_url: str, cast: Cast, settings: Settings, app: Application
) -> None:
    spoken = await large_recordings(client, cast)
    async with connect(base_url, receive_buffer_bytes=SLOW_READER_BYTES) as wire:
        await wire.send(request_head("GET", zip_path(spoken), cast.reviewer))
        await wire.head()
        on_disk(settings, files_of(spoken)[1]).unlink()
        with pytest.raises(ConnectionResetError):
            await wire.rest()
    await app.in_flight.drained()
