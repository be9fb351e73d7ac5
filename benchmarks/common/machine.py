"""What a report says of the machine it was made on, and how a run says how far it is."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.common.processes import choose_cores


def machine(rounds: int) -> str:
    """One line: when, on what, how pinned, how many rounds."""
    pinned = (
        "server on one core, load generator on another" if choose_cores().server is not None else "not pinned"
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores, Linux {_kernel()}, "
        f"Python {platform.python_version()}; {pinned}; medians of {rounds} interleaved rounds."
    )


def progress(text: str) -> None:
    sys.stderr.write(f"{datetime.now():%H:%M:%S} {text}\n")


def names(text: str) -> tuple[str, ...]:
    """A command-line list: "a, b" → ("a", "b")."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _kernel() -> str:
    """Its version without what a distributor added."""
    return platform.release().partition("-")[0]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
