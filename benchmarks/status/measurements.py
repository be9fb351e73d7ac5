"""The four tests, each one round of one server at a time, in a fresh process: held, push, fan-out, storm."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

from benchmarks.common.processes import busy_seconds, kernel_bytes
from benchmarks.status import people
from benchmarks.status.caller import Caller, Request
from benchmarks.status.crowd import Client, Crowd
from benchmarks.status.dialects import BadAnswer, Seat
from benchmarks.status.frames import BadFrame
from benchmarks.status.grading import Given, Grading
from benchmarks.status.lineup import Running, Server, Surroundings
from benchmarks.status.loop import Loop
from benchmarks.status.samples import FanOuts, Held, Load, Pushes, Storms

_CONNECTING_AT_ONCE = 64
_CONNECT_SECONDS, _STEP_SECONDS = 180.0, 60.0
_GRADED_STUDENTS = 50
_GRADES_PER_SECOND, _STORM_GRADES_PER_SECOND = 25, 50
_SETTLE_SECONDS = 1.0
_BETWEEN_FAN_OUTS_SECONDS = 0.02
_LONGEST_FAN_OUTS_SECONDS, _FEWEST_FAN_OUTS = 15.0, 5
"""Whoever needs seconds for one is measured with fewer."""
_WARM_CLIENTS, _RECOVERING = 50, 5


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each test does in a round."""

    rounds: int = 3
    held_clients: tuple[int, ...] = (1_000, 5_000)
    push_clients: tuple[int, ...] = (1, 1_000, 5_000)
    grades: int = 250
    warm_grades: int = 20
    fan_out_clients: tuple[int, ...] = (2_000, 5_000)
    fan_outs: int = 30
    warm_fan_outs: int = 10
    storm_clients: int = 2_000
    storms: int = 3
    storm_grades: int = 150


QUICK = Sizes(
    rounds=1,
    held_clients=(200, 500),
    push_clients=(1, 200),
    grades=25,
    warm_grades=5,
    fan_out_clients=(200, 500),
    fan_outs=6,
    warm_fan_outs=2,
    storm_clients=200,
    storms=1,
    storm_grades=50,
)


