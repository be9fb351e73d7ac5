"""The run as Markdown: a table for each test, with ratios to our server, and what was wanted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeVar

from benchmarks.common.tables import percentile, ratio, table, with_range
from benchmarks.status.samples import FanOuts, Held, Load, Pushes, Storms

S = TypeVar("S")
BySize = Mapping[int, Sequence[S]]
"""The rounds' samples, by how many clients there were."""
ByServer = Mapping[str, BySize[S]]
Figure = Callable[[Any], float]
_KB, _MS = 1e3, 1e3
WANTED_BYTES = 16_000
WANTED_P99_SECONDS = {1_000: 0.020, 5_000: 0.060}
WANTED_STORM_SECONDS, WANTED_STORM_PUSH_SECONDS = 5.0, 0.050


@dataclass(frozen=True, slots=True)
class Labels:
    """Which of the servers is ours, and which are no competitors but the limit of what can be had."""

    ours: str
    limits: frozenset[str]


def held_table(samples: ByServer[Held], labels: Labels) -> str:
    rows = []
    for clients, label, rounds in _rows(samples):
        rows.append(
            [
                label,
                f"{clients:,}",
                with_range([sample.bytes_each / _KB for sample in rounds], 1),
                f"{_middle(rounds, lambda sample: sample.kernel_bytes / sample.clients) / _KB:.1f}",
                f"{_middle(rounds, lambda sample: sample.clients / sample.seconds):,.0f}",
                _ratio(samples, labels, label, clients, lambda sample: sample.bytes_each),
            ]
        )
    head = ["server", "clients", "server's kB each (range)", "kernel's kB, both ends", "connects/s"]
    return table([*head, "ours: memory"], rows)


def pushes_table(samples: ByServer[Pushes], labels: Labels) -> str:
    rows = []
    for clients, label, rounds in _rows(samples):
        rows.append(
            [
                label,
                f"{clients:,}",
                with_range([_middle_push(sample) * _MS for sample in rounds], 1),
                with_range([_p99_push(sample) * _MS for sample in rounds], 1),
                f"{_middle(rounds, lambda sample: sample.cpu_seconds_each) * _MS:.1f}",
                _shares(rounds),
                _ratio(samples, labels, label, clients, _middle_push),
                _ratio(samples, labels, label, clients, _p99_push),
            ]
        )
    head = ["server", "clients", "median ms (range)", "p99 ms (range)", "CPU ms each", "client, others"]
    return table([*head, "ours: median", "ours: p99"], rows)


def fan_outs_table(samples: ByServer[FanOuts], labels: Labels) -> str:
    rows = []
    for clients, label, rounds in _rows(samples):
        rows.append(
            [
                label,
                f"{clients:,}",
                with_range([_to_last(sample) * _MS for sample in rounds], 1),
                f"{_middle(rounds, lambda sample: median(sample.first_to_last)) * _MS:.1f}",
                f"{_middle(rounds, lambda sample: sample.cpu_seconds_each) * _MS:.1f}",
                f"{_middle(rounds, lambda sample: sample.message_bytes):.0f}",
                _shares(rounds),
                _ratio(samples, labels, label, clients, _to_last),
                _ratio(samples, labels, label, clients, lambda sample: sample.cpu_seconds_each),
            ]
        )
    head = ["server", "clients", "request → last, ms (range)", "first → last, ms", "CPU ms each", "bytes"]
    return table([*head, "client, others", "ours: to last", "ours: CPU"], rows)


def storms_table(samples: ByServer[Storms], labels: Labels) -> str:
    rows = []
    for clients, label, rounds in _rows(samples):
        pushes = [seconds for sample in rounds for seconds in sample.pushes]
        rows.append(
            [
                label,
                with_range([seconds for sample in rounds for seconds in sample.to_served], 2),
                f"{percentile(pushes, 0.5) * _MS:.1f}",
                f"{percentile(pushes, 0.99) * _MS:.1f}",
                f"{len(pushes)}",
                f"{_middle(rounds, lambda sample: sample.cpu_seconds_each) * _MS:.2f}",
                _shares(rounds),
                _ratio(samples, labels, label, clients, _to_served),
                _ratio(samples, labels, label, clients, _middle_storm_push),
            ]
        )
    head = [
        "server",
        "all served after s (range)",
        "PUT → push median ms",
        "p99 ms",
        "grades",
        "CPU ms a client",
    ]
    return table([*head, "client, others", "ours: served", "ours: median push"], rows)


