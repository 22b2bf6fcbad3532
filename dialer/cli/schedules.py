"""``dialer campaign next``: the coming runs of a recurring campaign, and what became of the last ones."""

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from dialer.cli.campaigns import Campaign, HomeOption
from dialer.client.api import DEFAULT_HOME, ApiClient
from dialer.terminal import output

Past = Annotated[int, typer.Option("--past", min=0, max=20, help="How many past runs to show as well.")]


def coming_runs(campaign: Campaign, past: Past = 0, home: HomeOption = DEFAULT_HOME) -> None:
    """When the campaign runs next, by its own clock and in UTC."""
    with ApiClient.of_home(home) as api:
        answer: dict[str, Any] = api.get(f"/campaigns/{campaign}/schedule")
    console = output()
    zone = answer["time_zone"]
    if answer["recurrence"] is None:
        console.print("This campaign does not recur.")
        return
    state = answer["status"] if answer["paused_reason"] is None else f"{answer['status']} ({answer['paused_reason']})"
    console.print(f"{state}, in {zone}", markup=False)
    if answer["coming"]:
        lines = [[_clock(run["local_time"]), _utc(run["due_at"])] for run in answer["coming"]]
        console.print(_table([zone, "UTC"], lines))
    else:
        console.print("No run lies ahead.")
    if past and answer["runs"]:
        console.print(_past(zone, answer["runs"][:past]))


def _table(names: list[str], lines: list[list[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True)
    for line in lines:
        table.add_row(*line)
    return table


def _past(zone: str, runs: list[dict[str, Any]]) -> Table:
    lines = [
        [
            _clock(run["local_time"]),
            run["outcome"] if run["reason"] is None else f"{run['outcome']} ({run['reason']})",
            "-" if run["calls"] is None else str(run["calls"]),
            "-" if run["reached"] is None else str(run["reached"]),
        ]
        for run in runs
    ]
    return _table([zone, "outcome", "calls", "reached"], lines)


def _clock(local_time: str) -> str:
    return f"{datetime.fromisoformat(local_time):%a %d %b %Y %H:%M %z}"


def _utc(at: str) -> str:
    return f"{datetime.fromisoformat(at):%a %d %b %Y %H:%M}"
