"""The error table, request by request: everything but uploads, which `test_upload_errors.py` has."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import httpx
import pytest

from server.settings import Settings
from tests.conftest import Tokens
from tests.handlers.kept import Kept
from tests.handlers.refusals import Headers, Refusal, covers
from tests.handlers.reviews import QUEUE, Cast, result_path, review_path
from tests.handlers.tokens import (
    bearer,
    new_rsa_key,
    public_pem,
    signed,
    signed_with_text,
    tampered,
    unsigned,
)
from tests.handlers.uploads import submit_speaking
from tests.handlers.wire import chunked, connect, request_head
from tests.people import WRITING
from tests.serving import SECRET

pytestmark = pytest.mark.gen_test(timeout=30)

RESULTS = "/multilevel/test-results/"


@covers(400, "invalid")
async def test_a_wrong_query_is_invalid(refusal: Refusal, client: httpx.AsyncClient, cast: Cast) -> None:
    answer = await refusal.expect_of(client, "GET", f"{RESULTS}?limit=0", cast.student)
    assert answer.json()["details"].keys() == {"limit"}


BAD_TOKENS: dict[str, Callable[[], Headers]] = {
    "none": dict,
    "no more than a scheme": lambda: {"Authorization": "Bearer"},
    "garbage": lambda: bearer("not.a.token"),
    "one word": lambda: bearer("no-token-at-all"),
    "encoded garbage": lambda: bearer("bm8.bm8.bm8"),
    "other scheme": lambda: bearer(signed(), scheme="Basic"),
    "other secret": lambda: bearer(signed("another secret of thirty-two bytes or more")),
    "tampered claims": lambda: bearer(tampered(signed())),
    "alg none": lambda: bearer(unsigned()),
    "other hash": lambda: bearer(signed(SECRET * 2, "HS512")),
    "public key as secret": lambda: bearer(signed_with_text(public_pem(new_rsa_key()))),
    "refresh token": lambda: bearer(signed(token_type="refresh")),
    "no expiry": lambda: bearer(signed(exp=None)),
    "no user": lambda: bearer(signed(user_id=None)),
    "unknown role": lambda: bearer(signed(role="superuser")),
}


@covers(401, "unauthenticated")
async def test_whoever_shows_no_good_token_is_unauthenticated(
    refusal: Refusal, client: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    for what, make in BAD_TOKENS.items():
        with subtests.test(what):
            answer = await refusal.expect_of(client, "GET", RESULTS, make())
            assert answer.json()["error"] == "Authentication kerak"
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@covers(401, "token_expired")
async def test_a_genuine_token_whose_time_is_over_is_expired(
    refusal: Refusal, client: httpx.AsyncClient, tokens: Tokens
) -> None:
    late = bearer(tokens.mint(ttl_seconds=-1))
    answer = await refusal.expect_of(client, "GET", RESULTS, late)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@covers(403, "forbidden")
async def test_what_is_not_the_caller_s_to_do_is_forbidden(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, subtests: pytest.Subtests
) -> None:
    submission = await submit_speaking(client, cast.student)
    review = review_path(submission)
    file = submission["questions"][0]["audio"]["url"].partition("?")[0]
    for headers, method, path in (
        (cast.student, "GET", QUEUE),
        (cast.student, "GET", review),
        (cast.student, "PUT", review),
        (cast.student, "PATCH", review),
        (cast.student, "POST", f"{review}claim/"),
        (cast.student, "DELETE", f"{review}claim/"),
        (cast.student, "POST", f"{review}reopen/"),
        (cast.other_student, "GET", result_path(submission)),
        (cast.other_student, "GET", file),
        (cast.reviewer, "POST", f"{review}reopen/"),
        (cast.reviewer, "GET", RESULTS),
        (cast.admin, "GET", RESULTS),
    ):
        with subtests.test(f"{method} {path}"):
            answer = await refusal.expect_of(client, method, path, headers)
            assert answer.json()["error"] == "Ruxsat yo'q"


@covers(404, "not_found")
async def test_what_is_not_there_is_not_found(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, subtests: pytest.Subtests
) -> None:
    for path in (
        "/",
        "/multilevel/",
        "/multilevel/test-result/",
        "/multilevel/test-result/1/",
        "/multilevel/test-result/one/",
        "/multilevel/test-result/-1/",
        "/multilevel/test-result/1234567890123456/",
        f"{QUEUE}1/",
        f"{QUEUE}1/claim/more/",
        "/media/",
        f"/media/writing/2025/10/08/{'0' * 32}.jpg",
        "/healthz/more",
    ):
        with subtests.test(path):
            answer = await refusal.expect_of(client, "GET", path, cast.reviewer)
            assert answer.json()["error"] == "Resurs topilmadi"


@covers(405, "method_not_allowed")
async def test_a_method_the_path_does_not_have_is_not_allowed(
    refusal: Refusal, client: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    for method, path, allowed in (
        ("GET", WRITING, {"POST", "OPTIONS"}),
        ("PUT", WRITING, {"POST", "OPTIONS"}),
        ("DELETE", f"{QUEUE}1/", {"GET", "HEAD", "PUT", "PATCH", "OPTIONS"}),
        ("GET", f"{QUEUE}1/claim/", {"POST", "DELETE", "OPTIONS"}),
        ("POST", RESULTS, {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/healthz", {"GET", "HEAD", "OPTIONS"}),
        ("BREW", "/healthz", {"GET", "HEAD", "OPTIONS"}),
    ):
        with subtests.test(f"{method} {path}"):
            answer = await refusal.expect_of(client, method, path, {})
            assert set(answer.headers["Allow"].split(", ")) == allowed


@covers(413, "too_large")
@pytest.mark.settings(limits={"json_bytes": 1000})
@pytest.mark.parametrize("declared", [True, False])
async def test_a_json_body_over_its_limit_is_too_large(
    refusal: Refusal, declared: bool, client: httpx.AsyncClient, base_url: str, cast: Cast
) -> None:
    submission = await submit_speaking(client, cast.student)
    body = b'{"revision": 1, "score": {"total_score": 70}, "feedback": {"comment": "%b"}}' % (b"x" * 1000)

    async def ask(extra: Headers) -> httpx.Response:
        framing = {"Content-Length": str(len(body))} if declared else {"Transfer-Encoding": "chunked"}
        async with connect(base_url) as wire:
            head = request_head("PUT", review_path(submission), cast.reviewer | extra | framing)
            await wire.send(head, body if declared else chunked(body, 100))
            return await wire.answer()

    await refusal.expect(ask)
    unchanged = await client.get(review_path(submission), headers=cast.reviewer)
    assert unchanged.json()["status"] == "pending"


@covers(416, "range_not_satisfiable")
async def test_a_range_outside_the_file_is_not_satisfiable(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast
) -> None:
    audio = (await submit_speaking(client, cast.student))["questions"][0]["audio"]
    beyond = {"Range": f"bytes={audio['size_bytes']}-"}
    answer = await refusal.expect_of(client, "GET", audio["url"], beyond)
    assert answer.headers["Content-Range"] == f"bytes */{audio['size_bytes']}"


@covers(500, "internal")
@pytest.mark.expects_errors
async def test_what_nobody_foresaw_is_internal_and_says_no_more(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, settings: Settings, kept: Kept
) -> None:
    """The fault: somebody put a folder in the place of a file."""
    audio = (await submit_speaking(client, cast.student))["questions"][0]["audio"]
    (file,) = kept.files()
    shutil.move(file, settings.server.state_dir / "moved")
    file.mkdir()
    answer = await refusal.expect_of(client, "GET", audio["url"], {})
    assert answer.json()["error"] == "Server xatosi"
    assert answer.json()["details"] == {}