def verdicts(samples: Mapping[str, ByServer[Any]], labels: Labels) -> list[str]:
    """What was wanted of ours, and whether this run shows it; only what was measured."""
    return [f"- {'pass' if passed else '**fail**'}: {text}" for passed, text in _verdicts(samples, labels)]


def _verdicts(samples: Mapping[str, ByServer[Any]], labels: Labels) -> Iterator[tuple[bool, str]]:
    for clients, rounds in samples.get("fan-out", {}).get(labels.ours, {}).items():
        mine, others = _middle(rounds, _to_last) * _MS, _peers(samples["fan-out"], labels, clients, _to_last)
        if others:
            seconds, best = min(others)
            told = f"ours {mine:.1f} ms, the fastest peer ({best}) {seconds * _MS:.1f}"
            yield mine < seconds * _MS, f"fan-out to {clients:,} faster than every peer: {told}"
    for clients, rounds in samples.get("held", {}).get(labels.ours, {}).items():
        each = _middle(rounds, lambda sample: sample.bytes_each)
        told = f"at most {WANTED_BYTES / _KB:.0f} kB a socket with {clients:,}: {each / _KB:.1f}"
        yield each <= WANTED_BYTES, told
    for clients, rounds in samples.get("push", {}).get(labels.ours, {}).items():
        if wanted := WANTED_P99_SECONDS.get(clients):
            p99 = _middle(rounds, _p99_push)
            told = f"PUT → push p99 below {wanted * _MS:.0f} ms with {clients:,}: {p99 * _MS:.1f}"
            yield p99 < wanted, told
    for clients, rounds in samples.get("storm", {}).get(labels.ours, {}).items():
        served, push = _middle(rounds, _to_served), _middle(rounds, _middle_storm_push)
        told = f"a storm of {clients:,} served within {WANTED_STORM_SECONDS:.0f} s: {served:.2f} s"
        yield served <= WANTED_STORM_SECONDS, told
        told = f"PUT → push median below {WANTED_STORM_PUSH_SECONDS * _MS:.0f} ms in it: {push * _MS:.1f}"
        yield push < WANTED_STORM_PUSH_SECONDS, told


def _peers(samples: ByServer[S], labels: Labels, clients: int, figure: Figure) -> list[tuple[float, str]]:
    left_out = labels.limits | {labels.ours}
    competing = {label: by_size for label, by_size in samples.items() if label not in left_out}
    return [
        (_middle(by_size[clients], figure), label)
        for label, by_size in competing.items()
        if clients in by_size
    ]


def others_share(samples: Mapping[str, ByServer[Any]]) -> float:
    """How busy others kept the server's core in the fan-outs, where MongoDB has next to nothing to do."""
    rounds = [
        sample.load.others_share
        for by_size in samples.get("fan-out", {}).values()
        for samples_of_size in by_size.values()
        for sample in samples_of_size
    ]
    return median(rounds) if rounds else 0.0


def _middle_push(sample: Pushes) -> float:
    return percentile(sample.seconds, 0.5)


def _p99_push(sample: Pushes) -> float:
    return percentile(sample.seconds, 0.99)


def _to_last(sample: FanOuts) -> float:
    return median(sample.to_last)


def _to_served(sample: Storms) -> float:
    return median(sample.to_served)


def _middle_storm_push(sample: Storms) -> float:
    return percentile(sample.pushes, 0.5)


def _shares(rounds: Sequence[Any]) -> str:
    loads: list[Load] = [sample.load for sample in rounds]
    client = median(load.client_share for load in loads)
    return f"{client:.0%}, {median(load.others_share for load in loads):.0%}"


def _rows(samples: ByServer[S]) -> Iterable[tuple[int, str, Sequence[S]]]:
    """Size by size, server after server."""
    for size in sorted({size for by_size in samples.values() for size in by_size}):
        for label, by_size in samples.items():
            if size in by_size:
                yield size, label, by_size[size]


def _middle(rounds: Sequence[Any], figure: Figure) -> float:
    return median(figure(sample) for sample in rounds)


def _ratio(samples: ByServer[S], labels: Labels, label: str, size: int, figure: Figure) -> str:
    """How many times as much as ours: above 1 we win."""
    ours = samples.get(labels.ours, {}).get(size)
    return ratio(_middle(samples[label][size], figure), _middle(ours, figure)) if ours else "–"
