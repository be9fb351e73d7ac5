"""Who may read which file: with a signed link, with a token, and by no other way (promise 9)."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from server.services import Built
from server.settings import Settings
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import Cast, result_path
from tests.handlers.uploads import sound, submit_speaking, submit_writing
from tests.handlers.wire import connect, request_head
from tests.people import files_of

pytestmark = pytest.mark.gen_test(timeout=30)

FORBIDDEN, NOT_FOUND = Refusal(403, "forbidden"), Refusal(404, "not_found")


async def link(client: httpx.AsyncClient, cast: Cast) -> tuple[str, dict[str, str]]:
    """The path and the query of a signed link to a recording of the student."""
    parts = urlsplit(files_of(await submit_speaking(client, cast.student))[0]["url"])
    return parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}


async def test_whoever_has_the_link_reads_the_file(client: httpx.AsyncClient, cast: Cast) -> None:
    path, query = await link(client, cast)
    for headers in ({}, cast.other_student, {"Authorization": "Bearer nonsense"}):
        answer = await client.get(path, params=query, headers=headers)
        assert (answer.status_code, answer.content) == (200, sound())


async def test_a_link_that_was_tampered_with_opens_nothing(client: httpx.AsyncClient, cast: Cast) -> None:
    path, query = await link(client, cast)
    signature = query["signature"]
    for change in (
        {"signature": signature[:-1] + ("0" if signature[-1] != "0" else "1")},
        {"signature": signature.upper()},
        {"signature": signature[:16]},
        {"signature": ""},
        {"signature": "ы" * 32},
        {"expires": str(int(query["expires"]) + 1)},
        {"expires": f"{query['expires']}0"},
        {"expires": "never"},
        {"expires": "-1"},
    ):
        answer = await client.get(path, params=query | change)
        assert answer.status_code == 403, change
        FORBIDDEN.check(answer)
    without_expiry = await client.get(path, params={"signature": signature})
    FORBIDDEN.check(without_expiry)


async def test_a_link_that_is_over_does_not_matter_to_whom_a_token_lets_in(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    path, query = await link(client, cast)
    over = query | {"expires": "1"}
    assert (await client.get(path, params=over, headers=cast.student)).status_code == 200
    FORBIDDEN.check(await client.get(path, params=over, headers=cast.other_student))
    FORBIDDEN.check(await client.get(path, params=over))


async def test_a_link_opens_its_own_file_only(client: httpx.AsyncClient, cast: Cast) -> None:
    _, query = await link(client, cast)
    other = files_of(await submit_writing(client, cast.other_student))[0]["url"].partition("?")[0]
    FORBIDDEN.check(await client.get(other, params=query))


async def test_a_link_is_over_after_its_time(client: httpx.AsyncClient, cast: Cast, built: Built) -> None:
    path, _ = await link(client, cast)
    ttl_seconds = built.services.links.ttl_seconds
    late = built.services.links.url(path.removeprefix("/media/"), time.time() - 2 * ttl_seconds)
    FORBIDDEN.check(await client.get(late))


async def test_a_link_s_time_is_what_the_settings_say(
    client: httpx.AsyncClient, cast: Cast, settings: Settings
) -> None:
    _, query = await link(client, cast)
    left = int(query["expires"]) - time.time()
    ttl_seconds = settings.media.url_ttl_seconds
    assert 0.9 * ttl_seconds < left <= 1.1 * ttl_seconds


async def test_a_link_whose_query_is_no_text_is_a_client_s_mistake(base_url: str) -> None:
    """An error in the log fails this test."""
    path = f"/media/writing/2025/10/08/{'0' * 32}.jpg?signature=%ff&expires=1"
    async with connect(base_url) as wire:
        await wire.send(request_head("GET", path, {}))
        assert (await wire.answer()).status_code in {400, 403}


async def test_owner_and_reviewers_need_no_link(client: httpx.AsyncClient, cast: Cast) -> None:
    path, _ = await link(client, cast)
    for headers in (cast.student, cast.reviewer, cast.admin):
        assert (await client.get(path, headers=headers)).content == sound()
    FORBIDDEN.check(await client.get(path, headers=cast.other_student))
    Refusal(401, "unauthenticated").check(await client.get(path))


async def test_everyone_who_reads_a_submission_gets_links_that_open(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    created = await submit_speaking(client, cast.student)
    for headers in (cast.student, cast.reviewer, cast.admin):
        shown = (await client.get(result_path(created), headers=headers)).json()
        assert (await client.get(files_of(shown)[0]["url"])).status_code == 200


async def test_a_file_that_no_submission_has_is_not_found(
    client: httpx.AsyncClient, cast: Cast, settings: Settings
) -> None:
    path, _ = await link(client, cast)
    known = settings.media.root / path.removeprefix("/media/")
    stray = known.with_name(f"{'0' * 32}.wav")
    stray.write_bytes(sound())
    for headers in (cast.student, cast.reviewer):
        NOT_FOUND.check(await client.get(path.replace(known.name, stray.name), headers=headers))


async def test_no_path_leads_out_of_the_media_root(
    client: httpx.AsyncClient, base_url: str, cast: Cast, settings: Settings
) -> None:
    path, _ = await link(client, cast)
    secret = settings.media.root.parent / "secret.wav"
    secret.write_bytes(b"not for anyone")
    drafts = next(settings.media.root.glob(".drafts/*")).name
    for attempt in (
        "/media/../secret.wav",
        "/media/%2e%2e/secret.wav",
        "/media/..%2fsecret.wav",
        "/media/speaking/../../secret.wav",
        "/media//etc/passwd",
        "/media/%2fetc%2fpasswd",
        f"/media/{settings.media.root.parent}/secret.wav",
        f"/media/.drafts/{drafts}/lock",
        "/media/speaking/",
        path.replace("/speaking/", "/speaking/../speaking/"),
        path.replace("/media/", "/media/./"),
        path.replace("/media/", "//media/"),
        f"{path}%00",
        f"{path}%00.jpg",
        path.upper(),
        "/media/speaking\\..\\..\\secret.wav",
    ):
        async with connect(base_url) as wire:
            await wire.send(request_head("GET", attempt, cast.reviewer))
            answer = await wire.answer()
        assert answer.status_code == 404, attempt
        NOT_FOUND.check(answer)
