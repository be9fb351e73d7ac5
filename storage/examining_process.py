"""Has files examined in a process of their own: what a decoder does on a broken or a hostile file (crash, hang,
take all memory) must not happen in a server.

The process gets one `Job` on its standard input and answers with a line once it has begun, and then with a line of
JSON for each file, an `Examined` whose copies are still where the job said. It dies with the server, and earlier if
it goes beyond its limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from storage.domain.errors import StorageFull, Unavailable
from storage.domain.examination import CopyUse, Examined, MediaWarning, WarningRules

log = structlog.get_logger(__name__)

DISK_TROUBLE = os.EX_TEMPFAIL
"""Exit status: a copy could not be written; what was found is not known."""
_LINE_BYTES = 64 << 10
READY = b"ready\n"
_BEGIN_SECONDS = 60.0
"""To start Python and load FFmpeg takes 0.15 s; on a machine with better to do, as it gives way, far more."""
_CLOCK_SECONDS = 10
"""For each second of processor time: a loaded machine has a tenth of a core for it, and no file is to blame."""
_TOLD_TO_END = {-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}
"""As systemd and a terminal tell all processes of a service that is stopped. No file makes its process end so."""


class Killed(Exception):
    """Somebody or the kernel, short of memory, killed the process: it may be a file's fault, or not."""


class Medium(StrEnum):
    PHOTO = "photo"
    RECORDING = "recording"


@dataclass(frozen=True, slots=True)
class FileJob:
    source: Path
    places: dict[CopyUse, Path]


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """`seconds` of processor time hold for each file; `memory_bytes` for the address space."""

    seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Job:
    server: int
    """Its process id."""
    medium: Medium
    files: list[FileJob]
    limits: ProcessLimits
    rules: WarningRules


JOB: TypeAdapter[Job] = TypeAdapter(Job)
EXAMINED: TypeAdapter[Examined] = TypeAdapter(Examined)


@dataclass(frozen=True, slots=True)
class ExaminingProcess:
    """How to start one: `command` in `folder`."""

    command: Sequence[str]
    folder: Path

    async def examine(self, job: Job) -> AsyncIterator[Examined]:
        """What is found of each file of `job`, in its order. A file on which the process dies, or does not answer
        in time, is unreadable; another process goes on behind it. Raises StorageFull if copies cannot be written,
        Unavailable if no process can be started or it was told to end, and Killed: all of these say nothing about a
        file."""
        done = 0
        while done < len(job.files):
            rest = Job(job.server, job.medium, job.files[done:], job.limits, job.rules)
            async with contextlib.aclosing(self._lines(rest)) as lines:
                async for found in lines:
                    done += 1
                    yield found
            if done < len(job.files):
                log.warning("file not examinable", path=str(job.files[done].source))
                done += 1
                yield Examined((MediaWarning.UNREADABLE,))

    async def _lines(self, job: Job) -> AsyncGenerator[Examined, None]:
        """As far as one process gets."""
        process = await self._start()
        assert process.stdin is not None and process.stdout is not None  # noqa: S101  # as asked for
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                process.stdin.write(JOB.dump_json(job))
                process.stdin.close()
            await _begun(process, process.stdout)
            for file in job.files:
                async with asyncio.timeout(job.limits.seconds * _CLOCK_SECONDS):
                    line = await process.stdout.readline()
                    if not line:
                        _check_end(await process.wait())
                found = EXAMINED.validate_json(line)
                if any(Path(copy.path) != file.places[copy.use] for copy in found.copies):
                    return
                yield found
        except (TimeoutError, ValueError, ValidationError):
            return  # too slow, dead, or no longer itself
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _start(self) -> Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self.command,
                cwd=self.folder,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=_LINE_BYTES,
            )
        except OSError as error:  # no memory, no descriptors
            log.error("examining process not started", error=str(error))
            raise Unavailable from error


async def _begun(process: Process, answers: asyncio.StreamReader) -> None:
    """Raise Unavailable if a process does not come so far as to look at a file: something is wrong here."""
    try:
        async with asyncio.timeout(_BEGIN_SECONDS):
            if await answers.readline() == READY:
                return
            _check_end(await process.wait())
    except TimeoutError:
        pass
    log.error("examining process does not begin", status=process.returncode)
    raise Unavailable


def _check_end(status: int) -> None:
    """Raise what the end of a process says, unless a file may be to blame for it."""
    if status == DISK_TROUBLE:
        raise StorageFull
    if status in _TOLD_TO_END:
        raise Unavailable
    if status == -signal.SIGKILL:
        raise Killed
