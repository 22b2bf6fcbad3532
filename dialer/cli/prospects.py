"""``dialer prospects …``."""

from pathlib import Path
from typing import Annotated

import typer

from dialer.cli.campaigns import HomeOption
from dialer.client.api import DEFAULT_HOME, ApiClient
from dialer.client.uploads import upload_and_follow
from dialer.terminal import errors, output, two_bars

app = typer.Typer(help="Upload the people to call.", no_args_is_help=True)


@app.callback()
def prospects() -> None:
    """Keeps ``upload`` a word of its own while it is the only one."""


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(help="A CSV file.", exists=True, dir_okay=False)],
    campaign: Annotated[str, typer.Option("--campaign", help="The campaign's id or slug.")],
    region: Annotated[
        str | None, typer.Option("--region", help="Country of numbers without one, for example US.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Upload a CSV file and wait until every row is read."""
    options = {"default_region": region} if region else {}
    with ApiClient.of_home(home) as api, two_bars(errors()) as tell:
        done = upload_and_follow(api, campaign, file, options=options, tell=tell)
    counts = ", ".join(f"{done[name]} {name}" for name in ("created", "updated", "skipped", "failed"))
    output().print(f"{done['rows_read']} rows: {counts} ({done['status']})")
    if done["error"]:
        output().print(f"{done['error']['message']}. {done['error']['suggestion'] or ''}")
    if done["failed"]:
        output().print(f"what is wrong with each: {api.url}/api/v1/imports/{done['id']}/errors", soft_wrap=True)
    if done["status"] != "completed":
        raise typer.Exit(1)
