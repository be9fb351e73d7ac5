"""kill -9 at any moment: nothing acknowledged is lost, nothing is left half-visible (promises 2, 3 and 6)."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.clients import sdk_client
from tests.e2e.processes import eventually, is_running
from tests.e2e.server_process import ServerProcess
from tests.forms import content_type, encode, file, text
from tests.media_samples import padded, photo, photo_of_bytes, recording
from tests.people import SPEAKING, Reviewer, Student, files_of, photo_file

PAGE = photo_file(photo(64, 48))
SCORE = {"task1_score": 20.5, "task2_score": 45.0}


@pytest.mark.gen_test(timeout=60)
async def test_an_acknowledged_submission_survives_the_servers_death(server: ServerProcess) -> None:
    pages = [photo_file(photo_of_bytes(300_000, seed=seed)) for seed in (1, 2)]
    token, reviewer_token = server.token("42"), server.token("7", "reviewer")
    async with httpx.AsyncClient(base_url=server.url) as http:
        submission = await Student(http, token).submit_writing(1, pages[:1], pages[1:])
    server.kill()
    server.start()
    async with httpx.AsyncClient(base_url=server.url) as http:
        assert (await Student(http, token).result(submission["id"]))["status"] == "pending"
        queue = await Reviewer(http, reviewer_token).queue("writing")
        assert [each["id"] for each in queue["results"]] == [submission["id"]]
        for kept, (_, content, _) in zip(files_of(submission), pages, strict=True):
            assert (await http.get(kept["url"])).content == content
    async with sdk_client(server.websocket_url, reviewer_token, "queue:writing") as client:
        snapshot = client.snapshots["queue:writing"]
    assert [each["id"] for each in snapshot["submissions"]] == [submission["id"]]


@pytest.mark.gen_test(timeout=60)
async def test_a_death_in_mid_upload_leaves_no_draft_after_the_next_start(server: ServerProcess) -> None:
    token = server.token("42")
    with _half_an_upload(server.url, token):
        await eventually(lambda: any(draft.stat().st_size > 0 for draft in _drafts(server)))
        server.kill()
    server.start()
    assert _drafts(server) == []
    async with httpx.AsyncClient(base_url=server.url) as http:
        results = (await Student(http, token).ask("GET", "/multilevel/test-results/")).json()
    assert results == {"results": [], "next": None}


@pytest.mark.gen_test(timeout=90)
async def test_sockets_go_on_after_the_death_of_mongod(server: ServerProcess) -> None:
    token, reviewer_token = server.token("42"), server.token("7", "reviewer")
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=30) as http,
        sdk_client(server.websocket_url, token) as student,
        sdk_client(server.websocket_url, reviewer_token, "queue:writing") as reviewer,
    ):
        before = await Student(http, token).submit_writing(1, [PAGE], [PAGE])
        await reviewer.hears("submission.created", before["id"])
        dead = _mongod(server)
        os.kill(dead, signal.SIGKILL)
        await eventually(lambda: _mongod(server) != dead)
        await _becomes_ready(http)

        await Reviewer(http, reviewer_token).grade(before, SCORE)
        checked = await student.hears("submission.checked", before["id"])
        assert checked.submission["score"]["total_score"] == 65.5
        after = await Student(http, token).submit_writing(2, [PAGE], [PAGE])
        await reviewer.hears("submission.created", after["id"])
    assert server.stop() == 0
    errors = {line["event"] for line in server.log_lines("error")}
    assert errors == {"embedded mongod died, starting it again"}


@pytest.mark.gen_test(timeout=60)
async def test_mongod_does_not_outlive_its_server(server: ServerProcess) -> None:
    mongod = _mongod(server)
    assert is_running(mongod)
    server.kill()
    await eventually(lambda: not is_running(mongod))


def _half_an_upload(url: str, token: str) -> socket.socket:
    """A connection that has sent all of an upload but its end."""
    body = encode(
        [
            text("answers[0][question]", 101),
            file("answers[0][speaking_audio]", padded(recording("wav"), 4 << 20), "answer.wav"),
        ]
    )
    head = (
        f"POST {SPEAKING} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {content_type()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port or 80), timeout=30)
    connection.sendall(head.encode() + body[:-100])
    return connection


def _drafts(server: ServerProcess) -> list[Path]:
    drafts = (server.folder / "media" / ".drafts").rglob("*")
    return [path for path in drafts if path.is_file() and path.name != "lock"]


def _mongod(server: ServerProcess) -> int:
    """Its process: mongod writes its id there, and a dead one cannot clear it."""
    lock = server.folder / "var" / "mongo" / "data" / "mongod.lock"
    return int(lock.read_text() or 0)


async def _becomes_ready(http: httpx.AsyncClient) -> None:
    while (await http.get("/readyz")).status_code != 200:  # each answer waits for a primary, up to a bound
        pass
