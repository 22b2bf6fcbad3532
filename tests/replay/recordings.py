"""What the branches share: a server to run them on, workers for their activities, and waiting for their histories."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from tests.fixtures_temporal import ATTRIBUTES, binary
from tests.workers import at_work
from workflows.batch import BatchWorkflow
from workflows.call import CallWorkflow
from workflows.campaign import CampaignWorkflow
from workflows.options import BUILD, CONTROL_QUEUE
from workflows.prospect_import import ProspectImportWorkflow
from workflows.scheduled_run import ScheduledRunWorkflow
from workflows.starts import SWEEP_ID
from workflows.sweep import SweepWorkflow

#: Stands in every recorded event instead of the name of a machine.
IDENTITY = "recorder"
WORKFLOWS = (CampaignWorkflow, CallWorkflow, ProspectImportWorkflow, BatchWorkflow, ScheduledRunWorkflow, SweepWorkflow)

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
        workers = [Worker(client, task_queue=queue, workflows=WORKFLOWS, activities=activities, **names)]
    else:
        workers = [
            Worker(client, task_queue=CONTROL_QUEUE, workflows=WORKFLOWS, **names),
            Worker(client, task_queue=queue, activities=activities, disable_eager_activity_execution=True, **names),
        ]
    async with at_work(*workers):
        yield


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


async def until_pending(handle: WorkflowHandle[Any, Any], activity_type: str, *, events: int = 0) -> None:
    """Until only this activity is under way, in a history of at least so many events."""
    for _ in range(1000):
        described = await handle.describe()
        pending = [each.activity_type.name for each in described.raw_description.pending_activities]
        if pending == [activity_type] and described.history_length >= events:
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(f"{activity_type} is not the only activity")
