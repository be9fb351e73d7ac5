"""kill -9 of the server, and of mongod, at each point of an upload's last hops (promises 1 to 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e import faulty_server
from tests.e2e.keyed_student import KeyedStudent, keyed_student
from tests.e2e.processes import eventually
from tests.e2e.promises import assert_promises_kept, documents, referenced_paths
from tests.e2e.server_process import ServerProcess
from tests.handlers.reviews import unsigned
from tests.handlers.uploads import page, writing_form
from tests.people import Json
from tests.storage.uploads import drafts_on_disk, kept_on_disk

pytestmark = pytest.mark.gen_test(timeout=90)

KEY = "5a1c9d3e-77aa-4c0f-9d55-2f0c8e0d6b1f"
PAGES = [page(0), page(1)]
"""What `writing_form()` holds."""
SWEPT_SOON = {"TURANTALIM_MEDIA__DRAFT_TTL_SECONDS": "2", "TURANTALIM_MEDIA__SWEEP_SECONDS": "0.2"}
"""Long enough for an upload on a busy machine to record what it has just moved."""
SWEPT_AT_ONCE = {"TURANTALIM_MEDIA__DRAFT_TTL_SECONDS": "0.3", "TURANTALIM_MEDIA__SWEEP_SECONDS": "0.05"}
"""Sooner than mongod comes back: what is in hand is not taken all the same."""


@contextmanager
def server_in(folder: Path, **environment: str) -> Iterator[ServerProcess]:
    server = ServerProcess(folder, **environment)
    try:
        yield server
    finally:
        server.make_sure_it_ended()


async def assert_kept_once(server: ServerProcess, student: KeyedStudent, answer: Json) -> None:
    """The submission of the 201 `answer` is the only one, all of it can be read, and nothing else is left."""
    assert [document["_id"] for document in documents(server)] == [answer["id"]]
    assert [result["id"] for result in await student.results()] == [answer["id"]]
    receipt = await student.receipt(KEY)
    assert unsigned(receipt.json()) == unsigned(answer)
    assert await student.files(receipt.json()) == PAGES
    assert drafts_on_disk(server.media_root) == []
    await eventually(lambda: kept_on_disk(server.media_root) == referenced_paths(server))
    assert_promises_kept(server)


@pytest.mark.parametrize(
    ("fault", "moved", "recorded"),
    [
        (faulty_server.die_before_the_first_fsync, 0, False),
        (faulty_server.die_between_renames, 1, False),
        (faulty_server.die_before_the_insert, 2, False),
        (faulty_server.die_before_the_answer, 2, True),
        (faulty_server.die_in_the_answer, 2, True),
    ],
)
async def test_what_the_server_died_of_is_sent_again_and_kept_once(
    fault: Callable[[], None], moved: int, recorded: bool, tmp_path: Path, shared_mongod: dict[str, str]
) -> None:
    with server_in(tmp_path, **SWEPT_SOON, **shared_mongod) as server:
        server.start(*faulty_server.entry(fault))
        async with keyed_student(server) as student:
            with pytest.raises(httpx.TransportError):
                await student.send(KEY, writing_form())
            assert server.ended() == -9
            assert len(kept_on_disk(server.media_root)) == moved
            server.start()
            assert drafts_on_disk(server.media_root) == []
            receipt = await student.receipt(KEY)
            assert receipt.status_code == (200 if recorded else 404)
            again = await student.send(KEY, writing_form())
            assert again.status_code == 201
            if recorded:
                assert unsigned(again.json()) == unsigned(receipt.json())
            await assert_kept_once(server, student, again.json())
        assert server.stop() == 0
        assert server.log_lines("error") == []


@pytest.mark.parametrize(
    "fault", [faulty_server.lose_mongod_before_the_insert, faulty_server.lose_mongod_before_its_answer]
)
async def test_an_upload_that_mongod_died_of_waits_and_gets_its_201(
    fault: Callable[[], None], tmp_path: Path
) -> None:
    with server_in(tmp_path, **SWEPT_AT_ONCE) as server:
        server.start(*faulty_server.entry(fault))
        async with keyed_student(server) as student:
            answer = await student.send(KEY, writing_form())
            assert answer.status_code == 201, answer.text
            await assert_kept_once(server, student, answer.json())
        assert server.stop() == 0
        assert {line["event"] for line in server.log_lines("error")} == {
            "embedded mongod died, starting it again"
        }
