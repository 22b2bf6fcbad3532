"""Every way that a sweep can go."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.sweep import SweepRequest, Swept
from tests.replay.recordings import Branch, Runs, over, serving, until_ran
from workflows.options import CONTROL_QUEUE
from workflows.starts import SWEEP_ID, WorkflowClient
from workflows.sweep import SweepWorkflow


class FakeSweep:
    """Finds a mark that is ten higher each time, or what it is told; ``hold`` keeps it watching."""

    def __init__(self, *answers: ApplicationError | Swept, hold: bool = False) -> None:
        self.answers = list(answers)
        self.hold = hold
        self.watching = asyncio.Event()

    @activity.defn
    async def sweep(self, request: SweepRequest) -> Swept:
        self.watching.set()
        while self.hold:
            activity.heartbeat()
            await asyncio.sleep(0.05)
        answer = self.answers.pop(0) if self.answers else Swept(high_water=request.high_water + 10)
        if isinstance(answer, ApplicationError):
            raise answer
        return answer


async def run_sweep(environment: WorkflowEnvironment, fake: FakeSweep) -> Runs:
    async with serving(environment.client, CONTROL_QUEUE, [fake.sweep]):
        handle = await environment.client.start_workflow(SweepWorkflow.run, id=SWEEP_ID, task_queue=CONTROL_QUEUE)
        await over(handle)
    return [handle]


async def sweep_by_hand(environment: WorkflowEnvironment) -> Runs:
    return await run_sweep(environment, FakeSweep())


async def sweep_tried_again(environment: WorkflowEnvironment) -> Runs:
    """The database failed, or the worker was stopped in the middle of its watch."""
    return await run_sweep(environment, FakeSweep(ApplicationError("PostgreSQL: OperationalError")))


async def sweep_failed_for_good(environment: WorkflowEnvironment) -> Runs:
    """Nothing that we raise does that; a person can, with ``temporal activity fail``."""
    return await run_sweep(environment, FakeSweep(ApplicationError("failed by hand", non_retryable=True)))


async def sweep_of_a_restored_database(environment: WorkflowEnvironment) -> Runs:
    return await run_sweep(environment, FakeSweep(Swept(high_water=40, restored=True)))


async def sweep_told_nonsense(environment: WorkflowEnvironment) -> Runs:
    async def mumble(handle: WorkflowHandle[Any, Any], fake: FakeSweep) -> None:
        await handle.signal("nonsense", args=["junk", 7])
        fake.hold = False

    return await during_a_sweep(environment, mumble)


async def sweep_cancelled(environment: WorkflowEnvironment) -> Runs:
    async def cancel(handle: WorkflowHandle[Any, Any], fake: FakeSweep) -> None:
        await handle.cancel()
        await over(handle)
        fake.hold = False

    return await during_a_sweep(environment, cancel)


async def during_a_sweep(environment: WorkflowEnvironment, meanwhile: Any) -> Runs:
    fake = FakeSweep(hold=True)
    async with serving(environment.client, CONTROL_QUEUE, [fake.sweep]):
        handle = await environment.client.start_workflow(SweepWorkflow.run, id=SWEEP_ID, task_queue=CONTROL_QUEUE)
        await fake.watching.wait()
        await meanwhile(handle, fake)
        await over(handle)
    return [handle]


async def sweep_after_another(environment: WorkflowEnvironment) -> Runs:
    """The second run of the Schedule, which is told the result of the first."""
    return await run_schedule(environment, FakeSweep(), 2)


async def sweep_after_one_that_failed(environment: WorkflowEnvironment) -> Runs:
    """The third run of the Schedule, which is told the result of the first."""
    failure = ApplicationError("failed by hand", non_retryable=True)
    return await run_schedule(environment, FakeSweep(Swept(high_water=10), failure), 3)


async def run_schedule(environment: WorkflowEnvironment, fake: FakeSweep, runs: int) -> Runs:
    """The last of so many runs."""
    schedule = environment.client.get_schedule_handle(SWEEP_ID)
    async with serving(environment.client, CONTROL_QUEUE, [fake.sweep]):
        await WorkflowClient(environment.client).ensure_sweep(timedelta(hours=1))
        for times in range(1, runs + 1):
            await until_ran(environment, times)
            if times < runs:
                await schedule.trigger()
        last = (await schedule.describe()).info.recent_actions[-1].action
        handle = environment.client.get_workflow_handle(last.workflow_id)  # type: ignore[union-attr]
        await over(handle)
    await schedule.delete()
    return [handle]


SWEEPS: tuple[Branch, ...] = (
    *(sweep_by_hand, sweep_tried_again, sweep_failed_for_good, sweep_of_a_restored_database),
    *(sweep_told_nonsense, sweep_cancelled, sweep_after_another, sweep_after_one_that_failed),
)
