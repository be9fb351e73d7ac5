"""Grades at a steady pace, and when each student heard of theirs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import orjson

from benchmarks.status.caller import Caller, Request
from benchmarks.status.crowd import Client
from benchmarks.status.dialects import BadAnswer, Seat
from benchmarks.status.loop import Loop

_REQUESTS_AT_ONCE = 64
"""As many connections are ready: in a storm a server answers late, and a new one would wait to be accepted."""
_TAIL_SECONDS = 60.0
_SCORE = 70.0
Given = dict[int, Seat]
"""Submissions, by `manual_review_id`, and whose they are."""


class Grading:
    """One reviewer. Give `heard` to the crowds whose students are graded.

    `latencies`: when a request was sent, and the seconds from then to its push.
    """

    def __init__(self, loop: Loop, port: int, reviewer: str, per_second: float) -> None:
        self.latencies: list[tuple[float, float]] = []
        self._loop = loop
        self._caller = Caller(loop, port)
        self._reviewer = reviewer
        self._period = 1 / per_second
        self._sent: dict[int, float] = {}
        self._owners: dict[int, int] = {}
        self._waiting: Iterator[tuple[int, Seat]] = iter(())
        self._due = 0.0

    def give(self, wanted: Given) -> list[float]:
        """All of them; each owner must hear of each, once, and nobody else. The seconds from PUT to push."""
        known = len(self.latencies)
        self.begin(wanted)
        self._loop.run(
            lambda: len(self._owners) == len(wanted) and self.is_quiet,
            len(wanted) * self._period + _TAIL_SECONDS,
            self.step,
        )
        self._owners.clear()
        return [seconds for _, seconds in self.latencies[known:]]

    def begin(self, wanted: Given) -> None:
        """From now on, `step` gives these."""
        self._caller.open(_REQUESTS_AT_ONCE)
        self._owners.clear()
        self._waiting, self._due = iter(wanted.items()), time.perf_counter()

    def step(self) -> float:
        """Give what is due; in how many seconds the next is."""
        now = time.perf_counter()
        if now >= self._due:
            following = next(self._waiting, None)
            if following is None:
                return self._period
            self._grade(*following)
            self._due += self._period
        return max(0.0, self._due - now)

    def end(self) -> int:
        """Give no more, and wait for the pushes of those given; how many were left."""
        left = sum(1 for _ in self._waiting)
        self._loop.run(lambda: self.is_quiet, _TAIL_SECONDS)
        return left

    @property
    def is_quiet(self) -> bool:
        """Everything that was given was pushed and answered."""
        return not self._sent and self._caller.answered == len(self.latencies)

    def close(self) -> None:
        self._caller.close()

    def heard(self, client: Client, line: bytes, now: float) -> None:
        event = client.read_event(line)
        submission = event["submission"]["manual_review_id"]
        if event["type"] != "submission.checked" or event["submission"]["score"]["total_score"] != _SCORE:
            raise BadAnswer(f"not a grade: {line[:500]!r}")
        sent = self._sent.pop(submission, None)
        if sent is None or self._owners[submission] != client.seat.user_id:
            raise BadAnswer(f"user {client.seat.user_id} heard what was not theirs, or twice: {line[:500]!r}")
        self.latencies.append((sent, now - sent))

    def _grade(self, submission: int, owner: Seat) -> None:
        self._owners[submission] = owner.user_id
        grade = {"revision": 1, "score": {"total_score": _SCORE}, "feedback": {"comment": "Good fluency."}}
        path = f"/multilevel/manual-reviews/{submission}/"
        self._sent[submission] = self._caller.send(Request("PUT", path, self._reviewer, orjson.dumps(grade)))
