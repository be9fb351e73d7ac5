"""The error table of uploaded files: what they hold, how large, how fast. What is refused leaves nothing."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from handlers.upload import BATCH_BYTES
from tests.forms import Part, encode, file, text
from tests.handlers.kept import Kept
from tests.handlers.refusals import Headers, Refusal, covers
from tests.handlers.reviews import Cast, Json, review_path
from tests.handlers.uploads import (
    FORM,
    chunked_head,
    page,
    sound,
    speaking_form,
    submit_speaking,
    upload_head,
    without,
    writing_form,
)
from tests.handlers.wire import chunked, connect, request_head
from tests.media_samples import not_media, padded, photo
from tests.people import SPEAKING, WRITING

pytestmark = pytest.mark.gen_test(timeout=30)

SMALL = {"image_bytes": 1 << 16, "audio_bytes": 1 << 17, "request_bytes": 1 << 18, "field_bytes": 100}


def with_image(content: bytes) -> list[Part]:
    return [*without(writing_form(), "task2_image1"), file("task2_image1", content)]


def with_recording(content: bytes) -> list[Part]:
    return [
        *without(speaking_form(), "answers[0][speaking_audio]"),
        file("answers[0][speaking_audio]", content),
    ]


Form = Callable[[], list[Part]]
OVERSIZED: dict[str, tuple[str, Form, Json]] = {
    "photo": (
        WRITING,
        lambda: with_image(padded(photo(), (1 << 16) + 1)),
        {"task2_image1": ["Fayl hajmi 0.0625MB dan oshmasligi kerak"]},
    ),
    "recording": (
        SPEAKING,
        lambda: with_recording(padded(sound(), (1 << 17) + 1)),
        {"answers[0][speaking_audio]": ["Audio fayl hajmi 0.125MB dan oshmasligi kerak"]},
    ),
    "text": (
        WRITING,
        lambda: [text("user_test_id", "1" * 101), *writing_form()],
        {"user_test_id": ["Ensure this field has no more than 100 bytes."]},
    ),
}


@covers(415, "unsupported_media_type")
async def test_refuses_what_is_no_picture_whatever_it_is_called(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, kept: Kept, subtests: pytest.Subtests
) -> None:
    for what, content in not_media().items():
        with subtests.test(what):
            answer = await refusal.expect_of(
                client, "POST", WRITING, cast.student | FORM, content=encode(with_image(content))
            )
            assert answer.json()["details"] == {"task2_image1": ["Fayl formati qo'llab-quvvatlanmaydi"]}
            await kept.assert_nothing()


@covers(415, "unsupported_media_type")
async def test_each_kind_of_media_has_its_place(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, kept: Kept, subtests: pytest.Subtests
) -> None:
    for path, form in ((SPEAKING, with_recording(page())), (WRITING, with_image(sound()))):
        with subtests.test(path):
            await refusal.expect_of(client, "POST", path, cast.student | FORM, content=encode(form))
            await kept.assert_nothing()


@covers(415, "unsupported_encoding")
async def test_refuses_a_compressed_body(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, kept: Kept, subtests: pytest.Subtests
) -> None:
    for encoding in ("gzip", "deflate", "br", "zstd", "gzip, br"):
        with subtests.test(encoding):
            headers = cast.student | FORM | {"Content-Encoding": encoding}
            await refusal.expect_of(client, "POST", WRITING, headers, content=encode(writing_form()))
            await kept.assert_nothing()


@covers(413, "too_large")
@pytest.mark.settings(limits=SMALL)
async def test_a_field_one_byte_over_its_limit_is_too_large(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, kept: Kept, subtests: pytest.Subtests
) -> None:
    for what, (path, make, details) in OVERSIZED.items():
        with subtests.test(what):
            answer = await refusal.expect_of(
                client, "POST", path, cast.student | FORM, content=encode(make())
            )
            assert answer.json()["details"] == details
            await kept.assert_nothing()


@covers(413, "too_large")
@pytest.mark.settings(limits=SMALL)
@pytest.mark.parametrize("declared", [True, False], ids=["Content-Length", "chunked"])
async def test_a_request_over_its_limit_is_too_large(
    refusal: Refusal, declared: bool, base_url: str, cast: Cast, kept: Kept
) -> None:
    """Each photo is within its own limit."""
    form = [*writing_form(), *(file(f"task1_image{number}", photo(seed=number)) for number in range(2, 6))]
    body = encode([*form, *(text("note", "x" * 100) for _ in range(90))]).ljust(270_000, b"x")

    async def ask(extra: Headers) -> httpx.Response:
        async with connect(base_url) as wire:
            if declared:
                await wire.send(upload_head(WRITING, len(body), cast.student | extra), body)
            else:
                await wire.send(chunked_head(WRITING, cast.student | extra), chunked(body, 10_000))
            return await wire.answer()

    await refusal.expect(ask)
    await kept.assert_nothing()


@covers(413, "too_large")
async def test_a_length_beyond_all_numbers_is_too_large(
    refusal: Refusal, base_url: str, cast: Cast, kept: Kept
) -> None:
    async def ask(extra: Headers) -> httpx.Response:
        async with connect(base_url) as wire:
            headers = cast.student | extra | {"Content-Length": "9" * 5000, "Expect": "100-continue"}
            await wire.send(upload_head(WRITING, 0, headers))
            return await wire.answer()

    await refusal.expect(ask)
    await kept.assert_nothing()


@covers(408, "too_slow")
@pytest.mark.settings(limits={"idle_seconds": 0.3})
@pytest.mark.parametrize("sent", ["nothing", "half a file", "more than a batch"])
async def test_a_sender_that_stops_is_too_slow(
    refusal: Refusal, sent: str, base_url: str, cast: Cast, kept: Kept
) -> None:
    large = padded(photo(), 2 * BATCH_BYTES)
    body = encode(with_image(large if sent == "more than a batch" else page()))
    part = {"nothing": 0, "half a file": len(body) // 2, "more than a batch": 3 * BATCH_BYTES // 2}[sent]

    async def ask(extra: Headers) -> httpx.Response:
        async with connect(base_url) as wire:
            await wire.send(upload_head(WRITING, len(body), cast.student | extra), body[:part])
            answer = await wire.answer()
            assert answer.headers["Connection"] == "close"
            assert await wire.is_closed()
            return answer

    await refusal.expect(ask)
    await kept.assert_nothing()


@covers(408, "too_slow")
@pytest.mark.settings(limits={"idle_seconds": 0.3})
async def test_a_sender_of_json_that_stops_is_too_slow(
    refusal: Refusal, client: httpx.AsyncClient, base_url: str, cast: Cast
) -> None:
    path = review_path(await submit_speaking(client, cast.student))

    async def ask(extra: Headers) -> httpx.Response:
        async with connect(base_url) as wire:
            head = request_head("PUT", path, cast.reviewer | extra | {"Content-Length": "100"})
            await wire.send(head, b'{"revision": ')
            return await wire.answer()

    await refusal.expect(ask)


@covers(507, "storage_full")
@pytest.mark.settings(media={"reserve_bytes": 1 << 62})
async def test_below_the_reserve_there_is_no_room(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    answer = await refusal.expect_of(
        client, "POST", WRITING, cast.student | FORM, content=encode(writing_form())
    )
    assert int(answer.headers["Retry-After"]) > 0
    await kept.assert_nothing()
