"""What may happen, in any order: hypothesis throws the dice, and every throw ends with everybody stopped somewhere.

How far an actor runs is part of each throw: to its end, to its first or second commit, or a few statements. What it
holds then is held while others run, until it is let go on, loses its connection, or dies.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from sqlalchemy.exc import DBAPIError, IntegrityError
from temporalio.exceptions import ApplicationError

from api.operations.errors import Conflict, NotFound
from dialer.carriers.base import CarrierError
from dialer.domain.carrier_events import CarrierEvent, CarrierStatus
from dialer.store.callbacks import CallNotFound
from dialer.store.control import LostRace, StateConflict
from dialer.store.prospect_edits import InCall, PhoneTaken
from dialer.store.prospect_writes import CampaignClosed
from tests.model.carriers import Answer, Line
from tests.model.chances import ANSWERS, FAR, LOST, MOVES, PASSING, WEIGHTS
from tests.model.promises import OVER, Row, Snapshot, moment
from tests.model.stages import THROUGH, Actor, Stage, Violation
from tests.model.worlds import PHONES, ModelWorld, make_model_world, settings

T = TypeVar("T")
AT_ONCE = 4
#: What the product says no with, and what a lost race is answered with.
EXPECTED = (
    StateConflict,
    LostRace,
    CampaignClosed,
    InCall,
    PhoneTaken,
    CallNotFound,
    Conflict,
    NotFound,
    LookupError,
    CarrierError,
)


class ProtocolMachine(RuleBasedStateMachine):
    """The protocol of claim, gate and end. A subclass names the ``stage`` and the ``runner`` of its event loop."""

    stage: Stage
    runner: asyncio.Runner
    heals = True
    weights: Mapping[str, float] = WEIGHTS
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.world: ModelWorld
        self.hurt: set[Actor] = set()
        self.placed: set[UUID] = set()
        self.broken = False
        self.taken = 0

    # -- the frame -------------------------------------------------------------------------------------------------

    @initialize(
        tight=st.sampled_from(["campaign", "workspace", "account", "number"]),
        size=st.integers(1, 2),
        asynchronously=st.booleans(),
    )
    def begin(self, tight: str, size: int, asynchronously: bool) -> None:
        self.world = self.run(make_model_world(self.stage, tight, size, asynchronously=asynchronously))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            found = self.runner.run(work)
            self._judge()
        except Violation:
            self.broken = True
            raise
        return found

    def act(self, name: str, work: Callable[[], Awaitable[Any]], far: int) -> None:
        self.run(self.stage.start(name, work, far))

    def _judge(self) -> None:
        for actor in [actor for actor in self.stage.actors if actor.done]:
            self.stage.actors.remove(actor)
            assert actor.task is not None
            error = None if actor.task.cancelled() else actor.task.exception()
            if error is not None and not self._may_fail(actor, error):
                raise Violation(f"{actor.name} failed: {type(error).__name__}: {error}") from error
        if self.stage.violation is not None:
            raise self.stage.violation

    def _may_fail(self, actor: Actor, error: BaseException) -> bool:
        if isinstance(error, BaseExceptionGroup):
            return all(self._may_fail(actor, each) for each in error.exceptions)
        if isinstance(error, DBAPIError):
            return actor in self.hurt and not isinstance(error, IntegrityError)
        if isinstance(error, ApplicationError):
            return error.type == "Undecided"
        return isinstance(error, EXPECTED)

    @property
    def open(self) -> list[Actor]:
        return self.stage.actors

    def room(self) -> bool:
        return len(self.open) < AT_ONCE

    @property
    def now(self) -> Snapshot:
        assert self.world.promises.last is not None
        return self.world.promises.last

    def campaign(self, number: int) -> UUID:
        return self.world.campaigns[number]

    def with_status(self, status: str) -> list[UUID]:
        return [each for each in self.world.campaigns if self.now.campaigns[str(each)]["status"] == status]

    def calls(self, *states: str) -> list[Row]:
        return [call for call in self.now.calls.values() if call["state"] in states]

    def unplaced(self) -> list[UUID]:
        return [call.call_id for call in self.world.workflows.calls if call.call_id not in self.placed]

    def open_lines(self) -> list[Line]:
        return [line for line in self.world.carrier.lines if not line.over]

    def tell(self, what: str) -> None:
        note(what)

    # -- what may happen -------------------------------------------------------------------------------------------

    @rule(chance=st.integers(0, 2**40))
    def step(self, chance: int) -> None:
        """One thing happens, and every one that can now has its chance."""
        self.taken += 1
        type(self).steps += 1
        dice = Random(chance or self.taken)  # noqa: S311
        who = {kind: found for kind in self.weights if (found := getattr(self, f"_who_can_{kind}")())}
        (kind,) = dice.choices(list(who), [self.weights[kind] for kind in who])
        chosen, other, far = dice.choice(who[kind]), dice.randrange(LOST + 1), dice.choice(FAR)
        self.tell(f"{self.stage.now:%H:%M:%S} {kind} {_shown(chosen)} ({other}, {far})")
        getattr(self, f"_{kind}")(chosen, other, far)

    # -- actors that move calls ------------------------------------------------------------------------------------

    def _who_can_claim(self) -> Sequence[int]:
        return (0, 1) if self.room() else ()

    def _claim(self, number: int, other: int, far: int) -> None:
        self.act(f"leg {number}", lambda: self.world.dispatch(self.campaign(number)), far)

    def _who_can_place(self) -> Sequence[UUID]:
        return self.unplaced() if self.room() else ()

    def _place(self, call_id: UUID, other: int, far: int) -> None:
        answer = _pick(ANSWERS, 2 * other + (far == THROUGH))
        self.placed.add(call_id)
        self.world.carrier.answers[call_id] = answer
        self.act(f"place, {answer}", lambda: self.world.place(call_id), far)

    def _who_can_report(self) -> Sequence[CarrierEvent]:
        return self.world.carrier.reports if self.room() else ()

    def _report(self, told: CarrierEvent, other: int, far: int) -> None:
        """Once, or again later, or never."""
        if other % 3:
            self.world.carrier.reports.remove(told)
        if other != LOST:
            self.act(f"report {told.kind} {told.status}", lambda: self.world.deliver(told), far)

    def _who_can_mistake(self) -> Sequence[Line]:
        known = {call["carrier_call_id"] for call in self.calls("accepted", "ringing", "in_progress", "ended")}
        return [line for line in self.world.carrier.lines if line.carrier_call_id in known] if self.room() else ()

    def _mistake(self, line: Line, other: int, far: int) -> None:
        told = self.world.carrier.stranger(line)
        self.act("stranger", lambda: self.world.deliver(told), far)

    def _who_can_reconcile(self) -> Sequence[UUID]:
        calls = self.calls("claimed", "dialing", "unknown", "accepted", "ringing", "in_progress")
        return [UUID(call["id"]) for call in calls] if self.room() else ()

    def _reconcile(self, call_id: UUID, other: int, far: int) -> None:
        self.act("reconcile", lambda: self.world.reconcile(call_id), far)

    def _who_can_sweep(self) -> Sequence[int]:
        return (0,) if self.room() else ()

    def _sweep(self, _: int, other: int, far: int) -> None:
        before, at, alone = self.now, self.stage.now, not self.open
        self.act("sweep", self.world.sweep, THROUGH)
        if alone and not self.open and self.world.carrier.reachable:
            self.world.promises.swept(before, self.now, at)

    # -- people ----------------------------------------------------------------------------------------------------

    def _who_can_pause(self) -> Sequence[UUID]:
        return self.with_status("running") if self.room() else ()

    def _pause(self, campaign_id: UUID, other: int, far: int) -> None:
        self.act("pause", lambda: self.world.pause(campaign_id, hang_up=other > 3), far)

    def _who_can_continue(self) -> Sequence[UUID]:
        return [*self.with_status("paused"), *self.with_status("completed")] if self.room() else ()

    def _continue(self, campaign_id: UUID, other: int, far: int) -> None:
        work = self.world.launch if campaign_id in self.with_status("completed") else self.world.resume
        self.act("resume or launch", lambda: work(campaign_id), far)

    def _who_can_stop(self) -> Sequence[UUID]:
        return self.with_status("running")[1:] if self.room() and self.world.promises.looks > 40 else ()

    def _stop(self, campaign_id: UUID, other: int, far: int) -> None:
        self.act("stop", lambda: self.world.stop(campaign_id, hang_up=other > 3), far)

    def _who_can_edit(self) -> Sequence[UUID]:
        return self.world.campaigns if self.room() else ()

    def _edit(self, campaign_id: UUID, other: int, far: int) -> None:
        changed = settings(
            concurrent=1 + other % 2, attempts=1 + other % 3, closes="20:00" if other == LOST else "24:00"
        )
        self.act("edit", lambda: self.world.edit(campaign_id, changed), far)

    def _who_can_opt_out(self) -> Sequence[str]:
        return PHONES if self.room() else ()

    def _opt_out(self, phone: str, other: int, far: int) -> None:
        campaign_id = self.campaign(other % 2) if other > 3 else None
        self.act(f"suppress {phone[-2:]}", lambda: self.world.suppress(phone, campaign_id), far)

    def _who_can_lift(self) -> Sequence[str]:
        return list(self.now.suppressions) if self.room() else ()

    def _lift(self, entry: str, other: int, far: int) -> None:
        self.act("lift", lambda: self.world.lift(UUID(entry)), far)

    def _who_can_change(self) -> Sequence[Row]:
        return list(self.now.prospects.values()) if self.room() else ()

    def _change(self, person: Row, other: int, far: int) -> None:
        """Somebody is added, has another phone, or is deleted."""
        prospect_id, campaign_id, phone = UUID(person["id"]), UUID(person["campaign_id"]), _pick(PHONES, other)
        if far == THROUGH and other == LOST:
            self.act("delete", lambda: self.world.delete(prospect_id), far)
        elif other % 2:
            self.act("change phone", lambda: self.world.change_phone(prospect_id, campaign_id, phone), far)
        else:
            self.act("add", lambda: self.world.add(campaign_id, [phone]), far)

    # -- the carrier, time and accidents ---------------------------------------------------------------------------

    def _who_can_move(self) -> Sequence[Line]:
        return self.open_lines()

    def _move(self, line: Line, other: int, far: int) -> None:
        self.world.carrier.move(line, _pick(MOVES[line.status], other))

    def _who_can_answer(self) -> Sequence[int]:
        return (0,)

    def _answer(self, _: int, other: int, far: int) -> None:
        """The carrier can be asked about its calls, or not."""
        self.world.carrier.reachable = not self.world.carrier.reachable or other > 1

    def _who_can_wait(self) -> Sequence[float]:
        return PASSING

    def _wait(self, seconds: float, other: int, far: int) -> None:
        self.stage.offset += seconds + (PASSING[4] if other == LOST else 0)
        self.world.carrier.pass_time()

    def _who_can_go_on(self) -> Sequence[Actor]:
        return self.open

    def _go_on(self, actor: Actor, other: int, far: int) -> None:
        self.run(self.stage.go(actor, far))

    def _who_can_fail(self) -> Sequence[Actor]:
        return self.open

    def _fail(self, actor: Actor, other: int, far: int) -> None:
        """It dies, loses its connection, or does not hear that it committed."""
        self.hurt.add(actor)
        if other % 3 == 0:
            self.run(self.stage.kill(actor))
        elif other % 3 == 1:
            self.run(self._cut(actor))
        else:
            actor.loses_commit = True

    async def _cut(self, actor: Actor) -> None:
        await self.stage.cut(actor)
        await self.stage.go(actor, THROUGH)

    # -- the end ---------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            if self.heals and not self.broken and hasattr(self, "world"):
                self.run(self._let_everybody_finish())
                self.run(self._heal())
        finally:
            self.runner.run(self._clear())

    async def _clear(self) -> None:
        self.stage.after_commit = None
        for actor in list(self.stage.actors):
            await self.stage.kill(actor)

    async def _let_everybody_finish(self) -> None:
        for actor in self.open:
            actor.grant = THROUGH
        while any(not actor.done for actor in self.open):
            for actor in self.open:
                await self.stage.go(actor, THROUGH)

    async def _heal(self) -> None:
        """Everything works again, and time passes: in the end nobody waits, and no slot is held."""
        world, stage, promises = self.world, self.stage, self.world.promises
        stage.actors.clear()
        world.carrier.reachable = True
        await self._advance(61.913)
        for campaign_id in self.with_status("paused"):
            await world.resume(campaign_id)
        await world.lift_limits()
        for _ in range(20):
            if stage.violation is not None:
                return
            await self._everything_happens()
            now = self.now
            if all(c["status"] in ("completed", "stopped") for c in now.campaigns.values()) and not now.live:
                break
            await self._advance(self._seconds_to_the_next_call())
        await world.sweep()
        now = await promises.read()
        promises.ended_well(now)
        verdict = await world.verdict()
        if verdict.violations:
            raise Violation("; ".join(f"{each.rule}: {each.text}" for each in verdict.violations))

    def _seconds_to_the_next_call(self) -> float:
        due = [moment(person["next_due_at"]) for person in self.now.prospects.values() if person["state"] == "ready"]
        return max(61.913, (min(due, default=self.stage.now) - self.stage.now).total_seconds() + 1)

    async def _advance(self, seconds: float) -> None:
        self.stage.offset += seconds
        self.world.carrier.pass_time()

    async def _everything_happens(self) -> None:
        world = self.world
        if any(call["state"] not in OVER for call in self.now.calls.values()):
            await world.sweep()
        for campaign_id in world.campaigns:
            await world.dispatch(campaign_id)
        for call_id in self.unplaced():
            self.placed.add(call_id)
            world.carrier.answers[call_id] = Answer.ACCEPTS
            await world.place(call_id)
        for line in self.open_lines():
            world.carrier.move(line, CarrierStatus.IN_PROGRESS)
            world.carrier.move(line, CarrierStatus.COMPLETED)
        while world.carrier.reports:
            await world.deliver(world.carrier.reports.pop(0))


def _pick(choices: Sequence[T], number: int) -> T:
    return choices[number % len(choices)]


def _shown(chosen: Any) -> str:
    if isinstance(chosen, Actor):
        return f"{chosen.name}, stopped before its {chosen.where}" if chosen.parked else f"{chosen.name}, which waits"
    if isinstance(chosen, CarrierEvent):
        return f"{chosen.kind} {chosen.status} of {chosen.call_id}"
    if isinstance(chosen, Line):
        return f"{chosen.call_id}, {chosen.status}"
    return str(chosen["id"] if isinstance(chosen, Mapping) else chosen)
