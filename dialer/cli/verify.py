"""``dialer verify``: was every promise kept?"""

from typing import Annotated

import typer

from dialer.cli.campaigns import HomeOption
from dialer.client.api import DEFAULT_HOME


def verify(
    campaign: Annotated[
        str | None, typer.Option("--campaign", help="The campaign's id or slug; without it, everything is judged.")
    ] = None,
    carrier_log: Annotated[
        str | None,
        typer.Option(
            "--carrier-log",
            metavar="FILE|URL",
            help="The carrier's own log: a saved list of its calls, or a simulator's address. "
            "Without it the running simulator or the carrier accounts are asked.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole verdict as JSON.")] = False,
    nobody_deleted: Annotated[
        bool, typer.Option("--nobody-deleted", help="Nobody was deleted by hand: whoever is missing was lost.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Check every promise against the database and the carrier's own log; 0 kept, 1 broken, 2 cannot be judged."""
    from dialer.cli.verifying import verify_home  # what it needs takes a second to load, which no other command pays

    code = verify_home(
        home.expanduser(),
        campaign=campaign,
        carrier_log=carrier_log,
        as_json=as_json,
        nobody_deleted=nobody_deleted,
    )
    raise typer.Exit(code)
