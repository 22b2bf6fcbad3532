"""What became of a file, on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dialer.client.api import ApiClient, ApiProblem

#: Rows of the table of errors, and characters of a refused value in it.
SHOWN = 20
VALUE_SHOWN = 24

COUNTS = ("created", "updated", "skipped", "failed")


def show_end(api: ApiClient, done: Mapping[str, Any], console: Console) -> None:
    """How an import ended: its counts, what was refused, its first bad rows and how to mend them."""
    counts = ", ".join(f"{done[name]:,} {name}" for name in COUNTS)
    console.print(f"{done['rows_read']:,} rows: {counts} ({done['status']})")
    if error := done["error"]:
        column = f" (column {error['column']})" if error.get("column") else ""
        console.print(f"{error['message']}{column}. {error.get('suggestion') or ''}".strip(), markup=False)
    if done.get("report"):
        show_report(done["report"], console)
    if done["failed"]:
        show_errors(api, done["id"], console, total=done["failed"])
    if done["created"] and not done.get("report"):
        _show_missing(api, done, console)


def _show_missing(api: ApiClient, done: Mapping[str, Any], console: Console) -> None:
    """What the campaign's agent says and people of this file lack."""
    try:
        found = api.get(f"/campaigns/{done['campaign_id']}/variables", import_id=done["id"])["missing"]
    except ApiProblem as problem:
        if problem.status == 403:  # a key for uploading only
            return
        raise
    for each in found:
        many = f"{'at least ' if each['at_least'] else ''}{each['people']:,}"
        console.print(f"The agent says {{{{{_plain(each['name'])}}}}}: {many} of these people have none.", markup=False)


def show_errors(api: ApiClient, import_id: str, console: Console, *, total: int) -> None:
    """The first bad rows as a table, and how to get all of them."""
    found = api.get(f"/imports/{import_id}/errors", limit=SHOWN)["items"]
    if found:
        console.print(errors_table(found))
        console.print(f"{len(found):,} of {total:,} bad rows. All of them, to be corrected and uploaded again:")
        console.print(f"  dialer prospects errors {import_id} --csv bad-rows.csv", soft_wrap=True)


def errors_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """One line per bad row."""
    table = Table("row", "column", "value", "what is wrong", "what to do", box=None, pad_edge=False)
    table.columns[0].justify = "right"
    for bad in found:
        cells = (bad["column"], _short(bad["value"]), bad["message"], bad["suggestion"])
        table.add_row(f"{bad['row']:,}", *(escape(_plain(cell)) for cell in cells))
    return table


def show_report(report: Mapping[str, Any], console: Console, title: str = "would happen") -> None:
    """The report of a dry run: figures as they are, and tables of figures by name."""
    table = Table.grid(padding=(0, 2))
    for name, value in report.items():
        table.add_row(name.replace("_", " "), escape(_figures(value) or "none"))
    console.print(f"[bold]{title}[/bold]")
    console.print(table)


def _figures(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_figures(each) or 'none'}" for name, each in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return "; ".join(_figures(each) for each in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _plain(value)


def _short(value: str | None) -> str:
    text = _plain(value)
    return text if len(text) <= VALUE_SHOWN else f"{text[: VALUE_SHOWN - 1]}…"


def _plain(value: object) -> str:
    """Without what moves a terminal's cursor or changes its colours: files say what they like."""
    text = "" if value is None else str(value)
    return "".join(sign if sign.isprintable() else "·" for sign in text)
