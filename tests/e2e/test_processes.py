"""Several worker processes on one port: to clients they are one server (`server.processes`)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
import websockets

from tests.e2e.clients import SdkClient, sdk_client
from tests.e2e.processes import WAIT_SECONDS, eventually, is_running, refuses_connections
from tests.e2e.promises import assert_promises_kept, documents
from tests.e2e.server_process import ServerProcess
from tests.e2e.workers import children_of, clients_of, socket_to, wire_to, workers_of
from tests.forms import encode, file
from tests.handlers.plain_socket import PlainSocket
from tests.handlers.uploads import upload_head, writing_form
from tests.handlers.wire import Wire, request_head
from tests.media_samples import padded, photo
from tests.people import WRITING, Reviewer, Student, photo_file
from tests.server.mongod_process import has_mongod, wait_until
from tests.storage.uploads import draft_folders, drafts_on_disk

PAGE = photo_file(photo(64, 48))
SCORE = {"task1_score": 20.5, "task2_score": 45.0}
BODY = encode([file("task1_image2", padded(photo(), 3 << 20)), *writing_form()])
HALF = 2 << 20
UPLOAD_ID = "8e03978e-40d5-43dd-bc93-6894a57f9324"
TOO_MANY_SOCKETS = 3504


def with_workers(folder: Path, processes: int, **environment: str) -> ServerProcess:
    folder.mkdir(exist_ok=True)
    return ServerProcess(folder, TURANTALIM_SERVER__PROCESSES=str(processes), **environment)


@pytest.fixture
def server(tmp_path: Path, shared_mongod: dict[str, str]) -> Iterator[ServerProcess]:
    """Two workers, on the run's own MongoDB."""
    server = with_workers(tmp_path, 2, **shared_mongod)
    try:
        yield server.start()
    finally:
        server.make_sure_it_ended()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[ServerProcess]:
    """Two workers, and a MongoDB of its own."""
    server = with_workers(tmp_path, 2)
    try:
        yield server.start()
    finally:
        server.make_sure_it_ended()


@asynccontextmanager
async def half_an_upload(server: ServerProcess, worker: int, token: str, **more: str) -> AsyncIterator[Wire]:
    """Some of it is on the disk, the rest is still to come."""
    before = {draft: draft.stat().st_size for draft in drafts_on_disk(server.media_root)}
    headers = {"Authorization": f"Bearer {token}", **more}
    async with wire_to(server, worker) as wire:
        await wire.send(upload_head(WRITING, len(BODY), headers), BODY[:HALF])
        await eventually(
            lambda: any(
                draft not in before and draft.stat().st_size for draft in drafts_on_disk(server.media_root)
            )
        )
        yield wire


async def replaced(server: ServerProcess, dead: int) -> None:
    """Wait until the kernel is done with a worker and there is another one."""
    await eventually(lambda: len({*workers_of(server)} - {dead}) == 2)


async def finish(wire: Wire) -> httpx.Response:
    await wire.send(BODY[HALF:])
    return await wire.answer()


async def ask(wire: Wire, method: str, path: str, token: str, status: int) -> httpx.Response:
    await wire.send(request_head(method, path, {"Authorization": f"Bearer {token}"}))
    answer = await wire.answer()
    assert answer.status_code == status, answer.text
    return answer


async def heard(socket: PlainSocket, event: str) -> int:
    """Wait for an event; returns whose it is."""
    while True:
        data = (await socket.publication()).data
        if data["type"] == event:
            return int(data["submission"]["id"])


def metric(text: str, name: str) -> float:
    """The sum over all labels."""
    lines = [line for line in text.splitlines() if line.partition("{")[0].split(" ")[0] == name]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_all_workers_serve_and_say_so_in_the_log(tmp_path: Path, shared_mongod: dict[str, str]) -> None:
    server = with_workers(tmp_path, 3, **shared_mongod)
    try:
        server.start()
        assert len(workers_of(server)) == 3

        def answered() -> set[int]:
            httpx.get(f"{server.url}/healthz")
            return {line["worker"] for line in server.log_lines("info") if line["event"] == "request"}

        wait_until(lambda: answered() == {0, 1, 2})
        assert server.stop() == 0
        assert server.log_lines("error") == server.log_lines("warning") == []
        assert draft_folders(server.media_root) == []
    finally:
        server.make_sure_it_ended()