class Bench:
    """The tests, for servers that `around` describes. Each raises BadAnswer if a server does not do its work."""

    def __init__(self, sizes: Sizes, around: Surroundings) -> None:
        self._sizes = sizes
        self._around = around
        self._reviewer = people.token(around.secret, people.ACTING_REVIEWER, "reviewer")

    def held(self, server: Server) -> list[Held]:
        """More and more students connected, who do nothing."""
        samples = []
        with self._started(server) as (running, loop):
            crowd = Crowd(loop, running.port, server.dialect)
            students = people.students(self._around.secret, _WARM_CLIENTS + max(self._sizes.held_clients))
            crowd.join(students[:_WARM_CLIENTS], _CONNECT_SECONDS)  # what is loaded late is loaded now
            crowd.leave()
            del students[:_WARM_CLIENTS]
            loop.idle(_SETTLE_SECONDS)
            server_bytes, kernel, seconds = running.process.present_bytes(), kernel_bytes(), 0.0
            for count in self._sizes.held_clients:
                began = time.perf_counter()
                newcomers = students[len(crowd.clients) : count]
                seconds += crowd.join(newcomers, _CONNECT_SECONDS, _CONNECTING_AT_ONCE) - began
                loop.idle(_SETTLE_SECONDS)
                grown = running.process.present_bytes() - server_bytes
                samples.append(Held(count, grown, kernel_bytes() - kernel, seconds))
            crowd.leave()
        return samples

    def pushes(self, server: Server) -> list[Pushes]:
        """More and more students connected, idle but for their pings, and grades at a steady pace."""
        sizes, samples = self._sizes, list[Pushes]()
        students = people.students(self._around.secret, max(sizes.push_clients))
        with self._started(server) as (running, loop):
            crowd = Crowd(loop, running.port, server.dialect)
            owners = [
                _in_turn(students[:count], sizes.warm_grades + sizes.grades) for count in sizes.push_clients
            ]
            seeded = [self._seeded(running, seats) for seats in owners]
            for count, given in zip(sizes.push_clients, seeded, strict=True):
                crowd.join(students[len(crowd.clients) : count], _CONNECT_SECONDS, _CONNECTING_AT_ONCE)
                grading = Grading(loop, running.port, self._reviewer, _GRADES_PER_SECOND)
                crowd.on_event = grading.heard
                grading.give(_first(given, sizes.warm_grades))
                loop.idle(_SETTLE_SECONDS)
                with self._measured(running) as load:
                    seconds = grading.give(given)
                grading.close()
                samples.append(Pushes(count, seconds, load))
            crowd.leave()
        return samples

    def fan_outs(self, server: Server) -> list[FanOuts]:
        """A reviewer claims and releases one submission, and every reviewer's socket is told."""
        return [self._fan_outs(server, count) for count in self._sizes.fan_out_clients]

    def _fan_outs(self, server: Server, count: int) -> FanOuts:
        sizes = self._sizes
        with self._started(server) as (running, loop):
            (submission,) = running.seed(people.students(self._around.secret, 1))
            crowd = Crowd(loop, running.port, server.dialect)
            crowd.join(people.reviewers(self._around.secret, count), _CONNECT_SECONDS, _CONNECTING_AT_ONCE)
            loop.idle(_SETTLE_SECONDS)
            claims = _Claims(crowd, submission, self._reviewer)
            claims.go_on(sizes.warm_fan_outs, fewest=1)
            with self._measured(running) as load:
                measured = claims.go_on(sizes.fan_outs, _FEWEST_FAN_OUTS)
            claims.close()
            crowd.leave()
        load.client_share = sum(each.client_cpu_seconds for each in measured) / sum(
            each.to_last for each in measured
        )
        return FanOuts(
            count,
            [each.to_last for each in measured],
            [each.last - each.first for each in measured],
            sum(each.received_bytes for each in measured) / sum(each.count for each in measured),
            load,
        )

    def storms(self, server: Server) -> list[Storms]:
        """All students are cut and come back at once, while another one's submissions are graded."""
        sizes = self._sizes
        seats = people.students(self._around.secret, sizes.storm_clients + 1)
        observer, students = seats[0], seats[1:]
        to_served, pushes = list[float](), list[float]()
        with self._started(server) as (running, loop):
            given = self._seeded(
                running, [observer] * (sizes.warm_grades + sizes.storms * sizes.storm_grades)
            )
            missed = self._seeded(running, students[:_RECOVERING])
            crowd = Crowd(loop, running.port, server.dialect)
            alone = Crowd(loop, running.port, server.dialect, is_urgent=True)
            alone.join([observer], _CONNECT_SECONDS)
            crowd.join(students, _CONNECT_SECONDS, _CONNECTING_AT_ONCE)
            grading = Grading(loop, running.port, self._reviewer, _STORM_GRADES_PER_SECOND)
            alone.on_event = grading.heard
            grading.give(_first(given, sizes.warm_grades))
            self._check_recovery(server, running, crowd, missed)
            loop.idle(_SETTLE_SECONDS)
            with self._measured(running) as load:
                for _ in range(sizes.storms):
                    known = len(grading.latencies)
                    grading.begin(_first(given, sizes.storm_grades))
                    began = time.perf_counter()
                    crowd.leave(abort=True)
                    ended = crowd.join(students, _CONNECT_SECONDS, meanwhile=grading.step)
                    grading.end()
                    to_served.append(ended - began)
                    pushes += [seconds for sent, seconds in grading.latencies[known:] if sent <= ended]
                    if server.is_ours and not all(seat.has_recovered for seat in students):
                        raise BadAnswer("not everyone recovered")
            grading.close()
            for each in (crowd, alone):
                each.leave()
        return [Storms(sizes.storm_clients, to_served, pushes, load)]

    def _check_recovery(self, server: Server, running: Running, crowd: Crowd, missed: Given) -> None:
        """Cut everyone, grade some, and see that they are told when they come back: ours by what they missed,
        a peer by its snapshot."""
        seats = [client.seat for client in crowd.clients]
        crowd.leave(abort=True)
        caller = Caller(crowd.loop, running.port)
        for submission in missed:
            grade = b'{"revision": 1, "score": {"total_score": 70.0}, "feedback": {"comment": ""}}'
            caller.send(Request("PUT", f"/multilevel/manual-reviews/{submission}/", self._reviewer, grade))
        crowd.loop.run(lambda: caller.answered == len(missed), _STEP_SECONDS)
        caller.close()
        crowd.loop.idle(_SETTLE_SECONDS)
        crowd.join(seats, _CONNECT_SECONDS, _CONNECTING_AT_ONCE)
        for submission, seat in missed.items():
            told = [each["submission"] for each in seat.caught_up]
            if [(each["manual_review_id"], each["status"]) for each in told] != [(submission, "checked")]:
                raise BadAnswer(f"user {seat.user_id} was not told of what they missed: {told}")
        if server.is_ours and not all(seat.has_recovered for seat in seats):
            raise BadAnswer("not everyone recovered")

    def _seeded(self, running: Running, owners: Sequence[Seat]) -> Given:
        return dict(zip(running.seed(owners), owners, strict=True))

    @contextlib.contextmanager
    def _started(self, server: Server) -> Iterator[tuple[Running, Loop]]:
        with ExitStack() as stack:
            running = Running(server, self._around)
            stack.callback(running.process.stop)
            loop = Loop()
            stack.callback(loop.close)
            try:
                yield running, loop
            except (BadAnswer, BadFrame, OSError, LookupError, ValueError) as error:
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
            seconds = time.perf_counter() - began
            load.client_share = (time.process_time() - own) / seconds
            load.server_cpu_seconds = process.cpu_seconds() - cpu
            load.others_share = max(0.0, busy_seconds(core) - busy - load.server_cpu_seconds) / seconds
            gc.enable()


