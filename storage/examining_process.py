"""Has files examined in a process of their own: what a decoder does on a broken or a hostile file (crash, hang,
take all memory) must not happen in a server.

The process gets one `Job` on its standard input and answers with a line of JSON for each file, an `Examined` whose
copies are still where the job said. It dies with the server, and earlier if it goes beyond its limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from storage.domain.errors import StorageFull
from storage.domain.examination import CopyUse, Examined, MediaWarning, WarningRules

log = structlog.get_logger(__name__)

DISK_TROUBLE = os.EX_TEMPFAIL
"""Exit status: a copy could not be written; what was found is not known."""
_LINE_BYTES = 64 << 10
_BEGIN_SECONDS = 10.0
"""Besides the time for the first file: to start Python and load FFmpeg takes 0.15 s, on a busy machine more."""


class Medium(StrEnum):
    PHOTO = "photo"
    RECORDING = "recording"


@dataclass(frozen=True, slots=True)
class FileJob:
    source: Path
    places: dict[CopyUse, Path]


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """`seconds` hold for each file, of processor time and on the clock; `memory_bytes` for the address space."""

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
        in time, is unreadable; another process goes on behind it. Raises StorageFull if copies cannot be
        written."""
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
        process = await asyncio.create_subprocess_exec(
            *self.command,
            cwd=self.folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LINE_BYTES,
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: S101  # as asked for
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                process.stdin.write(JOB.dump_json(job))
                process.stdin.close()
            begin_seconds = _BEGIN_SECONDS
            for file in job.files:
                async with asyncio.timeout(job.limits.seconds + begin_seconds):
                    line = await process.stdout.readline()
                begin_seconds = 0
                if not line and await process.wait() == DISK_TROUBLE:
                    raise StorageFull
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
