"""``dialer export``: prospects, results and calls as files."""

from pathlib import Path
from typing import Annotated

import typer

from dialer.cli.campaigns import HomeOption
from dialer.client.api import DEFAULT_HOME, ApiClient
from dialer.client.downloads import FORMATS, ExportJob, download
from dialer.terminal import errors, one_bar, output

WHAT = ("prospects", "results", "calls")


def export(
    what: Annotated[str, typer.Argument(help="prospects, results (with the last call of each), or calls.")],
    campaign: Annotated[
        str | None, typer.Option("--campaign", help="The campaign's id or slug; calls: of every campaign if left out.")
    ] = None,
    file_format: Annotated[str, typer.Option("--format", help="csv, jsonl or parquet.")] = "csv",
    file: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; left out: a file named as the server says.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="A filter of the list, for example state=reached. May be given several times."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write prospects, results or calls to a file. What is written of prospects can be uploaded again."""
    if what not in WHAT:
        raise typer.BadParameter(f"one of {', '.join(WHAT)}", param_hint="what")
    if file_format not in FORMATS:
        raise typer.BadParameter(f"one of {', '.join(FORMATS)}", param_hint="--format")
    if what != "calls" and campaign is None:
        raise typer.BadParameter("say of which campaign", param_hint="--campaign")
    filters = dict(_filter(each) for each in where or [])
    with ApiClient.of_home(home) as api, one_bar(errors(), "exporting") as tell:
        job = ExportJob(what=what, campaign=campaign, file_format=file_format, filters=filters)
        written = download(api, job, file, tell)
    output().print(f"{written.rows} rows, {written.size} bytes: {written.file}", soft_wrap=True, markup=False)


def _filter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter("write it as name=value", param_hint="--where")
    return name, value
