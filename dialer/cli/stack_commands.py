"""Commands about a whole stack: ``up`` and ``demo`` run one and end it, ``doctor`` looks at one."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dialer.cli.campaigns import HomeOption
from dialer.client.api import DEFAULT_HOME
from dialer.clock import Clock, parse_offset
from dialer.demo.folder import fresh_home, remove_home
from dialer.demo.show import Demo, DemoFailed
from dialer.stack.home import Home
from dialer.stack.running import START_ERRORS, Stack, running_stack
from dialer.terminal import errors, narrator, output

INTERRUPTED = 130

Workers = Annotated[
    int, typer.Option("--workers", min=1, max=64, help="Processes that dial; one more does the imports.")
]
Duty = Callable[[Stack], Awaitable[None]]


def up(
    home: HomeOption = DEFAULT_HOME,
    workers: Workers = 1,
    restored: Annotated[
        bool, typer.Option("--restored", help="The data are a backup: pause every campaign until `dialer recover`.")
    ] = False,
) -> None:
    """Run everything on this machine until Ctrl-C; data stay in the home folder."""

    async def serve(stack: Stack) -> None:
        _links(output(), stack)
        output().print("Ctrl-C ends it; campaigns go on when it is started again.")
        await asyncio.Event().wait()

    code = _with_stack(Home.at(home), serve, workers=workers, restored=restored)
    raise typer.Exit(0 if code == INTERRUPTED else code)


def demo(
    home: Annotated[
        Path | None, typer.Option("--home", help="Keep the data there. By default a new folder, removed after.")
    ] = None,
    workers: Workers = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
) -> None:
    """Watch a campaign dial a town of simulated phones, from CSV to disposition."""

    async def show(stack: Stack) -> None:
        given = stack.plan.environment
        offset = parse_offset(given.get("DIALER_CLOCK", "PT0S"), datetime.now(UTC))
        namespace = given.get("TEMPORAL_NAMESPACE", "default")
        links = stack.plan.links()
        await Demo(links, namespace=namespace, clock=Clock(offset=offset), console=output()).run()
        if keep:
            output().print("\nEverything is left running; Ctrl-C ends it.")
            await asyncio.Event().wait()
        output().print("\nTo look around afterwards: make demo ARGS=--keep")

    folder = fresh_home() if home is None else Home.at(home)
    code = _with_stack(folder, show, workers=workers, throw_away=home is None)
    if home is None and code in (0, INTERRUPTED):  # after a failure somebody wants to read the logs
        remove_home(folder)
    raise typer.Exit(0 if keep and code == INTERRUPTED else code)


def doctor(home: HomeOption = DEFAULT_HOME) -> None:
    """Check database, Temporal, carrier, clocks and the public address, and say how to mend what is not well."""
    from dialer.cli.doctor import examine_home  # what it needs takes a second to load, which no other command pays

    raise typer.Exit(examine_home(home))


def _with_stack(home: Home, duty: Duty, *, workers: int, throw_away: bool = False, restored: bool = False) -> int:
    """Runs a stack for as long as ``duty`` takes; the exit code. Ctrl-C ends both, a second one abruptly."""
    console = errors()

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        async with running_stack(
            home, lock, os.environ, workers=workers, throw_away=throw_away, restored=restored, say=narrator(console)
        ) as stack:
            await duty(stack)

    try:
        with home.lock() as lock:
            asyncio.run(run())
    except asyncio.CancelledError:
        return INTERRUPTED
    except (*START_ERRORS, DemoFailed) as error:
        console.print(str(error), markup=False, style="red")
        console.print(f"logs: {home.logs}", markup=False)
        return 1
    return 0


def _links(console: Console, stack: Stack) -> None:
    links = stack.plan.links()
    table = Table.grid(padding=(0, 2))
    table.add_row("API", f"{links['api_url']}/docs")
    table.add_row("Temporal", links["temporal_ui_url"] or str(links["temporal_address"]))
    table.add_row("carrier", f"{links['simulator_url']} (simulated)" if links["simulator_url"] else "Twilio")
    table.add_row("key and addresses", str(stack.plan.home.stack_file))
    console.print(table)
