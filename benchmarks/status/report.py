"""The run as Markdown: a table for each test, with ratios to our server, and what was wanted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import TypeVar

from benchmarks.common.tables import percentile, ratio, table, with_range
from benchmarks.status.measurements import FanOuts, Load, Pushes

S = TypeVar("S")
BySize = Mapping[int, Sequence[S]]
"""The rounds' samples, by how many clients there were."""


def pushes_table(samples: Mapping[str, BySize[Pushes]], ours: str) -> str:
    rows = []
    for clients, label, rounds in _rows(samples):
        mine = samples.get(ours, {}).get(clients, ())
        middles = [percentile(sample.seconds, 0.5) * 1000 for sample in rounds]
        ends = [percentile(sample.seconds, 0.99) * 1000 for sample in rounds]
        rows.append(
            [
                label,
                f"{clients:,}",
                with_range(middles, 1),
                with_range(ends, 1),
                f"{_middle(rounds, lambda sample: sample.cpu_seconds_each) * 1000:.1f}",
                shares([sample.load for sample in rounds]),
                _ratio(rounds, mine, lambda sample: percentile(sample.seconds, 0.5)),
                _ratio(rounds, mine, lambda sample: percentile(sample.seconds, 0.99)),
            ]
        )
    head = ["server", "connected", "median ms (range)", "p99 ms (range)", "CPU ms each", "client, others"]
    return table([*head, "ours: median", "ours: p99"], rows)


def fan_outs_table(samples: Mapping[str, BySize[FanOuts]], ours: str) -> str:
    rows = []
    for clients, label, rounds in _rows(samples):
        mine = samples.get(ours, {}).get(clients, ())
        rows.append(
            [
                label,
                f"{clients:,}",
                with_range([_to_last(sample) * 1000 for sample in rounds], 1),
                f"{_middle(rounds, lambda sample: median(sample.first_to_last)) * 1000:.1f}",
                f"{_middle(rounds, lambda sample: sample.cpu_seconds_each) * 1000:.1f}",
                f"{_middle(rounds, lambda sample: sample.message_bytes):.0f}",
                shares([sample.load for sample in rounds]),
                _ratio(rounds, mine, _to_last),
            ]
        )
    head = ["server", "clients", "request → last, ms (range)", "first → last, ms", "CPU ms each"]
    return table([*head, "message bytes", "client, others", "ours: request → last"], rows)


def shares(loads: Sequence[Load]) -> str:
    client = median(load.client_share for load in loads)
    return f"{client:.0%}, {median(load.others_share for load in loads):.0%}"


def _to_last(sample: FanOuts) -> float:
    return median(sample.to_last)


def _rows(samples: Mapping[str, BySize[S]]) -> Iterable[tuple[int, str, Sequence[S]]]:
    """Size by size, server after server."""
    sizes = sorted({size for by_size in samples.values() for size in by_size})
    for size in sizes:
        for label, by_size in samples.items():
            if size in by_size:
                yield size, label, by_size[size]


def _middle(rounds: Sequence[S], figure: Callable[[S], float]) -> float:
    return median(figure(sample) for sample in rounds)


def _ratio(rounds: Sequence[S], ours: Sequence[S], seconds: Callable[[S], float]) -> str:
    """How many times as long as ours it takes: above 1 we win."""
    return ratio(_middle(rounds, seconds), _middle(ours, seconds)) if ours else "–"
