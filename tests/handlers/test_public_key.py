"""Tokens that another service signs, its public key in the settings (`auth.public_key`)."""

from __future__ import annotations

import httpx
import pytest
from pydantic import SecretStr

from server.settings import Settings
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import QUEUE, Cast
from tests.handlers.tokens import (
    PrivateKey,
    bearer,
    new_ec_key,
    new_rsa_key,
    public_pem,
    signed_by,
    signed_with_text,
)

pytestmark = pytest.mark.gen_test(timeout=30)

UNAUTHENTICATED = Refusal(401, "unauthenticated")


@pytest.fixture(scope="module", params=[new_rsa_key, new_ec_key], ids=["RS256", "ES256"])
def key(request: pytest.FixtureRequest) -> PrivateKey:
    made: PrivateKey = request.param()
    return made


@pytest.fixture
def settings(settings: Settings, key: PrivateKey) -> Settings:
    auth = settings.auth.model_copy(update={"public_key": SecretStr(public_pem(key))})
    return settings.model_copy(update={"auth": auth})


async def ask(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get(QUEUE, headers=bearer(token))


async def test_tokens_of_the_key_hold_whatever_their_key_id(
    client: httpx.AsyncClient, key: PrivateKey
) -> None:
    for kid in (None, "2025-10"):
        assert (await ask(client, signed_by(key, kid, role="reviewer"))).status_code == 200


async def test_tokens_of_our_own_secret_hold_as_well(client: httpx.AsyncClient, cast: Cast) -> None:
    assert (await client.get(QUEUE, headers=cast.reviewer)).status_code == 200


async def test_tokens_of_other_keys_do_not_hold(client: httpx.AsyncClient) -> None:
    for other in (new_rsa_key(), new_ec_key()):
        UNAUTHENTICATED.check(await ask(client, signed_by(other, role="reviewer")))


async def test_the_public_key_is_no_secret_to_sign_with(client: httpx.AsyncClient, key: PrivateKey) -> None:
    for text in (public_pem(key), public_pem(key).strip()):
        UNAUTHENTICATED.check(await ask(client, signed_with_text(text)))


async def test_an_expired_token_of_the_key_is_expired(client: httpx.AsyncClient, key: PrivateKey) -> None:
    Refusal(401, "token_expired").check(await ask(client, signed_by(key, exp=1)))
