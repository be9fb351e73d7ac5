"""The four tests, each one round of one server at a time: large, small, ping, memory."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import jwt

from benchmarks.common.processes import busy_seconds
from benchmarks.upload.install import HERE
from benchmarks.upload.lineup import Running, Server, Surroundings
from benchmarks.upload.load import BadAnswer, Form, Job, send, speaking_form, writing_form

_TOKEN_SECONDS = 86_400
_LARGE_CONNECTIONS, _SMALL_CONNECTIONS, _PING_CONNECTIONS, _MEMORY_CONNECTIONS = 4, 32, 8, 20
_IDLE_PING_SECONDS = 1.0
_LONGEST_PING_SECONDS = 120.0
_SETTLE_SECONDS = 0.3
_FAST_FILE_SECONDS = 0.000_1
"""To make an empty file takes 20 µs; with thousands of deleted ones in the way, 500 µs."""
_FORGETTING_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each test sends in a round; bytes are those of one file."""

    rounds: int = 5
    recording_bytes: int = 25_000_000
    large_uploads: int = 8
    photo_bytes: int = 300_000
    small_uploads: int = 1_200
    ping_uploads: int = 16
    memory_bytes: tuple[int, int] = (10_000_000, 40_000_000)
    patience_seconds: float = 330
    """How long to wait for the file system to forget deleted files: ext4 remembers them for five minutes."""


QUICK = Sizes(
    rounds=1,
    recording_bytes=2_000_000,
    large_uploads=8,
    small_uploads=96,
    ping_uploads=8,
    memory_bytes=(1_000_000, 4_000_000),
    patience_seconds=0,
)


@dataclass(frozen=True, slots=True)
class Forms:
    """The uploads of all tests, on disk and so in the page cache."""

    large: Form
    small: Form
    memory: tuple[Form, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one server.

    `client_share`: how much of its core the load generator needed. `others_share`: how much of the server's core
    went to anything else, MongoDB included; in the large test, where MongoDB has next to nothing to do, more than
    a few per cent mean that the machine was not quiet and that the figures are worth little.
    """

    uploads: int
    sent_bytes: int
    seconds: float
    cpu_seconds: float
    grown_bytes: int
    client_share: float
    others_share: float
    latencies: Sequence[float] = ()
    pings: Sequence[float] = ()
    idle_pings: Sequence[float] = ()

    @property
    def megabytes_per_second(self) -> float:
        return self.sent_bytes / 1e6 / self.seconds

    @property
    def uploads_per_second(self) -> float:
        return self.uploads / self.seconds

    @property
    def cpu_seconds_per_gigabyte(self) -> float:
        return self.cpu_seconds / (self.sent_bytes / 1e9)

    @property
    def cpu_seconds_per_upload(self) -> float:
        return self.cpu_seconds / self.uploads


@dataclass(slots=True)
class Measured:
    """Every sample of a run, by test and server's label, in the order they were taken."""

    samples: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)
    files_were_fast: bool = True

    def add(self, test: str, label: str, sample: Sample) -> None:
        self.samples.setdefault(test, {}).setdefault(label, []).append(sample)


def make_forms(folder: Path, sizes: Sizes) -> Forms:
    return Forms(
        speaking_form(folder, 8, sizes.recording_bytes),
        writing_form(folder, sizes.photo_bytes),
        tuple(speaking_form(folder, 3, size) for size in sizes.memory_bytes),
    )


