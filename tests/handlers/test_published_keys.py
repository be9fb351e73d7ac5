"""Tokens that another service signs with keys it publishes (`auth.jwks_url`), while it rotates them or is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from tornado.ioloop import IOLoop

from server.settings import Settings
from tests.e2e.processes import eventually
from tests.handlers.key_publisher import KeyPublisher
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import Cast
from tests.handlers.tokens import PrivateKey, bearer, new_ec_key, new_rsa_key, signed_by

pytestmark = pytest.mark.gen_test(timeout=30)

RESULTS = "/multilevel/test-results/"
UNAUTHENTICATED, UNAVAILABLE = Refusal(401, "unauthenticated"), Refusal(503, "unavailable")


@pytest.fixture(scope="module")
def keys() -> list[PrivateKey]:
    return [new_rsa_key(), new_ec_key(), new_ec_key()]


@pytest.fixture
def publisher(io_loop: IOLoop, keys: list[PrivateKey]) -> Iterator[KeyPublisher]:
    """It publishes `keys[0]` as "first"."""

    async def start() -> KeyPublisher:
        return KeyPublisher()

    publisher: KeyPublisher = io_loop.run_sync(start)
    publisher.keys = {"first": keys[0]}
    yield publisher
    publisher.answering.set()
    publisher.server.stop()
    io_loop.run_sync(publisher.server.close_all_connections)


@pytest.fixture
def settings(settings: Settings, publisher: KeyPublisher) -> Settings:
    auth = settings.auth.model_copy(update={"jwks_url": publisher.url})
    return settings.model_copy(update={"auth": auth})


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server asks for unknown keys as often as it likes."""
    monkeypatch.setattr("handlers.jwks._REFETCH_SECONDS", 0.0)


async def ask(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get(RESULTS, headers=bearer(token))


async def test_tokens_of_published_keys_hold_and_the_keys_are_fetched_once(
    client: httpx.AsyncClient, publisher: KeyPublisher, keys: list[PrivateKey], cast: Cast
) -> None:
    publisher.keys["second"] = keys[1]
    tokens = [signed_by(keys[0], "first"), signed_by(keys[1], "second")] * 5
    answers = await asyncio.gather(*(ask(client, token) for token in tokens))
    assert {answer.status_code for answer in answers} == {200}
    assert publisher.asked == 1
    assert (await client.get(RESULTS, headers=cast.student)).status_code == 200


async def test_a_token_holds_by_its_own_key_only(
    client: httpx.AsyncClient, publisher: KeyPublisher, keys: list[PrivateKey]
) -> None:
    publisher.keys["second"] = keys[1]
    for token in (
        signed_by(keys[0], "second"),
        signed_by(keys[1], "first"),
        signed_by(keys[2], "second"),
        signed_by(keys[0], "FIRST"),
        signed_by(keys[0]),
    ):
        UNAUTHENTICATED.check(await ask(client, token))


async def test_a_token_without_a_key_id_holds_where_there_is_one_key(
    client: httpx.AsyncClient, publisher: KeyPublisher, keys: list[PrivateKey]
) -> None:
    publisher.keys = {None: keys[1]}
    assert (await ask(client, signed_by(keys[1]))).status_code == 200
    UNAUTHENTICATED.check(await ask(client, signed_by(keys[2])))


async def test_an_expired_token_of_a_published_key_is_expired(
    client: httpx.AsyncClient, keys: list[PrivateKey]
) -> None:
    Refusal(401, "token_expired").check(await ask(client, signed_by(keys[0], "first", exp=1)))


@pytest.mark.usefixtures("impatient")
async def test_a_new_key_is_found_and_a_withdrawn_one_forgotten(
    client: httpx.AsyncClient, publisher: KeyPublisher, keys: list[PrivateKey]
) -> None:
    old, new = signed_by(keys[0], "first"), signed_by(keys[1], "second")
    assert (await ask(client, old)).status_code == 200
    publisher.keys = {"second": keys[1]}
    assert (await ask(client, new)).status_code == 200
    UNAUTHENTICATED.check(await ask(client, old))


async def test_made_up_key_ids_do_not_bother_the_publisher(
    client: httpx.AsyncClient, publisher: KeyPublisher, keys: list[PrivateKey]
) -> None:
    for number in range(10):
        UNAUTHENTICATED.check(await ask(client, signed_by(keys[2], f"made-up-{number}")))
    assert publisher.asked == 1


@pytest.mark.expects_errors
async def test_a_publisher_that_cannot_answer_is_not_bothered_either(
    client: httpx.AsyncClient, publisher: KeyPublisher, keys: list[PrivateKey]
) -> None:
    publisher.status = 500
    for number in range(10):
        UNAVAILABLE.check(await ask(client, signed_by(keys[0], f"key-{number}")))
    assert publisher.asked == 1


@pytest.mark.expects_errors
@pytest.mark.usefixtures("impatient")
async def test_known_keys_hold_while_the_publisher_is_away(
    client: httpx.AsyncClient, publisher: KeyPublisher, keys: list[PrivateKey], cast: Cast
) -> None:
    assert (await ask(client, signed_by(keys[0], "first"))).status_code == 200
    publisher.status = 503
    UNAVAILABLE.check(await ask(client, signed_by(keys[1], "second")))
    assert (await ask(client, signed_by(keys[0], "first"))).status_code == 200
    assert (await client.get(RESULTS, headers=cast.student)).status_code == 200


@pytest.mark.usefixtures("impatient")
async def test_known_keys_need_not_wait_for_the_publisher(
    client: httpx.AsyncClient, publisher: KeyPublisher, keys: list[PrivateKey]
) -> None:
    assert (await ask(client, signed_by(keys[0], "first"))).status_code == 200
    publisher.keys["second"] = keys[1]
    publisher.answering.clear()
    unknown = asyncio.create_task(ask(client, signed_by(keys[1], "second")))
    await eventually(lambda: publisher.asked == 2)
    known = asyncio.create_task(ask(client, signed_by(keys[0], "first")))
    first, _ = await asyncio.wait([known, unknown], return_when=asyncio.FIRST_COMPLETED)
    publisher.answering.set()
    answers = await asyncio.gather(known, unknown)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert first == {known}
