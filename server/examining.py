"""The process that examines uploaded files: `python -m server.examining`, a job on its standard input.

See `storage/examining_process.py`. Its limits are its own before it loads anything that decodes.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from server.parent_death import dies_with
from storage.domain.examination import CopyUse, Examined, MediaWarning, WarningRules
from storage.examining_process import DISK_TROUBLE, EXAMINED, JOB, READY, FileJob, Job, Medium, ProcessLimits
from storage.made_copy import is_disks_fault

_NICENESS = 15
"""Whoever uploads or grades goes first."""
_COPY_ROOM_BYTES = 16 << 20
_OPEN_FILES = 64
_OOM_SCORE = "1000"
"""Where memory is short the kernel takes this process first, never a server or MongoDB for it (proc(5))."""


def main() -> int:
    """Examine one file after the other. What goes wrong with one is said of that one."""
    job = JOB.validate_json(sys.stdin.buffer.read())
    if (arrange := dies_with(job.server, signal.SIGKILL)) is not None:
        arrange()
    _give_way(job.limits)
    _examiner(job.medium)  # what fails from here on a file is to blame for
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    for file in job.files:
        _limit_to(file.source, job.limits)
        try:
            found = _examine(job, file)
        except OSError as error:
            return DISK_TROUBLE if is_disks_fault(error) else 1
        sys.stdout.buffer.write(EXAMINED.dump_json(found) + b"\n")
        sys.stdout.buffer.flush()
    return 0


def _examine(job: Job, file: FileJob) -> Examined:
    try:
        return _examiner(job.medium)(file.source, file.places, job.rules)
    except MemoryError:
        return Examined((MediaWarning.UNREADABLE,))


def _examiner(medium: Medium) -> Callable[[Path, dict[CopyUse, Path], WarningRules], Examined]:
    """Within the limits: only what the medium needs is loaded, which costs a tenth of a second."""
    if medium is Medium.PHOTO:
        from storage.photo_examination import examine_photo as examine  # noqa: PLC0415
    else:
        from storage.recording_examination import examine_recording as examine  # noqa: PLC0415
    return examine


def _give_way(limits: ProcessLimits) -> None:
    os.nice(_NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))


def _limit_to(source: Path, limits: ProcessLimits) -> None:
    """For one file more: processor time, and what may be written."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime + limits.seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
    size = 2 * source.stat().st_size + _COPY_ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


if __name__ == "__main__":
    sys.exit(main())