@dataclass(slots=True)
class _FanOut:
    """The receipts of one event."""

    count: int = 0
    received_bytes: int = 0
    first: float = 0
    last: float = 0
    sample: bytes = b""
    to_last: float = 0
    client_cpu_seconds: float = 0

    def arrived(self, _: Client, line: bytes, now: float) -> None:
        if not self.count:
            self.first, self.sample = now, line
        self.count += 1
        self.received_bytes += len(line)
        self.last = now


class _Claims:
    """Claims and releases of one submission, in turn, and who of a crowd of reviewers hears when."""

    def __init__(self, crowd: Crowd, submission: int, reviewer: str) -> None:
        self._crowd = crowd
        self._submission = submission
        self._reviewer = reviewer
        self._caller = Caller(crowd.loop, crowd.port)
        self._number = 0

    def go_on(self, times: int, fewest: int) -> list[_FanOut]:
        """So many, or fewer if they take long."""
        done, deadline = list[_FanOut](), time.perf_counter() + _LONGEST_FAN_OUTS_SECONDS
        while len(done) < times and (len(done) < fewest or time.perf_counter() < deadline):
            done.append(self._once())
            self._crowd.loop.idle(_BETWEEN_FAN_OUTS_SECONDS)
        return done

    def close(self) -> None:
        """Raises BadAnswer if anyone heard more than they should."""
        self._check_everyone()
        self._caller.close()

    def _once(self) -> _FanOut:
        claims, fan_out = self._number % 2 == 0, _FanOut()
        self._number += 1
        wanted = len(self._crowd.clients)
        self._crowd.on_event = fan_out.arrived
        path = f"/multilevel/manual-reviews/{self._submission}/claim/"
        own = time.process_time()
        sent = self._caller.send(Request("POST" if claims else "DELETE", path, self._reviewer))
        self._crowd.loop.run(
            lambda: fan_out.count >= wanted and self._caller.answered == self._number, _STEP_SECONDS
        )
        fan_out.client_cpu_seconds = time.process_time() - own
        fan_out.to_last = fan_out.last - sent
        event = self._crowd.dialect.event(self._crowd.clients[0].seat, fan_out.sample)
        expected = "submission.claimed" if claims else "submission.released"
        if event["type"] != expected or event["submission"]["manual_review_id"] != self._submission:
            raise BadAnswer(f"not the event of this submission: {event}")
        self._check_everyone()
        return fan_out

    def _check_everyone(self) -> None:
        if any(client.events != self._number for client in self._crowd.clients):
            raise BadAnswer("not everyone was told exactly once")


def _in_turn(students: Sequence[Seat], count: int) -> list[Seat]:
    """`count` owners: of many students the latest 50 to come, of few all, in turn."""
    chosen = students[-_GRADED_STUDENTS:]
    return [chosen[place % len(chosen)] for place in range(count)]


def _first(given: Given, count: int) -> Given:
    """Take `count` out of it."""
    return {submission: given.pop(submission) for submission in list(islice(given, count))}
