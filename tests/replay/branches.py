"""Every branch of every workflow, run once with activities that answer as told, so that its history can be recorded."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from temporalio import activity
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.dial import CallRef, PlacedCall
from activities.dispatch import Leg, LegEnd
from activities.imports import ImportProgress, ImportRef
from activities.ports import CallToStart
from activities.sweep import SweepRequest, Swept
from dialer.domain.call_results import CallEnded
from tests.fixtures_temporal import ATTRIBUTES, binary
from tests.workflows.campaigns import ASLEEP, FINISHED, MORE, FakeCampaign
from workflows.call import CallWorkflow
from workflows.campaign import CampaignWorkflow
from workflows.options import BUILD, BULK_QUEUE, CONTROL_QUEUE, DIAL_QUEUE
from workflows.prospect_import import ProspectImportWorkflow
from workflows.starts import SWEEP_ID, WorkflowClient, call_workflow_id, campaign_workflow_id, import_workflow_id
from workflows.sweep import SweepWorkflow

#: Stands in every recorded event instead of the name of a machine.
IDENTITY = "recorder"
WORKFLOWS = (CampaignWorkflow, CallWorkflow, ProspectImportWorkflow, SweepWorkflow)

Runs = Sequence[WorkflowHandle[Any, Any]]
Branch = Callable[[WorkflowEnvironment], Awaitable[Runs]]


@asynccontextmanager
async def recording_server() -> AsyncIterator[WorkflowEnvironment]:
    """A development server that suggests to continue as new after some legs."""
    extra = ["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=30"]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary("temporal"),
        search_attributes=list(ATTRIBUTES),
        dev_server_log_level="error",
        dev_server_extra_args=extra,
        identity=IDENTITY,
    ) as environment:
        yield environment


@asynccontextmanager
async def serving(client: Client, queue: str, activities: Sequence[Callable[..., Any]]) -> AsyncIterator[None]:
    """Workers for workflows and for the activities on their queue."""
    names = {"identity": IDENTITY, "build_id": BUILD}
    if queue == CONTROL_QUEUE:
        async with Worker(client, task_queue=queue, workflows=WORKFLOWS, activities=activities, **names):
            yield
        return
    async with (
        Worker(client, task_queue=CONTROL_QUEUE, workflows=WORKFLOWS, **names),
        Worker(client, task_queue=queue, activities=activities, disable_eager_activity_execution=True, **names),
    ):
        yield


# -- one call ------------------------------------------------------------------------------------------------------

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
    """Places and reconciles as told; ``hold`` keeps ``place_call`` waiting."""

    def __init__(self, placed: PlacedCall | None, looks: Sequence[CallEnded | None] = ()) -> None:
        self.placed = placed
        self.looks = list(looks)
        self.began = asyncio.Event()
        self.hold: asyncio.Event | None = None

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
    fake = FakeCall(RINGS)
    fake.hold = asyncio.Event()
    hold = fake.hold

    async def report(handle: WorkflowHandle[Any, Any], call_id: UUID) -> None:
        await fake.began.wait()
        await WorkflowClient(environment.client).call_ended(call_id, ENDED)
        hold.set()

    return await run_call(environment, fake, report)


async def call_report_lost(environment: WorkflowEnvironment) -> Runs:
    return await run_call(environment, FakeCall(PlacedCall(wait_s=0.2), [ENDED]))


async def call_report_unreadable(environment: WorkflowEnvironment) -> Runs:
    async def mumble(handle: WorkflowHandle[Any, Any], call_id: UUID) -> None:
        await until_event(handle, "timer_started_event_attributes")
        await handle.signal("call_ended", args=["junk"])

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


# -- one campaign --------------------------------------------------------------------------------------------------


async def run_campaign(
    environment: WorkflowEnvironment,
    fake: FakeCampaign,
    meanwhile: Callable[[WorkflowHandle[Any, Any]], Awaitable[None]] | None = None,
) -> Runs:
    """The campaign's runs, oldest first."""
    campaign_id = uuid4()
    activities = [fake.dispatch, fake.read_control_version, fake.control_campaign]
    async with serving(environment.client, CONTROL_QUEUE, activities):
        await WorkflowClient(environment.client).start_campaign(uuid4(), campaign_id, "Spring sale")
        handle = environment.client.get_workflow_handle(campaign_workflow_id(campaign_id))
        if meanwhile is not None:
            await meanwhile(handle)
        await over(handle)
        return await runs_of(environment.client, handle)


