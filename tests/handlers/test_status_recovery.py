"""Coming back to the status socket after a lost connection: what was missed, once, or a snapshot (promise 6)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from storage.domain.people import Role
from tests import openapi
from tests.conftest import Tokens
from tests.handlers.plain_socket import Json, connected_socket, open_socket
from tests.media_samples import photo
from tests.people import Reviewer, Student, photo_file

PAGE = photo_file(photo(32, 24))
SCORE = {"task1_score": 20.5, "task2_score": 45.0}
UPLOADS = 30


@pytest.mark.gen_test
async def test_a_student_who_comes_back_gets_what_they_missed(base_url: str, tokens: Tokens) -> None:
    token = tokens.mint("42")
    async with openapi.client(base_url) as http:
        student, reviewer = Student(http, token), Reviewer(http, tokens.mint("7", Role.ADMIN))
        async with open_socket(base_url) as before:
            left = (await before.connect(token))["subs"]["user:42"]
            submission = await student.submit_writing(1, [PAGE], [PAGE])
            seen = await before.publication()
        await reviewer.claim(submission)
        await reviewer.grade(submission, SCORE)
        async with open_socket(base_url) as after, connected_socket(base_url, token) as other:
            position = _position(left["epoch"], seen.offset)
            own = (await after.connect(token, subs={"user:42": position}))["subs"]["user:42"]
            assert (own["recovered"], own["was_recovering"], own["recoverable"]) == (True, True, True)
            (missed,) = own["publications"]
            assert missed["data"]["type"] == "submission.checked"
            assert missed["data"]["submission"].keys().isdisjoint({"claim", "student"})
            assert seen.offset < missed["offset"] == own["offset"]
            assert "data" not in own
            await reviewer.reopen(missed["data"]["submission"])
            assert (await after.publication()) == (await other.publication())


@pytest.mark.gen_test
@pytest.mark.settings(status={"outgoing_bytes": 4096})
async def test_whoever_missed_more_than_may_wait_for_them_gets_a_snapshot(
    base_url: str, tokens: Tokens
) -> None:
    token = tokens.mint("7", Role.REVIEWER)
    async with connected_socket(base_url, token) as before:
        left = await before.subscribe("queue:writing")
    async with openapi.client(base_url) as http, connected_socket(base_url, token) as witness:
        await witness.subscribe("queue:writing")
        for number in range(1, 9):
            await Student(http, tokens.mint("42")).submit_writing(number, [PAGE], [PAGE])
            await witness.publication()
    async with connected_socket(base_url, token) as after:
        back = await after.subscribe("queue:writing", **_position(left["epoch"], left["offset"]))
    assert (back["recovered"], back["was_recovering"]) == (False, True)
    assert len(back["data"]["submissions"]) == 8
    assert "publications" not in back


@pytest.mark.gen_test
async def test_whoever_missed_nothing_gets_neither_publications_nor_a_snapshot(
    base_url: str, tokens: Tokens
) -> None:
    token = tokens.mint("7", Role.REVIEWER)
    async with connected_socket(base_url, token) as before:
        left = await before.subscribe("queue:writing")
    async with connected_socket(base_url, token) as after:
        back = await after.subscribe("queue:writing", **_position(left["epoch"], left["offset"]))
    assert back["recovered"] is True
    assert (back["offset"], back["epoch"]) == (left["offset"], left["epoch"])
    assert back.keys().isdisjoint({"publications", "data"})


@pytest.mark.gen_test
async def test_a_queue_recovers_claims_too_and_its_own_section_only(base_url: str, tokens: Tokens) -> None:
    token = tokens.mint("7", Role.REVIEWER)
    async with openapi.client(base_url) as http:
        async with connected_socket(base_url, token) as before:
            left = {
                channel: await before.subscribe(channel) for channel in ("queue:writing", "queue:speaking")
            }
        async with connected_socket(base_url, token) as witness:
            await witness.subscribe("queue:writing")
            submission = await Student(http, tokens.mint("42")).submit_writing(1, [PAGE], [PAGE])
            await Reviewer(http, token).claim(submission)
            await witness.publication()
            await witness.publication()
    async with connected_socket(base_url, token) as after:
        back = {
            channel: await after.subscribe(
                channel, **_position(left[channel]["epoch"], left[channel]["offset"])
            )
            for channel in left
        }
    missed = [each["data"] for each in back["queue:writing"]["publications"]]
    assert [each["type"] for each in missed] == ["submission.created", "submission.claimed"]
    assert missed[1]["submission"]["claim"]["reviewer"]["id"] == "7"
    assert "publications" not in back["queue:speaking"]


@pytest.mark.gen_test
@pytest.mark.parametrize(("epoch", "offset"), [("another", None), (None, 1), (None, 0), (None, -1)])
async def test_whoever_cannot_recover_gets_a_snapshot(
    base_url: str, tokens: Tokens, epoch: str | None, offset: int | None
) -> None:
    token = tokens.mint("42")
    async with openapi.client(base_url) as http, open_socket(base_url) as before:
        left = (await before.connect(token))["subs"]["user:42"]
        submission = await Student(http, token).submit_writing(1, [PAGE], [PAGE])
        await before.publication()
    position = _position(epoch or left["epoch"], left["offset"] if offset is None else offset)
    async with open_socket(base_url) as after:
        own = (await after.connect(token, subs={"user:42": position}))["subs"]["user:42"]
    assert (own["recovered"], own["was_recovering"]) == (False, True)
    assert [each["id"] for each in own["data"]["submissions"]] == [submission["id"]]
    assert "publications" not in own


@pytest.mark.gen_test
async def test_nobody_recovers_a_channel_they_may_not_have(base_url: str, tokens: Tokens) -> None:
    async with openapi.client(base_url) as http, open_socket(base_url) as before:
        left = (await before.connect(tokens.mint("42")))["subs"]["user:42"]
        await Student(http, tokens.mint("42")).submit_writing(1, [PAGE], [PAGE])
        await before.publication()
    position = _position(left["epoch"], left["offset"])
    async with open_socket(base_url) as other:
        connected = await other.connect(
            tokens.mint("43"), subs={"user:42": position, "queue:writing": position}
        )
        assert list(connected["subs"]) == ["user:43"]
        for channel in ("user:42", "queue:writing"):
            assert await other.refused("subscribe", channel=channel, **position) == 103


@pytest.mark.gen_test(timeout=60)
async def test_whoever_comes_and_goes_amid_uploads_hears_each_change_once(
    base_url: str, tokens: Tokens
) -> None:
    async with openapi.client(base_url) as http:
        student, reviewer = Student(http, tokens.mint("42")), Reviewer(http, tokens.mint("7", Role.REVIEWER))

        async def upload_and_claim(number: int) -> int:
            submission = await student.submit_writing(number, [PAGE], [PAGE])
            await reviewer.claim(submission)
            return int(submission["id"])

        visitors = [_Visitor(base_url, tokens.mint(f"r{number}", Role.REVIEWER)) for number in range(6)]
        for visitor in visitors:
            await visitor.visit(changes=0)
        work = [asyncio.create_task(upload_and_claim(number)) for number in range(1, UPLOADS + 1)]
        # Each stays for another number of changes, so that they leave and come back at all moments.
        stays = [
            asyncio.create_task(visitor.hear_all(stay)) for stay, visitor in enumerate(visitors, start=1)
        ]
        uploaded = set(await asyncio.gather(*work))
        await asyncio.gather(*stays)

    expected = {(kind, id) for kind in ("submission.created", "submission.claimed") for id in uploaded}
    for visitor in visitors:
        heard = [(data["type"], data["submission"]["id"]) for _, data in visitor.heard]
        assert len(heard) == len(expected)
        assert set(heard) == expected
        assert [offset for offset, _ in visitor.heard] == sorted({offset for offset, _ in visitor.heard})


class _Visitor:
    """A reviewer on a bad network: listens to the queue, leaves without a word, comes back and recovers."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url = base_url
        self._token = token
        self._position: dict[str, Any] = {}
        self.heard: list[tuple[int, Json]] = []

    async def hear_all(self, stay: int) -> None:
        while len(self.heard) < 2 * UPLOADS:
            await self.visit(stay)

    async def visit(self, changes: int) -> None:
        """Stay until so many publications were heard live, unless all have been heard before."""
        async with connected_socket(self._base_url, self._token) as socket:
            reply = await socket.subscribe("queue:writing", **self._position)
            assert reply["recovered"] is bool(self._position)
            for missed in reply.get("publications", []):
                self._note(missed["offset"], missed["data"])
            for _ in range(min(changes, 2 * UPLOADS - len(self.heard))):
                publication = await socket.publication()
                self._note(publication.offset, publication.data)
            offset = self.heard[-1][0] if self.heard else reply["offset"]
            self._position = _position(reply["epoch"], offset)

    def _note(self, offset: int, data: Json) -> None:
        self.heard.append((offset, data))


def _position(epoch: str, offset: int) -> dict[str, Any]:
    """Where a client was, as the SDKs say it in connect and subscribe commands."""
    return {"recover": True, "epoch": epoch, "offset": offset}
