"""``make bench``: run the benchmarks some times over, and keep medians and spread in ``benchmarks/results``.

    make bench                                   five runs of what is short, more than an hour
    make bench ARGS="--runs 1 --only dispatch"   one of these, once
    make bench ARGS="--runs 1 --only many"       what takes long by itself is run when it is named

Everything runs on this machine and talks to nobody else. Afterwards the plots and the table of docs/performance.md are
made anew from what was measured (``python -m benchmarks.plots``). Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from benchmarks import machine

RESULTS = Path(__file__).parent / "results"
#: Each prints its figures as one line of JSON.
COMMANDS: Mapping[str, Sequence[str]] = {
    "dispatch": ("benchmarks.dispatch",),
    "reaction": ("benchmarks.reaction",),
    "api": ("benchmarks.api_load",),
    "imports": ("benchmarks.import_rows", "--rows", "10000", "1000000"),
}
LONG: Mapping[str, Sequence[str]] = {
    "beside": ("benchmarks.beside", "--rows", "1000000"),
    "exports": ("benchmarks.exports", "--calls", "10000", "1000000"),
    "many": ("benchmarks.many_campaigns", "--campaigns", "200", "--minutes", "10", "--per-second", "6"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure, and keep medians and spread.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", help=f"some of {', '.join([*COMMANDS, *LONG])}, with commas between them")
    parser.add_argument("--no-plots", action="store_true", help="leave docs/ as it is")
    asked, further = parser.parse_known_args()
    names = asked.only.split(",") if asked.only else list(COMMANDS)
    known = {**COMMANDS, **LONG}
    if unknown := set(names) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if further and len(names) != 1:
        parser.error("options of a benchmark need --only with its name")
    for name in names:
        keep(name, [*known[name], *further], asked.runs)
    if not asked.no_plots:
        subprocess.run([sys.executable, "-m", "benchmarks.plots"], check=True)


def keep(name: str, command: Sequence[str], runs: int) -> None:
    """Run one benchmark so often, and write what it told."""
    told: list[dict[str, Any]] = []
    for number in range(1, runs + 1):
        told.append(run(command))
        say(f"{name} {number}/{runs}: {json.dumps(told[-1])}")
    figures = [dict(flat(each)) for each in told]
    medians = {key: spread([each[key] for each in figures if key in each]) for key in figures[0]}
    report = {
        "benchmark": name,
        "command": f"python -m {' '.join(command)}",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine.describe(),
        "runs": runs,
        "figures": medians,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    for key, found in medians.items():
        say(f"  {key}: {found['median']:g} ({found['least']:g} to {found['most']:g})")


def run(command: Sequence[str]) -> dict[str, Any]:
    """The figures that one run prints last."""
    ran = subprocess.run([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ran.stdout.strip().splitlines()[-1])


def flat(figures: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    """``{"a": {"b": 1}}`` as ``a.b``; what is no number is left out."""
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from flat(cast("Mapping[str, Any]", value), f"{before}{key}.")
        elif isinstance(value, int | float):
            yield f"{before}{key}", float(value)


def spread(values: Sequence[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values), "each": list(values)}


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
