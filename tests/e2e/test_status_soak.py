"""The status channel by dice: hundreds of sockets on a bad network, the server and mongod killed now and then.

Two thousand times a submission changes its state, and in the end every client knows just what is so, has heard of
every change there was, and of none it may not see.

`STATUS_SOAK_SECONDS=600 STATUS_SOAK_SEED=7 STATUS_SOAK_SOCKETS=1000 make test` goes on for longer, and elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import structlog

from tests.e2e.exam_traffic import Cast, ExamTraffic
from tests.e2e.patient_http import PatientHttp, patient_http
from tests.e2e.processes import eventually, free_port
from tests.e2e.promises import documents
from tests.e2e.server_process import ServerProcess
from tests.e2e.status_client import Habits
from tests.e2e.status_crowd import Crowd, gather_crowd
from tests.e2e.status_truth import SECTIONS, Truth, read_events, read_submissions
from tests.e2e.workers import workers_of
from tests.handlers.tokens import signed
from tests.server.mongod_process import pid_of, port_of
from tests.serving import SECRET

log = structlog.get_logger(__name__)

SECONDS = float(os.environ.get("STATUS_SOAK_SECONDS", "0"))
"""How long changes go on at least; those of the suite take some thirty seconds."""
SEED = os.environ.get("STATUS_SOAK_SEED", "1")
SOCKETS = int(os.environ.get("STATUS_SOAK_SOCKETS", "500"))
PROCESSES = int(os.environ.get("STATUS_SOAK_PROCESSES", "1"))
CHANGES = 2_000
SUBMISSIONS = 300
CHANGES_BETWEEN_FAULTS = 135
"""Two rounds of faults."""
LEASE_SECONDS = 5
"""A claim that is left alone ends by itself."""
RING_SECONDS = 8
HABITS = Habits(stays_seconds=12.0, away_seconds=RING_SECONDS + 4.0)
CUT_SHARE, DOZING_SHARE, DOZES_SECONDS = 0.7, 0.2, (2.0, 6.0)
SETTLE_SECONDS = 40.0
"""For all to come back, five hundred at once, and be told."""
REST_SECONDS = 150.0
"""For the two thousand changes on a slow machine, and the comparison."""
SHOWN = 25
"""Lines of a failure."""
HAPPENS = (
    *("left", "recovered", "snapshots", "unreachable", "probes refused", "dozed"),
    *("closed 1006", "closed 3001"),
)
"""What must have happened to some client, lest nothing was put to the test."""
EXPECTED_ERRORS = {
    "embedded mongod died, starting it again",
    "submission not recorded",
    "worker died, starting another",
}

Fault = Callable[[], Awaitable[None]]


class Faults:
    """Everything that happens to the server and to its clients, one after the other, each kind as often."""

    def __init__(self, server: ServerProcess, crowd: Crowd) -> None:
        self.tally: Counter[str] = Counter()
        self._server = server
        self._crowd = crowd
        self._dice = dice("faults")

    async def go_on_beside(self, traffic: ExamTraffic) -> None:
        coming: list[Fault] = []
        while await traffic.goes_on_for(CHANGES_BETWEEN_FAULTS):
            coming = coming or self._round()
            fault = coming.pop()
            self.tally[fault.__name__] += 1
            log.info("fault", kind=fault.__name__, changes=traffic.changes, **self._crowd.tally)
            await fault()

    def _round(self) -> list[Fault]:
        kinds = [self.kill_server, self.kill_mongod, self.restart, self.cut_many, self.cut_many, self.doze]
        if PROCESSES > 1:
            kinds.append(self.kill_worker)
        return self._dice.sample(kinds, len(kinds))

    async def kill_server(self) -> None:
        self._server.kill()
        await asyncio.to_thread(self._server.start)

    async def kill_worker(self) -> None:
        if workers := workers_of(self._server):
            os.kill(self._dice.choice(workers), signal.SIGKILL)

    async def kill_mongod(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # not back yet since the last time
            os.kill(pid_of(self._server.state_dir), signal.SIGKILL)

    async def restart(self) -> None:
        assert await asyncio.to_thread(self._server.stop) == 0
        await asyncio.to_thread(self._server.start)

    async def cut_many(self) -> None:
        for client in self._crowd.everyone:
            if self._dice.random() < CUT_SHARE:
                client.cut()

    async def doze(self) -> None:
        for client in self._crowd.clients:
            if client.is_narrow or self._dice.random() < DOZING_SHARE:
                client.doze(self._dice.uniform(*DOZES_SECONDS))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Under one address whatever befalls it; it forgets soon, pings often and waits for no slow reader."""
    server = ServerProcess(
        tmp_path,
        TURANTALIM_SERVER__PORT=str(free_port()),
        TURANTALIM_SERVER__PROCESSES=str(PROCESSES),
        TURANTALIM_AUTH__SECRET=SECRET,
        TURANTALIM_STATUS__RING_SECONDS=str(RING_SECONDS),
        TURANTALIM_STATUS__PING_SECONDS="5",
        TURANTALIM_STATUS__OUTGOING_BYTES=str(16 << 10),
        TURANTALIM_REVIEWS__LEASE_SECONDS=str(LEASE_SECONDS),
    )
    try:
        yield server.start()
    finally:
        server.make_sure_it_ended()


