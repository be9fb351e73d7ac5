"""Media as browsers and players ask for it: whole, in ranges, conditionally, slowly."""

from __future__ import annotations

import asyncio
import hashlib

import httpx
import pytest

from handlers.base import Application
from tests.forms import file, text
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import Cast, Json
from tests.handlers.uploads import page, send, sound, submit_speaking, submit_writing
from tests.handlers.wire import connect, request_head
from tests.media_samples import padded
from tests.people import SPEAKING, files_of

pytestmark = pytest.mark.gen_test(timeout=60)

LARGE_BYTES = 24 << 20
"""More than any socket takes before somebody reads."""
SLOW_READER_BYTES = 4096


async def audio_of(client: httpx.AsyncClient, cast: Cast) -> Json:
    audio = files_of(await submit_speaking(client, cast.student))[0]
    assert audio["size_bytes"] == len(sound())
    return audio


async def large_audio(client: httpx.AsyncClient, cast: Cast) -> Json:
    form = [
        text("answers[0][question]", 101),
        file("answers[0][speaking_audio]", padded(sound(), LARGE_BYTES), "long.wav"),
    ]
    return files_of((await send(client, SPEAKING, form, cast.student)).json())[0]


async def test_a_file_is_what_was_sent(client: httpx.AsyncClient, cast: Cast) -> None:
    images = files_of(await submit_writing(client, cast.student))
    for seed, image in enumerate(images):
        answer = await client.get(image["url"])
        assert answer.status_code == 200
        assert answer.content == page(seed)
        assert hashlib.sha256(answer.content).hexdigest() == image["sha256"]
        assert int(answer.headers["Content-Length"]) == image["size_bytes"] == len(page(seed))
        assert answer.headers["Content-Type"] == image["media_type"] == "image/jpeg"
        assert answer.headers["Content-Disposition"].startswith("inline")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"].startswith("private")


SIZE = len(sound())
RANGES = {
    "bytes=0-": (0, SIZE),
    "bytes=0-0": (0, 1),
    "bytes=10-19": (10, 20),
    f"bytes={SIZE - 1}-": (SIZE - 1, SIZE),
    "bytes=-1": (SIZE - 1, SIZE),
    "bytes=-100": (SIZE - 100, SIZE),
    "bytes=-99999999": (0, SIZE),
    "bytes=5-99999999": (5, SIZE),
}
IGNORED = ["bytes=5-4", "bytes=-", "bytes=a-b", "bytes=0-1,4-5", "items=0-1", "bytes 0-1", ""]


async def test_a_part_of_a_file_is_sent_as_asked(client: httpx.AsyncClient, cast: Cast) -> None:
    audio = await audio_of(client, cast)
    for wanted, (first, end) in RANGES.items():
        answer = await client.get(audio["url"], headers={"Range": wanted})
        assert answer.status_code == 206, wanted
        assert answer.content == sound()[first:end], wanted
        assert answer.headers["Content-Range"] == f"bytes {first}-{end - 1}/{SIZE}"
        assert answer.headers["Content-Type"] == "audio/wav"


async def test_a_range_that_is_not_understood_is_ignored(client: httpx.AsyncClient, cast: Cast) -> None:
    audio = await audio_of(client, cast)
    for wanted in IGNORED:
        answer = await client.get(audio["url"], headers={"Range": wanted})
        assert (answer.status_code, answer.content) == (200, sound()), wanted
        assert "Content-Range" not in answer.headers


async def test_a_range_outside_the_file_is_refused(client: httpx.AsyncClient, cast: Cast) -> None:
    audio = await audio_of(client, cast)
    for wanted in (f"bytes={SIZE}-", "bytes=99999999-", "bytes=-0"):
        answer = await client.get(audio["url"], headers={"Range": wanted})
        Refusal(416, "range_not_satisfiable").check(answer)
        assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


async def test_a_range_goes_on_only_with_the_version_it_began_with(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    audio = await audio_of(client, cast)
    etag = (await client.get(audio["url"])).headers["ETag"]
    for if_range, status in (
        (etag, 206),
        ('"another"', 200),
        (f"W/{etag}", 200),
        ("Wed, 08 Oct 2025 12:30:45 GMT", 200),
    ):
        answer = await client.get(audio["url"], headers={"Range": "bytes=10-", "If-Range": if_range})
        assert answer.status_code == status, if_range
        assert answer.content == (sound()[10:] if status == 206 else sound())


async def test_what_a_browser_has_is_not_sent_again(client: httpx.AsyncClient, cast: Cast) -> None:
    audio = await audio_of(client, cast)
    etag = (await client.get(audio["url"])).headers["ETag"]
    for known in (etag, f"W/{etag}", f'"another", {etag}', "*"):
        for method in ("GET", "HEAD"):
            answer = await client.request(method, audio["url"], headers={"If-None-Match": known})
            assert (answer.status_code, answer.content) == (304, b""), known
            assert answer.headers["ETag"] == etag
    answer = await client.get(audio["url"], headers={"If-None-Match": '"another"'})
    assert (answer.status_code, answer.content) == (200, sound())


async def test_two_files_never_share_an_etag(client: httpx.AsyncClient, cast: Cast) -> None:
    first, second = files_of(await submit_writing(client, cast.student))
    etags = [(await client.get(each["url"])).headers["ETag"] for each in (first, second)]
    assert etags[0] != etags[1]


async def test_head_says_what_get_would(client: httpx.AsyncClient, cast: Cast) -> None:
    audio = await audio_of(client, cast)
    got, asked = await client.get(audio["url"]), await client.head(audio["url"])
    assert (asked.status_code, asked.content) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges", "Content-Disposition"):
        assert asked.headers[name] == got.headers[name]


async def test_head_knows_no_ranges(client: httpx.AsyncClient, cast: Cast) -> None:
    """RFC 9110, 14.2: ranges are for GET, and ignored elsewhere."""
    audio = await audio_of(client, cast)
    answer = await client.head(audio["url"], headers={"Range": "bytes=0-9"})
    assert (answer.status_code, int(answer.headers["Content-Length"])) == (200, SIZE)


async def test_a_slow_reader_gets_all_and_slows_nobody(
    client: httpx.AsyncClient, base_url: str, cast: Cast
) -> None:
    audio = await large_audio(client, cast)
    async with connect(base_url, receive_buffer_bytes=SLOW_READER_BYTES) as slow:
        await slow.send(request_head("GET", audio["url"], {}))
        await slow.head()
        for _ in range(3):
            others = await asyncio.gather(*(client.get(audio["url"]) for _ in range(3)))
            assert {hashlib.sha256(other.content).hexdigest() for other in others} == {audio["sha256"]}
        assert (await client.get("/healthz")).status_code == 200
        content = await slow.exactly(audio["size_bytes"])
    assert hashlib.sha256(content).hexdigest() == audio["sha256"]


async def test_a_reader_that_hangs_up_is_no_error(
    client: httpx.AsyncClient, base_url: str, cast: Cast, app: Application
) -> None:
    """As players do that seek. An error in the log fails this test."""
    audio = await large_audio(client, cast)
    async with connect(base_url, receive_buffer_bytes=SLOW_READER_BYTES) as wire:
        await wire.send(request_head("GET", audio["url"], {}))
        await wire.head()
        wire.abort()
    await app.in_flight.drained()
    assert (await client.get(audio["url"], headers={"Range": "bytes=0-9"})).status_code == 206
