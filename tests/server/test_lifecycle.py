"""A server's life as a process: it starts, is told to stop, finishes what it began, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.processes import eventually, is_running, refuses_connections
from tests.e2e.server_process import ServerProcess
from tests.forms import encode
from tests.handlers.uploads import page, upload_head, writing_form
from tests.handlers.wire import Wire, connect, request_head
from tests.people import WRITING, Student
from tests.server.mongod_process import has_mongod, pid_of, wait_until
from tests.storage.uploads import draft_folders, drafts_on_disk, kept_on_disk

BODY = encode(writing_form())
HALF = len(BODY) // 2


def healthy(server: ServerProcess) -> bool:
    return httpx.get(f"{server.url}/healthz").status_code == 200


def tell(server: ServerProcess, number: int = signal.SIGTERM) -> None:
    """Ask it to stop, and wait until it is about to."""
    os.kill(server.pid, number)
    wait_until(lambda: '"stopping"' in server.log())


def end_of(server: ServerProcess) -> int:
    """The exit code of a server that was told to stop, once it has."""
    wait_until(lambda: not is_running(server.pid))
    return server.stop()


@asynccontextmanager
async def half_an_upload(server: ServerProcess) -> AsyncIterator[Wire]:
    """A connection with half an upload on it, which the server has begun to receive."""
    headers = {"Authorization": f"Bearer {server.token('42')}"}
    async with connect(server.url) as wire, httpx.AsyncClient(base_url=server.url) as client:
        await wire.send(upload_head(WRITING, len(BODY), headers), BODY[:HALF])
        while "turantalim_uploads_in_flight 1.0" not in (await client.get("/metrics")).text:
            pass
        yield wire


def test_says_where_it_listens_once_it_serves(quick_server: ServerProcess) -> None:
    assert quick_server.url.startswith("http://127.0.0.1:")
    assert httpx.get(f"{quick_server.url}/readyz").json()["status"] == "ready"


def test_says_where_it_listens_on_ipv6(tmp_path: Path, shared_mongod: dict[str, str]) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("there is no IPv6 here")
    server = ServerProcess(tmp_path, TURANTALIM_SERVER__HOST="::1", **shared_mongod)
    try:
        assert server.start().url.startswith("http://[::1]:")
        assert healthy(server)
    finally:
        server.make_sure_it_ended()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_exits_with_0_and_leaves_nothing_running(server: ServerProcess, number: int) -> None:
    mongod = pid_of(server.folder / "var")
    assert is_running(mongod)
    assert healthy(server)
    tell(server, number)
    assert end_of(server) == 0
    assert not is_running(mongod)
    assert draft_folders(server.folder / "media") == []
    assert server.log_lines("error") == server.log_lines("warning") == []


def test_a_token_holds_over_a_restart(quick_server: ServerProcess) -> None:
    token = quick_server.token("42")
    assert quick_server.stop() == 0
    url = quick_server.start().url
    answer = httpx.get(f"{url}/multilevel/test-results/", headers={"Authorization": f"Bearer {token}"})
    assert answer.json() == {"results": [], "next": None}


@pytest.mark.gen_test(timeout=60)
async def test_an_upload_in_flight_is_finished_and_answered_while_new_connections_are_refused(
    quick_server: ServerProcess,
) -> None:
    async with half_an_upload(quick_server) as wire:
        tell(quick_server)
        assert refuses_connections(quick_server.url)
        await wire.send(BODY[HALF:])
        answer = await wire.answer()
    assert answer.status_code == 201
    assert end_of(quick_server) == 0
    assert len(kept_on_disk(quick_server.folder / "media")) == 2
    quick_server.start()
    async with httpx.AsyncClient(base_url=quick_server.url) as client:
        result = await Student(client, quick_server.token("42")).result(answer.json()["id"])
    assert (result["id"], result["status"]) == (answer.json()["id"], "pending")


@pytest.mark.gen_test(timeout=60)
async def test_a_kept_connection_is_told_to_come_back_later(quick_server: ServerProcess) -> None:
    health, ready = request_head("GET", "/healthz", {}), request_head("GET", "/readyz", {})
    async with connect(quick_server.url) as kept, half_an_upload(quick_server) as uploading:
        await kept.send(health)
        assert (await kept.answer()).status_code == 200
        tell(quick_server)
        await kept.send(health)
        assert (await kept.answer()).status_code == 200  # it lives
        await kept.send(ready)
        answer = await kept.answer()
        assert (answer.status_code, answer.headers["Connection"]) == (503, "close")
        assert int(answer.headers["Retry-After"]) > 0
        assert await kept.is_closed()
        await uploading.send(BODY[HALF:])
        assert (await uploading.answer()).status_code == 201
    assert end_of(quick_server) == 0


@pytest.mark.gen_test(timeout=60)
async def test_an_upload_that_takes_too_long_is_told_to_come_back_later_and_leaves_nothing(
    tmp_path: Path, shared_mongod: dict[str, str]
) -> None:
    server = ServerProcess(tmp_path, TURANTALIM_SERVER__DRAIN_SECONDS="0.5", **shared_mongod).start()
    try:
        async with half_an_upload(server) as wire:
            tell(server)
            answer = await wire.answer()
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert await wire.is_closed()
        assert end_of(server) == 0
        assert [line["event"] for line in server.log_lines("warning")] == [
            "answering 503 to what still comes in"
        ]
        assert server.log_lines("error") == []
        assert drafts_on_disk(tmp_path / "media") == []
        assert kept_on_disk(tmp_path / "media") == set()
    finally:
        server.make_sure_it_ended()


@pytest.mark.gen_test(timeout=60)
async def test_told_twice_it_ends_at_once(server: ServerProcess) -> None:
    mongod = pid_of(server.folder / "var")
    async with half_an_upload(server):
        tell(server)
        assert server.stop() == -signal.SIGTERM
    await eventually(lambda: not is_running(mongod))


def test_a_second_server_on_the_same_state_is_refused_and_the_first_goes_on(
    quick_server: ServerProcess,
) -> None:
    done = quick_server.run()
    assert (done.returncode, done.stdout) == (1, "")
    (told,) = done.stderr.splitlines()
    assert told.startswith("server.state_dir: ")
    assert str(quick_server.pid) in told
    assert healthy(quick_server)
    assert quick_server.stop() == 0


def test_a_second_server_on_the_same_port_is_refused_by_its_key(
    quick_server: ServerProcess, tmp_path: Path
) -> None:
    port = quick_server.url.rpartition(":")[2]
    other = tmp_path / "other"
    other.mkdir()
    done = ServerProcess(other, TURANTALIM_SERVER__PORT=port).run()
    assert done.returncode in {1, 2}
    assert "server.port: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not has_mongod(other / "var")
    assert draft_folders(other / "media") == []


def test_the_log_knows_every_request_by_its_id_and_no_secret(quick_server: ServerProcess) -> None:
    token = quick_server.token("42", name="Aziza")
    minted = httpx.post(f"{quick_server.url}/dev/token/", json={"user_id": 7, "role": "reviewer"}).json()[
        "access"
    ]
    with httpx.Client(base_url=quick_server.url, headers={"Authorization": f"Bearer {token}"}) as client:
        made = client.post(
            WRITING,
            data={"user_test_id": "123", "exam_id": "456"},
            files={"task1_image1": ("my page.jpg", page(0)), "task2_image1": ("p.jpg", page(1))},
            headers={"X-Request-Id": "upload-0001"},
        )
        assert made.status_code == 201, made.text
        link = made.json()["questions"][0]["images"][0]["url"]
        client.get(link, headers={"X-Request-Id": "photo-0001"})
        client.get(f"/multilevel/test-results/?token={token}", headers={"X-Request-Id": "query-0001"})
        client.get(f"/no/such/path?token={token}&signature=abcdef", headers={"X-Request-Id": "lost-0001"})
    assert quick_server.stop() == 0
    requests = [line for line in quick_server.log_lines("info") if line["event"] == "request"]
    assert all(line["request_id"] for line in requests)
    assert {"upload-0001", "photo-0001", "query-0001", "lost-0001"} <= {
        line["request_id"] for line in requests
    }
    (upload,) = [line for line in quick_server.log_lines("info") if line["event"] == "upload ended"]
    assert (upload["request_id"], upload["outcome"]) == ("upload-0001", "created")
    signature = link.partition("signature=")[2]
    assert len(signature) >= 32
    secrets = [token, minted, token.rpartition(".")[2], signature, "abcdef"]
    assert [secret for secret in secrets if secret in quick_server.log()] == []
    assert (quick_server.folder / "var" / "secret").read_text().strip() not in quick_server.log()
    assert [line["path"] for line in requests if "?" in line["path"]] == []
