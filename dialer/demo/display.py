"""The live picture of a campaign while it dials."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

RATE_WINDOW_S = 5.0
BAR_WIDTH = 40

COLOURS = {
    "answered": "green",
    "human": "green",
    "busy": "yellow",
    "no_answer": "yellow",
    "rejected": "yellow",
    "unknown": "red",
    "carrier_error": "red",
}


class RateMeter:
    """Calls begun per second, over the last few seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def read(self, at: float, total: int) -> float:
        """The rate after one more reading of the running total; ``at`` in seconds of any clock that only grows."""
        self._samples.append((at, total))
        while at - self._samples[0][0] > RATE_WINDOW_S and len(self._samples) > 1:
            self._samples.popleft()
        begun, first = self._samples[0]
        return (total - first) / (at - begun) if at > begun else 0.0


def picture(
    status: Mapping[str, Any], stats: Mapping[str, Any], *, rate: float, max_concurrent: int, seconds: float
) -> RenderableType:
    """Bars for people done and calls in flight, the dispositions so far, and what is being waited for."""
    bars = Table.grid(padding=(0, 2))
    bars.add_row(
        "people done",
        ProgressBar(total=max(status["prospects_total"], 1), completed=status["prospects_done"], width=BAR_WIDTH),
        f"{status['prospects_done']} of {status['prospects_total']}",
    )
    bars.add_row(
        "calls in flight",
        ProgressBar(total=max_concurrent, completed=status["calls_in_flight"], width=BAR_WIDTH, style="grey23"),
        f"{status['calls_in_flight']} of at most {max_concurrent}",
    )
    bars.add_row("calls so far", Text(f"{status['calls_total']}"), f"{rate:.1f} per second, {seconds:.0f} s")
    return Group(bars, Text(), dispositions(stats), _waiting(status))


def dispositions(stats: Mapping[str, Any]) -> RenderableType:
    """How calls ended, the most frequent first."""
    counted = sorted(stats["dispositions"].items(), key=lambda item: (-item[1], item[0]))
    most = max((count for _, count in counted), default=1)
    table = Table.grid(padding=(0, 2))
    for name, count in counted:
        bar = Text("█" * max(1, round(count / most * BAR_WIDTH)), style=COLOURS.get(name, "blue"))
        table.add_row(Text(name.replace("_", " "), justify="right"), bar, str(count))
    return table


def one_line(status: Mapping[str, Any]) -> str:
    """For an output that is no terminal."""
    return (
        f"{status['prospects_done']} of {status['prospects_total']} people done, "
        f"{status['calls_in_flight']} calls in flight, {status['calls_total']} calls so far"
    )


def _waiting(status: Mapping[str, Any]) -> Text:
    if not status["waiting_for"]:
        return Text()
    text = f"waiting: {status['waiting_for']}"
    if status["next_call_at"]:
        text += f"; the next call at {datetime.fromisoformat(status['next_call_at']):%H:%M:%S} UTC"
    return Text(text, style="dim")
