"""Medians, percentiles, ratios and Markdown tables. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median


def with_range(values: Sequence[float], decimals: int = 0) -> str:
    """The median, and the smallest and largest in brackets."""
    middle, low, high = (f"{value:,.{decimals}f}" for value in (median(values), min(values), max(values)))
    return f"{middle} ({low}–{high})"


def ratio(above: float, below: float) -> str:
    """How many times as much; a dash where there is nothing to compare."""
    return f"{above / below:.2f} ×" if above and below else "–"


def percentile(values: Sequence[float], part: float) -> float:
    """The value that `part` of all do not exceed; 1 is the largest."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
