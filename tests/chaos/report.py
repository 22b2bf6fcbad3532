"""Runs added up: one JSON file that grows with each run, and its figures as tables for docs/reliability.md."""

import json
import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.figures import percentile
from tests.chaos.homes import TIMINGS, code_version

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
Run = Mapping[str, Any]


class Report:
    """The results of some seeds."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.began_at = datetime.now(UTC)

    def add(self, result: Run) -> None:
        self.runs.append(result)

    def as_json(self) -> dict[str, Any]:
        return {
            "began_at": self.began_at.isoformat(timespec="seconds"),
            "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()},
            "code": code_version(),
            "timings": TIMINGS,
            "figures": figures(self.runs),
            "runs": self.runs,
        }

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(self.as_json(), indent=1, default=str) + "\n")


def figures(runs: Sequence[Run]) -> dict[str, Any]:
    """Sums and percentiles over all runs."""
    faults: Counter[str] = Counter()
    for run in runs:
        faults.update(run["faults"])
    parts = sorted({each["part"] for run in runs for each in run["recoveries"]})
    lost = [each["after_limit_s"] for run in runs for each in run["lost_callbacks"]]
    return {
        "seeds": len(runs),
        "faults": dict(sorted(faults.items())),
        "faults_total": sum(faults.values()),
        "fewest_faults": min((run["faults_total"] for run in runs), default=0),
        "carrier_calls": sum(run["carrier_calls"] for run in runs),
        "deferred": sum(run["deferred"] for run in runs),
        "unknown": sum(run["unknown"] for run in runs),
        "late": sum(run["late"] for run in runs),
        "undecided_answers": sum(run["undecided_answers"] for run in runs),
        "violations": sum(len(run["violations"]) for run in runs),
        "recovery": {part: _spread(_seconds(runs, part, "first_s")) for part in parts},
        "silence": {part: _spread(_seconds(runs, part, "silence_s")) for part in parts},
        "lost_callbacks": _spread(lost),
    }


def render(report: Mapping[str, Any]) -> str:
    """The figures as markdown."""
    found = figures(report["runs"])
    seeds = ", ".join(str(run["seed"]) for run in report["runs"])
    lines = [
        f"Measured {report['began_at'][:10]} on {report['machine']['cores']} cores with Python "
        f"{report['machine']['python']}; source `{report['code']}`; seeds {seeds}.",
        "",
        "| | |",
        "|---|---|",
        f"| runs | {found['seeds']} |",
        f"| calls at the carrier | {found['carrier_calls']:,} |",
        f"| faults injected | {found['faults_total']:,} (fewest in a run: {found['fewest_faults']}) |",
        f"| **violations** | **{found['violations']}** |",
        f"| calls that ended `unknown` | {found['unknown']} |",
        f"| calls taken back undialed (`deferred`) | {found['deferred']} |",
        f"| calls that surfaced after they were given up (`late`) | {found['late']} |",
        f"| pauses, stops and opt-outs answered 202 (`undecided`) instead of 200 | {found['undecided_answers']} |",
        "",
        "| after a kill of | kills | next call p50 | p99 | longest silence p50 | p99 |",
        "|---|---|---|---|---|---|",
    ]
    for part, spread in found["recovery"].items():
        silence = found["silence"][part]
        lines.append(
            f"| {part} | {spread['n']} | {spread['p50']:.1f} s | {spread['p99']:.1f} s "
            f"| {silence['p50']:.1f} s | {silence['p99']:.1f} s |"
        )
    lost = found["lost_callbacks"]
    if lost["n"]:
        lines += [
            "",
            f"Slots of {lost['n']} calls whose end was never reported came back {lost['p50']:.1f} s (p50) and "
            f"{lost['p99']:.1f} s (p99) after their ring and talk limits; negative is earlier.",
        ]
    lines += ["", "| fault | injected |", "|---|---|"]
    lines += [f"| {kind} | {n:,} |" for kind, n in found["faults"].items()]
    return "\n".join(lines)


def render_into_document(report_file: Path, document: Path = DOCUMENT) -> None:
    """Replaces the figures in docs/reliability.md."""
    text = document.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    figures_text = render(json.loads(report_file.read_text()))
    document.write_text(f"{before}{BEGIN}\n\n{figures_text}\n\n{END}{after}")


def _seconds(runs: Iterable[Run], part: str, which: str) -> list[float]:
    return [each[which] for run in runs for each in run["recoveries"] if each["part"] == part]


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {
        "n": len(values),
        "p50": percentile(values, 0.5),
        "p99": percentile(values, 0.99),
        "max": max(values, default=None),
    }
