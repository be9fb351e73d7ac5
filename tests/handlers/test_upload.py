"""Uploads that are accepted, in every way a client may send them."""

from __future__ import annotations

import httpx
import pytest

from tests.e2e.processes import eventually
from tests.forms import empty_input, encode, file, text
from tests.handlers.kept import Kept
from tests.handlers.reviews import Cast, read, result_path
from tests.handlers.uploads import (
    chunked_head,
    page,
    send,
    sound,
    speaking_form,
    upload_head,
    whole_upload,
    without,
    writing_form,
)
from tests.handlers.wire import chunked, connect
from tests.media_samples import padded, photo
from tests.people import SPEAKING, WRITING, files_of

pytestmark = pytest.mark.gen_test(timeout=30)


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1000, 1 << 20])
async def test_a_body_may_come_in_chunks_of_any_size(
    chunk_bytes: int, base_url: str, cast: Cast, kept: Kept
) -> None:
    body = encode(writing_form())
    async with connect(base_url) as wire:
        await wire.send(chunked_head(WRITING, cast.student), chunked(body, chunk_bytes))
        answer = await wire.answer()
    assert answer.status_code == 201, answer.text
    assert [file["size_bytes"] for file in files_of(answer.json())] == [len(page(0)), len(page(1))]
    assert {path.read_bytes() for path in kept.files()} == {page(0), page(1)}


async def test_a_body_may_come_byte_by_byte(base_url: str, cast: Cast, kept: Kept) -> None:
    upload = whole_upload(WRITING, writing_form(), cast.student)
    async with connect(base_url) as wire:
        await wire.send(*(upload[place : place + 1] for place in range(len(upload))))
        answer = await wire.answer()
    assert answer.status_code == 201
    assert {path.read_bytes() for path in kept.files()} == {page(0), page(1)}


async def test_an_older_proxy_may_pass_it_on(base_url: str, cast: Cast) -> None:
    """nginx speaks HTTP/1.0 to a backend unless told otherwise."""
    upload = whole_upload(WRITING, writing_form(), cast.student).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    async with connect(base_url) as wire:
        await wire.send(upload)
        assert (await wire.answer()).status_code == 201
        assert await wire.is_closed()


@pytest.mark.parametrize("expectation", ["100-continue", "100-Continue"])
async def test_who_asks_before_sending_is_told_to_go_on(expectation: str, base_url: str, cast: Cast) -> None:
    body = encode(writing_form())
    async with connect(base_url) as wire:
        await wire.send(upload_head(WRITING, len(body), cast.student | {"Expect": expectation}))
        assert (await wire.answer()).status_code == 100
        await wire.send(body)
        assert (await wire.answer()).status_code == 201


async def test_texts_may_come_after_the_files(client: httpx.AsyncClient, cast: Cast) -> None:
    answer = await send(client, WRITING, writing_form()[::-1], cast.student)
    assert answer.status_code == 201
    assert answer.json()["user_test_id"] == 123


async def test_page_numbers_need_no_order_and_may_have_gaps(client: httpx.AsyncClient, cast: Cast) -> None:
    pages = {
        "task1_image10": page(0),
        "task1_image2": page(1),
        "task2_image7": page(2),
        "task1_image9": page(3),
    }
    texts = without(writing_form(), "task1_image1", "task2_image1")
    answer = await send(client, WRITING, [*(file(*each) for each in pages.items()), *texts], cast.student)
    assert answer.status_code == 201
    for question, names in zip(
        answer.json()["questions"],
        [["task1_image2", "task1_image9", "task1_image10"], ["task2_image7"]],
        strict=True,
    ):
        shown = [(await client.get(image["url"])).content for image in question["images"]]
        assert shown == [pages[name] for name in names]


async def test_what_a_file_is_called_and_declared_to_be_does_not_count(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    files = {
        "task1_image1": ("../../etc/passwd", photo(format="PNG"), "text/html"),
        "task2_image1": ("script.svg\r\nX: y", page(), "image/png"),
    }
    texts = {"user_test_id": "123", "exam_id": "456"}
    answer = await client.post(WRITING, data=texts, files=files, headers=cast.student)
    assert answer.status_code == 201
    assert [file["media_type"] for file in files_of(answer.json())] == ["image/png", "image/jpeg"]


async def test_unknown_texts_are_ignored(client: httpx.AsyncClient, cast: Cast) -> None:
    extra = [text("csrfmiddlewaretoken", "x"), text("user_test_id[]", 9), text("", "")]
    answer = await send(client, WRITING, [*extra[:2], *writing_form()], cast.student)
    assert answer.status_code == 201
    assert answer.json()["user_test_id"] == 123


async def test_an_empty_file_input_counts_as_not_sent(client: httpx.AsyncClient, cast: Cast) -> None:
    form = [*writing_form(), empty_input("task1_image2"), empty_input("task2_image2")]
    answer = await send(client, WRITING, form, cast.student)
    assert answer.status_code == 201
    assert len(files_of(answer.json())) == 2


@pytest.mark.settings(limits={"image_bytes": 1 << 20, "audio_bytes": 1 << 20})
async def test_a_file_may_have_exactly_its_limit(client: httpx.AsyncClient, cast: Cast) -> None:
    for path, name, most in (
        (WRITING, "task1_image1", padded(photo(), 1 << 20)),
        (SPEAKING, "answers[0][speaking_audio]", padded(sound(), 1 << 20)),
    ):
        form = writing_form() if path == WRITING else speaking_form()
        answer = await send(client, path, [*without(form, name), file(name, most)], cast.student)
        assert answer.status_code == 201
        assert files_of(answer.json())[0]["size_bytes"] == 1 << 20


async def test_speaking_needs_no_test_and_no_exam(client: httpx.AsyncClient, cast: Cast) -> None:
    created = (await send(client, SPEAKING, speaking_form(), cast.student)).json()
    assert (created["user_test_id"], created["exam_id"]) == (None, None)


async def test_an_upload_is_recorded_though_nobody_waits_for_the_answer(
    client: httpx.AsyncClient, base_url: str, cast: Cast, kept: Kept
) -> None:
    async with connect(base_url) as wire:
        await wire.send(whole_upload(WRITING, writing_form(), cast.student))
        await eventually(lambda: len(kept.files()) == 2)
        wire.abort()
    again = await send(client, WRITING, writing_form(), cast.student)
    assert again.status_code == 201
    assert await kept.submissions() == 1
    assert (await read(client, result_path(again.json()), cast.student))["revision"] == 1
    assert len(kept.files()) == 2
