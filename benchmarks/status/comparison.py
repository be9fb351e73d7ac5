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
from dataclasses import replace
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

TESTS = ("push", "fan-out")
Samples = dict[str, dict[str, dict[int, list[Any]]]]
"""By test, server's label and number of clients, in the order they were taken."""


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
        try:
            samples = _run(Path(disk), servers, sizes, wanted)
        except (BadAnswer, NotStarted) as error:
            sys.stderr.write(f"failed: {error}\n")
            return 1
    text = _written(samples, sizes, {server.name: server.label for server in servers})
    sys.stdout.write(text)
    if wanted.out:
        wanted.out.write_text(text)
    return 0


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
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _run(disk: Path, servers: Sequence[Server], sizes: Sizes, wanted: argparse.Namespace) -> Samples:
    """Everything, from the database server's start to its end; what was started is stopped whatever happens."""
    cores = choose_cores()
    samples: Samples = {}
    with ExitStack() as stack:
        mongod = EmbeddedMongod(disk)
        mongod.start()
        stack.callback(mongod.stop)
        stack.enter_context(on_core(cores.client))
        ours = wanted.ours.resolve()
        around = Surroundings(disk, mongod.uri, secrets.token_hex(32), cores.server, ours)
        bench = Bench(sizes, around)
        for test, measure in (("push", bench.pushes), ("fan-out", bench.fan_outs)):
            if test in wanted.tests:
                samples[test] = {server.label: {} for server in servers}
                _rounds(test, measure, servers, sizes.rounds, samples[test])
    return samples


def _rounds(
    test: str,
    measure: Callable[[Server], Sequence[Any]],
    servers: Sequence[Server],
    rounds: int,
    into: dict[str, dict[int, list[Any]]],
) -> None:
    """Server after server, round after round, each round beginning with another one."""
    for number in range(rounds):
        first = number % max(1, len(servers))
        for server in [*servers[first:], *servers[:first]]:
            for sample in measure(server):
                progress(f"{test} {number + 1}/{rounds}  {server.label:24} {sample}")
                into[server.label].setdefault(sample.clients, []).append(sample)


def _written(samples: Samples, sizes: Sizes, labels: dict[str, str]) -> str:
    ours = labels.get("ours", "")
    parts = [machine(sizes.rounds) + "\n"]
    if "push" in samples:
        title = "PUT → push: from the grade's request to the student's push"
        parts.append(f"#### {title}\n\n{report.pushes_table(samples['push'], ours)}")
    if "fan-out" in samples:
        title = "Fan-out: one event to every reviewer's socket"
        parts.append(f"#### {title}\n\n{report.fan_outs_table(samples['fan-out'], ours)}")
    return "\n".join(parts)
