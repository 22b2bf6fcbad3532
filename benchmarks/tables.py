"""The tables of docs/performance.md, in Markdown, from what ``benchmarks/results`` has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: a figure, and what it should be. ``at_least`` is False where less is better."""

    benchmark: str
    figure: str
    name: str
    unit: str = ""
    target: float | None = None
    at_least: bool = True


ROWS = (
    Row(benchmark="dispatch", figure="calls_per_second", name="dispatch", unit=" calls/s", target=20),
    Row(benchmark="dispatch", figure="ratio_to_floor", name="dispatch ÷ floor", target=0.5),
    Row(benchmark="dispatch", figure="floor.attempts_per_second", name="floor: bare attempts", unit="/s"),
    Row(benchmark="dispatch", figure="floor.empty_per_second", name="floor: empty workflows", unit="/s"),
    Row(benchmark="dispatch", figure="capped.share_of_cap", name="calls in flight ÷ cap", target=0.95),
    Row(benchmark="dispatch", figure="cpu_ms_per_attempt.all", name="processor time per attempt", unit=" ms"),
    Row(benchmark="dispatch", figure="violations", name="broken promises", target=0, at_least=False),
    Row(
        benchmark="reaction",
        figure="calls_after_a_pause_answered",
        name="calls after a pause was answered",
        target=0,
        at_least=False,
    ),
    Row(benchmark="reaction", figure="pause_to_answer.p50_s", name="pause → answer, p50", unit=" s"),
    Row(benchmark="reaction", figure="pause_to_answer.p99_s", name="pause → answer, p99", unit=" s"),
    Row(benchmark="reaction", figure="resume_to_call.p50_s", name="resume → first call, p50", unit=" s"),
    Row(
        benchmark="reaction",
        figure="resume_to_call.p99_s",
        name="resume → first call, p99",
        unit=" s",
        target=2,
        at_least=False,
    ),
    Row(benchmark="reaction", figure="slot_to_call.p50_s", name="freed slot → next call, p50", unit=" s"),
    Row(
        benchmark="reaction",
        figure="slot_to_call.p95_s",
        name="freed slot → next call, p95",
        unit=" s",
        target=0.5,
        at_least=False,
    ),
    Row(benchmark="reaction", figure="slot_to_call.p99_s", name="freed slot → next call, p99", unit=" s"),
    Row(benchmark="reaction", figure="edit_to_call.p50_s", name="edit → first call under it, p50", unit=" s"),
    Row(
        benchmark="reaction",
        figure="edit_to_call.p99_s",
        name="edit → first call under it, p99",
        unit=" s",
        target=2,
        at_least=False,
    ),
    Row(benchmark="api", figure="callbacks.per_second", name="callbacks, one process", unit="/s", target=300),
    Row(benchmark="api", figure="callbacks.p50_ms", name="callbacks, p50", unit=" ms"),
    Row(benchmark="api", figure="callbacks.p99_ms", name="callbacks, p99", unit=" ms"),
    Row(benchmark="api", figure="callbacks.api_cpu_ms", name="callback, processor time of the API", unit=" ms"),
    Row(benchmark="api", figure="status.per_second", name="status, one process", unit="/s"),
    Row(benchmark="api", figure="status.p50_ms", name="status, p50", unit=" ms"),
    Row(benchmark="api", figure="status.p99_ms", name="status, p99", unit=" ms"),
    Row(benchmark="api", figure="upsert_of_1000.per_second", name="upsert of 1,000, one process", unit="/s"),
    Row(benchmark="api", figure="upsert_of_1000.p99_ms", name="upsert of 1,000, p99", unit=" ms"),
    Row(benchmark="imports", figure="10000.seconds", name="import of 10,000", unit=" s"),
    Row(
        benchmark="imports", figure="1000000.seconds", name="import of 1,000,000", unit=" s", target=60, at_least=False
    ),
    Row(
        benchmark="imports",
        figure="1000000.worker_peak_mib",
        name="of 1,000,000, most memory of the worker",
        unit=" MiB",
        target=333,
        at_least=False,
    ),
    Row(benchmark="imports", figure="1000000.worker_us_per_row", name="a row, worker's processor time", unit=" µs"),
    Row(
        benchmark="imports", figure="1000000.postgres_us_per_row", name="a row, PostgreSQL's processor time", unit=" µs"
    ),
    Row(
        benchmark="beside",
        figure="import_s",
        name="import of 1,000,000 beside a campaign of 5 calls/s",
        unit=" s",
        target=300,
        at_least=False,
    ),
    Row(benchmark="beside", figure="beside_the_import.per_second", name="that campaign meanwhile", unit=" calls/s"),
    Row(benchmark="beside", figure="alone.per_second", name="that campaign alone", unit=" calls/s"),
    Row(benchmark="exports", figure="1000000.csv.rows_per_second", name="export of 1,000,000 as CSV", unit=" rows/s"),
    Row(benchmark="exports", figure="1000000.csv.most_mib", name="most memory of the API meanwhile", unit=" MiB"),
    Row(
        benchmark="many",
        figure="off_their_share",
        name="of 150 busy campaigns off their share",
        target=0,
        at_least=False,
    ),
    Row(benchmark="many", figure="longest_wait_of_fair_interval.most", name="longest wait ÷ fair time between calls"),
    Row(
        benchmark="many",
        figure="idle_transitions_per_second.most",
        name="state transitions of an idle campaign, most",
        unit="/s",
        target=0.05,
        at_least=False,
    ),
)