@pytest.mark.gen_test(timeout=60)
async def test_what_happens_at_one_is_heard_at_all(server: ServerProcess) -> None:
    here, there = workers_of(server)
    token, reviewer_token = server.token("42"), server.token("7", "reviewer")
    async with (
        socket_to(server, here) as near,
        socket_to(server, there) as far,
        httpx.AsyncClient(base_url=server.url) as http,
    ):
        for socket in (near, far):
            await socket.connect(token)
        async with half_an_upload(server, here, token, **{"X-Upload-Id": UPLOAD_ID}) as wire:
            assert (await far.publication()).data["type"] == "upload.progress"
            created = await finish(wire)
        assert created.status_code == 201
        submission = created.json()
        for socket in (near, far):
            assert await heard(socket, "submission.created") == submission["id"]
        await Reviewer(http, reviewer_token).grade(submission, SCORE)
        for socket in (near, far):
            assert await heard(socket, "submission.checked") == submission["id"]


@pytest.mark.gen_test(timeout=60)
async def test_a_users_sixth_socket_is_refused_wherever_it_comes(server: ServerProcess) -> None:
    here, there = workers_of(server)
    token, other_token = server.token("42"), server.token("43")
    async with AsyncExitStack() as sockets:

        async def opened(worker: int) -> PlainSocket:
            return await sockets.enter_async_context(socket_to(server, worker))

        for worker in (here, here, there, there):
            await (await opened(worker)).connect(token)
        async with socket_to(server, there) as fifth:
            await fifth.connect(token)
            for worker in (here, there):
                sixth = await opened(worker)
                await sixth.send({"id": 1, "connect": {"token": token}})
                assert await sixth.close_code() == TOO_MANY_SOCKETS
                await (await opened(worker)).connect(other_token)
        async with asyncio.timeout(WAIT_SECONDS):
            while True:  # the server hears of the fifth one's end a little later than we do
                again = await opened(here)
                await again.send({"id": 1, "connect": {"token": token}})
                try:
                    assert "connect" in await again.reply(1)
                    break
                except websockets.ConnectionClosed:
                    assert await again.close_code() == TOO_MANY_SOCKETS


@pytest.mark.gen_test(timeout=60)
async def test_a_students_uploads_are_counted_over_all(tmp_path: Path, shared_mongod: dict[str, str]) -> None:
    server = with_workers(tmp_path, 2, TURANTALIM_LIMITS__UPLOADS_PER_USER="2", **shared_mongod)
    try:
        here, there = workers_of(server.start())
        token = server.token("42")
        async with half_an_upload(server, here, token) as first, half_an_upload(server, there, token):
            for worker in (here, there):
                async with wire_to(server, worker) as third:
                    head = upload_head(WRITING, len(BODY), {"Authorization": f"Bearer {token}"})
                    await third.send(head, BODY)
                    answer = await third.answer()
                    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_uploads")
            assert (await finish(first)).status_code == 201
            async with half_an_upload(server, there, token):
                pass
    finally:
        server.make_sure_it_ended()


@pytest.mark.gen_test(timeout=60)
async def test_one_key_makes_one_submission_whichever_workers_it_comes_to(server: ServerProcess) -> None:
    here, there = workers_of(server)
    token = server.token("42")
    key = {"Idempotency-Key": "one-key-for-both"}
    async with (
        half_an_upload(server, here, token, **key) as first,
        half_an_upload(server, there, token, **key) as second,
    ):
        answers = await asyncio.gather(finish(first), finish(second))
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert len(documents(server)) == 1


