"""The run as Markdown: a table for each test, with ratios to our server. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from benchmarks.common.tables import percentile, ratio, table, with_range
from benchmarks.upload.measurements import Sample

Samples = Mapping[str, Sequence[Sample]]
_MB = 1e6


def large_table(samples: Samples, ours: str) -> str:
    rows = []
    for label, rounds in samples.items():
        rates = [sample.megabytes_per_second for sample in rounds]
        rows.append(
            [
                label,
                with_range(rates),
                f"{median(sample.cpu_seconds_per_gigabyte for sample in rounds):.2f}",
                f"{max(sample.grown_bytes for sample in rounds) / _MB:.0f}",
                _shares(rounds),
                *_ratios(samples, ours, label, lambda sample: sample.megabytes_per_second),
                *_ratios(samples, label, ours, lambda sample: sample.cpu_seconds_per_gigabyte),
            ]
        )
    return table(
        [
            "server",
            "MB/s (range)",
            "CPU s/GB",
            "memory growth MB",
            "client, others",
            "ours: speed",
            "ours: CPU",
        ],
        rows,
    )


def small_table(samples: Samples, ours: str) -> str:
    rows = []
    for label, rounds in samples.items():
        rows.append(
            [
                label,
                with_range([sample.uploads_per_second for sample in rounds]),
                *(
                    f"{median(percentile(sample.latencies, part) for sample in rounds) * 1000:.0f}"
                    for part in (0.5, 0.99)
                ),
                f"{median(sample.cpu_seconds_per_upload for sample in rounds) * 1000:.2f}",
                _shares(rounds),
                *_ratios(samples, ours, label, lambda sample: sample.uploads_per_second),
                *_ratios(samples, label, ours, lambda sample: sample.cpu_seconds_per_upload),
            ]
        )
    return table(
        [
            "server",
            "requests/s (range)",
            "p50 ms",
            "p99 ms",
            "CPU ms each",
            "client, others",
            "ours: speed",
            "ours: CPU",
        ],
        rows,
    )


def ping_table(samples: Samples) -> str:
    rows = []
    for label, rounds in samples.items():
        idle = [ping for sample in rounds for ping in sample.idle_pings]
        busy = [ping for sample in rounds for ping in sample.pings]
        figures = (
            percentile(idle, 0.5),
            percentile(idle, 0.99),
            *(percentile(busy, part) for part in (0.5, 0.99, 1)),
        )
        rate = median(sample.megabytes_per_second for sample in rounds)
        rows.append([label, *(f"{figure:.1f}" for figure in figures), str(len(busy)), f"{rate:.0f}"])
    return table(
        ["server", "idle p50 ms", "idle p99", "beside uploads p50 ms", "p99", "max", "pings", "uploads MB/s"],
        rows,
    )


def memory_table(samples: Sequence[Sample]) -> str:
    rows = []
    for sample in samples:
        each = sample.sent_bytes / sample.uploads / _MB
        grown = sample.grown_bytes / _MB
        rows.append(
            [
                f"{sample.uploads} × {each:.0f} MB",
                f"{grown:.1f}",
                f"{grown / sample.uploads:.2f}",
                f"{sample.megabytes_per_second:.0f}",
            ]
        )
    return table(["uploads at once", "memory growth MB", "an upload's share MB", "MB/s"], rows)


def others_share(samples: Samples) -> float:
    """How busy others kept the server's core, the median over everything."""
    return median(sample.others_share for rounds in samples.values() for sample in rounds)


def _shares(rounds: Sequence[Sample]) -> str:
    client = median(sample.client_share for sample in rounds)
    return f"{client:.0%}, {median(sample.others_share for sample in rounds):.0%}"


def _ratios(samples: Samples, above: str, below: str, figure: Callable[[Sample], float]) -> list[str]:
    """How many times better we are, as one cell; a dash where there is nothing to compare."""
    if above not in samples or below not in samples:
        return ["–"]
    middle = [median(figure(sample) for sample in samples[label]) for label in (above, below)]
    return [ratio(middle[0], middle[1])]
