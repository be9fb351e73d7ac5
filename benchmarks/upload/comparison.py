"""The whole comparison: which server when, in which test, and the report at the end."""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import structlog

from benchmarks.common.machine import machine, names, progress
from benchmarks.common.processes import NotStarted, choose_cores, on_core
from benchmarks.upload import report
from benchmarks.upload.install import ROOT, install
from benchmarks.upload.lineup import Running, Server, Surroundings, knows_hashing, line_up
from benchmarks.upload.load import BadAnswer
from benchmarks.upload.measurements import QUICK, Bench, Measured, Sample, Sizes, make_forms
from server.embedded_mongod import EmbeddedMongod

T = TypeVar("T")
TESTS = ("large", "small", "ping", "memory")
_PINGED = ("ours", "ours-safe", "fastapi", "aiohttp", "express")
_QUIET_SHARE = 0.05
"""Above the few per cent of interrupts and kernel threads that a quiet machine shows."""
_ROOM_BYTES = 12 << 30
"""The largest round is 3.2 GB, FastAPI's twice that; the rest is for MongoDB and for the machine."""


def main() -> int:
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)
    )  # so that what was started is stopped
    wanted = _arguments()
    sizes = QUICK if wanted.quick else Sizes()
    if wanted.rounds:
        sizes = replace(sizes, rounds=wanted.rounds)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    servers = [server for server in line_up(install()) if not wanted.servers or server.name in wanted.servers]
    if wanted.install_only:
        return 0
    wanted.dir.mkdir(parents=True, exist_ok=True)
    _check_disk(wanted.dir, sizes)
    with tempfile.TemporaryDirectory(prefix="run-", dir=wanted.dir, ignore_cleanup_errors=True) as disk:
        try:
            text = _run(Path(disk), servers, sizes, wanted.tests)
        except (BadAnswer, NotStarted) as error:
            sys.stderr.write(f"failed: {error}\n")
            return 1
    sys.stdout.write(text)
    if wanted.out:
        wanted.out.write_text(text)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/upload/run.py", description="Our uploads against other servers'"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: does it work at all?")
    parser.add_argument("--rounds", type=int, help=f"rounds of each test (default: {Sizes().rounds})")
    parser.add_argument("--tests", type=names, default=TESTS, help=f"of {','.join(TESTS)} (default: all)")
    parser.add_argument("--servers", type=names, help="e.g. ours,ours-safe,nginx (default: all)")
    parser.add_argument(
        "--dir", type=Path, default=ROOT / "var" / "benchmark", help="a folder on a real disk"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the report there")
    parser.add_argument("--install-only", action="store_true", help="install the peers, measure nothing")
    return parser.parse_args()


def _check_disk(folder: Path, sizes: Sizes) -> None:
    if _file_system(folder) in {"tmpfs", "ramfs"}:
        sys.exit(f"{folder} is in memory, not on a disk: choose another with --dir")
    if sizes is not QUICK and shutil.disk_usage(folder).free < _ROOM_BYTES:
        sys.exit(f"{folder} has less than {_ROOM_BYTES >> 30} GiB free: choose another with --dir")


def _run(disk: Path, servers: Sequence[Server], sizes: Sizes, tests: Sequence[str]) -> str:
    """Everything, from the database server's start to the report; what was started is stopped whatever happens."""
    cores = choose_cores()
    measured, memory = Measured(), list[Sample]()
    with ExitStack() as stack:
        mongod = EmbeddedMongod(disk)
        mongod.start()
        stack.callback(mongod.stop)
        stack.enter_context(on_core(cores.client))
        around = Surroundings(disk, mongod.uri, secrets.token_hex(32), cores.server)
        bench = Bench(sizes, make_forms(disk, sizes), around)
        running = []
        for server in servers:
            running.append(started := Running(server, around))
            stack.callback(started.process.stop)
            _guard(started, bench.warm)
        for test, measure in (("large", bench.large), ("small", bench.small), ("ping", bench.ping)):
            if test not in tests:
                continue
            taking_part = _taking_part(test, running)
            if test == "small":
                measured.files_were_fast = bench.await_fast_files(taking_part, sizes.patience_seconds)
            _rounds(test, measure, taking_part, sizes.rounds, measured)
            if test == "small":
                measured.files_were_fast &= bench.await_fast_files(taking_part, 0)
        for started in running:
            started.process.stop()  # the last test wants the machine for itself, and our state_dir
        if "memory" in tests and (safe := [server for server in servers if server.name == "ours-safe"]):
            progress("memory")
            memory = bench.memory(safe[0])
    return _written(measured, memory, sizes, {server.name: server.label for server in servers})


def _taking_part(test: str, running: Sequence[Running]) -> list[Running]:
    if test == "large":
        return list(running)
    if test == "small":
        return [each for each in running if each.server.serves_forms]
    return [each for each in running if each.server.name in _PINGED]


def _rounds(
    test: str,
    measure: Callable[[Running], Sample],
    running: Sequence[Running],
    rounds: int,
    measured: Measured,
) -> None:
    """Server after server, round after round, each round beginning with another one."""
    for number in range(rounds):
        first = number % max(1, len(running))
        for each in [*running[first:], *running[:first]]:
            sample = _guard(each, measure)
            progress(
                f"{test} {number + 1}/{rounds}  {each.server.label:20} {sample.megabytes_per_second:7.0f} MB/s"
            )
            measured.add(test, each.server.label, sample)


def _guard(running: Running, work: Callable[[Running], T]) -> T:
    """Name the server that failed, and show what it said."""
    try:
        return work(running)
    except (BadAnswer, OSError, RuntimeError) as error:
        raise BadAnswer(f"{running.server.label}: {error!r}\n{running.process.last_words()}") from error


def _written(measured: Measured, memory: Sequence[Sample], sizes: Sizes, labels: dict[str, str]) -> str:
    ours = labels.get("ours", "")
    order = list(labels.values())
    samples = {
        test: {label: by_label[label] for label in order if label in by_label}
        for test, by_label in measured.samples.items()
    }
    parts = [_machine(sizes)]
    if "large" in samples:
        others = report.others_share(samples["large"])
        if others > _QUIET_SHARE:
            parts.append(f"**Not a quiet machine:** others took {others:.0%} of the server's core.\n")
        title = f"Large: {8 * sizes.recording_bytes / 1e6:.0f} MB in 8 recordings, 4 connections"
        parts.append(f"### {title}\n\n{report.large_table(samples['large'], ours)}")
    if "small" in samples:
        title = f"Small: 3 photos of {sizes.photo_bytes // 1000} KB, 32 connections"
        if not measured.files_were_fast:
            parts.append("**Slow files:** deleted ones were in the way; measure again in five minutes.\n")
        parts.append(f"### {title}\n\n{report.small_table(samples['small'], ours)}")
    if "ping" in samples:
        parts.append(
            f"### Ping: /healthz every 10 ms beside 8 large uploads\n\n{report.ping_table(samples['ping'])}"
        )
    if memory:
        parts.append(f"### Memory: ours with all promises\n\n{report.memory_table(memory)}")
    return "\n".join(parts)


def _machine(sizes: Sizes) -> str:
    lines = [machine(sizes.rounds)]
    if not knows_hashing():
        lines.append("This version of our server cannot leave out sha256: it hashes in every row.")
    return "\n".join(lines) + "\n"


def _file_system(folder: Path) -> str:
    """The type of the file system that `folder` is on (proc(5), mountinfo)."""
    best, kind = 0, ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, after = line.split()[4], line.partition(" - ")[2]
        if folder.resolve().is_relative_to(mount) and len(mount) >= best:
            best, kind = len(mount), after.split()[0]
    return kind