class Bench:
    """The tests, for servers that `around` describes."""

    def __init__(self, sizes: Sizes, forms: Forms, around: Surroundings) -> None:
        self._sizes = sizes
        self._forms = forms
        self._around = around
        self._tokens = [_token(around.secret, 1000 + place) for place in range(_SMALL_CONNECTIONS)]

    def warm(self, running: Running) -> None:
        """First requests, and a look at what became of them: whoever drops a byte is not compared."""
        raw = running.server.raw_put
        for form in (self._forms.large,) if raw else (self._forms.large, self._forms.small):
            before = 0 if raw else running.documents()
            send(self._job(running, form, 1, 1))
            if not raw and running.stored_digests() != list(form.digests):
                raise BadAnswer("the files on the disk are not those that were sent")
            if not raw and running.documents() != before + 1:
                raise BadAnswer("there is not one new document")
            if raw and running.stored_bytes() != form.body_bytes:
                raise BadAnswer("the file on the disk is not as long as what was sent")
            self.settle(running)

    def large(self, running: Running) -> Sample:
        return self._measure(
            running, self._job(running, self._forms.large, self._sizes.large_uploads, _LARGE_CONNECTIONS)
        )

    def small(self, running: Running) -> Sample:
        return self._measure(
            running, self._job(running, self._forms.small, self._sizes.small_uploads, _SMALL_CONNECTIONS)
        )

    def await_fast_files(self, running: Sequence[Running], longest_seconds: float) -> bool:
        """Wait until a file is made quickly in every server's folder, as where nothing was deleted lately; see
        `Running.empty_files`. False if it did not come to that."""
        deadline = time.monotonic() + longest_seconds
        while any(each.seconds_to_make_a_file() > _FAST_FILE_SECONDS for each in running):
            if time.monotonic() > deadline:
                return False
            time.sleep(_FORGETTING_SECONDS)
        return True

    def ping(self, running: Running) -> Sample:
        """/healthz while nothing else happens, then beside large uploads."""
        with _pinging(running.port) as idle:
            time.sleep(_IDLE_PING_SECONDS)
        job = self._job(running, self._forms.large, self._sizes.ping_uploads, _PING_CONNECTIONS)
        with _pinging(running.port) as busy:
            sample = self._measure(running, job, settle=False)
        self.settle(running)
        return replace(sample, pings=busy, idle_pings=idle)

    def memory(self, server: Server) -> list[Sample]:
        """Twenty uploads at once, of small and of large files, each time in a fresh process."""
        samples = []
        for form in self._forms.memory:
            running = Running(server, self._around)
            try:
                self.warm(running)
                samples.append(
                    self._measure(running, self._job(running, form, _MEMORY_CONNECTIONS, _MEMORY_CONNECTIONS))
                )
            finally:
                running.process.stop()
        return samples

    def settle(self, running: Running) -> None:
        """Leave nothing on the disk, or on its way there, that the next one would pay for."""
        running.empty_files()
        os.sync()
        time.sleep(_SETTLE_SECONDS)

    def _job(self, running: Running, form: Form, uploads: int, connections: int) -> Job:
        tokens = self._tokens[: min(connections, uploads)]
        return Job(running.port, form, uploads, tokens, running.server.raw_put)

    def _measure(self, running: Running, job: Job, *, settle: bool = True) -> Sample:
        process, core = running.process, self._around.core
        present, cpu, busy = process.forget_peak(), process.cpu_seconds(), busy_seconds(core)
        outcome = send(job)
        busy, cpu, peak = busy_seconds(core) - busy, process.cpu_seconds() - cpu, process.peak_bytes()
        if settle:
            self.settle(running)
        return Sample(
            job.requests,
            outcome.sent_bytes,
            outcome.seconds,
            cpu,
            peak - present,
            outcome.client_seconds / outcome.seconds,
            max(0.0, busy - cpu) / outcome.seconds,
            outcome.latencies,
        )


@contextlib.contextmanager
def _pinging(port: int) -> Iterator[list[float]]:
    """Pings go on inside the block; their milliseconds are in the list after it."""
    milliseconds: list[float] = []
    command = [sys.executable, str(HERE / "ping.py"), str(port), str(_LONGEST_PING_SECONDS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as pings:  # noqa: S603
        try:
            yield milliseconds
            answer, _ = pings.communicate(timeout=_LONGEST_PING_SECONDS)
        except BaseException:
            pings.kill()
            raise
    if pings.returncode:
        raise RuntimeError("the pings failed")
    milliseconds += json.loads(answer)


def _token(secret: str, user_id: int) -> str:
    claims = {
        "token_type": "access",
        "user_id": user_id,
        "role": "student",
        "exp": int(time.time()) + _TOKEN_SECONDS,
    }
    return jwt.encode(claims, secret, algorithm="HS256")
