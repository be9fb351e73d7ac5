"""What the status socket tells whom: snapshots, publications, and never a submission too few (design section 4)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from storage.domain.people import Role
from tests import openapi
from tests.conftest import Tokens
from tests.handlers.plain_socket import Json, PlainSocket, connected_socket, open_socket
from tests.media_samples import photo
from tests.people import Reviewer, Student, photo_file

PAGE = photo_file(photo(32, 24))
SCORE = {"task1_score": 20.5, "task2_score": 45.0}


@pytest.mark.gen_test
async def test_a_students_snapshot_has_their_own_latest_submissions(base_url: str, tokens: Tokens) -> None:
    async with openapi.client(base_url) as http:
        older, newer = [
            await Student(http, tokens.mint("42")).submit_writing(number, [PAGE], [PAGE]) for number in (1, 2)
        ]
        await Student(http, tokens.mint("43")).submit_writing(1, [PAGE], [PAGE])
    async with open_socket(base_url) as socket:
        own = (await socket.connect(tokens.mint("42")))["subs"]["user:42"]
    assert _ids(own) == [newer["id"], older["id"]]
    assert own["data"]["as_of"] == own["offset"] > 0
    assert own["epoch"]
    assert set(own["data"]) == {"submissions", "as_of"}
    assert all(_hides_the_review(submission) for submission in own["data"]["submissions"])


@pytest.mark.gen_test(timeout=20)
async def test_a_students_snapshot_ends_at_fifty(base_url: str, tokens: Tokens) -> None:
    async with openapi.client(base_url) as http:
        student = Student(http, tokens.mint("42"))
        sent = [(await student.submit_writing(number, [PAGE], [PAGE]))["id"] for number in range(1, 52)]
    async with open_socket(base_url) as socket:
        own = (await socket.connect(tokens.mint("42")))["subs"]["user:42"]
    assert _ids(own) == sent[:0:-1]


@pytest.mark.gen_test
async def test_a_queues_snapshot_has_the_pending_oldest_first_and_counts_of_its_section(
    base_url: str, tokens: Tokens
) -> None:
    async with openapi.client(base_url) as http:
        student, reviewer = Student(http, tokens.mint("42", name="Aziza")), _reviewer(http, tokens)
        checked, claimed, newest = [
            await student.submit_writing(number, [PAGE], [PAGE]) for number in (1, 2, 3)
        ]
        await reviewer.grade(checked, SCORE)
        await reviewer.claim(claimed)
    async with connected_socket(base_url, tokens.mint("8", Role.REVIEWER)) as socket:
        writing = await socket.subscribe("queue:writing")
        speaking = await socket.subscribe("queue:speaking")
    assert _ids(writing) == [claimed["id"], newest["id"]]
    assert writing["data"]["counts"] == {"pending": 2, "checked": 1}
    assert writing["data"]["as_of"] == writing["offset"] > 0
    first, second = writing["data"]["submissions"]
    assert first["student"] == {"id": "42", "name": "Aziza"}
    assert first["claim"]["reviewer"] == {"id": "7", "name": "Reviewer 7"}
    assert second["claim"] is None
    assert (_ids(speaking), speaking["data"]["counts"]) == ([], {"pending": 0, "checked": 0})


@pytest.mark.gen_test
async def test_publications_tell_a_submissions_life(base_url: str, tokens: Tokens) -> None:
    async with (
        openapi.client(base_url) as http,
        connected_socket(base_url, tokens.mint("42")) as own,
        connected_socket(base_url, tokens.mint("8", Role.REVIEWER)) as queue,
    ):
        as_of = (await queue.subscribe("queue:writing"))["offset"]
        student, reviewer = Student(http, tokens.mint("42")), _reviewer(http, tokens, Role.ADMIN)
        submission = await student.submit_writing(1, [PAGE], [PAGE])
        await reviewer.claim(submission)
        await reviewer.claim(submission)  # renewed: published to nobody
        await reviewer.release(submission)
        await reviewer.claim(submission)
        await reviewer.grade(submission, SCORE, task1_comment="Good structure.")
        reopened = await reviewer.reopen(submission)
        heard = [await queue.publication() for _ in range(6)]
        told = [await own.publication() for _ in range(3)]
    assert [(each.data["type"], each.data["submission"]["revision"]) for each in heard] == [
        ("submission.created", 1),
        ("submission.claimed", 1),
        ("submission.released", 1),
        ("submission.claimed", 1),
        ("submission.checked", 2),
        ("submission.reopened", 3),
    ]
    claims = [each.data["submission"]["claim"] for each in heard]
    assert [claim and claim["reviewer"]["id"] for claim in claims] == [None, "7", None, "7", None, None]
    assert [each.data["type"] for each in told] == [
        "submission.created",
        "submission.checked",
        "submission.reopened",
    ]
    assert told[1].data["submission"]["score"] == SCORE | {"total_score": 65.5, "max_score": 75}
    assert told[1].data["submission"]["feedback"]["task1_comment"] == "Good structure."
    assert told[2].data["submission"]["revision"] == reopened["revision"] == 3
    for channel, publications in (("queue:writing", heard), ("user:42", told)):
        assert {each.channel for each in publications} == {channel}
        assert {each.data["submission"]["id"] for each in publications} == {submission["id"]}
        assert all(set(each.data) == {"type", "submission"} for each in publications)
        offsets = [each.offset for each in publications]
        assert as_of < offsets[0]
        assert offsets == sorted(set(offsets))
    assert all(_hides_the_review(each.data["submission"]) for each in told)


@pytest.mark.gen_test
@pytest.mark.settings(submissions={"resubmission": "replace_pending"})
async def test_a_replacement_is_published_as_a_creation_one_revision_on(
    base_url: str, tokens: Tokens
) -> None:
    other_page = photo_file(photo(32, 24, seed=1))
    async with (
        openapi.client(base_url) as http,
        connected_socket(base_url, tokens.mint("42")) as own,
    ):
        student = Student(http, tokens.mint("42"))
        await student.submit_writing(1, [PAGE], [PAGE])
        replaced = await student.submit_writing(1, [PAGE], [other_page])
        heard = [await own.publication() for _ in range(2)]
    assert [
        (each.data["type"], each.data["submission"]["id"], each.data["submission"]["revision"])
        for each in heard
    ] == [("submission.created", replaced["id"], 1), ("submission.created", replaced["id"], 2)]


@pytest.mark.gen_test
async def test_a_queue_hears_its_own_section_only(base_url: str, tokens: Tokens) -> None:
    async with (
        openapi.client(base_url) as http,
        connected_socket(base_url, tokens.mint("7", Role.REVIEWER)) as writing,
        connected_socket(base_url, tokens.mint("8", Role.REVIEWER)) as speaking,
    ):
        await writing.subscribe("queue:writing")
        await speaking.subscribe("queue:speaking")
        await Student(http, tokens.mint("42")).submit_writing(1, [PAGE], [PAGE])
        assert (await writing.publication()).data["type"] == "submission.created"
        assert await speaking.is_alive()
        assert _pushes(speaking) == []


@pytest.mark.gen_test
async def test_a_student_hears_nothing_of_other_students(base_url: str, tokens: Tokens) -> None:
    async with (
        openapi.client(base_url) as http,
        connected_socket(base_url, tokens.mint("43")) as other,
    ):
        submission = await Student(http, tokens.mint("42")).submit_writing(1, [PAGE], [PAGE])
        await _reviewer(http, tokens).grade(submission, SCORE)
        own = await Student(http, tokens.mint("43")).submit_writing(1, [PAGE], [PAGE])
        assert (await other.publication()).data["submission"]["id"] == own["id"]


@pytest.mark.gen_test
async def test_a_channel_left_is_silent(base_url: str, tokens: Tokens) -> None:
    async with (
        openapi.client(base_url) as http,
        connected_socket(base_url, tokens.mint("7", Role.REVIEWER)) as left,
        connected_socket(base_url, tokens.mint("8", Role.REVIEWER)) as still,
    ):
        for socket in (left, still):
            await socket.subscribe("queue:writing")
        await left.ask("unsubscribe", channel="queue:writing")
        await Student(http, tokens.mint("42")).submit_writing(1, [PAGE], [PAGE])
        await still.publication()
        assert await left.is_alive()
        assert _pushes(left) == []


@pytest.mark.gen_test(timeout=60)
async def test_whoever_subscribes_amid_uploads_and_claims_misses_none(base_url: str, tokens: Tokens) -> None:
    """Snapshots and the publications after them overlap or meet, whenever they are taken (promise 6)."""
    async with openapi.client(base_url) as http, AsyncExitStack() as stack:
        student, reviewer = Student(http, tokens.mint("42")), _reviewer(http, tokens)

        async def upload_and_claim(number: int) -> int:
            submission = await student.submit_writing(number, [PAGE], [PAGE])
            await reviewer.claim(submission)
            return int(submission["id"])

        async def watch(channel: str, user: str, role: Role) -> _Picture:
            socket = await stack.enter_async_context(open_socket(base_url))
            connected = await socket.connect(tokens.mint(user, role))
            return _Picture(
                socket, channel, connected["subs"].get(channel) or await socket.subscribe(channel)
            )

        work: list[asyncio.Task[int]] = []
        watchers: list[asyncio.Task[_Picture]] = []
        for number in range(1, 41):
            work.append(asyncio.create_task(upload_and_claim(number)))
            watchers.append(asyncio.create_task(watch("queue:writing", f"r{number}", Role.REVIEWER)))
            if number % 10 == 0:
                watchers.append(asyncio.create_task(watch("user:42", "42", Role.STUDENT)))
            await work[number // 2]  # so that about half of the uploads are under way all the time
        uploaded = set(await asyncio.gather(*work))

        for picture in await asyncio.gather(*watchers):
            while not uploaded <= picture.submissions.keys() or (
                picture.channel == "queue:writing" and None in picture.field("claim")
            ):
                await picture.change()
            assert picture.submissions.keys() == uploaded
            picture.check_order()


class _Picture:
    """What a client believes about a channel's submissions: a snapshot, and the publications applied to it."""

    def __init__(self, socket: PlainSocket, channel: str, subscribed: Json) -> None:
        self._socket = socket
        self._offsets = [subscribed["offset"]]
        self.channel = channel
        self.submissions = {each["id"]: each for each in subscribed["data"]["submissions"]}

    def field(self, name: str) -> list[Any]:
        return [submission[name] for submission in self.submissions.values()]

    async def change(self) -> None:
        publication = await self._socket.publication()
        if publication.channel == self.channel:
            self._offsets.append(publication.offset)
            submission = publication.data["submission"]
            self.submissions[submission["id"]] = submission

    def check_order(self) -> None:
        """The snapshot came first, and publications in the order of what they tell, each once."""
        received = self._socket.received
        begun = [each for each in received if "subscribe" in each or self.channel in _own_channels(each)]
        pushed = [each for each in received if each.get("push", {}).get("channel") == self.channel]
        assert not pushed or received.index(begun[0]) < received.index(pushed[0])
        assert self._offsets == sorted(set(self._offsets))


def _reviewer(http: httpx.AsyncClient, tokens: Tokens, role: Role = Role.REVIEWER) -> Reviewer:
    return Reviewer(http, tokens.mint("7", role))


def _ids(subscribed: Json) -> list[int]:
    return [submission["id"] for submission in subscribed["data"]["submissions"]]


def _hides_the_review(submission: Json) -> bool:
    return submission.keys().isdisjoint({"claim", "student", "history"})


def _own_channels(message: Json) -> Json:
    subscribed = message.get("connect", {}).get("subs", {})
    assert isinstance(subscribed, dict)
    return subscribed


def _pushes(socket: PlainSocket) -> list[Json]:
    return [message for message in socket.received if "push" in message]
