"""What the tests of the edge share: a client that is not ours, and a look at what the server kept."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from tornado.ioloop import IOLoop

from server.services import Built
from server.settings import Settings
from storage.domain.people import Role
from tests import openapi
from tests.conftest import Tokens
from tests.handlers.kept import Kept
from tests.handlers.long_export import keep_many
from tests.handlers.refused_uploads import RefusedUploads
from tests.handlers.reviews import Cast

CLIENT_SECONDS = 20.0
"""How long httpx waits for anything; nothing takes so long but a failure."""


@pytest.fixture
def client(io_loop: IOLoop, base_url: str) -> Iterator[httpx.AsyncClient]:
    """An HTTP client with keep-alive, as browsers have it; what openapi.json does not allow fails the test."""
    client = openapi.client(base_url, CLIENT_SECONDS)
    yield client
    io_loop.run_sync(client.aclose)


@pytest.fixture
def kept(built: Built, settings: Settings) -> Kept:
    return Kept(settings.media.root, built.services.submissions)


@pytest.fixture
def cast(tokens: Tokens) -> Cast:
    return Cast(
        student=tokens.header("42", name="Aziza"),
        other_student=tokens.header("43"),
        reviewer=tokens.header("7", Role.REVIEWER, "Admin User"),
        colleague=tokens.header("8", Role.REVIEWER),
        admin=tokens.header("1", Role.ADMIN, "Head"),
    )


@pytest.fixture
def refused(base_url: str, client: httpx.AsyncClient, cast: Cast) -> RefusedUploads:
    return RefusedUploads(base_url, client, cast)


@pytest.fixture
def long_export(io_loop: IOLoop, built: Built) -> None:
    """So much is kept that an export of it stops at a reader who does."""
    io_loop.run_sync(lambda: keep_many(built))
