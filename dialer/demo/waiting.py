"""Who waits, until when and why, when everyone who may be called now has been."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rich.box import SIMPLE
from rich.table import Table

from dialer.domain.calling_hours import CallingHours
from dialer.domain.zones import ZoneSet

SHOWN_ZONES = 2


@dataclass(frozen=True, slots=True, order=True)
class Wait:
    """``until`` is None when somebody has to do something first."""

    until: datetime | None
    zones: tuple[str, ...]
    why: str


def waits(prospects: Iterable[Mapping[str, Any]], hours: CallingHours, now: datetime) -> dict[Wait, int]:
    """People grouped by what they wait for, the soonest first. ``prospects`` as the API lists them."""
    counts = Counter(_wait(prospect, hours, now) for prospect in prospects)
    latest = datetime.max.replace(tzinfo=UTC)
    return dict(sorted(counts.items(), key=lambda item: (item[0].until or latest, item[0].zones)))


def waiting_table(counted: Mapping[Wait, int]) -> Table:
    """One row per group."""
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("people", justify="right")
    table.add_column("why they wait", no_wrap=True)
    table.add_column("until, there", no_wrap=True)
    table.add_column("until, UTC", no_wrap=True)
    table.add_column("time zone", overflow="fold")
    for wait, count in counted.items():
        table.add_row(str(count), wait.why, *_until(wait), _zones(wait.zones))
    return table


def _wait(prospect: Mapping[str, Any], hours: CallingHours, now: datetime) -> Wait:
    names = tuple(prospect["time_zones"] or ())
    if prospect["state"] == "held" or not names:
        return Wait(None, names, "time there not known" if not names else "held")
    due = datetime.fromisoformat(prospect["next_due_at"]) if prospect["next_due_at"] else now
    zones = ZoneSet(names)
    opens = hours.next_open(max(now, due), timedelta(0), zones)
    if opens is None:
        return Wait(None, names, "no common calling hour")
    if opens > max(now, due):
        return Wait(opens, names, "outside calling hours")
    return Wait(due.replace(second=0, microsecond=0), names, "next attempt due then")


def _zones(names: tuple[str, ...]) -> str:
    if not names:
        return "-"
    rest = len(names) - SHOWN_ZONES
    return ", ".join(names[:SHOWN_ZONES]) + (f" and {rest} more" if rest > 0 else "")


def _until(wait: Wait) -> tuple[str, str]:
    if wait.until is None:
        return "-", "-"
    there = wait.until.astimezone(ZoneInfo(wait.zones[0]))
    return f"{there:%a %H:%M}", f"{wait.until.astimezone(UTC):%a %H:%M}"