@pytest.mark.gen_test(timeout=90)
async def test_a_killed_worker_is_replaced_and_disturbs_no_other(server: ServerProcess) -> None:
    alive, doomed = workers_of(server)
    tokens = {user: server.token(user) for user in ("42", "43", "7")}
    async with (
        half_an_upload(server, alive, tokens["42"]) as goes_on,
        half_an_upload(server, doomed, tokens["43"]),
        socket_to(server, alive) as stays,
        AsyncExitStack() as clients,
    ):
        await stays.connect(tokens["42"])
        lost = await _sdk_client_of(server, doomed, tokens["43"], clients)
        (folder,) = [path for path in draft_folders(server.media_root) if _is_held_by(path, doomed)]
        os.kill(doomed, signal.SIGKILL)
        await replaced(server, doomed)
        await eventually(lambda: not folder.exists())
        assert alive in workers_of(server)

        created = (await finish(goes_on)).json()
        assert await heard(stays, "submission.created") == created["id"]
        assert await stays.is_alive()
        await lost.until(lambda: bool(lost.lost))
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            again = await Student(http, tokens["43"]).submit_writing(2, [PAGE], [PAGE])
        await lost.hears("submission.created", again["id"])
    (told,) = server.log_lines("error")
    assert (told["event"], told["pid"]) == ("worker died, starting another", doomed)
    assert_promises_kept(server)
    assert server.stop() == 0


@pytest.mark.gen_test(timeout=60)
async def test_a_killed_workers_places_are_free_again(tmp_path: Path, shared_mongod: dict[str, str]) -> None:
    server = with_workers(
        tmp_path,
        2,
        TURANTALIM_LIMITS__UPLOADS_PER_USER="1",
        TURANTALIM_STATUS__SOCKETS_PER_USER="1",
        **shared_mongod,
    )
    try:
        alive, doomed = workers_of(server.start())
        token = server.token("42")
        async with half_an_upload(server, doomed, token), socket_to(server, doomed) as gone:
            await gone.connect(token)
            os.kill(doomed, signal.SIGKILL)
            await replaced(server, doomed)
            async with half_an_upload(server, alive, token), socket_to(server, alive) as socket:
                await socket.connect(token)
    finally:
        server.make_sure_it_ended()


@pytest.mark.gen_test(timeout=60)
async def test_metrics_are_of_all_workers_whichever_is_asked(server: ServerProcess) -> None:
    here, there = workers_of(server)
    token = server.token("42")
    async with (
        wire_to(server, here) as ask_here,
        wire_to(server, there) as ask_there,
        socket_to(server, here) as near,
        socket_to(server, there) as far,
        half_an_upload(server, there, token),
    ):
        for socket in (near, far):
            await socket.connect(token)
        for wire in (ask_here, ask_there):
            shown = (await ask(wire, "GET", "/metrics", token, 200)).text
            assert metric(shown, "turantalim_sockets") == 2
            assert metric(shown, "turantalim_uploads_in_flight") == 1
        answers = metric(shown, "turantalim_http_request_seconds_count")
        os.kill(there, signal.SIGKILL)
        await replaced(server, there)
        shown = (await ask(ask_here, "GET", "/metrics", token, 200)).text
        assert metric(shown, "turantalim_sockets") == 1
        assert metric(shown, "turantalim_uploads_in_flight") == 0
        assert metric(shown, "turantalim_http_request_seconds_count") >= answers > 0


def _told_by_systemd(server: ServerProcess) -> None:
    """Every process of the service, the embedded mongod of another one excepted."""
    for pid in [server.pid, *workers_of(server)]:
        os.kill(pid, signal.SIGTERM)


def _told_by_a_terminal(server: ServerProcess) -> None:
    """Every process of the group in the foreground."""
    for pid in [*workers_of(server), server.pid]:
        os.kill(pid, signal.SIGINT)


def _told_by_its_id(server: ServerProcess) -> None:
    os.kill(server.pid, signal.SIGTERM)


