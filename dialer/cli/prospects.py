"""``dialer prospects …``.

Exit codes: 0 every row was taken, 1 it could not be done, 2 the command is written wrong, 3 the file was read and some
of its rows were not taken, 130 interrupted.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from dialer.cli.campaigns import HomeOption
from dialer.cli.import_reports import show_end, show_errors
from dialer.client.api import DEFAULT_HOME, ApiClient, ApiProblem
from dialer.client.unfinished import Unfinished
from dialer.client.uploads import FileChanged, follow, upload_and_follow
from dialer.terminal import errors, narrator, output, two_bars

#: Some rows were not taken.
BAD_ROWS = 3
INTERRUPTED = 130
_TO_STDOUT = Path("-")
#: As the API has it: told before the first byte is sent.
MOST_BYTES = 1 << 30

app = typer.Typer(help="Upload the people to call, and see what became of a file.", no_args_is_help=True)

Import = Annotated[str, typer.Argument(help="The import's id.")]
CampaignOption = Annotated[str, typer.Option("--campaign", help="The campaign's id or slug.")]


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(help="A file of prospects, such as CSV.", exists=True, dir_okay=False)],
    campaign: CampaignOption,
    region: Annotated[
        str | None, typer.Option("--region", help="Country of numbers without one, for example US.")
    ] = None,
    on_duplicate: Annotated[
        str, typer.Option("--on-duplicate", help="For people whom the campaign has: skip or update.")
    ] = "skip",
    mapping: Annotated[
        list[str] | None,
        typer.Option("--mapping", help="FIELD=HEADER, for example phone=Handy. May be given several times."),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Of a text file, for example cp1252; found out if left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and write nothing.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Upload a file and wait until every row is read.

    A connection that breaks is waited for. After Ctrl-C the same command goes on where it stopped.

    Exit codes: 0 every row was taken; 1 it could not be done; 2 the command is written wrong; 3 some rows were not
    taken; 130 interrupted.
    """
    size = file.stat().st_size
    if size == 0:
        raise typer.BadParameter(f"{file} is empty")
    if size > MOST_BYTES:
        raise typer.BadParameter(f"{file} has {size / MOST_BYTES:.1f} GB; a file takes at most 1 GB: split it")
    if on_duplicate not in ("skip", "update"):
        raise typer.BadParameter("write skip or update", param_hint="--on-duplicate")
    options: dict[str, Any] = {"on_duplicate": on_duplicate, "mapping": mapping_of(mapping or [])}
    if region:
        options["default_region"] = region.upper()
    if encoding:
        options["encoding"] = encoding
    if dry_run:
        options["dry_run"] = True
    with ApiClient.of_home(home) as api:
        done = _uploaded(api, campaign, file, options, Unfinished.of_home(home))
        show_end(api, done, output())
    raise typer.Exit(_code(done))


def _uploaded(
    api: ApiClient, campaign: str, file: Path, options: dict[str, Any], unfinished: Unfinished
) -> dict[str, Any]:
    console = errors()
    try:
        with two_bars(console) as tell:
            return upload_and_follow(
                api, campaign, file, options=options, tell=tell, say=narrator(console), unfinished=unfinished
            )
    except FileChanged as error:
        console.print(f"{file}: {error}", markup=False)
        raise typer.Exit(1) from None
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        console.print(f"There is no campaign {campaign}. {_campaigns(api)}", markup=False)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        console.print("Interrupted. The same command goes on where it stopped; the import itself is not cancelled.")
        raise typer.Exit(INTERRUPTED) from None


def mapping_of(pairs: list[str]) -> dict[str, str]:
    """FIELD=HEADER pairs of the command line. Raises BadParameter."""
    found: dict[str, str] = {}
    for pair in pairs:
        field, sign, header = pair.partition("=")
        if not (field.strip() and sign and header.strip()):
            raise typer.BadParameter(f"{pair}: write FIELD=HEADER, such as phone=Handy", param_hint="--mapping")
        found[field.strip()] = header.strip()
    return found


def _campaigns(api: ApiClient) -> str:
    """What could be meant."""
    known = api.get("/campaigns", limit=5)["items"]
    if not known:
        return "This workspace has none yet."
    return "There are: " + ", ".join(f"{each['slug'] or each['id']} ({each['name']})" for each in known)


def _code(done: dict[str, Any]) -> int:
    if done["status"] != "completed":
        return 1
    return BAD_ROWS if done["failed"] else 0


@app.command("errors")
def list_errors(
    import_id: Import,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Save all of them here, to be corrected; - prints them.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """The rows that were not taken, and why."""
    with ApiClient.of_home(home) as api:
        done = api.get(f"/imports/{import_id}")
        path = f"/imports/{import_id}/errors"
        if csv is None:
            if done["failed"]:
                show_errors(api, import_id, output(), total=done["failed"])
            else:
                output().print("no bad rows")
        elif csv == _TO_STDOUT:
            api.save(path, sys.stdout.buffer, accept="text/csv")
        else:
            if csv.exists() and not force:
                raise typer.BadParameter(f"{csv} exists; --force replaces it", param_hint="--csv")
            with csv.open("wb") as file:
                api.save(path, file, accept="text/csv")
            output().print(f"{done['failed']:,} bad rows in {escape(str(csv))}", soft_wrap=True)


@app.command()
def undo(import_id: Import, home: HomeOption = DEFAULT_HOME) -> None:
    """Remove an import and the people that it added, if none of them was ever called."""
    with ApiClient.of_home(home) as api:
        api.request("DELETE", f"/imports/{import_id}")
    output().print(f"import {import_id} is undone")


@app.command()
def cancel(import_id: Import, home: HomeOption = DEFAULT_HOME) -> None:
    """Stop an import that runs. What it has written stays, and retry goes on from there."""
    with ApiClient.of_home(home) as api:
        done = api.post(f"/imports/{import_id}/cancel")
    output().print(f"import {import_id} is cancelled after {done['rows_read']:,} rows", soft_wrap=True)


@app.command()
def retry(import_id: Import, home: HomeOption = DEFAULT_HOME) -> None:
    """Continue a failed or cancelled import where it stopped, and wait for its end. Exit codes as for upload."""
    console = errors()
    with ApiClient.of_home(home) as api:
        api.post(f"/imports/{import_id}/retry")
        with two_bars(console) as tell:
            done = follow(api, import_id, tell=tell, say=narrator(console))
        show_end(api, done, output())
    raise typer.Exit(_code(done))


@app.command("list")
def list_imports(
    campaign: Annotated[str | None, typer.Option("--campaign", help="Of this campaign only: its id or slug.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100)] = 20,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """The files that were uploaded, the latest first."""
    with ApiClient.of_home(home) as api:
        query: dict[str, str | int] = {"limit": limit}
        if campaign is not None:
            query["campaign_id"] = api.get(f"/campaigns/{campaign}")["id"]
        found = api.get("/imports", **query)["items"]
    table = Table("import", "file", "status", "rows", "failed", box=None, pad_edge=False)
    table.columns[0].min_width = 36  # ids are to be copied
    for each in found:
        table.add_row(
            each["id"], escape(each["filename"]), each["status"], f"{each['rows_read']:,}", f"{each['failed']:,}"
        )
    output().print(table if found else "no imports")
