"""Who may do what, by real requests with tokens of our own secret; other services' keys: `test_public_key.py`."""

from __future__ import annotations

import httpx
import pytest

from tests import openapi
from tests.handlers.kept import Kept
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import QUEUE, Cast, Headers, read
from tests.handlers.tokens import bearer, signed
from tests.handlers.uploads import send, submit_speaking, writing_form
from tests.people import WRITING

pytestmark = pytest.mark.gen_test(timeout=30)

RESULTS = "/multilevel/test-results/"
UNAUTHENTICATED = Refusal(401, "unauthenticated")
PREVIOUS = "the secret before the rotation, long enough too"


async def status_of(client: httpx.AsyncClient, headers: Headers, path: str = RESULTS) -> int:
    return (await client.get(path, headers=headers)).status_code


async def test_a_role_is_a_student_s_unless_the_token_says_otherwise(client: httpx.AsyncClient) -> None:
    assert await status_of(client, bearer(signed())) == 200
    assert await status_of(client, bearer(signed()), QUEUE) == 403
    for role in ("reviewer", "admin"):
        assert await status_of(client, bearer(signed(role=role)), QUEUE) == 200
        assert await status_of(client, bearer(signed(role=role))) == 403


async def test_a_user_id_is_a_number_or_a_word(client: httpx.AsyncClient) -> None:
    user_ids: list[int | str] = [42, "43", "0f8fad5b-d9cb-469f-a165-70867728950e", "aziza@example.uz"]
    user_ids += [-1, "auth0|1", "a/b", "ь"]
    for user_id in user_ids:
        await submit_speaking(client, bearer(signed(user_id=user_id)))
    queue = await read(client, QUEUE, bearer(signed(role="reviewer")))
    assert [each["student"]["id"] for each in queue["results"]] == [str(user_id) for user_id in user_ids]


async def test_any_other_user_id_is_nobody_s(client: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    wrong: list[object] = ["", " 42", "a b", "a:b", "a\n", "x" * 129, True, 4.2, [42], {}]
    for user_id in wrong:
        with subtests.test(str(user_id)):
            UNAUTHENTICATED.check(await client.get(RESULTS, headers=bearer(signed(user_id=user_id))))


async def test_a_token_without_a_type_is_an_access_token(client: httpx.AsyncClient) -> None:
    assert await status_of(client, bearer(signed(token_type=None))) == 200


async def test_an_issuer_s_clock_may_run_ahead(client: httpx.AsyncClient) -> None:
    assert await status_of(client, bearer(signed(iat=4102444800))) == 200


async def test_a_reviewer_s_name_is_shown_and_made_up_where_there_is_none(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    for seed, (reviewer, name) in enumerate([(cast.reviewer, "Admin User"), (cast.colleague, "Reviewer 8")]):
        created = await submit_speaking(client, cast.student, seed=seed)
        claimed = await client.post(f"{QUEUE}{created['manual_review_id']}/claim/", headers=reviewer)
        assert claimed.json()["claim"]["reviewer"]["name"] == name


@pytest.mark.settings(auth={"previous_secret": PREVIOUS})
async def test_tokens_of_the_previous_secret_hold_during_a_rotation(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    assert await status_of(client, bearer(signed(PREVIOUS))) == 200
    assert await status_of(client, cast.student) == 200
    assert await status_of(client, bearer(signed("a secret that was never one of ours, ever"))) == 401


async def test_without_a_rotation_there_is_no_previous_secret(client: httpx.AsyncClient) -> None:
    assert await status_of(client, bearer(signed(PREVIOUS))) == 401


OPEN_PATHS = {
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/docs/start.js",
    "/dev/token",  # answers 404 unless `auth.dev_login`
    "/connection/websocket",  # its token comes in the connect command
}
"""Design section 3: what anyone may ask."""


async def test_every_route_asks_who_is_there_unless_it_is_open_to_all(client: httpx.AsyncClient) -> None:
    """`test_openapi.py` sees to it that no route is missing from the document."""
    for documented in openapi.DOCUMENT["paths"]:
        path = next(openapi.examples(documented))
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            answer = await client.request(method, path)
            if path in OPEN_PATHS or answer.status_code == 405:
                assert answer.status_code != 401, f"{method} {path}"
            else:
                assert answer.status_code == 401, f"{method} {path}"


async def test_who_is_not_there_uploads_nothing(client: httpx.AsyncClient, kept: Kept) -> None:
    UNAUTHENTICATED.check(await send(client, WRITING, writing_form(), {}))
    await kept.assert_nothing()


@pytest.mark.settings(auth={"dev_login": False})
async def test_without_dev_login_nobody_gets_a_token(client: httpx.AsyncClient) -> None:
    answer = await client.post("/dev/token", json={"user_id": "1", "role": "admin"})
    Refusal(404, "not_found").check(answer)
