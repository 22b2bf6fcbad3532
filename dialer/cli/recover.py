"""``dialer recover``: after a restore of the database, ask the carrier what was dialed since the backup."""

from datetime import datetime
from typing import Annotated

import typer

from dialer.cli.campaigns import HomeOption
from dialer.client.api import DEFAULT_HOME


def recover_calls(
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"],
            help="The moment of the backup (UTC unless it says otherwise). Without it: when the newest call was made "
            "that the database knew when the restore was noticed.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be recorded, and change nothing.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the campaigns that were paused because of the restore.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    begin: Annotated[
        bool, typer.Option("--begin", help="Only pause everything: after a restore, before a worker starts.")
    ] = False,
    skip: Annotated[
        list[str] | None,
        typer.Option("--skip", metavar="SID", help="A carrier account that is gone and cannot be asked any more."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """After a restore of the database: record the calls that it has lost, so that nobody is called twice."""
    from dialer.cli.recovering import recover_home  # what it needs takes a second to load, which no other command pays

    code = recover_home(home.expanduser(), since, skip or [], dry_run=dry_run, resume=resume, yes=yes, begin=begin)
    raise typer.Exit(code)
