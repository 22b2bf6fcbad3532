"""``dialer campaign …``."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from dialer.cli import settings
from dialer.client.api import DEFAULT_HOME, ApiClient
from dialer.terminal import output

app = typer.Typer(help="Launch, look at, pause, resume and stop campaigns.", no_args_is_help=True)
Campaign = Annotated[str, typer.Argument(help="The campaign's id or slug.")]
HomeOption = Annotated[Path, typer.Option("--home", envvar="DIALER_HOME", help="The folder of the stack.")]
HangUp = Annotated[bool, typer.Option("--hang-up", help="End calls in progress instead of letting them finish.")]


@app.command()
def status(campaign: Campaign, home: HomeOption = DEFAULT_HOME) -> None:
    """Where the campaign stands."""
    with ApiClient.of_home(home) as api:
        _show(api.get(f"/campaigns/{campaign}/status"))


@app.command()
def launch(
    campaign: Campaign,
    ignore_missing_variables: Annotated[
        bool, typer.Option("--ignore-missing-variables", help="Launch although people lack what the agent says.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Start dialing, or schedule it if its start lies in the future."""
    with ApiClient.of_home(home) as api:
        _show(api.post(f"/campaigns/{campaign}/launch", {"ignore_missing_variables": ignore_missing_variables}))


@app.command()
def pause(campaign: Campaign, hang_up: HangUp = False, home: HomeOption = DEFAULT_HOME) -> None:
    """Begin no new call until resumed."""
    _change(campaign, "pause", {"calls": "hang_up" if hang_up else "finish"}, home)


@app.command()
def resume(campaign: Campaign, home: HomeOption = DEFAULT_HOME) -> None:
    """Go on after a pause."""
    _change(campaign, "resume", None, home)


@app.command()
def stop(campaign: Campaign, hang_up: HangUp = False, home: HomeOption = DEFAULT_HOME) -> None:
    """End the campaign for good."""
    _change(campaign, "stop", {"calls": "hang_up" if hang_up else "finish"}, home)


app.command("edit")(settings.edit)
app.command("history")(settings.history)
app.command("rollback")(settings.rollback)


def _change(campaign: str, verb: str, content: object, home: Path) -> None:
    with ApiClient.of_home(home) as api:
        _show(api.post(f"/campaigns/{campaign}/{verb}", content))


def _show(answer: dict[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in answer.items():
        table.add_row(name.replace("_", " "), "-" if value is None else str(value))
    output().print(table)