async def campaign_finished(environment: WorkflowEnvironment) -> Runs:
    return await run_campaign(environment, FakeCampaign(MORE, MORE, FINISHED))


async def campaign_idle_until_a_time(environment: WorkflowEnvironment) -> Runs:
    idle = Leg(end=LegEnd.IDLE, idle_s=0.2, waiting_for="the next redial", idle_until=ASLEEP.idle_until, claimed=0)
    return await run_campaign(environment, FakeCampaign(idle, FINISHED))


async def campaign_idle_without_a_time(environment: WorkflowEnvironment) -> Runs:
    idle = Leg(end=LegEnd.IDLE, idle_s=0.2, waiting_for="paused (user)", idle_until=None, claimed=0)
    return await run_campaign(environment, FakeCampaign(idle, FINISHED))


async def campaign_nudged(environment: WorkflowEnvironment) -> Runs:
    async def nudge(handle: WorkflowHandle[Any, Any]) -> None:
        await until_event(handle, "timer_started_event_attributes")
        await handle.signal("nudge")

    return await run_campaign(environment, FakeCampaign(ASLEEP, FINISHED), nudge)


async def campaign_nudged_during_its_last_leg(environment: WorkflowEnvironment) -> Runs:
    nudged = asyncio.Event()

    async def finish_after_the_nudge() -> Leg:
        await nudged.wait()
        return FINISHED

    fake = FakeCampaign(finish_after_the_nudge, FINISHED)

    async def nudge(handle: WorkflowHandle[Any, Any]) -> None:
        await fake.until_legs(1)
        await handle.signal("nudge")
        nudged.set()

    return await run_campaign(environment, fake, nudge)


async def campaign_controlled_while_idle(environment: WorkflowEnvironment) -> Runs:
    fake = FakeCampaign(ASLEEP)

    async def control(handle: WorkflowHandle[Any, Any]) -> None:
        for times, (action, args) in enumerate(CONTROLS, start=1):
            await handle.signal(action, args=args)
            await fake.until(lambda times=times: len(fake.requests) == times)
        fake.legs = [FINISHED]
        await handle.signal("nudge")

    return await run_campaign(environment, fake, control)


CONTROLS: list[tuple[str, list[object]]] = [("pause", [{"hang_up": True}]), ("resume", []), ("stop", ["junk"])]


async def campaign_controlled_during_a_leg(environment: WorkflowEnvironment) -> Runs:
    fake = FakeCampaign(FINISHED)

    async def until_paused() -> Leg:
        await fake.until(lambda: bool(fake.requests))
        return MORE

    fake.legs = [until_paused, FINISHED]

    async def pause(handle: WorkflowHandle[Any, Any]) -> None:
        await fake.until_legs(1)
        await handle.signal("pause")

    return await run_campaign(environment, fake, pause)


async def campaign_continued_as_new(environment: WorkflowEnvironment) -> Runs:
    return await run_campaign(environment, FakeCampaign(*[MORE] * 9, FINISHED))


async def campaign_cancelled(environment: WorkflowEnvironment) -> Runs:
    async def cancel(handle: WorkflowHandle[Any, Any]) -> None:
        await until_event(handle, "timer_started_event_attributes")
        await handle.cancel()

    return await run_campaign(environment, FakeCampaign(ASLEEP), cancel)


# -- one import ----------------------------------------------------------------------------------------------------


class FakeImport:
    """A file of thirty rows, ten to a leg; ``refused`` cannot be read, ``endless`` never comes to its end."""

    def __init__(self, *, refused: bool = False, endless: bool = False, status: str = "running") -> None:
        self.refused = refused
        self.endless = endless
        self.progress = ImportProgress(status=status, rows_total=30)
        self.writing = asyncio.Event()

    @activity.defn
    async def scan_file(self, ref: ImportRef) -> ImportProgress:
        if self.refused:
            raise ApplicationError("The file is empty", type="empty_file", non_retryable=True)
        return self.progress

    @activity.defn
    async def write_rows(self, ref: ImportRef) -> ImportProgress:
        self.writing.set()
        while self.endless:
            activity.heartbeat()
            await asyncio.sleep(0.05)
        read = self.progress.rows_read + 10
        self.progress = ImportProgress(rows_total=30, rows_read=read, created=read, at_end=read == 30)
        return self.progress

    @activity.defn
    async def finish_import(self, ref: ImportRef) -> ImportProgress:
        return ImportProgress(status="completed", rows_total=30, rows_read=30, created=30, at_end=True)

    @activity.defn
    async def cancel_import(self, ref: ImportRef) -> ImportProgress:
        return ImportProgress(status="cancelled", rows_total=30, rows_read=self.progress.rows_read)


