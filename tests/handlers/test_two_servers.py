"""Two servers on one MongoDB: whatever happens at one reaches the sockets of the other (design section 4)."""

from __future__ import annotations

import pytest

from storage.domain.people import Role
from tests import openapi
from tests.conftest import Tokens
from tests.forms import encode, file
from tests.handlers.plain_socket import connected_socket
from tests.handlers.reviews import Cast
from tests.handlers.uploads import upload_head, writing_form
from tests.handlers.wire import connect
from tests.media_samples import padded, photo
from tests.people import WRITING, Reviewer, Student, photo_file

PAGE = photo_file(photo(32, 24))
SCORE = {"task1_score": 20.5, "task2_score": 45.0}
UPLOAD_ID = "upload-0001"
LARGE = encode([file("task1_image2", padded(photo(), 4 << 20)), *writing_form()])

pytestmark = pytest.mark.gen_test(timeout=30)


async def test_students_and_reviewers_of_one_hear_what_happens_at_the_other(
    base_url: str, another_base_url: str, tokens: Tokens
) -> None:
    student_token, reviewer_token = tokens.mint("42"), tokens.mint("7", Role.REVIEWER)
    async with (
        connected_socket(another_base_url, student_token) as student,
        connected_socket(another_base_url, tokens.mint("8", Role.REVIEWER)) as colleague,
        openapi.client(base_url) as here,
        openapi.client(another_base_url) as there,
    ):
        await colleague.subscribe("queue:writing")
        submission = await Student(here, student_token).submit_writing(1, [PAGE], [PAGE])
        await Reviewer(there, reviewer_token).claim(submission)
        await Reviewer(here, reviewer_token).grade(submission, SCORE)
        heard = [await colleague.publication() for _ in range(3)]
        own = [await student.publication() for _ in range(2)]
    events = ["submission.created", "submission.claimed", "submission.checked"]
    assert [each.data["type"] for each in heard] == events
    assert [each.data["type"] for each in own] == [events[0], events[2]]
    assert [each.offset for each in own] == [heard[0].offset, heard[2].offset]


async def test_whoever_changes_servers_recovers_what_came_meanwhile(
    base_url: str, another_base_url: str, tokens: Tokens
) -> None:
    token = tokens.mint("42")
    async with openapi.client(base_url) as http:
        async with connected_socket(base_url, token) as before:
            first = await Student(http, token).submit_writing(1, [PAGE], [PAGE])
            seen = await before.publication()
            epoch = before.connected["subs"]["user:42"]["epoch"]
        await Reviewer(http, tokens.mint("7", Role.REVIEWER)).grade(first, SCORE)
        async with connected_socket(another_base_url, tokens.mint("43")) as witness:
            second = await Student(http, tokens.mint("43")).submit_writing(1, [PAGE], [PAGE])
            assert (await witness.publication()).data["submission"]["id"] == second["id"]
        position = {"recover": True, "epoch": epoch, "offset": seen.offset}
        async with connected_socket(another_base_url, token, subs={"user:42": position}) as after:
            own = after.connected["subs"]["user:42"]
    assert own["recovered"] is True
    assert [each["data"]["type"] for each in own["publications"]] == ["submission.checked"]


async def test_progress_of_an_upload_to_one_is_heard_at_the_other(
    base_url: str, another_base_url: str, cast: Cast, tokens: Tokens
) -> None:
    async with (
        connected_socket(another_base_url, tokens.mint("42")) as student,
        connected_socket(another_base_url, tokens.mint("43")) as stranger,
        connect(base_url) as wire,
    ):
        head = upload_head(WRITING, len(LARGE), cast.student | {"X-Upload-Id": UPLOAD_ID})
        await wire.send(head, LARGE[: 3 << 20])
        first = (await student.publication()).data
        assert (first["type"], first["upload_id"]) == ("upload.progress", UPLOAD_ID)
        assert 0 < first["received_bytes"] < first["total_bytes"] == len(LARGE)
        await wire.send(LARGE[3 << 20 :])
        assert (await wire.answer()).status_code == 201
        last = first
        while last["type"] != "upload.progress" or last["received_bytes"] < len(LARGE):
            last = (await student.publication()).data
        assert {each["state"] for each in last["files"]} == {"accepted"}
        assert await stranger.is_alive()
    assert all("push" not in message for message in stranger.received)
