"""``dialer campaign watch``: a campaign's progress in the terminal, as it happens."""

import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dialer.cli.campaigns import Campaign, HomeOption
from dialer.client.api import DEFAULT_HOME, ApiClient
from dialer.client.events import Event, follow
from dialer.client.patience import Patience
from dialer.demo.display import BAR_WIDTH, RateMeter, dispositions, one_line
from dialer.terminal import errors, output

STATS_EVERY_S = 2.0
LIVE = ("claimed", "dialing", "accepted", "ringing", "in_progress", "unknown")


def watch(
    campaign: Campaign,
    once: Annotated[bool, typer.Option("--once", help="Show how it stands now, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One event a line, for programs.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Progress, calls in flight, dispositions and what is waited for, until the campaign is over."""
    with ApiClient.of_home(home) as api:
        if once:
            _once(api, campaign, as_json)
        elif as_json:
            _as_lines(api, campaign)
        else:
            _live(api, campaign)


def _once(api: ApiClient, campaign: str, as_json: bool) -> None:
    status = api.get(f"/campaigns/{campaign}/status")
    if as_json:
        output().print(json.dumps(status), markup=False, soft_wrap=True)
        return
    picture = Picture(status=status, stats=api.get(f"/campaigns/{campaign}/stats"))
    output().print(picture.shown(live=False))


def _as_lines(api: ApiClient, campaign: str) -> None:
    console = output()
    with closing(follow(api, campaign, Patience(), errors().print)) as events:
        for event in events:
            line = {"event": event.name, "id": event.id, "data": event.data}
            console.print(json.dumps(line), markup=False, soft_wrap=True)


def _live(api: ApiClient, campaign: str) -> None:
    console, picture, meter, stats_at = output(), Picture(), RateMeter(), 0.0
    with Live(console=console, auto_refresh=False) as live:

        def say(text: str) -> None:
            picture.said = text
            live.update(picture.shown(live=True), refresh=True)

        with closing(follow(api, campaign, Patience(), say)) as events:
            for event in events:
                picture.take(event)
                now = time.monotonic()
                if event.name == "end" or now - stats_at >= STATS_EVERY_S:
                    picture.stats, stats_at = api.get(f"/campaigns/{campaign}/stats"), now
                if event.name == "status":
                    picture.rate = meter.read(now, event.data["calls_total"])
                live.update(picture.shown(live=True), refresh=True)
    if not console.is_terminal:
        console.print(one_line(picture.status))


@dataclass(slots=True, kw_only=True)
class Picture:
    """What is known, and how it looks."""

    status: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stats: Mapping[str, Any] = field(default_factory=dict[str, Any])
    rate: float = 0.0
    ended: str | None = None
    said: str | None = None
    _calls: dict[str, str] = field(default_factory=dict[str, str])

    def take(self, event: Event) -> None:
        self.said = None
        if event.name == "status":
            self.status = event.data
        elif event.name == "end":
            self.ended = event.data["reason"]
        elif event.name == "call":
            if event.data["state"] in LIVE:
                self._calls[event.data["id"]] = event.data["state"]
            else:
                self._calls.pop(event.data["id"], None)

    def shown(self, *, live: bool) -> RenderableType:
        """``live``: with what only the stream tells."""
        status = self.status
        bars = Table.grid(padding=(0, 2))
        bars.add_row("status", _standing(status))
        bars.add_row(
            "people done",
            ProgressBar(total=max(status["prospects_total"], 1), completed=status["prospects_done"], width=BAR_WIDTH),
            f"{status['prospects_done']:,} of {status['prospects_total']:,}",
        )
        in_flight = Text(f"{status['calls_in_flight']:,}")
        if live and self._calls:
            in_flight.append(f"  ({self._states()})", style="dim")
        bars.add_row("calls in flight", in_flight)
        rate = f", {self.rate:.1f} per second" if live else ""
        bars.add_row("calls so far", f"{status['calls_total']:,}{rate}")
        parts: list[RenderableType] = [bars]
        if self.stats.get("dispositions"):
            parts += [Text(), dispositions(self.stats)]
        if status["waiting_for"]:
            parts += [Text(), Text(status["waiting_for"], style="dim")]
        if self.said or self.ended:
            parts += [Text(), Text(self.said or f"over: {self.ended}", style="yellow" if self.said else "bold")]
        return Group(*parts)

    def _states(self) -> str:
        counted = {state: list(self._calls.values()).count(state) for state in LIVE}
        return ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in counted.items() if n)


def _standing(status: Mapping[str, Any]) -> str:
    reason = status["paused_reason"]
    return f"{status['status']} ({reason})" if status["status"] == "paused" and reason else status["status"]
