"""``dialer campaign edit``, ``history`` and ``rollback``: the settings of a campaign, also while it runs."""

import json
from pathlib import Path
from typing import Annotated, Any, cast
from uuid import uuid4

import typer
from rich.table import Table

from dialer.client.api import DEFAULT_HOME, ApiClient
from dialer.terminal import output

Campaign = Annotated[str, typer.Argument(help="The campaign's id or slug.")]
HomeOption = Annotated[Path, typer.Option("--home", envvar="DIALER_HOME", help="The folder of the stack.")]
Expect = Annotated[
    int | None, typer.Option("--expect", help="The version that you looked at: refused when there is a newer one.")
]
#: How a moment is written that is to be none.
NEVER = "never"


def edit(
    campaign: Campaign,
    max_concurrent: Annotated[int | None, typer.Option("--max-concurrent", help="Live calls at most.")] = None,
    calls_per_second: Annotated[float | None, typer.Option("--calls-per-second", help="New calls per second.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="2026-12-20T20:00:00Z, or never.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="The agent's id.")] = None,
    number: Annotated[
        list[str] | None, typer.Option("--number", help="A caller number. Several times for several; replaces all.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What the campaign is called.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Any other field as path=value, such as redial.max_attempts=3. Values are JSON or text."
        ),
    ] = None,
    expect: Expect = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Change settings. In force when the command ends; calls in flight finish."""
    patch: dict[str, Any] = {}
    for path, value in (_setting(each) for each in setting or []):
        _put(patch, path, value)
    given = {
        "pace.max_concurrent": max_concurrent,
        "pace.calls_per_second": calls_per_second,
        "agent_id": agent,
        "caller_numbers": number or None,
        "name": name,
        "expected_version": expect,
    }
    for path, value in given.items():
        if value is not None:
            _put(patch, path, value)
    if end is not None:
        _put(patch, "schedule.end_at", None if end == NEVER else end)
    if not patch.keys() - {"expected_version"}:
        raise typer.BadParameter("say what to change, for example --max-concurrent 20")
    with ApiClient.of_home(home) as api:
        _tell(api.request("PATCH", f"/campaigns/{campaign}", json=patch))


def history(
    campaign: Campaign,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="How many versions, the newest first.")] = 20,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Every version of the settings: when, by whom, what changed, and how many calls it dialed."""
    with ApiClient.of_home(home) as api:
        versions: list[dict[str, Any]] = api.get(f"/campaigns/{campaign}/versions", limit=limit)["items"]
    table = Table("version", "when", "who", "calls", "what changed", box=None, pad_edge=False)
    for each in versions:
        what = [f"{change['field']}: {_short(change['old'])} → {_short(change['new'])}" for change in each["changes"]]
        if each["restored_from"] is not None:
            what.insert(0, f"back to version {each['restored_from']}")
        when = str(each["created_at"])[:19].replace("T", " ")
        mark = "*" if each["current"] else ""
        table.add_row(f"{each['version']}{mark}", when, each["created_by"] or "-", str(each["calls"]), "\n".join(what))
    output().print(table)


def rollback(
    campaign: Campaign,
    version: Annotated[int, typer.Argument(min=1, help="The version whose settings are to be in force again.")],
    expect: Expect = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make a new version with the settings of an earlier one."""
    body = {} if expect is None else {"expected_version": expect}
    headers = {"Idempotency-Key": str(uuid4())}
    with ApiClient.of_home(home) as api:
        _tell(api.request("POST", f"/campaigns/{campaign}/versions/{version}/restore", json=body, headers=headers))


def _tell(campaign: dict[str, Any]) -> None:
    out = output()
    out.print(f"version {campaign['settings_version']} is in force", markup=False)
    for effect in campaign["effects"]:
        out.print(f"· {effect['message']}", markup=False, soft_wrap=True)


def _setting(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    if not path or not equals or not all(path.split(".")):
        raise typer.BadParameter("write it as path=value", param_hint="--set")
    try:
        return path, json.loads(value)
    except ValueError:
        return path, value


def _put(patch: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        inner: Any = patch.setdefault(name, {})
        if not isinstance(inner, dict):
            raise typer.BadParameter(f"{name} is given twice, whole and in part", param_hint="--set")
        patch = cast("dict[str, Any]", inner)
    patch[last] = value


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