def table(reports: Mapping[str, Any]) -> str:
    """What was measured, as a table in Markdown."""
    lines = ["| figure | target | median | runs |", "|---|---|---|---|"]
    for row in ROWS:
        found = reports.get(row.benchmark, {}).get("figures", {}).get(row.figure)
        if found is None:
            continue
        median = found["median"]
        met = row.target is None or (median >= row.target if row.at_least else median <= row.target)
        sign = "" if row.target is None else f"{'≥' if row.at_least else '≤'} {row.target:g}{row.unit}"
        runs = ", ".join(f"{value:g}" for value in found["each"])
        shown = f"{median:g}{row.unit}" if met else f"**{median:g}{row.unit}** (missed)"
        lines.append(f"| {row.name} | {sign} | {shown} | {runs} |")
    shown = [reports[name] for name in sorted({row.benchmark for row in ROWS} & set(reports))]
    for machine in dict.fromkeys(_machine(report) for report in shown):
        lines += ["", f"On {machine}:", ""]
        lines += [_measured(report) for report in shown if _machine(report) == machine]
    return "\n".join(lines)


def _machine(report: Mapping[str, Any]) -> str:
    kept = report["machine"]
    return (
        f"{kept['cores']} cores of an {kept['processor']}, {kept['memory_gib']} GiB, {kept['kernel']}, Python "
        f"{kept['python']}, Temporal {kept['temporal_server'].removeprefix('temporal version ')}"
    )


def _measured(report: Mapping[str, Any]) -> str:
    """How, how often and when."""
    load = report["figures"].get("load_before")
    runs = "one run" if report["runs"] == 1 else f"{report['runs']} runs"
    before = "" if load is None else f"; load average before a run {load['median']}"
    return f"- `{report['command']}`, {runs} on {report['date']}{before}"


def sizes_table(figures: Mapping[str, Any]) -> str:
    """Milliseconds and blocks by the number of people, as a table in Markdown."""
    people = sorted(map(int, figures["databases"]))
    lines = [
        f"| p50 / p99 in ms (blocks) | {' | '.join(f'{n:,}' for n in people)} | p99, largest ÷ smallest |",
        "|---" * (len(people) + 2) + "|",
    ]
    for name, told in figures["looks"].items():
        cells = (
            f"{each['p50_ms']:.0f} / {each['p99_ms']:.0f} ({each['blocks']:,})"
            for each in (told[str(n)] for n in people)
        )
        lines.append(f"| {name} | {' | '.join(cells)} | {told[str(people[-1])]['p99_ratio']:.1f} |")
    return "\n".join(lines)


def with_tables(page: str, reports: Mapping[str, Any]) -> str:
    """The page with the tables of these reports between their marks."""
    page = _between("figures", table(reports), page)
    return _between("sizes", sizes_table(reports["sizes"]["figures"]), page) if "sizes" in reports else page


def _between(mark: str, made: str, page: str) -> str:
    marks = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    return marks.sub(lambda found: f"{found[1]}\n{made}\n\n{found[2]}", page)