async def run_import(environment: WorkflowEnvironment, fake: FakeImport, *, cancel: bool = False) -> Runs:
    import_id = uuid4()
    door = WorkflowClient(environment.client)
    activities = [fake.scan_file, fake.write_rows, fake.finish_import, fake.cancel_import]
    async with serving(environment.client, BULK_QUEUE, activities):
        await door.start_import(uuid4(), import_id, uuid4())
        handle = environment.client.get_workflow_handle(import_workflow_id(import_id))
        if cancel:
            await fake.writing.wait()
            await door.cancel_import(import_id)
        await over(handle)
    return [handle]


async def import_completed(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, FakeImport())


async def import_over_already(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, FakeImport(status="completed"))


async def import_refused(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, FakeImport(refused=True))


async def import_cancelled(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, FakeImport(endless=True), cancel=True)


# -- sweeps --------------------------------------------------------------------------------------------------------


class FakeSweep:
    """Finds a mark that is ten higher each time."""

    @activity.defn
    async def sweep(self, request: SweepRequest) -> Swept:
        return Swept(high_water=request.high_water + 10)


async def sweep_by_hand(environment: WorkflowEnvironment) -> Runs:
    async with serving(environment.client, CONTROL_QUEUE, [FakeSweep().sweep]):
        handle = await environment.client.start_workflow(SweepWorkflow.run, id=SWEEP_ID, task_queue=CONTROL_QUEUE)
        await over(handle)
    return [handle]


async def sweep_after_another(environment: WorkflowEnvironment) -> Runs:
    """The second run of the Schedule, which is told the result of the first."""
    schedule = environment.client.get_schedule_handle(SWEEP_ID)
    async with serving(environment.client, CONTROL_QUEUE, [FakeSweep().sweep]):
        await WorkflowClient(environment.client).ensure_sweep(timedelta(hours=1))
        for times in (1, 2):
            await until_ran(environment, times)
            if times == 1:
                await schedule.trigger()
        last = (await schedule.describe()).info.recent_actions[-1].action
        handle = environment.client.get_workflow_handle(last.workflow_id)  # type: ignore[union-attr]
        await over(handle)
    return [handle]


# -- what they share -----------------------------------------------------------------------------------------------


async def over(handle: WorkflowHandle[Any, Any]) -> None:
    """Until the workflow is over, however it ends."""
    async with asyncio.timeout(30):
        try:
            await handle.result()
        except WorkflowFailureError:
            return


async def until_event(handle: WorkflowHandle[Any, Any], attributes: str) -> None:
    for _ in range(1000):
        if any(event.HasField(attributes) for event in (await handle.fetch_history()).events):  # type: ignore[arg-type]
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(f"there is no event with {attributes}")


async def until_ran(environment: WorkflowEnvironment, times: int) -> None:
    schedule = environment.client.get_schedule_handle(SWEEP_ID)
    for _ in range(1000):
        info = (await schedule.describe()).info
        if len(info.recent_actions) >= times and not info.running_actions:
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(f"the schedule has not run {times} times")


async def runs_of(client: Client, handle: WorkflowHandle[Any, Any]) -> Runs:
    """A handle for every run of a chain that was continued as new, oldest first."""
    last = await handle.describe()
    runs = [client.get_workflow_handle(handle.id, run_id=last.run_id)]
    while True:
        started = (await runs[0].fetch_history()).events[0].workflow_execution_started_event_attributes
        if not started.continued_execution_run_id:
            return runs
        runs.insert(0, client.get_workflow_handle(handle.id, run_id=started.continued_execution_run_id))


BRANCHES: Mapping[str, Branch] = {
    branch.__name__: branch
    for branch in (
        *(call_reported, call_over_at_once, call_reported_while_placing, call_report_lost, call_report_unreadable),
        *(call_answer_lost, call_answer_unknown, call_cancelled_while_waiting, call_cancelled_while_placing),
        *(campaign_finished, campaign_idle_until_a_time, campaign_idle_without_a_time, campaign_nudged),
        *(campaign_nudged_during_its_last_leg, campaign_controlled_while_idle, campaign_controlled_during_a_leg),
        *(campaign_continued_as_new, campaign_cancelled),
        *(import_completed, import_over_already, import_refused, import_cancelled),
        *(sweep_by_hand, sweep_after_another),
    )
}
