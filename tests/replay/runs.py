"""Every way that a firing of a campaign's Schedule can go."""

import asyncio
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.runs import BegunRun, DueRun
from tests.replay.recordings import Branch, Runs, over, serving
from workflows.options import CONTROL_QUEUE
from workflows.scheduled_run import ScheduledRun, ScheduledRunWorkflow

CAMPAIGN = "01a202d8-bf79-74a5-a464-780f95927963"
ORDER = ScheduledRun(workspace_id="01a202d7-afc8-780d-8862-7f1f1dd8cde4", campaign_id=CAMPAIGN)


class FakeRuns:
    """Begins the run, unless it is told what becomes of it; ``hold`` keeps it busy until ``free``."""

    def __init__(self, *failures: ApplicationError, reason: str | None = None, hold: bool = False) -> None:
        self.failures = list(failures)
        self.reason = reason
        self.busy, self.free = asyncio.Event(), asyncio.Event()
        if not hold:
            self.free.set()

    @activity.defn
    async def begin_run(self, due: DueRun) -> BegunRun:
        self.busy.set()
        await self.free.wait()
        if self.failures:
            raise self.failures.pop(0)
        outcome = "running" if self.reason is None else "skipped"
        workflow_id = f"campaign-{CAMPAIGN}" if self.reason is None else None
        return BegunRun(outcome=outcome, reason=self.reason, due_at=due.due_at, workflow_id=workflow_id)


async def fired(environment: WorkflowEnvironment, fake: FakeRuns, meanwhile: Any = None) -> Runs:
    async with serving(environment.client, CONTROL_QUEUE, [fake.begin_run]):
        handle = await environment.client.start_workflow(
            ScheduledRunWorkflow.run, ORDER, id=f"campaign-{CAMPAIGN}-run", task_queue=CONTROL_QUEUE
        )
        if meanwhile is not None:
            await fake.busy.wait()
            await meanwhile(handle)
        await over(handle)
        fake.free.set()
    return [handle]


async def run_begun(environment: WorkflowEnvironment) -> Runs:
    return await fired(environment, FakeRuns())


async def run_skipped(environment: WorkflowEnvironment) -> Runs:
    return await fired(environment, FakeRuns(reason="previous_run"))


async def run_tried_again(environment: WorkflowEnvironment) -> Runs:
    """The database failed."""
    return await fired(environment, FakeRuns(ApplicationError("PostgreSQL: OperationalError")))


async def run_failed_for_good(environment: WorkflowEnvironment) -> Runs:
    """By a person, with ``temporal activity fail``."""
    return await fired(environment, FakeRuns(ApplicationError("failed by hand", non_retryable=True)))


async def run_cancelled(environment: WorkflowEnvironment) -> Runs:
    async def cancel(handle: WorkflowHandle[Any, Any]) -> None:
        await handle.cancel()

    return await fired(environment, FakeRuns(hold=True), cancel)


RUNS: tuple[Branch, ...] = (run_begun, run_skipped, run_tried_again, run_failed_for_good, run_cancelled)