@pytest.mark.gen_test(timeout=90)
@pytest.mark.parametrize("tell", [_told_by_its_id, _told_by_a_terminal, _told_by_systemd])
async def test_told_to_stop_all_workers_let_their_uploads_finish(server: ServerProcess, tell: object) -> None:
    here, there = workers_of(server)
    token = server.token("42")
    reviewer = server.token("7", "reviewer")
    async with (
        half_an_upload(server, here, token) as first,
        half_an_upload(server, there, server.token("43")) as second,
        socket_to(server, there) as socket,
    ):
        await socket.connect(reviewer)
        assert callable(tell)
        tell(server)
        assert await socket.close_code() == 3001
        await eventually(lambda: server.log().count('"stopping"') == 2)
        await eventually(lambda: refuses_connections(server.url))  # they say so first, then close
        for wire in (first, second):
            assert (await finish(wire)).status_code == 201
    await eventually(lambda: not is_running(server.pid))
    assert server.ended() == 0
    assert server.log_lines("error") == server.log_lines("warning") == []
    assert draft_folders(server.media_root) == []


@pytest.mark.gen_test(timeout=60)
async def test_told_twice_all_end_at_once(embedded: ServerProcess) -> None:
    worker, _ = workers_of(embedded)
    everyone = children_of(embedded)
    async with half_an_upload(embedded, worker, embedded.token("42")):
        os.kill(embedded.pid, signal.SIGTERM)
        await eventually(lambda: '"stopping"' in embedded.log())
        assert embedded.stop() == -signal.SIGTERM
        await eventually(lambda: not any(is_running(pid) for pid in everyone))


@pytest.mark.gen_test(timeout=90)
async def test_a_killed_supervisor_leaves_no_process_and_nothing_is_lost(embedded: ServerProcess) -> None:
    everyone = children_of(embedded)
    assert len(everyone) == 3
    token = embedded.token("42")
    async with httpx.AsyncClient(base_url=embedded.url) as http:
        submission = await Student(http, token).submit_writing(1, [PAGE], [PAGE])
    async with half_an_upload(embedded, workers_of(embedded)[0], embedded.token("43")):
        embedded.kill()
        embedded.start()  # at once, as systemd does
        assert not any(is_running(pid) for pid in everyone)
    assert drafts_on_disk(embedded.media_root) == []
    async with httpx.AsyncClient(base_url=embedded.url) as http:
        assert (await Student(http, token).result(submission["id"]))["status"] == "pending"
    assert_promises_kept(embedded)
    assert embedded.stop() == 0
    assert not has_mongod(embedded.state_dir)


@pytest.mark.gen_test(timeout=90)
async def test_workers_go_on_after_the_death_of_mongod(embedded: ServerProcess) -> None:
    workers = workers_of(embedded)
    (mongod,) = set(children_of(embedded)) - set(workers)
    token = embedded.token("42")
    os.kill(mongod, signal.SIGKILL)
    async with httpx.AsyncClient(base_url=embedded.url, timeout=60) as http:
        await Student(http, token).submit_writing(1, [PAGE], [PAGE])  # waits for the next one
    assert workers_of(embedded) == workers
    assert embedded.stop() == 0
    assert {line["event"] for line in embedded.log_lines("error")} == {
        "embedded mongod died, starting it again"
    }


REFUSED = {
    "media.root": ({"TURANTALIM_MEDIA__ROOT": "/proc/none"}, 2),
    "server.host and server.port": ({"TURANTALIM_SERVER__HOST": "192.0.2.1"}, 2),
    "mongo.uri": (
        {
            "TURANTALIM_MONGO__URI": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300",
            "TURANTALIM_MONGO__TIMEOUT_SECONDS": "0.3",
        },
        1,
    ),
    "auth.jwks_url": ({"TURANTALIM_AUTH__JWKS_URL": "nowhere"}, 2),
}


@pytest.mark.parametrize("key", REFUSED)
def test_what_stops_one_process_stops_several_with_the_same_words(
    tmp_path: Path, shared_mongod: dict[str, str], key: str
) -> None:
    wrong, status = REFUSED[key]
    told = []
    for processes in (1, 3):
        server = with_workers(tmp_path / str(processes), processes, **shared_mongod | wrong)
        done = server.run()
        assert (done.returncode, done.stdout) == (status, "")
        told.append([line for line in done.stderr.splitlines() if not line.startswith("{")])
    assert told[0] == told[1]
    assert any(line.startswith(f"{key}: ") for line in told[0])


