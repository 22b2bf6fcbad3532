"""``dialer campaign requeue`` and ``dialer prospects callback``: calling people again."""

from datetime import datetime
from typing import Annotated, Any

import typer

from dialer.cli.campaigns import Campaign, HomeOption
from dialer.client.api import DEFAULT_HOME, ApiClient
from dialer.terminal import output

#: A million people take minutes.
_PATIENCE_S = 1800.0


def requeue(
    campaign: Campaign,
    disposition: Annotated[
        list[str] | None, typer.Option("--disposition", help="Whose last call ended so. May be given several times.")
    ] = None,
    outcome: Annotated[
        list[str] | None, typer.Option("--outcome", help="Or brought this. May be given several times.")
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option("--state", help="And who stand so: exhausted and expired, unless others are named."),
    ] = None,
    attempts: Annotated[
        int | None, typer.Option("--attempts", min=1, help="The fresh allowance; left out: the campaign's own.")
    ] = None,
    not_before: Annotated[
        str | None, typer.Option("--not-before", help="Call nobody sooner, for example 2036-12-01T09:00:00Z.")
    ] = None,
    launch: Annotated[bool, typer.Option("--launch", help="Launch the campaign if it is completed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Call those again who were not reached, with a fresh allowance of attempts."""
    given: dict[str, Any] = {
        "dispositions": disposition or [],
        "outcomes": outcome or [],
        "attempts": attempts,
        "not_before": not_before,
        "launch": launch,
        "dry_run": dry_run,
    }
    if state:
        given["states"] = state
    with ApiClient.of_home(home) as api:
        done = api.request("POST", f"/campaigns/{campaign}/requeue", json=given, timeout=_PATIENCE_S)
    console = output()
    console.print(f"{done['requeued']:,} {'would be called again' if dry_run else 'are called again'}", markup=False)
    for why, n in done["skipped"].items():
        console.print(f"{n:,} not: {why.replace('_', ' ')}", markup=False)
    if done["status"] == "completed" and done["requeued"] and not dry_run:
        console.print(f"The campaign is completed: dialer campaign launch {campaign}", markup=False, soft_wrap=True)


def callback(
    prospect: Annotated[str, typer.Argument(help="The prospect's id.")],
    at: Annotated[
        str, typer.Option("--at", help="2036-12-01T15:00 by their clock, or with an offset: 2036-12-01T15:00:00Z.")
    ],
    time_zone: Annotated[
        str | None, typer.Option("--time-zone", help="Whose clock shows it, if not the person's: Europe/Rome.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Call somebody at the time that they asked for, or when their calling hours open after it."""
    try:
        by_the_clock = datetime.fromisoformat(at).tzinfo is None
    except ValueError:
        raise typer.BadParameter("write 2036-12-01T15:00, or with an offset", param_hint="--at") from None
    given = {"local_time": at, "time_zone": time_zone} if by_the_clock else {"at": at}
    if time_zone is not None and not by_the_clock:
        raise typer.BadParameter("a time with an offset needs no time zone", param_hint="--time-zone")
    with ApiClient.of_home(home) as api:
        asked = api.post(f"/prospects/{prospect}/callback", given)
    output().print(f"due at {asked['due_at']}, asked for {asked['asked_for']}", markup=False, soft_wrap=True)
