"""The whole stack, from an empty folder to a served API, and back."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager

from dialer.stack import parts
from dialer.stack.children import ChildError, ChildFailed, run_once
from dialer.stack.home import Home, HomeInUse, HomeLock, write_private
from dialer.stack.placement import PlacementError
from dialer.stack.plan import Plan, PlanError, make_plan, wanted_ports
from dialer.stack.ports import PortLease, is_free
from dialer.stack.postgres import PostgresError
from dialer.stack.supervisor import Supervisor

START_ERRORS = (HomeInUse, PlanError, PlacementError, PostgresError, ChildError)
START_TRIES = 3
_SPOKEN = {"temporal": "starting Temporal with its Web UI", "simulator": "the carrier simulator"}

Narrator = Callable[[str], None]


class Stack:
    """A running stack. ``plan`` tells where its parts are."""

    def __init__(self, plan: Plan, lease: PortLease, supervisor: Supervisor) -> None:
        self.plan = plan
        self.lease = lease
        self.supervisor = supervisor

    def describe(self) -> None:
        """Writes ``stack.json`` anew."""
        pids = {"stack": [os.getpid()], **self.supervisor.pids()}
        write_private(self.plan.home.stack_file, {**self.plan.links(), "pids": pids})


@asynccontextmanager
async def running_stack(
    home: Home,
    lock: HomeLock,
    given: Mapping[str, str],
    *,
    workers: int,
    throw_away: bool = False,
    restored: bool = False,
    say: Narrator = lambda _: None,
) -> AsyncGenerator[Stack]:
    """A stack that serves until the block ends; then nothing of it is left running.

    ``given`` is the environment that says which parts are elsewhere. With ``throw_away`` nothing has to be
    finished: all are killed at once. With ``restored`` every campaign is paused before anything can dial, until
    ``dialer recover`` has asked the carrier. Raises one of :data:`START_ERRORS`, with a message for the person who
    started it. Cancelling the stop, too, makes it hurry.
    """
    stack = await _start(home, given, lock, workers=workers, restored=restored, say=say)
    try:
        yield stack
    finally:
        say("stopping")
        if throw_away:
            stack.supervisor.hurry()
        await _stop(stack)


async def _start(
    home: Home, given: Mapping[str, str], lock: HomeLock, *, workers: int, restored: bool, say: Narrator
) -> Stack:
    for tries_left in reversed(range(START_TRIES)):
        lease = PortLease(home.ports(), wanted=wanted_ports(given))
        try:
            plan = make_plan(home, given, lease.ports)
        except PlanError:
            lease.close()
            raise
        supervisor = Supervisor(watchdog_log=home.log("watchdog"), inherited=(lock.descriptor,))
        stack = Stack(plan, lease, supervisor)
        try:
            await _start_parts(stack, workers=workers, restored=restored, say=say)
        except ChildFailed:
            await _stop(stack)
            # Another program may have taken a port between our look at it and the child's.
            if tries_left == 0 or all(is_free(port) for port in plan.ports.values()):
                raise
            say("a port was taken meanwhile; trying others")
        except BaseException:
            await _stop(stack)
            raise
        else:
            return stack
    raise AssertionError("unreachable")


async def _start_parts(stack: Stack, *, workers: int, restored: bool, say: Narrator) -> None:
    plan, supervisor = stack.plan, stack.supervisor
    plan.home.keep_ports({**plan.home.ports(), **plan.ports})
    if plan.with_postgres:
        say("starting PostgreSQL 18")
        await supervisor.start(await parts.postgres(plan))
    others = [parts.temporal(plan)] if plan.with_temporal else []
    others += [parts.simulator(plan)] if plan.with_simulator else []
    if others:
        say(" and ".join(_SPOKEN[child.part] for child in others))
        await supervisor.start(*others)
    say("preparing the database")
    await _run(plan, "the migration of the database", "dialer.store.migrate")
    await _run(plan, "the first start", "dialer.store.bootstrap")
    if restored:
        say("pausing every campaign until `dialer recover` has asked the carrier")
        await _run(plan, "the pause after a restore", "dialer.cli", "recover", "--begin")
    say("starting the API and the workers")
    await supervisor.start(parts.api(plan), *parts.workers(plan, workers))
    supervisor.changed = stack.describe
    stack.describe()


async def _stop(stack: Stack) -> None:
    """In order; when this is cancelled too (somebody is impatient), at once."""
    stopping = asyncio.ensure_future(stack.supervisor.stop())
    while not stopping.done():
        try:
            await asyncio.shield(stopping)
        except asyncio.CancelledError:
            stack.supervisor.hurry()
    stack.plan.home.stack_file.unlink(missing_ok=True)
    stack.lease.close()
    stopping.result()


async def _run(plan: Plan, name: str, module: str, *arguments: str) -> None:
    await run_once(name, parts.python(module, *arguments), plan.environment, folder=plan.home.path)
