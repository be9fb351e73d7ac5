"""Documents written together: each has its own outcome, and what nobody waits for any more is not written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest

from storage.group_commit import GroupCommit

Document = dict[str, Any]


class SlowWrite:
    """Takes its time until it is told to go on, and remembers what it was given."""

    def __init__(self) -> None:
        self.groups: list[list[Document]] = []
        self.go_on = asyncio.Event()

    async def __call__(self, documents: Sequence[Document]) -> list[Exception | None]:
        self.groups.append(list(documents))
        await self.go_on.wait()
        return [None] * len(documents)


@pytest.mark.gen_test
async def test_a_document_that_was_given_up_before_its_turn_is_never_written() -> None:
    """Its upload was answered 503 and its files fell to the sweep: late, it would point at nothing (promise 2)."""
    write = SlowWrite()
    commit = GroupCommit(write)
    first = asyncio.ensure_future(commit.add({"_id": 1}))
    await asyncio.sleep(0)
    given_up, other = (asyncio.ensure_future(commit.add({"_id": number})) for number in (2, 3))
    await asyncio.sleep(0)
    given_up.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await given_up
    write.go_on.set()
    await asyncio.gather(first, other)
    assert write.groups == [[{"_id": 1}], [{"_id": 3}]]
