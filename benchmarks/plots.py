"""The plots and the tables of docs/performance.md, from ``benchmarks/results``: ``python -m benchmarks.plots``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt  # noqa: E402  # once it is known that nothing is shown

from benchmarks.__main__ import RESULTS  # noqa: E402
from benchmarks.tables import with_tables  # noqa: E402

ROOT = Path(__file__).parents[1]
IMAGES, PAGE = ROOT / "docs" / "images", ROOT / "docs" / "performance.md"
INK, SOFT, TARGET = "#1f4e79", "#9bb7d4", "#c0392b"
SIZED = {
    "claim of 100": "#e69138",
    "status": INK,
    "prospects, in the middle": "#2e86ab",
    "calls, by disposition": "#6aa84f",
}
PARTS = {"temporal": "#1f4e79", "postgres": "#2e86ab", "worker": "#6aa84f", "api": "#e69138", "simulator": "#b7b7b7"}

Figures = Mapping[str, Mapping[str, Any]]


def main() -> None:
    plt.rcParams.update({"svg.hashsalt": "dialer", "svg.fonttype": "none", "font.family": "sans-serif"})
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10})
    reports = {file.stem: json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json"))}
    drawings: Mapping[str, Sequence[tuple[str, Callable[[Figures, str], None]]]] = {
        "dispatch": (("performance-dispatch.svg", dispatch), ("performance-cpu.svg", processor_time)),
        "reaction": (("performance-reaction.svg", reaction),),
        "api": (("performance-api.svg", api),),
        "sizes": (("performance-sizes.svg", sizes),),
        "long_run": (("performance-hour.svg", hour),),
    }
    for name, drawn in drawings.items():
        if name in reports:
            for file, draw in drawn:
                draw(reports[name]["figures"], file)
    if PAGE.exists():
        PAGE.write_text(with_tables(PAGE.read_text(), reports))


def dispatch(figures: Figures, file: str) -> None:
    """Calls per second beside what Temporal alone does."""
    names = {
        "calls_per_second": "the dialer",
        "floor.attempts_per_second": "bare attempts",
        "floor.empty_per_second": "empty workflows",
    }
    chart, axes = plt.subplots(figsize=(6.4, 2.6))
    _bars(axes, [(label, figures[key]) for key, label in names.items()])
    _mark(axes, 20, "target: 20/s")
    axes.set_xlabel("per second; dots are single runs")
    _save(chart, file)


def processor_time(figures: Figures, file: str) -> None:
    """Milliseconds of each part for one attempt."""
    chart, axes = plt.subplots(figsize=(6.4, 1.9))
    left = 0.0
    for part, color in PARTS.items():
        width = figures[f"cpu_ms_per_attempt.{part}"]["median"]
        axes.barh(0, width, left=left, color=color, label=f"{part} {width:.1f}")
        left += width
    axes.set_yticks([])
    axes.set_xlabel("milliseconds of processor time for one attempt")
    axes.legend(ncols=5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.35), handlelength=1, fontsize=8)
    _save(chart, file)


def reaction(figures: Figures, file: str) -> None:
    """p50 and p99, with what each should not exceed."""
    things = {
        "slot_to_call": ("freed slot → next call", 0.5),
        "edit_to_call": ("edit → call under it", 2.0),
        "resume_to_call": ("resume → first call", 2.0),
        "pause_to_answer": ("pause → answer", None),
    }
    chart, axes = plt.subplots(figsize=(6.4, 2.8))
    for place, (key, (_, target)) in enumerate(things.items()):
        p50, p99 = (figures[f"{key}.{share}_s"]["median"] for share in ("p50", "p99"))
        axes.barh(place, p99, color=SOFT, height=0.55, label="p99" if place == 0 else None)
        axes.barh(place, p50, color=INK, height=0.55, label="p50" if place == 0 else None)
        if target is not None:
            axes.plot([target, target], [place - 0.4, place + 0.4], color=TARGET, linewidth=2)
    axes.set_yticks(range(len(things)), [label for label, _ in things.values()])
    axes.set_xlabel("seconds; red: not more than")
    axes.legend(frameon=False, loc="lower right")
    _save(chart, file)


def api(figures: Figures, file: str) -> None:
    """Requests per second of one process."""
    chart, axes = plt.subplots(figsize=(6.4, 2.2))
    _bars(axes, [("callbacks", figures["callbacks.per_second"]), ("status", figures["status.per_second"])])
    _mark(axes, 300, "target: 300/s")
    axes.set_xlabel("requests per second of one process; dots are single runs")
    _save(chart, file)


def sizes(figures: Figures, file: str) -> None:
    """p99 against the number of people in the database."""
    chart, axes = plt.subplots(figsize=(6.4, 3.0))
    for name, color in SIZED.items():
        told = figures["looks"][name]
        people = sorted(map(int, told))
        axes.loglog(people, [told[str(n)]["p99_ms"] for n in people], "o-", color=color, markersize=3.5, label=name)
    axes.set_xlabel("people in the database")
    axes.set_ylabel("p99, milliseconds")
    axes.legend(frameon=False, fontsize=8)
    _save(chart, file)


def hour(figures: Figures, file: str) -> None:
    """Memory of each part, and the calls so far, while an hour goes by."""
    series = cast("Sequence[Mapping[str, Any]]", figures["series"])[1:]
    minutes = [look["minute"] for look in series]
    chart, (memory, calls) = plt.subplots(2, 1, figsize=(6.4, 4.2), sharex=True, height_ratios=(2, 1))
    for part, color in {**PARTS, "bulk": "#8e7cc3"}.items():
        memory.plot(minutes, [look["memory_mib"][part] for look in series], color=color, label=part)
    memory.set_ylim(bottom=0)
    memory.set_ylabel("memory, MiB")
    memory.legend(ncols=6, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.2), handlelength=1, fontsize=8)
    calls.plot(minutes, [look["dialed"] for look in series], color=INK)
    calls.set_ylim(bottom=0)
    calls.set_ylabel("calls")
    calls.set_xlabel("minutes")
    _save(chart, file)


def _bars(axes: Any, bars: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    for place, (_, figure) in enumerate(bars):
        axes.barh(place, figure["median"], color=INK if place == 0 else SOFT, height=0.6)
        axes.plot(figure["each"], [place] * len(figure["each"]), "o", color="black", markersize=2.5)
        axes.text(figure["most"], place, f"  {figure['median']:.1f}", va="center")
    axes.set_yticks(range(len(bars)), [label for label, _ in bars])
    axes.invert_yaxis()


def _mark(axes: Any, value: float, text: str) -> None:
    axes.axvline(value, color=TARGET, linewidth=1, linestyle="--")
    axes.text(value, 1.02, text, color=TARGET, transform=axes.get_xaxis_transform(), ha="center", fontsize=8)


def _save(chart: Any, file: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    chart.savefig(IMAGES / file, bbox_inches="tight", metadata={"Date": None})
    plt.close(chart)


if __name__ == "__main__":
    main()