@pytest.mark.timeout(SECONDS + 2 * REST_SECONDS)
@pytest.mark.gen_test(timeout=SECONDS + REST_SECONDS)
async def test_every_client_knows_in_the_end_what_is_so_and_was_told_all_it_may_know(
    server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")  # what the WebSocket library has to say of a frame takes longer than the frame
    crowd = gather_crowd(server.websocket_url, SOCKETS, HABITS, mint, dice)
    faults = Faults(server, crowd)
    async with patient_http(server.url) as http, crowd.alive():
        traffic = ExamTraffic(
            http,
            crowd.cast,
            dice("traffic"),
            least_changes=CHANGES + 20,  # by its own count
            end=time.monotonic() + SECONDS,
            most_submissions=SUBMISSIONS,
        )
        await asyncio.gather(traffic.go_on(), faults.go_on_beside(traffic))
        for client in crowd.clients:
            client.settle()
        await eventually(lambda: all(document["claim"] is None for document in documents(server)))
        truth = await read_truth(server, http, crowd.cast)
        settling_seconds = await all_know(truth, crowd)
    happened = sum(len(truth.events[f"queue:{section}"]) for section in SECTIONS)
    told = Counter({"changes": happened}) + faults.tally + traffic.tally + crowd.tally
    log.info("soaked", seed=SEED, settling_seconds=settling_seconds, **told)

    wrong = list(wrongs(crowd, truth))
    assert not wrong, "\n".join([f"seed {SEED}, {len(wrong)} wrong:", *wrong[:SHOWN]])
    assert happened >= CHANGES
    checked = server.run("fsck")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert server.stop() == 0
    assert {line["event"] for line in server.log_lines("error")} <= EXPECTED_ERRORS, SEED
    assert all(crowd.tally[what] for what in HAPPENS), crowd.tally
    assert any(view.progress for view in crowd.views)
    assert faults.tally.keys() >= {"kill_server", "kill_mongod", "restart", "cut_many", "doze"}, faults.tally


def wrongs(crowd: Crowd, truth: Truth) -> Iterator[str]:
    """Whatever a client was told that it should not have been, was not told, or believes though it is not so."""
    for each in crowd.everyone:
        yield from (f"{each.user}: {what}" for what in each.complaints)
        for view in each.views.values():
            for what in (*view.complaints, *truth.gaps(view), *truth.differences(view)):
                yield f"{each.user} in {view.name}: {what}"


async def read_truth(server: ServerProcess, http: PatientHttp, cast: Cast) -> Truth:
    students = {person.user: person.headers for person in cast.students}
    submissions = await read_submissions(http, students, cast.admin.headers)
    uri = f"mongodb://127.0.0.1:{port_of(server.state_dir)}/?directConnection=true"
    return Truth(submissions, await asyncio.to_thread(read_events, uri, "turantalim"))


async def all_know(truth: Truth, crowd: Crowd) -> float:
    """Wait for all to be up to date, though not for ever: what is missing then is told better elsewhere. Returns
    how many seconds that took."""
    began, waiting = time.monotonic(), list(crowd.views)
    while waiting and time.monotonic() < began + SETTLE_SECONDS:
        await asyncio.sleep(0.1)
        waiting = [view for view in waiting if not truth.is_known_to(view)]
    return time.monotonic() - began


@cache
def mint(user: str, role: str) -> str:
    return signed(user_id=user, role=role, exp=int(time.time() + SECONDS) + 3600)


def dice(what: str) -> random.Random:
    return random.Random(f"{SEED}/{what}")  # noqa: S311  # no secret: it must come out the same again