@pytest.mark.parametrize("processes", [1, 2])
def test_a_port_that_others_have_is_refused_by_its_key(
    server: ServerProcess, tmp_path: Path, shared_mongod: dict[str, str], processes: int
) -> None:
    port = server.url.rpartition(":")[2]
    other = with_workers(tmp_path / "other", processes, **shared_mongod, TURANTALIM_SERVER__PORT=port)
    done = other.run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "server.host and server.port: " in done.stderr
    assert "Traceback" not in done.stderr
    assert httpx.get(f"{server.url}/healthz").status_code == 200


def test_a_second_server_on_the_same_state_is_refused(server: ServerProcess) -> None:
    done = server.run()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("server.state_dir: ")
    assert f"process {server.pid}" in done.stderr
    assert len(workers_of(server)) == 2


def test_workers_share_a_host_name_and_all_its_addresses(
    tmp_path: Path, shared_mongod: dict[str, str]
) -> None:
    server = with_workers(tmp_path, 2, **shared_mongod, TURANTALIM_SERVER__HOST="localhost")
    try:
        assert server.start().url.startswith("http://localhost:")
        port = int(server.url.rpartition(":")[2])
        for *_, address in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM):
            socket.create_connection((str(address[0]), port), WAIT_SECONDS).close()
        assert server.stop() == 0
    finally:
        server.make_sure_it_ended()


def test_workers_share_an_ipv6_address(tmp_path: Path, shared_mongod: dict[str, str]) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("there is no IPv6 here")
    server = with_workers(tmp_path, 2, **shared_mongod, TURANTALIM_SERVER__HOST="::1")
    try:
        assert server.start().url.startswith("http://[::1]:")
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        assert server.stop() == 0
    finally:
        server.make_sure_it_ended()


@pytest.mark.gen_test(timeout=90)
async def test_two_servers_on_one_mongodb_and_one_media_root_are_one_service(
    tmp_path: Path, shared_mongod: dict[str, str]
) -> None:
    same = shared_mongod | {
        "TURANTALIM_MEDIA__ROOT": str(tmp_path / "media"),
        "TURANTALIM_AUTH__SECRET": "one secret for both of the servers",
    }
    one, other = (with_workers(tmp_path / name, 2, **same) for name in ("one", "other"))
    try:
        one.start()
        other.start()
        token, reviewer_token = one.token("42"), other.token("7", "reviewer")
        async with (
            sdk_client(one.websocket_url, token) as student,
            sdk_client(one.websocket_url, reviewer_token, "queue:writing") as reviewer,
            httpx.AsyncClient(base_url=one.url) as here,
            httpx.AsyncClient(base_url=other.url) as there,
        ):
            submission = await Student(there, token).submit_writing(1, [PAGE], [PAGE])
            await reviewer.hears("submission.created", submission["id"])
            link = submission["questions"][0]["images"][0]["url"]
            assert (await here.get(link)).content == PAGE[1]
            await Reviewer(there, reviewer_token).grade(submission, SCORE)
            await student.hears("submission.checked", submission["id"])
            other.kill()
            assert (await Student(here, token).result(submission["id"]))["status"] == "checked"
        assert one.stop() == 0
        assert one.log_lines("error") == []
    finally:
        one.make_sure_it_ended()
        other.make_sure_it_ended()


async def _sdk_client_of(
    server: ServerProcess, worker: int, token: str, clients: AsyncExitStack
) -> SdkClient:
    """A client whose connection `worker` has; one that went to another is closed again."""
    before = clients_of(server, worker)
    while True:
        client = await clients.enter_async_context(sdk_client(server.websocket_url, token))
        if clients_of(server, worker) - before:
            return client
        await client.disconnect()


def _is_held_by(folder: Path, worker: int) -> bool:
    """Whether it is that process's draft folder: it has the lock in it open."""
    return any(
        descriptor.resolve() == folder.resolve() / "lock"
        for descriptor in Path(f"/proc/{worker}/fd").iterdir()
    )
