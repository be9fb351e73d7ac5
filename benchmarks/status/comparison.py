"""The whole comparison: which server when, in which test, and the report at the end."""

from __future__ import annotations

import argparse
import resource
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from benchmarks.common.machine import machine, names, progress
from benchmarks.common.processes import NotStarted, choose_cores, on_core
from benchmarks.status import report
from benchmarks.status.dialects import BadAnswer
from benchmarks.status.install import ROOT, install
from benchmarks.status.lineup import Server, Surroundings, line_up
from benchmarks.status.measurements import QUICK, Bench, Sizes
from server.embedded_mongod import EmbeddedMongod

TESTS = ("held", "push", "fan-out", "storm")
_QUIET_SHARE = 0.05
"""Above the few per cent of interrupts and kernel threads that a quiet machine shows."""
_OPEN_FILES = 6_000
"""One for each client, and a few hundred for the rest."""
Measure = Callable[[Server], Sequence[Any]]
BySize = dict[int, list[Any]]
"""Samples by number of clients, in the order they were taken."""


@dataclass(slots=True)
class Measured:
    """The samples of a run by test and server's label, and who could not do what."""

    samples: dict[str, dict[str, BySize]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


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
    _raise_file_limit()
    wanted.dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=wanted.dir, ignore_cleanup_errors=True) as disk:
        measured = _run(Path(disk), servers, sizes, wanted)
    text = _written(measured, sizes, servers)
    sys.stdout.write(text)
    if wanted.out:
        wanted.out.write_text(text)
    return 1 if measured.failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/status/run.py", description="Our sockets against other servers'"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: does it work at all?")
    parser.add_argument("--rounds", type=int, help=f"rounds of each test (default: {Sizes().rounds})")
    parser.add_argument("--tests", type=names, default=TESTS, help=f"of {','.join(TESTS)} (default: all)")
    parser.add_argument("--servers", type=names, help="e.g. ours,ws (default: all)")
    parser.add_argument("--ours", type=Path, default=ROOT, metavar="PATH", help="measure this tree as ours")
    parser.add_argument(
        "--dir", type=Path, default=ROOT / "var" / "benchmark", help="a folder on a real disk"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the report there")
    parser.add_argument("--install-only", action="store_true", help="install the peers, measure nothing")
    return parser.parse_args()


def _raise_file_limit() -> None:
    """As far as one may, here and so in every server: each has as many sockets as there are clients."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < _OPEN_FILES:
        sys.exit(f"the hard limit of open files is {most}, and {_OPEN_FILES:,} are needed: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _run(disk: Path, servers: Sequence[Server], sizes: Sizes, wanted: argparse.Namespace) -> Measured:
    """Everything, from the database server's start to its end; what was started is stopped whatever happens."""
    cores = choose_cores()
    measured = Measured()
    with ExitStack() as stack:
        mongod = EmbeddedMongod(disk)
        mongod.start()
        stack.callback(mongod.stop)
        stack.enter_context(on_core(cores.client))
        ours = wanted.ours.resolve()
        around = Surroundings(disk, mongod.uri, secrets.token_hex(32), cores.server, ours)
        bench = Bench(sizes, around)
        measures: tuple[Measure, ...] = (bench.held, bench.pushes, bench.fan_outs, bench.storms)
        for test, measure in zip(TESTS, measures, strict=True):
            if test in wanted.tests:
                taking_part = [server for server in servers if test == "fan-out" or not server.is_limit]
                _rounds(test, measure, taking_part, sizes.rounds, measured)
    return measured


def _rounds(
    test: str,
    measure: Measure,
    servers: Sequence[Server],
    rounds: int,
    measured: Measured,
) -> None:
    """Server after server, round after round, each round beginning with another one. Whoever fails is out."""
    samples = measured.samples[test] = {server.label: BySize() for server in servers}
    out = set[str]()
    for number in range(rounds):
        first = number % max(1, len(servers))
        for server in [*servers[first:], *servers[:first]]:
            if server.name in out:
                continue
            try:
                for sample in measure(server):
                    progress(f"{test} {number + 1}/{rounds}  {server.label:24} {sample}")
                    samples[server.label].setdefault(sample.clients, []).append(sample)
            except (BadAnswer, NotStarted) as error:
                progress(f"{test} {number + 1}/{rounds}  {server.label:24} failed: {error}")
                out.add(server.name)
                measured.failures.append(f"{server.label}, {test}, round {number + 1}")


def _written(measured: Measured, sizes: Sizes, servers: Sequence[Server]) -> str:
    samples = measured.samples
    ours = "".join(server.label for server in servers if server.is_ours)
    labels = report.Labels(ours, frozenset(server.label for server in servers if server.is_limit))
    parts = [machine(sizes.rounds) + "\n"]
    if (others := report.others_share(samples)) > _QUIET_SHARE:
        parts.append(
            f"**Not a quiet machine:** others took {others:.0%} of the server's core in the fan-outs.\n"
        )
    if measured.failures:
        parts.append(f"**Failed:** {'; '.join(measured.failures)}.\n")
    if verdicts := report.verdicts(samples, labels):
        parts.append("\n".join(verdicts) + "\n")
    if "held" in samples:
        parts.append(_part("Held: idle clients", report.held_table(samples["held"], labels)))
    if "push" in samples:
        title = f"Push: from PUT to the student's push, {sizes.grades} grades"
        parts.append(_part(title, report.pushes_table(samples["push"], labels)))
    if "fan-out" in samples:
        title = "Fan-out: one event to every reviewer's socket"
        parts.append(_part(title, report.fan_outs_table(samples["fan-out"], labels)))
    if "storm" in samples:
        title = f"Storm: {sizes.storm_clients:,} clients cut and back at once, grades going on"
        parts.append(_part(title, report.storms_table(samples["storm"], labels)))
    return "\n".join(parts)


def _part(title: str, table: str) -> str:
    return f"#### {title}\n\n{table}"
