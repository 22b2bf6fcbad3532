"""``dialer batch …``.

Exit codes: 0 it was done, 1 it could not be done or the batch has failed, 2 the command is written wrong, 130
interrupted; the batch itself goes on then.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Table

from dialer.cli.campaigns import HomeOption
from dialer.cli.prospects import INTERRUPTED, mapping_of
from dialer.client.api import DEFAULT_HOME, ApiClient
from dialer.client.batches import create_batch, follow_batch
from dialer.terminal import bars, errors, narrator, output

app = typer.Typer(help="Upload a file that is dialed once, at a given time.", no_args_is_help=True)

Batch = Annotated[str, typer.Argument(help="The batch's id.")]
NOW = "now"
COUNTS = ("rows_read", "created", "updated", "skipped", "failed", "prospects_total", "prospects_done", "calls_total")


@app.command()
def create(
    file: Annotated[Path, typer.Argument(help="A file of prospects, such as CSV.", exists=True, dir_okay=False)],
    agent: Annotated[str, typer.Option("--agent", help="Who talks: the agent's id, or its name.")],
    at: Annotated[
        str, typer.Option("--at", help="When dialing begins, with its zone: 2036-12-01T09:00+01:00; or now.")
    ] = NOW,
    name: Annotated[str | None, typer.Option("--name", help="What the batch is called.")] = None,
    caller: Annotated[
        list[str] | None, typer.Option("--from", help="Caller number, E.164; may be given several times.")
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", help="A JSON file with a campaign's rules.", exists=True, dir_okay=False),
    ] = None,
    region: Annotated[str | None, typer.Option("--region", help="Country of numbers without one, such as US.")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--mapping", help="FIELD=HEADER, for example phone=Handy; several times.")
    ] = None,
    ignore_missing_variables: Annotated[
        bool, typer.Option("--ignore-missing-variables", help="Dial although people lack what the agent says.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until everybody was called, not only imported.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Upload a file, import it, and call its people from a given time on."""
    fields = {
        "scheduled_at": _moment(at) or "",
        "name": name or "",
        "caller_numbers": ",".join(caller or []),
        "rules": _rules(rules),
        "default_region": (region or "").upper(),
        "mapping": json.dumps(mapping_of(mapping)) if mapping else "",
        "ignore_missing_variables": "true" if ignore_missing_variables else "",
    }
    console = errors()
    with ApiClient.of_home(home) as api:
        fields["agent_id"] = _agent(api, agent)
        given = {key: value for key, value in fields.items() if value}
        known = None
        try:
            with bars(console, "uploading", "importing", *(["dialing"] if wait else [])) as tell:
                known = create_batch(api, file, given, tell)
                done = follow_batch(api, known["id"], to_the_end=wait, tell=tell, say=narrator(console))
        except KeyboardInterrupt:
            told = "There is no batch." if known is None else f"Batch {known['id']} goes on."
            console.print(f"Interrupted. {told}")
            raise typer.Exit(INTERRUPTED) from None
    _show(done)
    raise typer.Exit(1 if done["status"] == "failed" else 0)


@app.command()
def show(batch: Batch, home: HomeOption = DEFAULT_HOME) -> None:
    """Where the batch stands."""
    with ApiClient.of_home(home) as api:
        _show(api.get(f"/batches/{batch}"))


@app.command()
def reschedule(
    batch: Batch,
    at: Annotated[str, typer.Argument(help="When dialing begins, with its zone; or now.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Begin at another time, until it has begun."""
    with ApiClient.of_home(home) as api:
        _show(api.request("PATCH", f"/batches/{batch}", json={"scheduled_at": _moment(at)}))


@app.command()
def cancel(
    batch: Batch,
    hang_up: Annotated[
        bool, typer.Option("--hang-up", help="End calls in progress instead of letting them end.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Read the file no further, and call nobody more."""
    with ApiClient.of_home(home) as api:
        done = api.request("DELETE", f"/batches/{batch}", params={"calls": "hang_up" if hang_up else "finish"})
    _show(done)
    if done.get("undecided"):
        output().print(f"{done['undecided']} calls have no answer from the carrier yet")


@app.command("list")
def list_batches(
    status: Annotated[str | None, typer.Option("--status", help="Those of this status only.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100)] = 20,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Batches, the latest first."""
    query: dict[str, str | int] = {"limit": limit}
    if status is not None:
        query["status"] = status
    with ApiClient.of_home(home) as api:
        found = api.get("/batches", **query)["items"]
    table = Table("batch", "name", "status", "begins", "people", "done", box=None, pad_edge=False)
    table.columns[0].min_width = 36  # ids are to be copied
    for each in found:
        counts = each["counts"]
        table.add_row(
            *(each["id"], escape(each["name"]), each["status"], each["scheduled_at"] or "at once"),
            *(f"{counts['prospects_total']:,}", f"{each['progress']:.0%}"),
        )
    output().print(table if found else "no batches")


def _show(batch: Mapping[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    shown = {
        "batch": batch["id"],
        "name": batch["name"],
        "status": batch["status"],
        "begins": batch["scheduled_at"] or "at once",
        "file": batch["filename"],
        "progress": f"{batch['progress']:.0%}",
        **{name.replace("_", " "): f"{batch['counts'][name]:,}" for name in COUNTS},
        "import": batch["import_id"],
        "campaign": batch["campaign_id"],
        "trace": batch["trace_url"],
    }
    for name, value in shown.items():
        table.add_row(name, "-" if value is None else escape(str(value)))
    output().print(table, soft_wrap=True)
    if error := batch["error"]:
        output().print(f"{error['message']} ({error['code']})", markup=False, soft_wrap=True)
    if batch["counts"]["failed"] and batch["import_id"]:
        output().print(f"rows that were not taken: dialer prospects errors {batch['import_id']}", soft_wrap=True)


def _moment(text: str) -> str | None:
    """None for now. A time without a zone could be anybody's, and dialing an hour early is not to be undone."""
    if text == NOW:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text}: write a time such as 2036-12-01T09:00+01:00, or now") from None
    if found.tzinfo is None:
        raise typer.BadParameter(f"{text}: say in which zone, such as {text}+01:00, or {text}Z for UTC")
    return found.isoformat()


def _rules(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return json.dumps(json.loads(file.read_text("utf-8")))
    except ValueError as error:
        raise typer.BadParameter(f"{file} is no JSON: {error}", param_hint="--rules") from None


def _agent(api: ApiClient, wanted: str) -> str:
    """An id as it is; else the id of the one agent with this name."""
    try:
        return str(UUID(wanted))
    except ValueError:
        found = [each for each in api.get("/agents", search=wanted, limit=100)["items"] if each["name"] == wanted]
    if len(found) != 1:
        many = "no agent" if not found else f"{len(found)} agents"
        raise typer.BadParameter(f"there is {many} with this name; give its id", param_hint="--agent")
    return str(found[0]["id"])
