"""What becomes of drafts that are not kept: discarded, interrupted, or left behind by a dead process."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from storage.domain.media_rules import MediaFormat, MediaKind
from storage.domain.submission import Section
from storage.draft import Draft
from storage.media_type import MediaTypeDetector
from storage.media_vault import MediaVault, VaultSettings
from tests.storage.uploads import (
    add_all,
    draft_folders,
    draft_of,
    drafts_on_disk,
    kept_on_disk,
    operations,
    photo_number,
    writing_draft,
)
from tests.submissions import SUBMITTED

TREE = Path(__file__).parents[2]
UPLOADER = """
import asyncio, sys
from pathlib import Path
from typing import Any
from storage.media_type import MediaTypeDetector
from storage.media_vault import MediaVault, VaultSettings
from tests.storage.uploads import writing_draft

vault = MediaVault(VaultSettings(Path(sys.argv[1]), reserve_bytes=0), MediaTypeDetector())
vault.open()
asyncio.run(writing_draft(vault).flush())
print("written", flush=True)
sys.stdin.read()
"""
"""Another server in the middle of an upload."""


class GatedDetector(MediaTypeDetector):
    """The real detector behind a gate, so that a test decides how long a job runs."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.reached = threading.Event()

    def detect(self, kind: MediaKind, head: bytes) -> MediaFormat | None:
        self.reached.set()
        assert self.gate.wait(30)
        return super().detect(kind, head)


@pytest.fixture
def gated(media_root: Path) -> Iterator[tuple[MediaVault, GatedDetector]]:
    detector = GatedDetector()
    vault = MediaVault(VaultSettings(media_root, reserve_bytes=0), detector)
    vault.open()
    yield vault, detector
    detector.gate.set()
    vault.close()


async def running(draft_work: asyncio.Task[Any], detector: GatedDetector) -> None:
    """Return once a draft's job stands at the gate."""
    while not detector.reached.is_set():
        assert not draft_work.done()
        await asyncio.sleep(0.001)


@pytest.mark.gen_test
async def test_a_discarded_draft_leaves_nothing(vault: MediaVault, media_root: Path) -> None:
    draft = writing_draft(vault)
    await draft.flush()
    add_all(draft, operations("task1_image2", photo_number(3))[:-1])
    assert len(drafts_on_disk(media_root)) == 2
    await draft.discard()
    await draft.discard()
    assert drafts_on_disk(media_root) == []
    assert kept_on_disk(media_root) == set()


@pytest.mark.gen_test
async def test_a_draft_can_be_discarded_before_anything_came(vault: MediaVault, media_root: Path) -> None:
    await Draft(vault).discard()
    await writing_draft(vault).discard()
    assert drafts_on_disk(media_root) == []


@pytest.mark.gen_test
async def test_discarding_a_kept_draft_takes_nothing_away(vault: MediaVault, media_root: Path) -> None:
    draft = writing_draft(vault)
    kept = await draft.keep(Section.WRITING, SUBMITTED)
    await draft.discard()
    assert kept_on_disk(media_root) == {file.path for file in kept}


@pytest.mark.gen_test
async def test_discarding_waits_for_the_write_in_flight_and_then_removes_it(
    gated: tuple[MediaVault, GatedDetector], media_root: Path
) -> None:
    vault, detector = gated
    draft = writing_draft(vault)
    flushing = asyncio.create_task(draft.flush())
    await running(flushing, detector)
    first, second = asyncio.create_task(draft.discard()), asyncio.create_task(draft.discard())
    await second
    assert not first.done()
    detector.gate.set()
    await asyncio.gather(first, flushing)
    assert drafts_on_disk(media_root) == []


@pytest.mark.gen_test
async def test_a_draft_whose_request_was_cancelled_during_a_write_leaves_nothing(
    gated: tuple[MediaVault, GatedDetector], media_root: Path
) -> None:
    vault, detector = gated
    draft = writing_draft(vault)
    flushing = asyncio.create_task(draft.flush())
    await running(flushing, detector)
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    discarding = asyncio.create_task(draft.discard())
    detector.gate.set()
    await discarding
    assert drafts_on_disk(media_root) == []


@pytest.mark.gen_test
async def test_a_refusal_nobody_waits_for_any_more_is_no_error_in_the_log(
    gated: tuple[MediaVault, GatedDetector], media_root: Path
) -> None:
    vault, detector = gated
    draft = draft_of(vault, {"task1_image1": b"no photo"})
    flushing = asyncio.create_task(draft.flush())
    await running(flushing, detector)
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    detector.gate.set()
    await draft.discard()
    del draft, flushing
    gc.collect()  # asyncio complains about unseen exceptions when their futures go
    assert drafts_on_disk(media_root) == []


@pytest.mark.gen_test
async def test_what_a_cancelled_request_kept_is_no_draft_any_more(
    gated: tuple[MediaVault, GatedDetector], media_root: Path
) -> None:
    vault, detector = gated
    draft = writing_draft(vault)
    keeping = asyncio.create_task(draft.keep(Section.WRITING, SUBMITTED))
    await running(keeping, detector)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    detector.gate.set()
    await draft.discard()
    assert drafts_on_disk(media_root) == []


@pytest.mark.gen_test
async def test_what_a_cancelled_request_kept_falls_to_the_sweep(
    gated: tuple[MediaVault, GatedDetector], media_root: Path
) -> None:
    vault, detector = gated
    draft = writing_draft(vault)
    keeping = asyncio.create_task(draft.keep(Section.WRITING, SUBMITTED))
    await running(keeping, detector)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    detector.gate.set()
    await draft.discard()
    (found,) = [batch async for batch in vault.old_files(-1)]
    assert set(found) == kept_on_disk(media_root)


@pytest.mark.gen_test
async def test_closing_takes_the_drafts_with_it(media_root: Path, detector: MediaTypeDetector) -> None:
    vault = opened(media_root, detector)
    await writing_draft(vault).flush()
    assert len(drafts_on_disk(media_root)) == 2
    vault.close()
    assert drafts_on_disk(media_root) == []
    assert draft_folders(media_root) == []


def test_opening_removes_the_drafts_of_dead_processes_only(
    media_root: Path, detector: MediaTypeDetector
) -> None:
    command = [sys.executable, "-c", UPLOADER, str(media_root)]
    with subprocess.Popen(command, cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"written\n"
        opened(media_root, detector).close()
        assert len(drafts_on_disk(media_root)) == 2
        other.kill()
        other.wait()
        assert len(drafts_on_disk(media_root)) == 2
        vault = opened(media_root, detector)
        assert drafts_on_disk(media_root) == []
        assert len(draft_folders(media_root)) == 1
        vault.close()


def test_vaults_that_open_at_once_leave_each_other_their_folders(
    media_root: Path, detector: MediaTypeDetector
) -> None:
    for _ in range(20):
        with ThreadPoolExecutor(16) as pool:
            vaults = list(pool.map(lambda _: opened(media_root, detector), range(16)))
        try:
            assert len(draft_folders(media_root)) == 16
        finally:
            for vault in vaults:
                vault.close()


def opened(root: Path, detector: MediaTypeDetector) -> MediaVault:
    vault = MediaVault(VaultSettings(root, reserve_bytes=0), detector)
    vault.open()
    return vault
