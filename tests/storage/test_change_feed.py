"""ChangeFeed on a real MongoDB: every action once, in order, with the document exactly as it left it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import pytest
from tornado.ioloop import IOLoop

from server.embedded_mongod import EmbeddedMongod
from storage.database import Database
from storage.domain import clock
from storage.domain.draft_grade import DraftChange
from storage.domain.errors import Unavailable
from storage.domain.submission import Action, Status, Submission
from storage.domain.submission_life import replaced
from storage.indexes import SUBMISSIONS, ensure_indexes
from storage.review_desk import ReviewDesk
from storage.submission_store import SubmissionStore
from tests.storage.heard import Heard, feed_for, followed, running
from tests.storage.submissions import pending
from tests.submissions import ADMIN, COLLEAGUE, REVIEWER

REVIEW = 10_001
SCORE = {"task1_score": 20.5, "task2_score": 45.0}


@pytest.fixture
def desk(store: SubmissionStore) -> ReviewDesk:
    return ReviewDesk(store, lease_seconds=900, clock=clock.now)


@pytest.fixture
def other_database(io_loop: IOLoop, mongod: EmbeddedMongod) -> Iterator[Database]:
    fresh = Database(mongod.uri, f"test-{uuid.uuid4().hex[:12]}", timeout_seconds=5)
    io_loop.run_sync(lambda: ensure_indexes(fresh))
    yield fresh
    fresh.close()


@pytest.mark.gen_test
async def test_every_action_arrives_once_in_order_as_it_left_the_document(
    database: Database, store: SubmissionStore, desk: ReviewDesk
) -> None:
    async with followed(database) as (feed, heard):
        expected = await a_whole_life(store, desk)
        changes = await heard.until(len(expected))
        assert [(change.action, change.submission) for change in changes] == expected
        offsets = [change.offset for change in changes]
        assert offsets == sorted(set(offsets))
        assert max(offsets) < 1 << 53
        assert feed.position == offsets[-1]
        await store.insert(pending(2))
        assert (await heard.until(len(expected) + 1))[-1].submission == pending(2)
    assert len(heard.told) == 1 + len(expected) + 1


async def a_whole_life(store: SubmissionStore, desk: ReviewDesk) -> list[tuple[Action, Submission]]:
    """Everything that can happen to a submission, as fast as it can; what each action left."""
    await store.insert(pending(1))
    life = [(Action.SUBMIT, pending(1)), (Action.CLAIM, await desk.claim(REVIEW, REVIEWER))]
    await desk.release(REVIEW, REVIEWER)
    life.append((Action.RELEASE, pending(1)))
    after = replaced(pending(1), pending(3))
    assert await store.save(pending(1), after, Action.REPLACE, after.student, clock.now())
    life.append((Action.REPLACE, after))
    forgotten = ReviewDesk(store, lease_seconds=-1, clock=clock.now)
    life.append((Action.CLAIM, await forgotten.claim(REVIEW, REVIEWER)))
    assert await desk.release_expired() == 1
    life.append((Action.EXPIRE, after))
    life.append((Action.CLAIM, await desk.claim(REVIEW, COLLEAGUE)))
    life.append((Action.CHECK, await desk.check(REVIEW, 2, SCORE, {}, COLLEAGUE)))
    life.append((Action.REOPEN, await desk.reopen(REVIEW, ADMIN)))
    life.append((Action.CHECK, await desk.check(REVIEW, 4, SCORE, {}, REVIEWER)))
    return life


@pytest.mark.gen_test
async def test_a_claim_followed_at_once_by_a_grade_is_still_told_as_pending(
    database: Database, store: SubmissionStore, desk: ReviewDesk
) -> None:
    heard = Heard()
    feed = feed_for(heard, database)
    await feed.start()
    await store.insert(pending(1))
    claimed = await desk.claim(REVIEW, REVIEWER)
    checked = await desk.check(REVIEW, 1, SCORE, {}, REVIEWER)
    async with running(feed):
        _, second, third = await heard.until(3)
    assert (second.action, second.submission) == (Action.CLAIM, claimed)
    assert (claimed.status, claimed.revision) == (Status.PENDING, 1)
    assert (third.action, third.submission) == (Action.CHECK, checked)


@pytest.mark.gen_test
async def test_a_renewed_claim_and_a_draft_are_not_told(
    database: Database, store: SubmissionStore, desk: ReviewDesk
) -> None:
    async with followed(database) as (_, heard):
        await store.insert(pending(1))
        for _ in range(4):
            await desk.claim(REVIEW, REVIEWER)
            await desk.save_draft(REVIEW, 1, DraftChange(SCORE), REVIEWER)
        await desk.release(REVIEW, REVIEWER)
        changes = await heard.until(3)
    assert [change.action for change in changes] == [Action.SUBMIT, Action.CLAIM, Action.RELEASE]


@pytest.mark.gen_test
async def test_what_happens_between_start_and_run_is_told(database: Database, store: SubmissionStore) -> None:
    heard = Heard()
    feed = feed_for(heard, database)
    await feed.start()
    for number in (1, 2, 3):
        await store.insert(pending(number))
    async with running(feed):
        changes = await heard.until(3)
    assert [change.submission for change in changes] == [pending(1), pending(2), pending(3)]


@pytest.mark.gen_test
async def test_begins_as_far_in_the_past_as_asked(database: Database, store: SubmissionStore) -> None:
    for number in (1, 2, 3):
        await store.insert(pending(number))
    heard = Heard()
    feed = feed_for(heard, database, past_seconds=600)
    await feed.start()
    now = feed.position
    async with running(feed):
        changes = await heard.until(3)
        assert feed.position == now
    assert [change.submission.id for change in changes] == [1, 2, 3]
    assert heard.told[0] == now - 600 * (1 << 20)
    assert all(change.offset <= now for change in changes)


@pytest.mark.gen_test
async def test_tells_nothing_from_before_where_it_began(database: Database, store: SubmissionStore) -> None:
    await feed_for(Heard(), database).start()  # so that the next start writes nothing of its own
    await store.insert(pending(1))
    heard = Heard()
    feed = feed_for(heard, database)
    await feed.start()
    async with running(feed):
        await store.insert(pending(2))
        await store.insert(pending(3))
        changes = await heard.until(2)
    assert [change.submission.id for change in changes[:2]] == [2, 3]
    (began,) = heard.beginnings
    assert all(change.offset > began for change in changes)


@pytest.mark.gen_test
async def test_every_node_is_told_the_same_under_the_same_offsets(
    database: Database, store: SubmissionStore, desk: ReviewDesk
) -> None:
    async with followed(database) as (_, one), followed(database) as (_, other):
        expected = await a_whole_life(store, desk)
        assert await one.until(len(expected)) == await other.until(len(expected))


@pytest.mark.gen_test
async def test_all_nodes_of_one_database_agree_on_its_epoch(
    database: Database, other_database: Database
) -> None:
    feeds = [feed_for(Heard(), database) for _ in range(10)]
    await asyncio.gather(*(feed.start() for feed in feeds))
    (epoch,) = {feed.epoch for feed in feeds}
    elsewhere = feed_for(Heard(), other_database)
    await elsewhere.start()
    assert len(epoch) == 32
    assert elsewhere.epoch != epoch


@pytest.mark.gen_test
async def test_the_changes_of_another_database_are_not_told(
    database: Database, store: SubmissionStore, other_database: Database
) -> None:
    async with followed(database) as (_, heard):
        await SubmissionStore(other_database).insert(pending(1))
        await store.insert(pending(2))
        changes = await heard.until(1)
    assert [change.submission.id for change in changes] == [2]


@pytest.mark.expects_errors
@pytest.mark.gen_test
async def test_a_document_nobody_can_read_is_a_new_beginning_and_not_the_end(
    database: Database, store: SubmissionStore
) -> None:
    async with followed(database) as (_, heard):
        await store.insert(pending(1))
        await database.collection(SUBMISSIONS).insert_one({"_id": 5, "student": {"id": "42"}})
        await store.insert(pending(2))
        first, second = await heard.until(2)
    assert [change.submission.id for change in (first, second)] == [1, 2]
    _, anew = heard.beginnings
    assert heard.told[1:] == [first, anew, second]
    assert first.offset < anew < second.offset


@pytest.mark.gen_test
async def test_does_not_start_without_mongodb() -> None:
    database = Database("mongodb://127.0.0.1:1/?directConnection=true", "test", timeout_seconds=0.2)
    with pytest.raises(Unavailable):
        await feed_for(Heard(), database).start()
    database.close()
