"""How far one sweep after the other goes: through everything once a day, in between where files can be new."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.database import Database
from storage.domain.errors import Unavailable
from storage.media_sweep import RegularSweep
from storage.media_vault import MediaVault
from storage.submission_store import SubmissionStore
from tests.storage.uploads import drafts_on_disk, grow_old, kept_on_disk, stray_file, writing_draft

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SOON = timedelta(minutes=5)
TTL_SECONDS = 3600.0

LONG_AGO, TWO_DAYS_AGO, YESTERDAY, TODAY, TOMORROW = (
    f"writing/{day}/a.jpg" for day in ("2025/06/30", "2025/12/30", "2025/12/31", "2026/01/01", "2026/01/02")
)
ALL = (LONG_AGO, TWO_DAYS_AGO, YESTERDAY, TODAY, TOMORROW)


class SetClock:
    """Shows what it is told to."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class AwayAtFirst(SubmissionStore):
    """MongoDB does not answer the first sweep."""

    is_back = False

    async def referenced(self, paths: Collection[str]) -> set[str]:
        if not self.is_back:
            raise Unavailable
        return await super().referenced(paths)


def strays(root: Path, *paths: str) -> None:
    for path in paths:
        stray_file(root, path)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON)


@pytest.fixture
def regular(vault: MediaVault, store: SubmissionStore, clock: SetClock) -> RegularSweep:
    return RegularSweep(vault, store, TTL_SECONDS, clock)


@pytest.mark.gen_test
async def test_the_first_goes_through_everything(regular: RegularSweep, media_root: Path) -> None:
    strays(media_root, *ALL)
    assert await regular.run() == len(ALL)
    assert kept_on_disk(media_root) == set()


@pytest.mark.gen_test
async def test_the_next_ones_look_where_files_can_be_new(
    regular: RegularSweep, clock: SetClock, vault: MediaVault, media_root: Path
) -> None:
    await regular.run()
    strays(media_root, *ALL)
    draft = writing_draft(vault)
    await draft.flush()
    for path in drafts_on_disk(media_root):
        grow_old(path, TTL_SECONDS + 1)
    clock.now += SOON
    assert await regular.run() == 5
    assert kept_on_disk(media_root) == {LONG_AGO, TWO_DAYS_AGO}
    assert drafts_on_disk(media_root) == []
    clock.now += timedelta(hours=23, minutes=54)
    assert await regular.run() == 0
    await draft.discard()


@pytest.mark.parametrize("later", [timedelta(days=1), timedelta(days=40), timedelta(days=-1)])
@pytest.mark.gen_test
async def test_a_day_later_everything_is_gone_through_again(
    regular: RegularSweep, clock: SetClock, media_root: Path, later: timedelta
) -> None:
    await regular.run()
    strays(media_root, *ALL)
    clock.now += later
    assert await regular.run() == len(ALL)
    strays(media_root, LONG_AGO)
    clock.now += SOON
    assert await regular.run() == 0


@pytest.mark.gen_test
async def test_days_whose_files_were_too_young_are_looked_at_again(
    vault: MediaVault, store: SubmissionStore, clock: SetClock, media_root: Path
) -> None:
    regular = RegularSweep(vault, store, untouched_seconds=2.6 * 24 * 3600, clock=clock)
    await regular.run()
    strays(media_root, *ALL)
    clock.now += SOON
    await regular.run()
    assert kept_on_disk(media_root) == {LONG_AGO}


@pytest.mark.gen_test
async def test_files_may_be_kept_for_ever(
    vault: MediaVault, store: SubmissionStore, clock: SetClock, media_root: Path
) -> None:
    regular = RegularSweep(vault, store, untouched_seconds=1e300, clock=clock)
    strays(media_root, *ALL)
    assert [await regular.run() for _ in range(2)] == [0, 0]


@pytest.mark.gen_test
async def test_one_that_mongodb_cut_short_is_made_up_for(
    vault: MediaVault, database: Database, clock: SetClock, media_root: Path
) -> None:
    away = AwayAtFirst(database)
    regular = RegularSweep(vault, away, TTL_SECONDS, clock)
    strays(media_root, *ALL)
    with pytest.raises(Unavailable):
        await regular.run()
    away.is_back = True
    clock.now += SOON
    assert await regular.run() == len(ALL)
