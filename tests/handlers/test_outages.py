"""The error table while MongoDB is away: refused for now, nothing lost, and all works again when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server.embedded_mongod import EmbeddedMongod
from tests.forms import encode
from tests.handlers.kept import Kept
from tests.handlers.refusals import Refusal, covers
from tests.handlers.reviews import Cast, grade, read, result_path, review_path
from tests.handlers.uploads import FORM, send, submit_speaking, submit_writing, writing_form
from tests.people import WRITING

pytestmark = [pytest.mark.gen_test(timeout=60), pytest.mark.expects_errors]
impatient = pytest.mark.settings(mongo={"timeout_seconds": 0.5, "wait_seconds": 1})


@pytest.fixture
def mongod(tmp_path: Path, logs: None) -> Iterator[EmbeddedMongod]:
    """A MongoDB of the test's own, for it to stop; another start brings its data back."""
    embedded = EmbeddedMongod(tmp_path)
    embedded.start()
    yield embedded
    embedded.stop()


@covers(503, "not_stored")
@impatient
async def test_an_upload_that_cannot_be_recorded_is_not_stored_and_can_be_sent_again(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, kept: Kept, mongod: EmbeddedMongod
) -> None:
    mongod.stop()
    answer = await refusal.expect_of(
        client, "POST", WRITING, cast.student | FORM, content=encode(writing_form())
    )
    assert answer.json()["error"] == "TestResult yaratishda xatolik"
    assert int(answer.headers["Retry-After"]) > 0
    mongod.start()
    again = await send(client, WRITING, writing_form(), cast.student)
    assert again.status_code == 201
    assert await kept.submissions() == 1


@covers(503, "unavailable")
@impatient
async def test_what_cannot_be_read_is_unavailable_and_comes_back(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, mongod: EmbeddedMongod
) -> None:
    submission = await submit_writing(client, cast.student)
    mongod.stop()
    answer = await refusal.expect_of(client, "GET", result_path(submission), cast.student)
    assert int(answer.headers["Retry-After"]) > 0
    assert (await client.get("/healthz")).status_code == 200
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["mongodb"], ready.json()["media"]) == (503, "unavailable", "ok")
    mongod.start()
    assert (await read(client, result_path(submission), cast.student))["id"] == submission["id"]


@covers(503, "unavailable")
@pytest.mark.settings(limits={"idle_seconds": 0.2}, mongo={"timeout_seconds": 1.5})
async def test_a_request_whose_body_has_arrived_is_never_called_too_slow(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, mongod: EmbeddedMongod
) -> None:
    """Here it is the server that takes its time, longer than a sender may."""
    submission = await submit_speaking(client, cast.student)
    mongod.stop()
    await refusal.expect_of(client, "PUT", review_path(submission), cast.reviewer, json=grade())
