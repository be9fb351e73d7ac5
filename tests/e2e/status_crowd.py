"""Who is there in a soak of the status channel: who acts over HTTP, and whose sockets there are."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from tests.e2e.exam_traffic import Cast, Person
from tests.e2e.status_client import Account, Habits, StatusClient
from tests.e2e.status_truth import SECTIONS
from tests.e2e.status_view import ChannelView
from tests.e2e.status_witness import SdkWitness
from tests.handlers.tokens import bearer

Mint = Callable[[str, str], str]
"""Makes the token of a user in a role."""
Dice = Callable[[str], random.Random]
"""Makes a source of randomness for whatever is named."""

_REVIEWING, _HOSTILE = 0.08, 0.04
"""The shares of reviewers' sockets, and of those that try what they may not have. The others are students'."""
_SOCKETS_EACH = (1, 1, 2, 3)
"""How many sockets one student has, in turn. Not five: the server may count one that is gone for a while longer."""
_NARROW = 8
_WITNESSES, _REVIEWING_WITNESSES = 10, 2
_WRITING, _SPEAKING = (f"queue:{section}" for section in SECTIONS)
_QUEUES = ((_WRITING,), (_SPEAKING,), (_WRITING, _SPEAKING))
_FORBIDDEN = (_WRITING, _SPEAKING, "queue:all", "user:admin", "user:r0", "user:")
"""To every student; hostile ones try another student's channel too."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """`tally` counts what happens to the clients."""

    cast: Cast
    clients: list[StatusClient]
    witnesses: list[SdkWitness]
    tally: Counter[str] = field(default_factory=Counter)

    @property
    def everyone(self) -> list[StatusClient | SdkWitness]:
        return [*self.clients, *self.witnesses]

    @property
    def views(self) -> Iterator[ChannelView]:
        return (view for each in self.everyone for view in each.views.values())

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """All of them connect, and do so again and again, meanwhile."""
        async with asyncio.TaskGroup() as group:
            lives = [group.create_task(client.live(self.tally)) for client in self.clients]
            try:
                for witness in self.witnesses:
                    await witness.connect()
                yield
            finally:
                for life in lives:
                    life.cancel()
                for witness in self.witnesses:
                    await witness.disconnect()


def gather_crowd(url: str, sockets: int, habits: Habits, mint: Mint, dice: Dice) -> Crowd:
    """So many `sockets` of lean clients, and the SDK's besides. None is connected yet."""
    reviewing, hostile = int(sockets * _REVIEWING), int(sockets * _HOSTILE)
    reviewers = [f"r{place}" for place in range(reviewing // 2)]
    clients = [
        StatusClient(
            url,
            Account(user, mint(user, "reviewer"), _QUEUES[place % len(_QUEUES)]),
            replace(habits, is_narrow=place < _NARROW),
            dice(f"reviewer's socket {place}"),
        )
        for place, user in enumerate(reviewers + reviewers)
    ]
    students: list[str] = []
    for each in itertools.cycle(_SOCKETS_EACH):
        if len(clients) + hostile >= sockets:
            break
        user = f"s{len(students)}"
        students.append(user)
        account = Account(user, mint(user, "student"))
        clients += [
            StatusClient(url, account, habits, dice(f"{user}'s socket {place}")) for place in range(each)
        ]
    intruders = [f"h{place}" for place in range(hostile)]
    clients += [
        StatusClient(
            url,
            Account(user, mint(user, "student")),
            replace(habits, probes=(*_FORBIDDEN, f"user:{victim}")),
            dice(f"{user}'s socket"),
        )
        for user, victim in zip(intruders, students, strict=False)
    ]
    seen = [f"w{place}" for place in range(_WITNESSES - _REVIEWING_WITNESSES)]
    witnesses = [SdkWitness(url, Account(user, mint(user, "student"))) for user in seen]
    witnesses += [
        SdkWitness(url, Account(user, mint(user, "reviewer"), (_WRITING, _SPEAKING)))
        for user in (f"v{place}" for place in range(_REVIEWING_WITNESSES))
    ]
    cast = Cast(
        [_person(user, "student", mint) for user in (*students, *intruders, *seen)],
        [_person(user, "reviewer", mint) for user in reviewers],
        _person("admin", "admin", mint),
    )
    return Crowd(cast, clients, witnesses)


def _person(user: str, role: str, mint: Mint) -> Person:
    return Person(user, bearer(mint(user, role)))
