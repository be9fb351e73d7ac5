"""`/metrics` for all workers, whichever is asked: each counts in files that every one of them reads.

This is the multiprocess mode of prometheus_client, with two differences. A file belongs to a worker's number, not
to its process: the next worker of that number goes on counting where a dead one ended, and no files pile up. And
the files get their space before anybody counts: a write into a mapped file on a full disk is a SIGBUS.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector

_GAUGES = "gauge_livesum"
_FILE_BYTES = {"counter": 1 << 16, _GAUGES: 1 << 16, "histogram": 2 << 20}
"""By kind of metric. A histogram takes some 4 KB for each method, route and status that ever came together: 250 is
more than there are."""


class SharedMetrics:
    """The files of workers 0 to `processes` - 1 in `folder`, which is this one's alone."""

    def __init__(self, folder: Path, processes: int) -> None:
        self._folder = folder
        self._processes = processes

    def make(self) -> None:
        """Remove what an earlier server counted and make the files; raises OSError if the disk has no room."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o750, parents=True)
        for number in range(self._processes):
            for kind, size_bytes in _FILE_BYTES.items():
                file = os.open(self._file(kind, number), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
                try:
                    os.posix_fallocate(file, 0, size_bytes)
                finally:
                    os.close(file)

    def join(self, number: int) -> CollectorRegistry:
        """Have all metrics that this process makes from now on counted as worker `number`'s; returns a registry
        with those of all workers."""
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self._folder)
        # Chosen when the library was imported, long before a process knew that it is one of several.
        values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        return registry

    def died(self, number: int) -> None:
        """A dead worker has no open sockets and no uploads; what it counted stays. Raises OSError."""
        file = os.open(self._file(_GAUGES, number), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(file, bytes(8), 0)  # how much of the file is in use
        finally:
            os.close(file)

    def _file(self, kind: str, number: int) -> Path:
        return self._folder / f"{kind}_{number}.db"
