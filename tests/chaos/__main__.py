"""``python -m tests.chaos --seeds 1-30 --report FILE``: run seeds one after the other, and judge each.

``--render FILE`` writes a report's figures into docs/reliability.md. The exit code is 0 when nothing was broken.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.chaos.homes import StackFailed
from tests.chaos.report import Report, render_into_document
from tests.chaos.run import run_seed

SHOWN = 20
INTERRUPTED = 130


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=_seeds, default=[1], help="such as 17, 1-30 or 1,5,9-12")
    parser.add_argument("--report", type=Path, help="where to write the results as JSON, after each run")
    parser.add_argument("--render", type=Path, metavar="FILE", help="write this report into docs/reliability.md")
    parser.add_argument("--keep", action="store_true", help="keep the home of every run, not only of those that failed")
    parser.add_argument("--brisk", action="store_true", help="fewer people and less time, as in the tests")
    options = parser.parse_args()
    if options.render is not None:
        render_into_document(options.render)
        return 0
    console = Console()
    report = Report()
    try:
        broken = asyncio.run(_run_all(options, report, console))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted; nothing is left running")
        return INTERRUPTED
    figures = report.as_json()["figures"]
    console.print(
        f"{figures['seeds']} runs, {figures['carrier_calls']:,} calls, {figures['faults_total']:,} faults, "
        f"{figures['unknown']} unknown, {figures['late']} late, {figures['violations']} violations"
    )
    return 1 if broken else 0


async def _run_all(options: argparse.Namespace, report: Report, console: Console) -> int:
    """How many runs broke a promise."""
    seeds: list[int] = options.seeds
    current = asyncio.current_task()
    assert current is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, current.cancel)
    broken = 0
    columns = (TextColumn("seed {task.fields[seed]}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), TextColumn("{task.fields[doing]}"), console=console) as progress:
        bar = progress.add_task("", total=len(seeds), seed=seeds[0], doing="")
        for seed in seeds:
            progress.update(bar, seed=seed)
            try:
                result = await run_seed(
                    seed,
                    tell=lambda doing: progress.update(bar, doing=doing),
                    keep=options.keep,
                    brisk=options.brisk,
                )
            except StackFailed as error:
                console.print(f"seed {seed}: the stack did not start\n{escape(str(error))}")
                broken += 1
                continue
            report.add(result)
            if options.report is not None:
                report.write(options.report)
            broken += bool(result["violations"])
            _show(console, result, brisk=options.brisk)
            progress.advance(bar)
    return broken


def _show(console: Console, result: dict[str, Any], *, brisk: bool) -> None:
    seed, found, how = result["seed"], result["violations"], " ARGS=--brisk" if brisk else ""
    scene = f", {result['scene']}" if result["scene"] else ""
    console.print(
        f"seed {seed}{scene}: {result['carrier_calls']} calls, {result['faults_total']} faults, "
        f"{result['unknown']} unknown, {result['late']} late, {len(found)} violations, "
        f"{result['seconds']['run']:.0f} s"
    )
    for each in found[:SHOWN]:
        console.print(f"  {escape(each)}")
    if len(found) > SHOWN:
        console.print(f"  … and {len(found) - SHOWN} more")
    if "evidence" in result:
        console.print(f"  evidence: {result['evidence']}; again: make chaos SEEDS={seed}{how}")


def _seeds(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    if not found:
        raise argparse.ArgumentTypeError("no seeds")
    return found


if __name__ == "__main__":
    sys.exit(main())
