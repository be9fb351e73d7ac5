"""The tests, each one round of one server at a time, in a fresh process."""

from __future__ import annotations

import contextlib
import gc
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import orjson

from benchmarks.common.processes import busy_seconds
from benchmarks.common.tables import percentile
from benchmarks.status import people
from benchmarks.status.caller import Caller, Request
from benchmarks.status.crowd import Client, Crowd
from benchmarks.status.dialects import BadAnswer, Seat
from benchmarks.status.lineup import Running, Server, Surroundings
from benchmarks.status.loop import Loop

_CONNECTING_AT_ONCE = 64
_CONNECT_SECONDS, _STEP_SECONDS = 120.0, 60.0
_GRADED_STUDENTS = 50
_GRADES_PER_SECOND = 25
_SETTLE_SECONDS = 0.5
_BETWEEN_FAN_OUTS_SECONDS = 0.02
_REQUESTS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each test does in a round."""

    rounds: int = 3
    push_clients: tuple[int, ...] = (1, 1_000, 5_000)
    grades: int = 250
    warm_grades: int = 20
    fan_out_clients: tuple[int, ...] = (2_000, 5_000)
    fan_outs: int = 30
    warm_fan_outs: int = 10


QUICK = Sizes(
    rounds=1,
    push_clients=(1, 200),
    grades=25,
    warm_grades=5,
    fan_out_clients=(200, 500),
    fan_outs=6,
    warm_fan_outs=2,
)


@dataclass(slots=True)
class Load:
    """What a stretch cost. `client_share`: how much of its core the load generator needed, whose pause is never
    the server's; `others_share`: how much of the server's core went to anything else, MongoDB included."""

    seconds: float = 0
    server_cpu_seconds: float = 0
    client_share: float = 0
    others_share: float = 0


@dataclass(frozen=True, slots=True)
class Pushes:
    """PUT → push: the seconds from each request's sending to the student's push, with so many connected."""

    clients: int
    seconds: Sequence[float]
    load: Load

    @property
    def cpu_seconds_each(self) -> float:
        return self.load.server_cpu_seconds / len(self.seconds)

    def __str__(self) -> str:
        middle, end = (percentile(self.seconds, part) * 1000 for part in (0.5, 0.99))
        return f"{self.clients:6,} connected {middle:7.1f} ms, p99 {end:.1f}"


@dataclass(frozen=True, slots=True)
class FanOuts:
    """One event to so many: seconds from the request to the last client's receipt, and from the first's."""

    clients: int
    to_last: Sequence[float]
    first_to_last: Sequence[float]
    message_bytes: float
    load: Load

    @property
    def cpu_seconds_each(self) -> float:
        return self.load.server_cpu_seconds / len(self.to_last)

    def __str__(self) -> str:
        return f"{self.clients:6,} clients {percentile(self.to_last, 0.5) * 1000:7.1f} ms to the last"


@dataclass(slots=True)
class _Arrivals:
    """The receipts of one event."""

    count: int = 0
    bytes: int = 0
    first: float = 0
    last: float = 0
    sample: bytes = b""

    def arrived(self, _: Client, line: bytes, now: float) -> None:
        if not self.count:
            self.first, self.sample = now, line
        self.count += 1
        self.bytes += len(line)
        self.last = now


class Bench:
    """The tests, for servers that `around` describes."""

    def __init__(self, sizes: Sizes, around: Surroundings) -> None:
        self._sizes = sizes
        self._around = around
        self._reviewer = people.token(around.secret, people.ACTING_REVIEWER, "reviewer")

    def pushes(self, server: Server) -> list[Pushes]:
        """More and more students connected, idle but for their pings, and grades at a steady pace."""
        counts = self._sizes.push_clients
        students = people.students(self._around.secret, max(counts))
        samples = []
        with self._started(server) as (running, loop):
            crowd = Crowd(loop, running.port, server.dialect)
            graded = [
                _spread(students[:count], self._sizes.warm_grades + self._sizes.grades) for count in counts
            ]
            ids = iter(running.seed([seat for owners in graded for seat in owners]))
            for count, owners in zip(counts, graded, strict=True):
                crowd.join(students[len(crowd.clients) : count], _CONNECT_SECONDS, _CONNECTING_AT_ONCE)
                grading = _Grading(loop, running.port, self._reviewer)
                grading.watch(crowd)
                wanted = zip(itertools.islice(ids, len(owners)), owners, strict=True)
                grading.give(dict(itertools.islice(wanted, self._sizes.warm_grades)))
                loop.idle(_SETTLE_SECONDS)
                grading.seconds.clear()
                with self._measured(running) as load:
                    grading.give(dict(wanted))
                grading.caller.close()
                samples.append(Pushes(count, grading.seconds, load))
            crowd.leave()
        return samples

    def fan_outs(self, server: Server) -> list[FanOuts]:
        """A reviewer claims and releases one submission, and every reviewer's socket is told."""
        return [self._fan_out(server, count) for count in self._sizes.fan_out_clients]

    def _fan_out(self, server: Server, count: int) -> FanOuts:
        sizes = self._sizes
        with self._started(server) as (running, loop):
            (submission,) = running.seed(people.students(self._around.secret, 1))
            crowd = Crowd(loop, running.port, server.dialect)
            crowd.join(people.reviewers(self._around.secret, count), _CONNECT_SECONDS, _CONNECTING_AT_ONCE)
            loop.idle(_SETTLE_SECONDS)
            caller = Caller(loop, running.port)
            caller.open(1)
            to_last, first_to_last, sizes_bytes = list[float](), list[float](), list[float]()
            with contextlib.ExitStack() as measuring:
                load = Load()
                for number in range(sizes.warm_fan_outs + sizes.fan_outs):
                    if number == sizes.warm_fan_outs:
                        load = measuring.enter_context(self._measured(running))
                        to_last, first_to_last, sizes_bytes = [], [], []
                    sent, arrivals = self._one_fan_out(crowd, caller, submission, number)
                    to_last.append(arrivals.last - sent)
                    first_to_last.append(arrivals.last - arrivals.first)
                    sizes_bytes.append(arrivals.bytes / arrivals.count)
                    loop.idle(_BETWEEN_FAN_OUTS_SECONDS)
            if any(client.events != sizes.warm_fan_outs + sizes.fan_outs for client in crowd.clients):
                raise BadAnswer("not everyone was told exactly once")
            caller.close()
            crowd.leave()
        return FanOuts(count, to_last, first_to_last, sum(sizes_bytes) / len(sizes_bytes), load)

    def _one_fan_out(
        self, crowd: Crowd, caller: Caller, submission: int, number: int
    ) -> tuple[float, _Arrivals]:
        """The claim, or the next time the release, of one submission; when it was sent, and who heard when."""
        claims = number % 2 == 0
        arrivals, answered = _Arrivals(), caller.answered + 1
        crowd.on_event = arrivals.arrived
        path = f"/multilevel/manual-reviews/{submission}/claim/"
        sent = caller.send(Request("POST" if claims else "DELETE", path, self._reviewer))
        wanted = len(crowd.clients)
        crowd.loop.run(lambda: arrivals.count >= wanted and caller.answered == answered, _STEP_SECONDS)
        event = crowd.dialect.event(crowd.clients[0].seat, arrivals.sample)
        expected = "submission.claimed" if claims else "submission.released"
        if event["type"] != expected or event["submission"]["manual_review_id"] != submission:
            raise BadAnswer(f"not the event of this submission: {event}")
        if any(client.events != number + 1 for client in crowd.clients):
            raise BadAnswer("not everyone was told exactly once")
        return sent, arrivals

    @contextlib.contextmanager
    def _started(self, server: Server) -> Iterator[tuple[Running, Loop]]:
        with ExitStack() as stack:
            running = Running(server, self._around)
            stack.callback(running.process.stop)
            loop = Loop()
            stack.callback(loop.close)
            try:
                yield running, loop
            except (BadAnswer, OSError) as error:
                raise BadAnswer(f"{server.label}: {error!r}\n{running.process.last_words()}") from error

    @contextlib.contextmanager
    def _measured(self, running: Running) -> Iterator[Load]:
        """What it costs until the block ends, without the garbage collector's pauses in this process."""
        load, core, process = Load(), self._around.core, running.process
        gc.collect()
        gc.disable()
        busy, cpu, own, began = (
            busy_seconds(core),
            process.cpu_seconds(),
            time.process_time(),
            time.perf_counter(),
        )
        try:
            yield load
        finally:
            load.seconds = time.perf_counter() - began
            load.client_share = (time.process_time() - own) / load.seconds
            load.server_cpu_seconds = process.cpu_seconds() - cpu
            load.others_share = max(0.0, busy_seconds(core) - busy - load.server_cpu_seconds) / load.seconds
            gc.enable()


