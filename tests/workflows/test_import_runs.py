"""An import that is cancelled and retried at once: what is left of the first run must not touch the second."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment
from temporalio.worker import Worker

from activities.imports import ImportActivities, ImportRef
from dialer.store import imports
from dialer.store.rehearsals import Rehearsal
from tests.store.worlds import World
from tests.workers import at_work
from tests.workflows.imports import FILE, Nudged, counts, make_idle, stored, upload, workers
from workflows.options import CONTROL_QUEUE
from workflows.prospect_import import ProspectImportWorkflow
from workflows.starts import WorkflowClient, import_workflow_id


def ref_of(world: World, import_id: UUID, run: int) -> ImportRef:
    return ImportRef(
        workspace_id=str(world.workspace_id), import_id=str(import_id), campaign_id=str(world.campaign_id), run=run
    )


async def cancel(world: World, import_id: UUID) -> None:
    """As the API does it, before it tells the workflow."""
    async with world.database.transaction(world.workspace_id) as session:
        assert await imports.cancel(session, import_id)


async def retry(world: World, import_id: UUID) -> int:
    async with world.database.transaction(world.workspace_id) as session:
        return (await imports.retry(session, import_id)).run


@pytest.mark.parametrize("end", ["cancel_import", "finish_import", "scan_file", "write_rows", "rehearse_rows"])
async def test_an_activity_of_the_run_before_changes_nothing_and_says_that_its_run_is_over(
    world: World, end: str
) -> None:
    activities = ImportActivities(world.database, Nudged(), chunk_rows=10)
    import_id = await upload(world, FILE, dry_run=end == "rehearse_rows")
    await cancel(world, import_id)
    assert await retry(world, import_id) == 2
    before = await stored(world, import_id)
    told = await ActivityEnvironment().run(getattr(activities, end), ref_of(world, import_id, 1))
    assert told.status == "cancelled"
    assert await stored(world, import_id) == before
    assert before.status == "running"


async def test_a_run_that_is_ended_says_so_and_the_import_runs_no_more(world: World) -> None:
    activities = ImportActivities(world.database, Nudged())
    import_id = await upload(world)
    await cancel(world, import_id)
    run = await retry(world, import_id)
    assert (await activities.cancel_import(ref_of(world, import_id, run))).status == "cancelled"
    assert (await stored(world, import_id)).status == "cancelled"


async def test_a_file_that_is_refused_in_the_run_before_does_not_fail_the_import(world: World) -> None:
    import_id = await upload(world)
    await cancel(world, import_id)
    await retry(world, import_id)
    async with world.database.transaction(world.workspace_id) as session:
        assert not await imports.fail(session, import_id, code="campaign_closed", message="It is stopped", run=1)
    assert (await stored(world, import_id)).error is None


async def test_an_import_retried_while_its_workflow_still_cancels_goes_on_at_once(
    dev_server: WorkflowEnvironment, world: World
) -> None:
    """Nobody serves the queue of the activities, so that the first workflow is stuck in its cancelling."""
    import_id = await upload(world)
    door = WorkflowClient(dev_server.client)
    names = (world.workspace_id, import_id, world.campaign_id)
    control = Worker(dev_server.client, task_queue=CONTROL_QUEUE, workflows=[ProspectImportWorkflow])
    async with at_work(control):
        await door.start_import(*names, 1)
        first = await dev_server.client.get_workflow_handle(import_workflow_id(import_id)).describe()
        await cancel(world, import_id)
        await door.cancel_import(import_id)
        await until_scheduled(dev_server, import_id, "cancel_import")
        await door.start_import(*names, await retry(world, import_id), anew=True)
    handle = dev_server.client.get_workflow_handle_for(ProspectImportWorkflow.run, import_workflow_id(import_id))
    async with workers(dev_server, world.database, Nudged()):
        result = await handle.result()
    assert (result.status, counts(result)) == ("completed", (100, 100, 0, 0, 0))
    assert (await stored(world, import_id)).status == "completed"
    left = await dev_server.client.get_workflow_handle(first.id, run_id=first.run_id).describe()
    assert left.status is WorkflowExecutionStatus.TERMINATED


async def test_a_run_that_nobody_told_of_its_end_ends_and_makes_way_for_the_sweep(
    dev_server: WorkflowEnvironment, world: World
) -> None:
    """Temporal was away when the import was cancelled, and when it was retried."""
    import_id = await upload(world)
    door = WorkflowClient(dev_server.client)
    names = (world.workspace_id, import_id, world.campaign_id)

    async def cancel_and_retry() -> None:
        if (await stored(world, import_id)).run == 1:
            await cancel(world, import_id)
            await retry(world, import_id)

    await make_idle(world)
    handle = dev_server.client.get_workflow_handle_for(ProspectImportWorkflow.run, import_workflow_id(import_id))
    async with workers(dev_server, world.database, Nudged(before=cancel_and_retry)):
        await door.start_import(*names, 1)
        first = await handle.result()
        assert first.status == "cancelled"
        await door.start_import(*names, 2)
        second = await handle.result()
    assert (second.status, counts(second)) == ("completed", (100, 100, 0, 0, 0))


async def test_a_dry_run_that_goes_on_beside_its_successor_stops_and_counts_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was taken for dead: its rows must not be counted with those of the worker that took over."""
    activities = ImportActivities(world.database, Nudged(), chunk_rows=10)
    import_id = await upload(world, dry_run=True)
    ref = ref_of(world, import_id, 1)
    await ActivityEnvironment().run(activities.scan_file, ref)
    record = Rehearsal.record
    asleep, awake = asyncio.Event(), asyncio.Event()

    async def fall_asleep(self: Rehearsal, chunk: Any) -> Any:
        if (await stored(world, import_id)).rows_read == 30 and not asleep.is_set():
            asleep.set()
            await awake.wait()
        return await record(self, chunk)

    monkeypatch.setattr(Rehearsal, "record", fall_asleep)
    first = asyncio.create_task(ActivityEnvironment().run(activities.rehearse_rows, ref))
    await asleep.wait()
    second = await ActivityEnvironment().run(activities.rehearse_rows, ref)
    report = (await stored(world, import_id)).report
    awake.set()
    await first
    after = await stored(world, import_id)
    assert counts(second) == counts(after) == (100, 100, 0, 0, 0)
    assert after.report == report


async def until_scheduled(environment: WorkflowEnvironment, import_id: UUID, name: str) -> None:
    handle = environment.client.get_workflow_handle(import_workflow_id(import_id))
    async with asyncio.timeout(30):
        while True:
            scheduled = [
                event.activity_task_scheduled_event_attributes.activity_type.name
                async for event in handle.fetch_history_events()
            ]
            if name in scheduled:
                return
