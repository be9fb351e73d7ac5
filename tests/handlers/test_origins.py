"""What pages of which origins may read (design section 3: CORS headers on every response)."""

from __future__ import annotations

import httpx
import pytest

from tests.handlers.refusals import ALLOWED_ORIGIN
from tests.handlers.reviews import Cast
from tests.handlers.uploads import submit_speaking
from tests.people import WRITING

pytestmark = pytest.mark.gen_test(timeout=30)

RESULTS = "/multilevel/test-results/"


async def test_a_preflight_needs_no_token_and_allows_what_the_frontend_sends(
    client: httpx.AsyncClient,
) -> None:
    asked = {
        "Origin": ALLOWED_ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,x-upload-id",
    }
    answer = await client.options(WRITING, headers=asked)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == ALLOWED_ORIGIN
    allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed >= set(asked["Access-Control-Request-Headers"].split(","))
    assert {"GET", "POST", "PUT", "PATCH", "DELETE"} <= set(
        answer.headers["Access-Control-Allow-Methods"].split(", ")
    )


async def test_an_answer_to_a_page_of_another_origin_is_not_for_it(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    for origin in ("null", "https://evil.example", f"{ALLOWED_ORIGIN}/", ALLOWED_ORIGIN.upper(), "*"):
        for answer in (
            await client.get(RESULTS, headers=cast.student | {"Origin": origin}),
            await client.options(RESULTS, headers={"Origin": origin}),
        ):
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert answer.headers["Vary"] == "Origin"


async def test_a_page_of_an_allowed_origin_reads_answers_and_media(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    page = {"Origin": ALLOWED_ORIGIN}
    audio = (await submit_speaking(client, cast.student | page))["questions"][0]["audio"]
    for answer in (
        await client.get(RESULTS, headers=cast.student | page),
        await client.get(audio["url"], headers=page | {"Range": "bytes=0-9"}),
        await client.get("/nowhere", headers=page),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == ALLOWED_ORIGIN
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"X-Request-Id", "Retry-After", "Content-Range", "ETag", "Content-Disposition"} <= set(exposed)


async def test_a_request_keeps_its_id_if_that_is_a_plain_word(client: httpx.AsyncClient) -> None:
    kept = await client.get("/healthz", headers={"X-Request-Id": "page-load.42_a"})
    assert kept.headers["X-Request-Id"] == "page-load.42_a"
    for given in ("short", "x" * 65, "a b c d e f", 'quoted"""""', "<script>"):
        made = await client.get("/healthz", headers={"X-Request-Id": given})
        assert made.headers["X-Request-Id"] != given
        assert made.headers["X-Request-Id"].isalnum()