@dataclass(slots=True)
class _Grading:
    """Grades at a steady pace, and when each student heard of theirs."""

    loop: Loop
    port: int
    reviewer: str
    seconds: list[float] = field(default_factory=list)
    _sent: dict[int, float] = field(default_factory=dict)
    _owners: dict[int, int] = field(default_factory=dict)
    caller: Caller = field(init=False)

    def __post_init__(self) -> None:
        self.caller = Caller(self.loop, self.port)
        self.caller.open(_REQUESTS_AT_ONCE)

    def watch(self, crowd: Crowd) -> None:
        crowd.on_event = self._heard

    def give(self, wanted: dict[int, Seat]) -> None:
        """A grade for every submission, whose owner must hear of it, once and nobody else."""
        waiting, due = iter(wanted.items()), time.perf_counter()

        def step() -> float:
            nonlocal due
            if (late := time.perf_counter() - due) >= 0 and (following := next(waiting, None)):
                self.grade(*following)
                due += 1 / _GRADES_PER_SECOND
            return max(0.0, -late)

        count = len(wanted)
        pushed, answered = len(self.seconds) + count, self.caller.answered + count
        self.loop.run(
            lambda: len(self.seconds) == pushed and self.caller.answered == answered,
            count / _GRADES_PER_SECOND + _STEP_SECONDS,
            step,
        )

    def grade(self, submission: int, owner: Seat) -> None:
        self._owners[submission] = owner.user_id
        grade = {"revision": 1, "score": {"total_score": 70.0}, "feedback": {"comment": "Good fluency."}}
        path = f"/multilevel/manual-reviews/{submission}/"
        self._sent[submission] = self.caller.send(Request("PUT", path, self.reviewer, orjson.dumps(grade)))

    def _heard(self, client: Client, line: bytes, now: float) -> None:
        event = client.seat_event(line)
        submission = event["submission"]["manual_review_id"]
        sent = self._sent.pop(submission, None)
        if event["type"] != "submission.checked" or event["submission"]["score"]["total_score"] != 70:
            raise BadAnswer(f"not a grade: {line[:500]!r}")
        if sent is None or self._owners[submission] != client.seat.user_id:
            raise BadAnswer(
                f"user {client.seat.user_id} heard what was not for them, or heard it twice: {line!r}"
            )
        self.seconds.append(now - sent)


def _spread(students: Sequence[Seat], count: int) -> list[Seat]:
    """`count` of them, in turn: of many the latest 50 to come, of few all."""
    chosen = students[-_GRADED_STUDENTS:]
    return [chosen[place % len(chosen)] for place in range(count)]
