"""What may happen, in any order: hypothesis chooses, and every choice ends with everybody stopped somewhere.

``how far`` an actor runs is part of each choice: to its end, to its first commit, or a few statements. What it holds
then is held while others run, until it is let go on, loses its connection, or dies.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy.exc import DBAPIError, IntegrityError
from temporalio.exceptions import ApplicationError

from api.operations.errors import Conflict, NotFound
from dialer.carriers.base import CarrierError
from dialer.domain.carrier_events import CarrierStatus
from dialer.store.callbacks import CallNotFound
from dialer.store.control import LostRace, StateConflict
from dialer.store.database import violated
from dialer.store.prospect_edits import InCall
from dialer.store.prospect_writes import CampaignClosed
from tests.model.carriers import Answer, Line
from tests.model.promises import OVER, Row
from tests.model.stages import THROUGH, TO_COMMIT, Actor, Stage, Violation
from tests.model.worlds import PHONES, ModelWorld, make_model_world, settings

T = TypeVar("T")
AT_ONCE = 4
#: What the product says no with, and what a lost race is answered with.
EXPECTED = (
    StateConflict,
    LostRace,
    CampaignClosed,
    InCall,
    CallNotFound,
    Conflict,
    NotFound,
    LookupError,
    CarrierError,
)
TAKEN = ("uq_prospects_campaign_id_phone",)

which = st.integers(0, 5)
of_two = st.integers(0, 1)
how_far = st.sampled_from([THROUGH, TO_COMMIT, THROUGH, TO_COMMIT, 3, 5, 7, 9])
#: Uneven, so that no two deadlines ever meet at the same microsecond.
PASSING = [0.317, 1.713, 6.129, 13.331, 31.747, 61.913, 127.391, 611.173, 3607.779]
MOVES = {
    CarrierStatus.QUEUED: [CarrierStatus.RINGING, CarrierStatus.INITIATED, CarrierStatus.FAILED],
    CarrierStatus.INITIATED: [CarrierStatus.RINGING, CarrierStatus.BUSY, CarrierStatus.FAILED],
    CarrierStatus.RINGING: [CarrierStatus.IN_PROGRESS, CarrierStatus.NO_ANSWER, CarrierStatus.BUSY],
    CarrierStatus.IN_PROGRESS: [CarrierStatus.COMPLETED],
}


class ProtocolMachine(RuleBasedStateMachine):
    """The protocol of claim, gate and end. A subclass names the ``stage`` and the ``runner`` of its event loop."""

    stage: Stage
    runner: asyncio.Runner
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.world: ModelWorld
        self.hurt: set[Actor] = set()
        self.placed: set[UUID] = set()
        self.broken = False

    # -- the frame -------------------------------------------------------------------------------------------------

    @initialize(
        tight=st.sampled_from(["campaign", "workspace", "account", "number"]),
        size=st.integers(1, 2),
        asynchronously=st.booleans(),
    )
    def begin(self, tight: str, size: int, asynchronously: bool) -> None:
        self.world = self.run(make_model_world(self.stage, tight, size, asynchronously=asynchronously))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        type(self).steps += 1
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
        if isinstance(error, IntegrityError):
            return actor.name.startswith("change") and violated(error) in TAKEN
        if isinstance(error, DBAPIError):
            return actor in self.hurt
        if isinstance(error, ApplicationError):
            return error.type == "Undecided"
        return isinstance(error, EXPECTED)

    @property
    def open(self) -> list[Actor]:
        return self.stage.actors

    def room(self) -> bool:
        return len(self.open) < AT_ONCE

    def campaign(self, number: int) -> UUID:
        return self.world.campaigns[number]

    def calls(self, *states: str) -> list[Row]:
        now = self.world.promises.last
        return [] if now is None else [call for call in now.calls.values() if call["state"] in states]

    def unplaced(self) -> list[UUID]:
        return [call.call_id for call in self.world.workflows.calls if call.call_id not in self.placed]

    def open_lines(self) -> list[Line]:
        return [line for line in self.world.carrier.lines if not line.over]

    # -- actors that move calls ------------------------------------------------------------------------------------

    @precondition(room)
    @rule(number=of_two, far=how_far)
    def a_leg_looks_for_people(self, number: int, far: int) -> None:
        self.act(f"leg {number}", lambda: self.world.dispatch(self.campaign(number)), far)

    @precondition(lambda self: self.room() and self.unplaced())
    @rule(pick=which, answer=st.sampled_from([Answer.ACCEPTS, *Answer]), far=how_far)
    def a_call_is_placed(self, pick: int, answer: Answer, far: int) -> None:
        call_id = _pick(self.unplaced(), pick)
        self.placed.add(call_id)
        self.world.carrier.answers[call_id] = answer
        self.act(f"place {answer}", lambda: self.world.place(call_id), far)

    @precondition(lambda self: self.room() and self.world.carrier.reports)
    @rule(pick=which, again=st.booleans(), far=how_far)
    def a_report_arrives(self, pick: int, again: bool, far: int) -> None:
        reports = self.world.carrier.reports
        event = _pick(reports, pick)
        if not again:
            reports.remove(event)
        self.act(f"report {event.kind} {event.status}", lambda: self.world.deliver(event), far)

    @precondition(lambda self: self.room() and self.known_lines())
    @rule(pick=which, far=how_far)
    def a_report_with_another_id_arrives(self, pick: int, far: int) -> None:
        event = self.world.carrier.stranger(_pick(self.known_lines(), pick))
        self.act("stranger", lambda: self.world.deliver(event), far)

    def known_lines(self) -> list[Line]:
        known = {call["carrier_call_id"] for call in self.calls("accepted", "ringing", "in_progress", "ended")}
        return [line for line in self.world.carrier.lines if line.carrier_call_id in known]

    @precondition(lambda self: self.room() and self.started_calls())
    @rule(pick=which, far=how_far)
    def a_workflow_looks_what_became_of_its_call(self, pick: int, far: int) -> None:
        call_id = _pick(self.started_calls(), pick)
        self.act("reconcile", lambda: self.world.reconcile(call_id), far)

    def started_calls(self) -> list[UUID]:
        return [UUID(c["id"]) for c in self.calls("dialing", "unknown", "accepted", "ringing", "in_progress")]

    @precondition(room)
    @rule()
    def everything_is_swept(self) -> None:
        before, at, alone = self.world.promises.last, self.stage.now, not self.open
        self.act("sweep", self.world.sweep, THROUGH)
        after = self.world.promises.last
        if alone and not self.open and self.world.carrier.reachable:
            assert before is not None
            assert after is not None
            self.world.promises.swept(before, after, at)

    # -- people ----------------------------------------------------------------------------------------------------

    @precondition(room)
    @rule(number=of_two, hang_up=st.booleans(), far=how_far)
    def somebody_pauses(self, number: int, hang_up: bool, far: int) -> None:
        self.act(f"pause {number}", lambda: self.world.pause(self.campaign(number), hang_up=hang_up), far)

    @precondition(lambda self: self.room() and self.paused())
    @rule(pick=which, far=how_far)
    def somebody_resumes(self, pick: int, far: int) -> None:
        campaign_id = _pick(self.paused(), pick)
        self.act("resume", lambda: self.world.resume(campaign_id), far)

    def paused(self) -> list[UUID]:
        return self._with_status("paused")

    def completed(self) -> list[UUID]:
        return self._with_status("completed")

    def _with_status(self, status: str) -> list[UUID]:
        now = self.world.promises.last
        return [] if now is None else [UUID(c["id"]) for c in now.campaigns.values() if c["status"] == status]

    @precondition(lambda self: self.room() and self.completed())
    @rule(pick=which, far=how_far)
    def somebody_launches_again(self, pick: int, far: int) -> None:
        campaign_id = _pick(self.completed(), pick)
        self.act("launch", lambda: self.world.launch(campaign_id), far)

    @precondition(lambda self: self.room() and self.steps_of_example > 15)
    @rule(hang_up=st.booleans(), far=how_far)
    def somebody_stops_the_second_campaign(self, hang_up: bool, far: int) -> None:
        self.act("stop", lambda: self.world.stop(self.campaign(1), hang_up=hang_up), far)

    @property
    def steps_of_example(self) -> int:
        return self.world.promises.looks

    @precondition(room)
    @rule(
        number=of_two,
        concurrent=st.integers(1, 2),
        attempts=st.integers(1, 3),
        closes=st.sampled_from(["24:00", "20:00"]),
        far=how_far,
    )
    def somebody_edits(self, number: int, concurrent: int, attempts: int, closes: str, far: int) -> None:
        changed = settings(concurrent=concurrent, attempts=attempts, closes=closes)
        self.act(f"edit {number}", lambda: self.world.edit(self.campaign(number), changed), far)

    @precondition(room)
    @rule(phone=st.sampled_from(PHONES), number=st.sampled_from([None, 0, 1]), far=how_far)
    def somebody_opts_out(self, phone: str, number: int | None, far: int) -> None:
        campaign_id = None if number is None else self.campaign(number)
        self.act(f"suppress {phone[-2:]}", lambda: self.world.suppress(phone, campaign_id), far)

    @precondition(lambda self: self.room() and self.world.promises.last.suppressions)
    @rule(pick=which, far=how_far)
    def an_entry_is_lifted(self, pick: int, far: int) -> None:
        now = self.world.promises.last
        assert now is not None
        entry = UUID(_pick(list(now.suppressions), pick))
        self.act("lift", lambda: self.world.lift(entry), far)

    @precondition(room)
    @rule(number=of_two, phone=st.sampled_from(PHONES), far=how_far)
    def somebody_is_added(self, number: int, phone: str, far: int) -> None:
        self.act(f"add {phone[-2:]}", lambda: self.world.add(self.campaign(number), [phone]), far)

    @precondition(room)
    @rule(pick=which, phone=st.sampled_from(PHONES), far=how_far)
    def somebody_has_another_phone(self, pick: int, phone: str, far: int) -> None:
        person = self._person(pick)
        work = lambda: self.world.change_phone(UUID(person["id"]), UUID(person["campaign_id"]), phone)  # noqa: E731
        self.act(f"change {person['phone'][-2:]} to {phone[-2:]}", work, far)

    @precondition(lambda self: self.room() and self.world.promises.last.prospects)
    @rule(pick=which, far=how_far)
    def somebody_is_deleted(self, pick: int, far: int) -> None:
        person = self._person(pick)
        self.act(f"delete {person['phone'][-2:]}", lambda: self.world.delete(UUID(person["id"])), far)

    def _person(self, pick: int) -> Row:
        now = self.world.promises.last
        assert now is not None
        return _pick(list(now.prospects.values()), pick)

    # -- the carrier, time and accidents ---------------------------------------------------------------------------

    @precondition(lambda self: self.open_lines())
    @rule(pick=which, move=which)
    def a_line_moves(self, pick: int, move: int) -> None:
        line = _pick(self.open_lines(), pick)
        self.world.carrier.move(line, _pick(MOVES[line.status], move))

    @precondition(lambda self: self.world.carrier.reports)
    @rule(pick=which)
    def a_report_is_lost(self, pick: int) -> None:
        self.world.carrier.reports.remove(_pick(self.world.carrier.reports, pick))

    @precondition(lambda self: self.world.carrier.later)
    @rule()
    def a_request_that_was_cut_off_is_acted_upon(self) -> None:
        self.world.carrier.create_late()

    @rule(reachable=st.booleans())
    def the_carrier_can_be_asked_or_not(self, reachable: bool) -> None:
        self.world.carrier.reachable = reachable

    @rule(seconds=st.sampled_from(PASSING))
    def time_passes(self, seconds: float) -> None:
        self.stage.offset += seconds
        self.world.carrier.pass_time()

    @precondition(lambda self: self.open)
    @rule(pick=which, far=how_far)
    def an_actor_goes_on(self, pick: int, far: int) -> None:
        self.run(self.stage.go(_pick(self.open, pick), far))

    @precondition(lambda self: self.open)
    @rule(pick=which)
    def an_actor_dies(self, pick: int) -> None:
        actor = _pick(self.open, pick)
        self.hurt.add(actor)
        self.run(self.stage.kill(actor))

    @precondition(lambda self: self.open)
    @rule(pick=which)
    def an_actor_loses_its_connection(self, pick: int) -> None:
        actor = _pick(self.open, pick)
        self.hurt.add(actor)
        self.run(self._cut(actor))

    @precondition(lambda self: self.open)
    @rule(pick=which)
    def an_actor_does_not_hear_that_it_committed(self, pick: int) -> None:
        actor = _pick(self.open, pick)
        actor.loses_commit = True
        self.hurt.add(actor)

    async def _cut(self, actor: Actor) -> None:
        await self.stage.cut(actor)
        await self.stage.go(actor, THROUGH)

    # -- the end ---------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            if not self.broken and hasattr(self, "world"):
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
        for campaign_id in self.paused():
            await world.resume(campaign_id)
        await world.lift_limits()
        for _ in range(40):
            if stage.violation is not None:
                return
            await self._everything_happens()
            now = promises.last
            assert now is not None
            if all(c["status"] in ("completed", "stopped") for c in now.campaigns.values()) and not now.live:
                break
            await self._advance(61.913)
        await world.sweep()
        now = await promises.read()
        promises.ended_well(now)

    async def _advance(self, seconds: float) -> None:
        self.stage.offset += seconds
        self.world.carrier.pass_time()

    async def _everything_happens(self) -> None:
        world = self.world
        if any(call["state"] not in OVER for call in world.promises.last.calls.values()):
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


def _pick(choices: list[T], number: int) -> T:
    return choices[number % len(choices)]
