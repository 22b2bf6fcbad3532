"""Every way that a batch's workflow can go."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from tests.replay.recordings import IDENTITY, Branch, Runs, over, runs_of, serving, until_event
from tests.workflows.batches import (
    AT,
    CAMPAIGN_ID,
    CANCELLED,
    COMPLETED,
    DUE,
    FAILED,
    IMPORT_ID,
    IMPORTING,
    RUNNING,
    UPLOADING,
    WAITING,
    FakeBatch,
)
from tests.workflows.campaigns import FINISHED
from workflows.options import BUILD, CONTROL_QUEUE
from workflows.starts import WorkflowClient, batch_workflow_id, campaign_workflow_id, import_workflow_id

Meanwhile = Callable[[WorkflowHandle[Any, Any]], Awaitable[None]]
TIMER = "timer_started_event_attributes"
DIALING = "child_workflow_execution_started_event_attributes"


async def run_batch(
    environment: WorkflowEnvironment,
    fake: FakeBatch,
    meanwhile: Meanwhile | None = None,
    before: Callable[[WorkflowClient], Awaitable[None]] | None = None,
) -> Runs:
    """The batch's runs, oldest first; its children are over too."""
    batch_id = uuid4()
    door = WorkflowClient(environment.client)
    names = {"identity": IDENTITY, "build_id": BUILD}
    async with (
        serving(environment.client, CONTROL_QUEUE, fake.on_control()),
        fake.reading_files(environment.client, **names),
    ):
        if before is not None:
            await before(door)
        await door.start_batch(uuid4(), batch_id, uuid4(), "Spring")
        handle = environment.client.get_workflow_handle(batch_workflow_id(batch_id))
        if meanwhile is not None:
            await meanwhile(handle)
        await over(handle)
        runs = await runs_of(environment.client, handle)
        fake.go_on.set()
        fake.legs = [FINISHED]
        await door.nudge_campaign(UUID(CAMPAIGN_ID))
        for child in (import_workflow_id(UUID(IMPORT_ID)), campaign_workflow_id(UUID(CAMPAIGN_ID))):
            if [each async for each in environment.client.list_workflows(f"WorkflowId = '{child}'")]:
                await over(environment.client.get_workflow_handle(child))
        return runs


def signalled(fake: FakeBatch, name: str, *args: Any, when: str = TIMER) -> Meanwhile:
    """Send a signal once the batch has come so far."""

    async def send(handle: WorkflowHandle[Any, Any]) -> None:
        await until_event(handle, when)
        await handle.signal(name, args=list(args))

    return send


async def cancelled(handle: WorkflowHandle[Any, Any]) -> None:
    await until_event(handle, TIMER)
    await handle.cancel()


async def batch_dialed(environment: WorkflowEnvironment) -> Runs:
    return await run_batch(environment, FakeBatch(IMPORTING, DUE, RUNNING, COMPLETED))


async def batch_started_before_its_file_is_there(environment: WorkflowEnvironment) -> Runs:
    return await run_batch(environment, FakeBatch(UPLOADING, IMPORTING, DUE, RUNNING, COMPLETED))


async def batch_moved_while_it_waits(environment: WorkflowEnvironment) -> Runs:
    fake = FakeBatch(IMPORTING, WAITING, after_control=COMPLETED)
    return await run_batch(environment, fake, signalled(fake, "reschedule", AT))


async def batch_told_to_look_again(environment: WorkflowEnvironment) -> Runs:
    fake = FakeBatch(WAITING, DUE, RUNNING, COMPLETED)
    return await run_batch(environment, fake, signalled(fake, "reschedule"))


async def batch_told_nonsense(environment: WorkflowEnvironment) -> Runs:
    fake = FakeBatch(WAITING, after_control=CANCELLED)

    async def mumble(handle: WorkflowHandle[Any, Any]) -> None:
        await until_event(handle, TIMER)
        await handle.signal("nonsense", args=[{"scheduled_at": AT}, 7])
        await handle.signal("reschedule", args=[{"scheduled_at": ["never"]}])
        await handle.signal("reschedule", args=[b"\xff"])
        await handle.signal("cancel", args=[{"calls": "hang_up"}, "junk"])

    return await run_batch(environment, fake, mumble)


