"""``dialer campaign list`` and ``dialer campaign stats``: which campaigns there are, and what they have come to."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from dialer.cli.campaigns import Campaign, HomeOption
from dialer.client.api import DEFAULT_HOME, ApiClient
from dialer.demo.display import dispositions
from dialer.terminal import output

AsJson = Annotated[bool, typer.Option("--json", help="What the API answers, for programs.")]


def list_campaigns(
    status: Annotated[str | None, typer.Option("--status", help="Those of this status only.")] = None,
    search: Annotated[str | None, typer.Option("--search", help="Those with this in name or slug.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100)] = 20,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Campaigns, the latest first, each with its people and calls."""
    query: dict[str, str | int] = {"limit": limit}
    query |= {name: value for name, value in (("status", status), ("search", search)) if value is not None}
    with ApiClient.of_home(home) as api:
        found: list[dict[str, Any]] = api.get("/campaigns", **query)["items"]
        for each in found:
            each["stats"] = api.get(f"/campaigns/{each['id']}/stats")
    if as_json:
        _print_json(found)
        return
    table = Table("campaign", "name", "status", box=None, pad_edge=False)
    for name in ("people", "called", "reached"):
        table.add_column(name, justify="right")
    for column in (table.columns[0], *table.columns[2:]):
        column.no_wrap = True  # ids are to be copied; names may take several lines
    table.columns[1].min_width = 12
    for each in found:
        table.add_row(each["slug"] or each["id"], escape(each["name"]), _standing(each), *_counts(each["stats"]))
    output().print(table if found else "no campaigns", crop=False)


def stats(
    campaign: Campaign,
    disposition: Annotated[
        str | None, typer.Option("--disposition", help="Look closely at calls that ended so, for example busy.")
    ] = None,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """What has become of the campaign's people and calls."""
    path = f"/campaigns/{campaign}/stats"
    with ApiClient.of_home(home) as api:
        answer: dict[str, Any] = api.get(path if disposition is None else f"{path}/dispositions/{disposition}")
    if as_json:
        _print_json(answer)
    elif disposition is None:
        _show_totals(answer)
    else:
        _show_closely(answer)


def _show_totals(answer: Mapping[str, Any]) -> None:
    _show(
        {
            "people": _told(answer["prospects_total"], answer["prospects"]),
            "calls": f"{answer['calls_total']:,}",
            "answered": f"{answer['answered']:,} ({answer['answer_rate']:.1%})",
            "talked": str(timedelta(seconds=answer["talk_seconds"])),
            "cost": answer["cost"],
            "called back": f"{answer['inbound']:,}",
            "attempts": _counted(answer["attempts"]),
            "outcomes": _counted(answer["outcomes"]),
        }
    )
    if answer["dispositions"]:
        output().print()
        output().print(dispositions(answer))


def _show_closely(answer: Mapping[str, Any]) -> None:
    numbers = {each["phone"] or "none": each["calls"] for each in answer["numbers"]}
    _show(
        {
            "disposition": f"{answer['disposition']} ({answer['group']})",
            "calls": f"{answer['calls']:,} ({answer['share']:.1%} of all)",
            "attempts": _counted(answer["attempts"]),
            "numbers": _counted(numbers),
            "SIP codes": _counted(answer["sip_codes"]),
            "carrier's codes": _counted(answer["error_codes"]),
        }
    )


def _show(lines: Mapping[str, str]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in lines.items():
        table.add_row(name, escape(value))
    output().print(table)


def _print_json(answer: object) -> None:
    output().print(json.dumps(answer), markup=False, soft_wrap=True)


def _standing(campaign: Mapping[str, Any]) -> str:
    reason = campaign["paused_reason"]
    return f"{campaign['status']} ({reason})" if campaign["status"] == "paused" and reason else campaign["status"]


def _counts(answer: Mapping[str, Any]) -> tuple[str, str, str]:
    """People, calls that went out, people who were reached."""
    people = answer["prospects_total"], answer["calls_total"], answer["prospects"].get("reached", 0)
    return f"{people[0]:,}", f"{people[1]:,}", f"{people[2]:,}"


def _told(total: int, counts: Mapping[str, int]) -> str:
    return f"{total:,}: {_counted(counts)}" if counts else f"{total:,}"


def _counted(counts: Mapping[str, int]) -> str:
    """``1: 20, 2: 7``; the order is the server's."""
    return ", ".join(f"{name.replace('_', ' ')}: {n:,}" for name, n in counts.items()) or "-"
