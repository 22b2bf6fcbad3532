"""One campaign, from its first claim to its completion, however its processes fare.

The site does what Temporal, the carrier's network and time would do, one thing after the other, so that the same run
passes the same doors in the same order. An activity whose process dies is noticed after its timeout; ``place_call`` is
never run again; the others are, as ``workflows/options.py`` says; time jumps to whatever comes next.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.dial import CallRef
from activities.dispatch import CampaignRef, LegEnd
from activities.sweep import SweepRequest
from api.operations import carrier_callbacks
from api.operations.carrier_callbacks import Applying, Callback
from api.operations.errors import Unavailable
from dialer.carriers.base import CarrierError
from dialer.domain.timing import Timing
from dialer.store.database import rows
from tests.activities.recorders import run
from tests.faults.doors import Door, Doors, Killed
from tests.faults.processes import Installation, Process
from tests.faults.temporal import CallRun
from tests.faults.towns import Town
from tests.store.worlds import World
from workflows.options import DISPATCH_LEG, PLACE_CALL, RECONCILE_CALL, SWEEP, ActivityOptions

#: Longer than everything takes to mend itself, and shorter than a workflow's longest wait for a nudge that was lost.
LONGEST = timedelta(minutes=45)
SWEEP_EVERY = timedelta(minutes=10)
LEG = timedelta(seconds=Timing().leg_s)
#: Twilio's own retries of a callback, as the adapter asks for them.
DELIVERIES = 4
FAILURES = (ApplicationError, DBAPIError, RPCError, CarrierError)


class ActivityFailed(Exception):
    """Temporal has given up on it."""


class Stuck(AssertionError):
    """Nothing more happens, and the campaign is not over."""


@dataclass
class Site:
    """``redelivers``: the carrier sends a callback again whose answer it did not get."""

    its: Installation
    town: Town
    doors: Doors
    world: World
    redelivers: bool = True
    #: Callbacks that are held back for now.
    withheld: Callable[[Callback], bool] = lambda callback: False
    held_back: list[Callback] = field(default_factory=list[Callback])
    #: The carrier's lists do not show what was just created.
    hidden: bool = False
    #: The campaign waits in its workflow, not in a leg, while its calls go on.
    asleep: bool = False
    #: Whether Temporal still has the workflows of calls.
    call_workflows: bool = True
    #: Doors at which a callback has no answer yet.
    receiving: list[Door] = field(default_factory=list[Door])
    #: What the scenario wants to know at the end.
    remembered: tuple[UUID, ...] = ()
    others: list[UUID] = field(default_factory=list[UUID])
    #: Doors of the sweep.
    sweeping: list[Door] = field(default_factory=list[Door])
    begun: datetime = field(init=False)
    swept_at: datetime = field(init=False)
    #: Every life of every process, the last of each name in ``_living``.
    _lives: list[Process] = field(default_factory=list[Process])
    _living: dict[str, Process] = field(default_factory=dict[str, Process])

    def __post_init__(self) -> None:
        self.begun = self.swept_at = self.its.clock.now()

    # -- processes -----------------------------------------------------------------------------------------------------

    @property
    def worker(self) -> Process:
        return self._alive("worker")

    @property
    def api(self) -> Process:
        return self._alive("api")

    def _alive(self, name: str) -> Process:
        """The process of this name, born again if it was killed."""
        process = self._living.get(name)
        if process is None or process.life.over:
            process = self._living[name] = Process(name, self.its, self.doors, hidden=self.hidden)
            self._lives.append(process)
        return process

    async def close(self) -> None:
        """Also what was killed: it may have died where nobody noticed."""
        for process in self._lives:
            await process.close()

    async def attempt(self, activity: Callable[[Process], Callable[..., Awaitable[Any]]], argument: object) -> Any:
        """One try of an activity, in a worker that lives. Raises Killed or ActivityFailed."""
        process = self.worker
        try:
            return await run(activity(process), argument)
        except (Killed, BaseExceptionGroup) as error:
            if not process.life.over:
                raise ActivityFailed(repr(error)) from error
            await process.bury()
            raise Killed from None
        except FAILURES as error:
            if isinstance(error, ApplicationError) and error.non_retryable:
                raise
            raise ActivityFailed(repr(error)) from error

    async def activity(
        self, options: ActivityOptions, activity: Callable[[Process], Callable[..., Awaitable[Any]]], argument: object
    ) -> Any:
        """An activity as Temporal runs it. Raises ActivityFailed when its tries are used up."""
        policy = options["retry_policy"]
        wait = policy.initial_interval
        tries = 0
        while True:
            tries += 1
            try:
                return await self.attempt(activity, argument)
            except Killed:
                noticed = options.get("heartbeat_timeout") or options["start_to_close_timeout"]
                self.its.clock.let_pass(noticed.total_seconds())
            except ActivityFailed:
                if tries > 20:
                    raise
            if policy.maximum_attempts and tries >= policy.maximum_attempts:
                raise ActivityFailed(f"{tries} tries")
            self.its.clock.let_pass(wait.total_seconds())
            wait = min(wait * policy.backoff_coefficient, policy.maximum_interval or wait)

    # -- what happens by itself ----------------------------------------------------------------------------------------

    async def run_on(self, *, until: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Everything that happens, until the campaign is over (or ``until``). Raises Stuck."""
        is_over = until or self.is_over
        while True:
            while await self.step():
                pass
            if await is_over():
                return
            if self.its.clock.now() - self.begun > LONGEST:
                raise Stuck(f"nothing happens after {LONGEST}: {await self.situation()}")
            self._jump()
            if self.its.clock.now() - self.swept_at >= SWEEP_EVERY:
                await self.sweep()

    async def step(self) -> bool:
        """What can happen now. False when nothing can."""
        moved = await self.leg()
        while moved and self.asleep and await self.leg():
            pass
        moved = await self.place() or moved
        await self.town.quiet()
        moved = await self.hear() or moved
        return await self.conclude() or moved

    async def leg(self) -> bool:
        """The campaign's workflow runs a leg, when it does not wait."""
        run_ = self.its.temporal.campaigns.get(self.world.campaign_id)
        now = self.its.clock.now()
        waits = run_ is not None and not run_.nudged and (run_.idle_until is None or run_.idle_until > now)
        if run_ is None or run_.finished or waits:
            return False
        run_.nudged, run_.idle_until = False, None
        ref = CampaignRef(workspace_id=str(run_.workspace_id), campaign_id=str(run_.campaign_id))
        leg = await self.activity(DISPATCH_LEG, lambda process: process.dispatch.dispatch, ref)
        match leg.end:
            case LegEnd.FINISHED:
                run_.finished = not run_.nudged
            case LegEnd.IDLE:
                run_.idle_until = self.its.clock.now() + timedelta(seconds=leg.idle_s)
            case _ if leg.claimed:
                run_.nudged = True
            case _:
                # A real leg would have looked again and again meanwhile.
                run_.idle_until = self.its.clock.now() + LEG
        return True

    async def place(self) -> bool:
        """Every call that was started is placed, once."""
        waiting = [call for call in self.its.temporal.calls.values() if not call.placed]
        for call in waiting:
            call.placed = True
            try:
                placed = await self.activity(PLACE_CALL, lambda process: process.dial.place_call, _ref(call))
            except ActivityFailed:
                call.looks_at = self.its.clock.now()
            else:
                call.result = placed.ended
                call.looks_at = self.its.clock.now() + timedelta(seconds=placed.wait_s)
        return bool(waiting)

    async def hear(self) -> bool:
        """The API gets what the carrier has to say."""
        heard = self.town.doorstep.take()
        self.held_back += [callback for callback in heard if self.withheld(callback)]
        for callback in heard:
            if not self.withheld(callback):
                await self.deliver(callback)
        return bool(heard)

    async def deliver(self, callback: Callback) -> None:
        """One callback, with the carrier's own retries when it gets no answer."""
        for _ in range(DELIVERIES if self.redelivers else 1):
            process, before = self.api, len(self.doors.passed)
            try:
                applying = await _receive(process, callback)
                self.receiving += self.doors.passed[before:]
            except Killed:
                await process.bury()
            except (DBAPIError, Unavailable):
                continue
            else:
                await self._follow_up(process, applying)
                return

    async def _follow_up(self, process: Process, applying: Applying | None) -> None:
        """After the answer; what goes wrong here the carrier never hears of."""
        assert applying is not None
        try:
            await carrier_callbacks.follow_up(process.services, applying)
        except Killed:
            await process.bury()
        except DBAPIError:
            return

    async def conclude(self) -> bool:
        """Calls' workflows that have their signal close; those whose timer is over ask the carrier."""
        moved = False
        for call in self.its.temporal.calls.values():
            if not call.is_open or not call.placed or not self.call_workflows:
                continue
            if call.signalled is not None:
                call.result, moved = call.signalled, True
            elif call.looks_at is not None and call.looks_at <= self.its.clock.now():
                await self._reconcile(call)
                moved = True
        return moved

    async def _reconcile(self, call: CallRun) -> None:
        policy = RECONCILE_CALL["retry_policy"]
        try:
            call.result = await self.attempt(lambda process: process.dial.reconcile_call, _ref(call))
        except Killed:
            call.looks_at = self.its.clock.now() + RECONCILE_CALL["start_to_close_timeout"]
        except ActivityFailed:
            call.tries += 1
            wait = policy.initial_interval * policy.backoff_coefficient**call.tries
            call.looks_at = self.its.clock.now() + min(wait, policy.maximum_interval or wait)

    async def sweep(self) -> None:
        self.swept_at = self.its.clock.now()
        before = len(self.doors.passed)
        await self.activity(SWEEP, lambda process: process.sweep.sweep, SweepRequest(high_water=0))
        self.sweeping += self.doors.passed[before:]

    def _jump(self) -> None:
        """To the next moment at which something happens."""
        now = self.its.clock.now()
        moments = [self.swept_at + SWEEP_EVERY]
        run_ = self.its.temporal.campaigns.get(self.world.campaign_id)
        if run_ is not None and not run_.finished and run_.idle_until is not None:
            moments.append(run_.idle_until)
        calls = self.its.temporal.calls.values()
        if self.call_workflows:
            moments += [call.looks_at for call in calls if call.is_open and call.looks_at is not None]
        self.its.clock.let_pass(max((min(moments) - now).total_seconds(), 0) + 0.001)

    # -- what can be seen ----------------------------------------------------------------------------------------------

    async def is_over(self) -> bool:
        """The campaign is completed or stopped with nobody left, and no workflow waits."""
        found = await self.world.read(
            """SELECT status IN ('completed', 'stopped') AND NOT EXISTS (SELECT 1 FROM prospects p
                   WHERE p.campaign_id = c.id AND p.state IN ('ready', 'in_call')) AS over
               FROM campaigns c WHERE id = :c"""
        )
        waiting = any(call.is_open for call in self.its.temporal.calls.values()) and self.call_workflows
        return found[0].over and not waiting

    async def situation(self) -> str:
        """For the message of a test that fails."""
        calls = await self.world.read(
            """SELECT id, attempt, state, disposition, deferred_reason, deadline_at, carrier_call_id
               FROM calls WHERE campaign_id = :c"""
        )
        people = await self.world.read("SELECT id, state, next_due_at, attempts FROM prospects WHERE campaign_id = :c")
        campaign = await self.world.read("SELECT status, paused_reason, idle_until FROM campaigns WHERE id = :c")
        runs = [*self.its.temporal.campaigns.values(), *self.its.temporal.calls.values()]
        return "\n    ".join(map(str, (self.its.clock.now(), *campaign, *people, *calls, *runs)))

    async def sight(self) -> tuple[str, str]:
        """What there is, without ids and times, in full and in outline: moments that look alike go on alike.

        Calls that are over, with nothing more to come, are no part of it.
        """
        people = await self.world.read("SELECT state FROM prospects WHERE campaign_id = :c ORDER BY id")
        campaign = (await self.world.read("SELECT status, idle_until IS NULL AS awake FROM campaigns WHERE id = :c"))[0]
        calls = await self.world.read(
            """SELECT state, cancel_reason, carrier_call_id IS NOT NULL AS known, hang_up_at IS NOT NULL AS to_hang_up,
                hang_up_sent_at IS NOT NULL AS hung_up, late_at IS NOT NULL AS late, amd_due_at IS NOT NULL AS waits
               FROM calls WHERE campaign_id = :c ORDER BY id"""
        )
        over = ("ended", "deferred")
        live = [tuple(call) for call in calls if call.state not in over or call.waits or call.late]
        strangers = len(self.town.ledger()) - sum(call.known for call in calls)
        runs = [(call.placed, call.signalled is None) for call in self.its.temporal.calls.values() if call.is_open]
        campaigns = [(run_.nudged, run_.finished) for run_ in self.its.temporal.campaigns.values()]
        rest = (len(self.held_back), self.hidden, self.call_workflows)
        whole = repr((sorted(row.state for row in people), campaign, live, strangers, runs, campaigns, rest))
        return whole, repr((sorted({str(call[0]) for call in live}), campaign.status))


def ref_of(workspace_id: UUID, call_id: UUID) -> CallRef:
    return CallRef(workspace_id=str(workspace_id), call_id=str(call_id))


def _ref(call: CallRun) -> CallRef:
    return ref_of(call.workspace_id, call.call_id)


async def _receive(process: Process, callback: Callback) -> Applying | None:
    match callback.path.rpartition("/")[2]:
        case "voice":
            return (await carrier_callbacks.receive_voice(process.services, callback))[1]
        case "amd":
            return await carrier_callbacks.receive_amd(process.services, callback)
        case "recording":
            return await carrier_callbacks.receive_recording(process.services, callback)
        case _:
            return await carrier_callbacks.receive_status(process.services, callback)


async def read_all(world: World, sql: str) -> Sequence[Any]:
    async with world.database.transaction_over_all() as session:
        return await rows(session, sql)
