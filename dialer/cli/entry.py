"""Where the program starts and, whatever happens, ends."""

import os
import sys

import typer

from dialer.cli import (
    batches,
    campaigns,
    clone,
    exports,
    figures,
    prospects,
    recover,
    requeue,
    schedules,
    stack_commands,
    verify,
    watch,
)
from dialer.client.api import ApiProblem, NoStack
from dialer.terminal import errors

app = typer.Typer(
    name="dialer",
    help="A self-hosted outbound campaign dialer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("up")(stack_commands.up)
app.command("demo")(stack_commands.demo)
app.command("doctor")(stack_commands.doctor)
app.command("verify")(verify.verify)
app.command("export")(exports.export)
app.command("recover")(recover.recover_calls)
campaigns.app.command("list")(figures.list_campaigns)
campaigns.app.command("stats")(figures.stats)
campaigns.app.command("requeue")(requeue.requeue)
campaigns.app.command("clone")(clone.clone)
prospects.app.command("callback")(requeue.callback)
campaigns.app.command("next")(schedules.coming_runs)
campaigns.app.command("watch")(watch.watch)
app.add_typer(batches.app, name="batch")
app.add_typer(campaigns.app, name="campaign")
app.add_typer(prospects.app, name="prospects")


def main() -> None:
    """Runs the command that was asked for and leaves with its exit code.

    The exit is abrupt, after everything is written: a process that used the Temporal SDK can crash in the
    interpreter's own shutdown, which would turn a success into a failure.
    """
    code = _run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run() -> int:
    try:
        app()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
    except (ApiProblem, NoStack) as error:
        errors().print(str(error), markup=False)
        return 1
    return 0