async def batch_failed(environment: WorkflowEnvironment) -> Runs:
    return await run_batch(environment, FakeBatch(IMPORTING, DUE, FAILED))


async def batch_not_launched_at_once(environment: WorkflowEnvironment) -> Runs:
    fake = FakeBatch(DUE, DUE, COMPLETED)
    return await run_batch(environment, fake, signalled(fake, "reschedule"))


async def batch_cancelled_while_it_waits(environment: WorkflowEnvironment) -> Runs:
    return await run_batch(environment, FakeBatch(WAITING), cancelled)


async def batch_cancelled_while_importing(environment: WorkflowEnvironment) -> Runs:
    fake = FakeBatch(IMPORTING)
    fake.go_on.clear()

    async def cancel(handle: WorkflowHandle[Any, Any]) -> None:
        await fake.importing.wait()
        await handle.cancel()

    return await run_batch(environment, fake, cancel)


async def batch_cancelled_while_dialing(environment: WorkflowEnvironment) -> Runs:
    fake = FakeBatch(RUNNING).sleeps()

    async def cancel(handle: WorkflowHandle[Any, Any]) -> None:
        await until_event(handle, DIALING)
        await handle.cancel()

    return await run_batch(environment, fake, cancel)


async def batch_paused_and_stopped_by_signal(environment: WorkflowEnvironment) -> Runs:
    fake = FakeBatch(RUNNING).sleeps()

    async def control(handle: WorkflowHandle[Any, Any]) -> None:
        await until_event(handle, DIALING)
        await handle.signal("pause")
        await fake.until(lambda: len(fake.asked) == 1)
        fake.after_control = CANCELLED
        await handle.signal("stop", args=[True])
        await fake.until(lambda: len(fake.asked) == 2)
        await environment.client.get_workflow_handle(campaign_workflow_id(UUID(CAMPAIGN_ID))).signal("nudge")

    return await run_batch(environment, fake, control)


async def batch_whose_import_somebody_else_started(environment: WorkflowEnvironment) -> Runs:
    fake = FakeBatch(IMPORTING, COMPLETED)
    fake.go_on.clear()

    async def start(door: WorkflowClient) -> None:
        await door.start_import(uuid4(), UUID(IMPORT_ID), UUID(CAMPAIGN_ID))

    return await run_batch(environment, fake, signalled(fake, "reschedule"), start)


async def batch_whose_campaign_is_terminated(environment: WorkflowEnvironment) -> Runs:
    fake = FakeBatch(RUNNING, COMPLETED).sleeps()

    async def terminate(handle: WorkflowHandle[Any, Any]) -> None:
        await until_event(handle, DIALING)
        await environment.client.get_workflow_handle(campaign_workflow_id(UUID(CAMPAIGN_ID))).terminate()
        await until_event(handle, TIMER)
        await handle.signal("reschedule")

    return await run_batch(environment, fake, terminate)


async def batch_continued_as_new(environment: WorkflowEnvironment) -> Runs:
    return await run_batch(environment, FakeBatch(*[UPLOADING] * 6, COMPLETED))


BATCHES: tuple[Branch, ...] = (
    *(batch_dialed, batch_started_before_its_file_is_there, batch_moved_while_it_waits, batch_told_to_look_again),
    *(batch_told_nonsense, batch_failed, batch_not_launched_at_once, batch_cancelled_while_it_waits),
    *(batch_cancelled_while_importing, batch_cancelled_while_dialing, batch_paused_and_stopped_by_signal),
    *(batch_whose_import_somebody_else_started, batch_whose_campaign_is_terminated, batch_continued_as_new),
)
