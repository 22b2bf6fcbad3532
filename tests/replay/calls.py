"""Every way that a call's workflow can go."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.dial import CallRef, PlacedCall
from activities.ports import CallToStart
from dialer.domain.call_results import CallEnded
from tests.replay.recordings import Branch, Runs, over, serving, until_event
from workflows.options import DIAL_QUEUE
from workflows.starts import WorkflowClient, call_workflow_id

DEFERRED = CallEnded(state="deferred", why="pace")
ENDED = CallEnded(
    state="ended",
    disposition="busy",
    attempt="1 of 4",
    caller_number=1,
    dialed_at="2026-11-21T20:15:00Z",
    ended_at="2026-11-21T20:15:04Z",
    prospect_state="ready",
    next_due_at="2026-11-21T20:30:04Z",
    why="busy: redial 1 of 3",
)
RINGS = PlacedCall(wait_s=400)


class FakeCall:
    """Places and reconciles as told; ``hold`` keeps ``place_call`` waiting, ``hold_look`` keeps ``reconcile_call``."""

    def __init__(self, placed: PlacedCall | None, looks: Sequence[CallEnded | None] = ()) -> None:
        self.placed = placed
        self.looks = list(looks)
        self.began = asyncio.Event()
        self.looking = asyncio.Event()
        self.hold: asyncio.Event | None = None
        self.hold_look: asyncio.Event | None = None

    @activity.defn
    async def place_call(self, call: CallRef) -> PlacedCall:
        self.began.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.placed is None:
            raise ApplicationError("the worker lost the answer")
        return self.placed

    @activity.defn
    async def reconcile_call(self, call: CallRef) -> CallEnded:
        self.looking.set()
        if self.hold_look is not None:
            await self.hold_look.wait()
        ended = self.looks.pop(0)
        if ended is None:
            raise ApplicationError("the call is not decided yet", type="Undecided", next_retry_delay=timedelta(0))
        return ended


async def run_call(
    environment: WorkflowEnvironment,
    fake: FakeCall,
    meanwhile: Callable[[WorkflowHandle[Any, Any], UUID], Awaitable[None]] | None = None,
) -> Runs:
    call_id = uuid4()
    door = WorkflowClient(environment.client, public_url="https://dialer.example.com")
    async with serving(environment.client, DIAL_QUEUE, [fake.place_call, fake.reconcile_call]):
        call = CallToStart(
            workspace_id=uuid4(),
            call_id=call_id,
            campaign_id=uuid4(),
            prospect_id=uuid4(),
            attempt=1,
            summary="Spring sale · attempt 1 of 4",
        )
        await door.start_calls([call])
        handle = environment.client.get_workflow_handle(call_workflow_id(call_id))
        if meanwhile is not None:
            await meanwhile(handle, call_id)
        await over(handle)
    return [handle]


async def call_reported(environment: WorkflowEnvironment) -> Runs:
    async def report(handle: WorkflowHandle[Any, Any], call_id: UUID) -> None:
        await until_event(handle, "timer_started_event_attributes")
        await WorkflowClient(environment.client).call_ended(call_id, ENDED)

    return await run_call(environment, FakeCall(RINGS), report)


async def call_over_at_once(environment: WorkflowEnvironment) -> Runs:
    return await run_call(environment, FakeCall(PlacedCall(wait_s=5, ended=DEFERRED)))


async def call_reported_while_placing(environment: WorkflowEnvironment) -> Runs:
    return await told_while_placing(environment, FakeCall(RINGS), ("call_ended", [ENDED.packed()]))


async def call_reported_twice_while_placing(environment: WorkflowEnvironment) -> Runs:
    first, second = ENDED.packed(), replace(ENDED, disposition="no_answer").packed()
    return await told_while_placing(environment, FakeCall(RINGS), ("call_ended", [first]), ("call_ended", [second]))


async def call_reported_and_its_answer_lost(environment: WorkflowEnvironment) -> Runs:
    return await told_while_placing(environment, FakeCall(None), ("call_ended", [ENDED.packed()]))


async def call_report_unreadable_while_placing(environment: WorkflowEnvironment) -> Runs:
    return await told_while_placing(environment, FakeCall(RINGS, [ENDED]), ("call_ended", ["junk"]))


async def told_while_placing(
    environment: WorkflowEnvironment, fake: FakeCall, *signals: tuple[str, list[object]]
) -> Runs:
    fake.hold = asyncio.Event()
    hold = fake.hold

    async def tell(handle: WorkflowHandle[Any, Any], call_id: UUID) -> None:
        await fake.began.wait()
        for name, args in signals:
            await handle.signal(name, args=args)
        hold.set()

    return await run_call(environment, fake, tell)


async def call_report_lost(environment: WorkflowEnvironment) -> Runs:
    return await run_call(environment, FakeCall(PlacedCall(wait_s=0.2), [ENDED]))


async def call_report_unreadable(environment: WorkflowEnvironment) -> Runs:
    return await told_while_waiting(environment, "call_ended", ["junk"])


async def call_report_empty(environment: WorkflowEnvironment) -> Runs:
    return await told_while_waiting(environment, "call_ended", [])


async def call_told_nonsense(environment: WorkflowEnvironment) -> Runs:
    return await told_while_waiting(environment, "nonsense", [b"\xff", 7])


async def told_while_waiting(environment: WorkflowEnvironment, name: str, args: list[object]) -> Runs:
    async def mumble(handle: WorkflowHandle[Any, Any], call_id: UUID) -> None:
        await until_event(handle, "timer_started_event_attributes")
        await handle.signal(name, args=args)

    return await run_call(environment, FakeCall(RINGS, [ENDED]), mumble)


async def call_answer_lost(environment: WorkflowEnvironment) -> Runs:
    return await run_call(environment, FakeCall(None, [None, ENDED]))


async def call_answer_unknown(environment: WorkflowEnvironment) -> Runs:
    return await run_call(environment, FakeCall(PlacedCall(wait_s=0.2), [None, None, ENDED]))


async def call_cancelled_while_waiting(environment: WorkflowEnvironment) -> Runs:
    async def cancel(handle: WorkflowHandle[Any, Any], call_id: UUID) -> None:
        await until_event(handle, "timer_started_event_attributes")
        await handle.cancel()

    return await run_call(environment, FakeCall(RINGS), cancel)


async def call_cancelled_while_placing(environment: WorkflowEnvironment) -> Runs:
    fake = FakeCall(RINGS)
    fake.hold = asyncio.Event()
    hold = fake.hold

    async def cancel(handle: WorkflowHandle[Any, Any], call_id: UUID) -> None:
        await fake.began.wait()
        await handle.cancel()
        await over(handle)
        hold.set()

    return await run_call(environment, fake, cancel)


async def call_placing_timed_out(environment: WorkflowEnvironment) -> Runs:
    """The worker died: twenty seconds of silence."""
    fake = FakeCall(RINGS, [ENDED])
    fake.hold = asyncio.Event()
    hold = fake.hold

    async def wait(handle: WorkflowHandle[Any, Any], call_id: UUID) -> None:
        await fake.looking.wait()
        hold.set()

    return await run_call(environment, fake, wait)


async def call_reported_while_looked_up(environment: WorkflowEnvironment) -> Runs:
    async def report(handle: WorkflowHandle[Any, Any], call_id: UUID) -> None:
        await WorkflowClient(environment.client).call_ended(call_id, ENDED)

    return await during_a_look(environment, report)


async def call_cancelled_while_looked_up(environment: WorkflowEnvironment) -> Runs:
    async def cancel(handle: WorkflowHandle[Any, Any], call_id: UUID) -> None:
        await handle.cancel()
        await over(handle)

    return await during_a_look(environment, cancel)


async def during_a_look(
    environment: WorkflowEnvironment, meanwhile: Callable[[WorkflowHandle[Any, Any], UUID], Awaitable[None]]
) -> Runs:
    fake = FakeCall(PlacedCall(wait_s=0), [ENDED])
    fake.hold_look = asyncio.Event()
    hold = fake.hold_look

    async def look(handle: WorkflowHandle[Any, Any], call_id: UUID) -> None:
        await fake.looking.wait()
        await meanwhile(handle, call_id)
        hold.set()

    return await run_call(environment, fake, look)


CALLS: tuple[Branch, ...] = (
    *(call_reported, call_over_at_once, call_reported_while_placing, call_report_lost, call_report_unreadable),
    *(call_answer_lost, call_answer_unknown, call_cancelled_while_waiting, call_cancelled_while_placing),
    *(call_reported_twice_while_placing, call_reported_and_its_answer_lost, call_report_unreadable_while_placing),
    *(call_report_empty, call_told_nonsense, call_placing_timed_out),
    *(call_reported_while_looked_up, call_cancelled_while_looked_up),
)
