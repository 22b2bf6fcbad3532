"""How long something took, often, at several sizes: percentiles of all rounds, ratios to the smallest size, a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Samples:
    """Milliseconds of one look at one size, by round."""

    rounds: list[list[float]] = field(default_factory=list[list[float]])
    blocks: int = 0

    def told(self) -> dict[str, float]:
        """Percentiles of everything that was measured, and the longest of the best and of the worst round."""
        taken = [ms for each in self.rounds for ms in each]
        longest = [max(each) for each in self.rounds]
        return {
            "p50_ms": round(_percentile(taken, 50), 2),
            "p99_ms": round(_percentile(taken, 99), 2),
            "longest_least_ms": round(min(longest), 2),
            "longest_most_ms": round(max(longest), 2),
            "repetitions": len(taken),
            "blocks": self.blocks,
        }


def _percentile(values: Sequence[float], percent: int) -> float:
    """The nearest rank: the least value that so many of a hundred do not exceed."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def by_sizes(by_size: Mapping[int, Samples]) -> dict[str, Any]:
    told = {people: samples.told() for people, samples in by_size.items()}
    least = told[min(told)]
    for figures in told.values():
        figures["p99_ratio"] = round(figures["p99_ms"] / least["p99_ms"], 2)
        figures["p50_ratio"] = round(figures["p50_ms"] / least["p50_ms"], 2)
    return {str(people): figures for people, figures in told.items()}


def table(report: Mapping[str, Any]) -> str:
    """One line per look: milliseconds and blocks by size, and the ratio of the largest to the smallest."""
    sizes = sorted(map(int, report["databases"]))
    head = f"{'p50 / p99 ms (blocks)':38}" + "".join(f"{size:>30,}" for size in sizes) + f"{'p99 ratio':>12}"
    lines = [head]
    for name, told in report["looks"].items():
        cells = "".join(f"{_cell(told[str(size)]):>30}" for size in sizes)
        lines.append(f"{name:38}{cells}{told[str(sizes[-1])]['p99_ratio']:>12.2f}")
    return "\n".join(lines)


def _cell(figures: Mapping[str, Any]) -> str:
    return f"{figures['p50_ms']:.1f} / {figures['p99_ms']:.1f} ({figures['blocks']:,})"
