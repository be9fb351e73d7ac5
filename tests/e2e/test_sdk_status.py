"""What the official SDKs tell an application: snapshots, publications, refusals, expiry (design section 4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.clients import Login
from tests.e2e.exam_day import PAGE, SCORE, SDKS, exam_day, token
from tests.e2e.javascript import JavaScriptSdkClient

pytestmark = [pytest.mark.gen_test(timeout=90), pytest.mark.parametrize("sdk", SDKS)]

QUEUE, OTHER_QUEUE, OWN = "queue:writing", "queue:speaking", "user:42"
PERMISSION_DENIED, SERVER_UNSUBSCRIBE = 103, 2000
SHORT_SECONDS = 2


async def test_an_application_follows_submissions_through_their_lives(
    sdk: str, tmp_path: Path, shared_mongod: dict[str, str]
) -> None:
    async with exam_day(sdk, tmp_path, **shared_mongod) as day, day.people() as (student, reviewer):
        first = (await student.submit_writing(1, [PAGE], [PAGE]))["id"]
        page = await day.connected("42")
        assert [each["id"] for each in page.snapshots[OWN]["submissions"]] == [first]
        desk = await day.connected("7", "reviewer", QUEUE, OTHER_QUEUE, OWN)
        assert [each["id"] for each in desk.snapshots[QUEUE]["submissions"]] == [first]
        assert desk.snapshots[QUEUE]["counts"] == {"pending": 1, "checked": 0}
        assert desk.snapshots[OTHER_QUEUE]["submissions"] == []
        assert desk.ended == {OWN: [PERMISSION_DENIED]}
        if isinstance(desk, JavaScriptSdkClient):
            assert 3 in desk.frames  # all three subscriptions

        submission = await student.submit_writing(2, [PAGE], [PAGE])
        await reviewer.claim(submission)
        await reviewer.release(submission)
        await reviewer.grade(submission, SCORE)
        await reviewer.reopen(submission)
        await desk.hears("submission.reopened", submission["id"])
        await page.hears("submission.reopened", submission["id"])
        second = submission["id"]
        assert desk.told(QUEUE) == [
            (event, second) for event in ("created", "claimed", "released", "checked", "reopened")
        ]
        assert desk.told(OTHER_QUEUE) == []
        assert page.told(OWN) == [(event, second) for event in ("created", "checked", "reopened")]
        assert page.lost == desk.lost == []
    assert day.server.log_lines("error") == []


async def test_a_channel_can_be_left_and_had_again(
    sdk: str, tmp_path: Path, shared_mongod: dict[str, str]
) -> None:
    async with exam_day(sdk, tmp_path, **shared_mongod) as day, day.people() as (student, _):
        desk = await day.connected("7", "reviewer", QUEUE)
        heard = (await student.submit_writing(1, [PAGE], [PAGE]))["id"]
        await desk.hears("submission.created", heard)
        await desk.unsubscribe(QUEUE)
        missed = (await student.submit_writing(2, [PAGE], [PAGE]))["id"]
        # Both channels hear of it at once: had the reviewer still had the queue, this would show it.
        page = await day.connected("42")
        assert missed in [each["id"] for each in page.snapshots[OWN]["submissions"]]
        assert desk.told(QUEUE) == [("created", heard)]
        await desk.subscribe(QUEUE)
        await desk.hears("submission.created", missed)
        after = (await student.submit_writing(3, [PAGE], [PAGE]))["id"]
        await desk.hears("submission.created", after)
        assert desk.told(QUEUE) == [("created", id) for id in (heard, missed, after)]
        assert desk.begun[QUEUE] == [False, True]
    assert day.server.log_lines("error") == []


async def test_a_token_that_has_expired_is_replaced_before_connecting(
    sdk: str, tmp_path: Path, shared_mongod: dict[str, str]
) -> None:
    async with exam_day(sdk, tmp_path, **shared_mongod) as day:
        page = day.client(Login(token("42", ttl_seconds=-10), lambda: token("42")))
        await page.connect()
        assert page.tokens_given == 1
        assert not page.gave_up
    assert day.server.log_lines("error") == []


async def test_a_token_is_replaced_on_the_live_connection_before_it_expires(
    sdk: str, tmp_path: Path, shared_mongod: dict[str, str]
) -> None:
    lives_seconds = iter([SHORT_SECONDS, SHORT_SECONDS, 600])
    async with exam_day(sdk, tmp_path, **shared_mongod) as day, day.people() as (student, _):
        page = day.client(Login(give_token=lambda: token("42", ttl_seconds=next(lives_seconds))))
        await page.connect()
        # The second refresh comes only if the first was answered with how long its token holds.
        await page.until(lambda: page.tokens_given == 3)
        submission = await student.submit_writing(1, [PAGE], [PAGE])
        await page.hears("submission.created", submission["id"])
        assert page.lost == []
        assert page.begun[OWN] == [False]
    assert day.server.log_lines("error") == []


async def test_whoever_is_no_reviewer_any_more_keeps_the_connection_but_not_the_queue(
    sdk: str, tmp_path: Path, shared_mongod: dict[str, str]
) -> None:
    async with exam_day(sdk, tmp_path, **shared_mongod) as day, day.people() as (student, _):
        desk = day.client(Login(token("42", "reviewer", SHORT_SECONDS), lambda: token("42", "student")))
        await desk.connect()
        await desk.subscribe(QUEUE)
        await desk.until(lambda: desk.ended == {QUEUE: [SERVER_UNSUBSCRIBE]})
        submission = await student.submit_writing(1, [PAGE], [PAGE])
        await desk.hears("submission.created", submission["id"], OWN)
        assert desk.told(QUEUE) == []
        assert desk.lost == []
    assert day.server.log_lines("error") == []


async def test_a_bad_token_ends_it(sdk: str, tmp_path: Path, shared_mongod: dict[str, str]) -> None:
    async with exam_day(sdk, tmp_path, **shared_mongod) as day:
        page = day.client(Login("no token"))
        await page.begin_to_connect()
        await page.until(lambda: page.gave_up)
        assert page.lost == [3500]
        await day.connected("42")  # takes longer than the SDK would to come back
        assert page.lost == [3500]
        assert page.begun == {}
    assert day.server.log_lines("error") == []
