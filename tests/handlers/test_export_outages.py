"""Exports while MongoDB goes away: refused from the start, or cut off, and never taken for whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server.embedded_mongod import EmbeddedMongod
from storage.domain.errors import Unavailable
from tests.handlers.long_export import EXPORT, SLOW_READER_BYTES, causes
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import QUEUE, Cast
from tests.handlers.wire import connect, request_head

pytestmark = [pytest.mark.gen_test(timeout=60), pytest.mark.expects_errors]
impatient = pytest.mark.settings(mongo={"timeout_seconds": 0.5, "wait_seconds": 1})


@pytest.fixture
def mongod(tmp_path: Path, logs: None) -> Iterator[EmbeddedMongod]:
    """A MongoDB of the test's own, for it to stop."""
    embedded = EmbeddedMongod(tmp_path)
    embedded.start()
    yield embedded
    embedded.stop()


@impatient
@pytest.mark.usefixtures("long_export")
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_what_is_cut_short_is_never_taken_for_the_whole(
    version: bytes,
    base_url: str,
    cast: Cast,
    mongod: EmbeddedMongod,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with connect(base_url, receive_buffer_bytes=SLOW_READER_BYTES) as wire:
        await wire.send(request_head("GET", EXPORT, cast.admin).replace(b"HTTP/1.1", version))
        await wire.head()
        mongod.stop()
        with pytest.raises(ConnectionResetError):
            await wire.rest()
    assert causes(caplog) == [Unavailable.sentence]


@impatient
async def test_without_mongodb_it_is_unavailable_from_the_start(
    client: httpx.AsyncClient, cast: Cast, mongod: EmbeddedMongod
) -> None:
    mongod.stop()
    for path in (EXPORT, f"{QUEUE}stats/", f"{QUEUE}1/files.zip"):
        answer = await client.get(path, headers=cast.admin)
        Refusal(503, "unavailable").check(answer)
        assert "Content-Disposition" not in answer.headers
