"""Examines uploaded files after their 201, in the background, whatever becomes of this process meanwhile.

What is left to do stands in the submission documents themselves. Any process takes the newest: its student is still
there to photograph or to speak once more, while a backlog after an outage has waited already. One process has a
submission at a time, by a lease that ends soon after its holder's death.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import structlog

from storage.change_feed import Change
from storage.domain.errors import ServiceError
from storage.domain.examination import CopyUse, Examined, FileCopy, MediaWarning, WarningRules
from storage.domain.media_rules import MEDIA_TYPE_BY_EXTENSION
from storage.domain.ports import Submissions
from storage.domain.submission import (
    Action,
    Section,
    StoredFile,
    Submission,
)
from storage.domain.submission_life import with_examined
from storage.examining_process import ExaminingProcess, FileJob, Job, Medium, ProcessLimits
from storage.leases import Lease, Leases
from storage.media_vault import MediaVault

log = structlog.get_logger(__name__)

_LEASE_SECONDS = 10.0
_RENEW_SECONDS = 3.0
_RETRY_SECONDS = 1.0
_LOOKED_AT = 100
"""Candidates asked for at once: more than there are processes, each of which may hold some of the newest."""
_MAX_TRIES = 3
"""After so many processes died over a submission, or errors of ours, its files are called unreadable."""
_MEDIUM = {Section.WRITING: Medium.PHOTO, Section.SPEAKING: Medium.RECORDING}
_EXTENSIONS = {media_type: extension for extension, media_type in MEDIA_TYPE_BY_EXTENSION.items()}


@dataclass(frozen=True, slots=True)
class ExaminerSettings:
    """See `examination` in config.yaml."""

    at_once: int
    scan_seconds: float
    limits: ProcessLimits
    rules: WarningRules


class MediaExaminer:
    """`run` until cancelled. A `Listener` of the change feed, which tells it when there is something to do."""

    def __init__(
        self,
        vault: MediaVault,
        submissions: Submissions,
        leases: Leases,
        process: ExaminingProcess,
        settings: ExaminerSettings,
    ) -> None:
        self._vault = vault
        self._submissions = submissions
        self._leases = leases
        self._process = process
        self._settings = settings
        self._news = asyncio.Event()

    def changed(self, change: Change) -> None:
        if change.action in {Action.SUBMIT, Action.REPLACE}:
            self._wake()

    def began(self, offset: int) -> None:
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def run(self) -> None:
        """Examine `at_once` submissions at a time, through every failure."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.at_once):
                group.create_task(self._examine_forever())

    async def _examine_forever(self) -> None:
        while True:
            news = self._news
            try:
                if await self.examine_next():
                    continue
            except ServiceError as error:
                log.warning("examination put off", cause=error.code)
            except Exception:
                log.exception("examination failed, trying again")
                await asyncio.sleep(_RETRY_SECONDS)
                continue  # with another one: that which failed is put off
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.scan_seconds):
                    await news.wait()

    async def examine_next(self) -> bool:
        """Examine the newest submission that nobody has in hand; False if there is none. Raises what keeps it from
        being examined now; nobody tries it again for a while then."""
        for submission_id in await self._submissions.unexamined(_LOOKED_AT):
            lease = await self._leases.take(f"examination:{submission_id}", _LEASE_SECONDS)
            if lease is None:
                continue
            try:
                async with self._renewed(lease):
                    await self._examine(submission_id, is_hopeless=lease.tries > _MAX_TRIES)
            except asyncio.CancelledError:
                await self._put_off(
                    lease, 0, was_try=False
                )  # the server stops: the next one may go on at once
                raise
            except Exception as error:
                is_ours = not isinstance(error, ServiceError)
                await self._put_off(lease, self._settings.scan_seconds, was_try=is_ours)
                raise
            await self._leases.end(lease)
            return True
        return False

    async def _put_off(self, lease: Lease, seconds: float, *, was_try: bool) -> None:
        with contextlib.suppress(ServiceError):  # then it ends by itself
            await self._leases.put_off(lease, seconds, was_try=was_try)

    async def _examine(self, submission_id: int, *, is_hopeless: bool) -> None:
        before = await self._submissions.find(submission_id)
        if before is None or before.is_examined:
            return
        await self._vault.run(self._vault.check_room)  # copies can wait, the database cannot
        unreadable = [Examined((MediaWarning.UNREADABLE,)) for _ in before.files]
        found = unreadable if is_hopeless else await self._look_at(before)
        moves: dict[Path, str] = {}
        kept = {
            file.path: replace(each, copies=tuple(_named(copy, file, moves) for copy in each.copies))
            for file, each in zip(before.files, found, strict=True)
        }
        await self._vault.keep_copies(moves)
        try:
            is_recorded = await self._submissions.record_examined(before, with_examined(before, kept))
        finally:
            # Where nobody can tell, the sweep will.
            self._vault.settled(moves.values())
        if not is_recorded:
            await self._vault.remove(moves.values())
            return
        warnings = [warning for each in found for warning in each.warnings]
        log.info("submission examined", submission=before.id, copies=len(moves), warnings=warnings)

    async def _look_at(self, submission: Submission) -> list[Examined]:
        files = submission.files
        places = self._vault.new_copies(len(CopyUse) * len(files))
        jobs = [
            FileJob(
                self._vault.locate(file.path),
                dict(zip(CopyUse, places[len(CopyUse) * number :], strict=False)),
            )
            for number, file in enumerate(files)
        ]
        medium = _MEDIUM[submission.section]
        job = Job(os.getpid(), medium, jobs, self._settings.limits, self._settings.rules)
        return [found async for found in self._process.examine(job)]

    @contextlib.asynccontextmanager
    async def _renewed(self, lease: Lease) -> AsyncIterator[None]:
        """Keep the lease meanwhile. Should it be lost, both results are as good, and one of them is recorded."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(_RENEW_SECONDS)
                with contextlib.suppress(ServiceError):
                    await self._leases.renew(lease, _LEASE_SECONDS)

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()


def _named(copy: FileCopy, original: StoredFile, moves: dict[Path, str]) -> FileCopy:
    """With a name beside its original, which is noted in `moves`. A new one each time: a sweep may just be taking
    what an examination that was broken off has left."""
    folder = PurePosixPath(original.path).parent
    path = str(folder / f"{uuid.uuid4().hex}-{copy.use}.{_EXTENSIONS[copy.media_type]}")
    moves[Path(copy.path)] = path
    return replace(copy, path=path)
