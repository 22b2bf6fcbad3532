"""Batches with the real database, the real import and a campaign whose legs are told what to find."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.batches import BatchActivities, BatchRef, BatchRequest
from activities.imports import ImportActivities
from dialer.domain.timing import Timing
from dialer.store import batches, control
from dialer.store.database import Database
from tests.store.worlds import World, make_world
from tests.workers import at_work
from tests.workflows.batches import ALWAYS, make_batch
from tests.workflows.campaigns import ASLEEP, FINISHED, FakeCampaign
from workflows.batch import BatchWorkflow
from workflows.campaign import CampaignWorkflow
from workflows.options import BULK_QUEUE, CONTROL_QUEUE
from workflows.prospect_import import ProspectImportWorkflow
from workflows.starts import WorkflowClient

FILE = b"phone,name\n+12025550123,Ada\n+12025550124,Grace\n"


async def ended(handle: Any) -> Any:
    """What a workflow ends with. When the test server skips time it may end a client's long poll with nothing in it."""
    while True:
        try:
            return await handle.result()
        except RuntimeError as error:
            if "No completion event" not in str(error):
                raise


async def eventually(ask: Callable[[], Awaitable[object]], expected: object) -> None:
    """Until ``ask`` answers that."""
    answer = None
    for _ in range(1000):
        if (answer := await ask()) == expected:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{answer!r} has not become {expected!r}")


@dataclass(frozen=True, kw_only=True)
class Yard:
    """A workspace with a batch in it, workers for it, and a Temporal server."""

    world: World
    batch_id: UUID
    import_id: UUID
    environment: WorkflowEnvironment
    door: WorkflowClient
    campaign: FakeCampaign
    activities: BatchActivities

    @property
    def ref(self) -> BatchRef:
        return BatchRef(workspace_id=str(self.world.workspace_id), batch_id=str(self.batch_id))

    @property
    def handle(self) -> Any:
        return self.environment.client.get_workflow_handle_for(BatchWorkflow.run, f"batch-{self.batch_id}")

    async def start(self) -> Any:
        await self.door.start_batch(self.world.workspace_id, self.batch_id, self.world.campaign_id, "Spring sale")
        return self.handle

    async def status(self) -> str:
        async with self.world.database.transaction(self.world.workspace_id) as session:
            found = await batches.standing_of(session, self.batch_id)
        assert found is not None
        return found.status

    async def until(self, status: str) -> None:
        await eventually(self.status, status)

    async def until_step(self, step: str) -> None:
        async def reached() -> str:
            return (await self.handle.query(BatchWorkflow.status)).step

        await eventually(reached, step)


@asynccontextmanager
async def yard(
    database: Database, environment: WorkflowEnvironment, *, content: bytes = FILE, ahead: timedelta | None = None
) -> AsyncIterator[Yard]:
    """A batch whose file is stored, to be dialed ``ahead`` of now, and nothing running yet."""
    world = await make_world(database, settings=ALWAYS)
    batch_id, import_id = await make_batch(world, content, ahead)
    campaign = FakeCampaign(ASLEEP)
    door = WorkflowClient(environment.client)
    files = ImportActivities(database, door, leg_s=0.5, chunk_rows=1)
    activities = BatchActivities(database, door, timing=Timing(), callback_url="https://dialer.example")
    control_worker = Worker(
        environment.client,
        task_queue=CONTROL_QUEUE,
        workflows=[BatchWorkflow, ProspectImportWorkflow, CampaignWorkflow],
        activities=[
            *(activities.read_batch, activities.launch_batch, activities.control_batch),
            *(campaign.dispatch, campaign.read_control_version, campaign.control_campaign),
        ],
        workflow_failure_exception_types=[Exception],
    )
    bulk_worker = Worker(
        environment.client,
        task_queue=BULK_QUEUE,
        activities=[files.scan_file, files.write_rows, files.finish_import, files.cancel_import],
    )
    async with at_work(control_worker, bulk_worker):
        yield Yard(
            world=world,
            batch_id=batch_id,
            import_id=import_id,
            environment=environment,
            door=door,
            campaign=campaign,
            activities=activities,
        )


async def complete(yard: Yard) -> None:
    """Everybody was called: what the last leg does."""
    await yard.world.run("UPDATE campaigns SET status = 'completed' WHERE id = :c")
    yard.campaign.legs = [FINISHED]
    await yard.door.nudge_campaign(yard.world.campaign_id)


async def test_a_batch_imports_launches_and_is_over_with_its_campaign(
    database: Database, skipping: WorkflowEnvironment
) -> None:
    async with yard(database, skipping) as here:
        handle = await here.start()
        await here.until("running")
        await here.campaign.until_legs(1)
        assert await here.world.tally() == {"ready": 2}
        await complete(here)
        result = await ended(handle)
    assert (result.status, result.import_id) == ("completed", str(here.import_id))
    children = {f"import-{here.import_id}", f"campaign-{here.world.campaign_id}"}
    history = await handle.fetch_history()
    started = [event.start_child_workflow_execution_initiated_event_attributes for event in history.events]
    assert {child.workflow_id for child in started if child.workflow_id} == children


async def test_a_batch_whose_file_has_nobody_to_call_fails_with_the_reason_and_before_its_time(
    database: Database, skipping: WorkflowEnvironment
) -> None:
    for content, code in ((b"", "file_empty"), (b"name\nAda\n", "header_no_phone"), (b"phone\n12\n", "no_prospects")):
        async with yard(database, skipping, content=content, ahead=timedelta(days=3)) as here:
            with pytest.raises(WorkflowFailureError) as failed:
                await ended(await here.start())
        assert isinstance(failed.value.cause, ApplicationError)
        assert failed.value.cause.type == code
        assert await here.status() == "failed"
        (row,) = await here.world.read("SELECT launched_at, status FROM campaigns")
        assert (row.launched_at, row.status) == (None, "draft")
        assert here.campaign.log == []


async def test_people_who_lack_what_the_agent_says_fail_a_batch_unless_that_is_ignored(
    database: Database, skipping: WorkflowEnvironment
) -> None:
    async with yard(database, skipping) as here:
        await here.world.run("UPDATE agents SET first_message = 'About {{plan}}'")
        with pytest.raises(WorkflowFailureError) as failed:
            await ended(await here.start())
        (row,) = await here.world.read("SELECT error FROM batches")
        assert row.error["errors"][0]["field"] == "prospects.variables.plan"
        assert "plan" not in str(failed.value.cause)
        await here.world.run("UPDATE batches SET error = NULL, ignore_missing_variables = true")
        handle = await here.start()
        await here.until("running")
        await complete(here)
        assert (await ended(handle)).status == "completed"


async def test_a_batch_waits_for_its_time_and_a_readable_reschedule_moves_it(
    database: Database, skipping: WorkflowEnvironment
) -> None:
    async with yard(database, skipping, ahead=timedelta(days=30)) as here:
        handle = await here.start()
        await here.until_step("wait")
        for junk in (
            [],
            ["soon"],
            [{"scheduled_at": 7}],
            [None],
            [["x"]],
            ["2036-01-01T09:00:00"],
            ["1999-01-01T00:00Z"],
        ):
            await handle.signal("reschedule", args=junk)
        for name in ("pause", "resume", "dance"):
            await handle.signal(name, args=[{"hang_up": "junk"}])
        assert (await handle.query(BatchWorkflow.status)).status == "scheduled"
        later = (datetime.now(UTC) + timedelta(days=40)).isoformat(timespec="seconds")
        await handle.signal("reschedule", later)

        async def moved() -> str:
            return (await here.world.read("SELECT scheduled_at AS at FROM batches"))[0].at.isoformat()

        await eventually(moved, later)
        assert await here.status() == "scheduled"
        await handle.signal("reschedule", {"scheduled_at": datetime.now(UTC).isoformat()})
        await here.until("running")
        await complete(here)
        assert (await ended(handle)).status == "completed"


async def test_cancelling_the_workflow_cancels_the_import_and_stops_the_campaign(
    database: Database, dev_server: WorkflowEnvironment
) -> None:
    """Where time is real: the skipping server never gets over a cancel that meets the end of an activity."""
    rows = b"".join(b"+1202555%04d\n" % n for n in range(100, 200))
    async with yard(database, dev_server, content=b"phone\n" + rows) as here:
        handle = await here.start()
        await here.until_step("import")
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failed:
            await ended(handle)
        assert isinstance(failed.value.cause, CancelledError)
        assert await here.status() == "cancelled"
        (row,) = await here.world.read("SELECT c.status, i.status AS i FROM campaigns c, imports i")
        assert row.status == "stopped"
        child = dev_server.client.get_workflow_handle(f"import-{here.import_id}")

        async def runs() -> bool:
            return (await child.describe()).status is WorkflowExecutionStatus.RUNNING

        await eventually(runs, False)
    assert here.campaign.log == []


async def test_a_cancel_signal_stops_the_campaign_that_runs_and_may_hang_up(
    database: Database, skipping: WorkflowEnvironment
) -> None:
    async with yard(database, skipping) as here:
        handle = await here.start()
        await here.until("running")
        await here.campaign.until_legs(1)
        await here.world.run("""INSERT INTO calls (workspace_id, campaign_id, attempt, state)
                                SELECT workspace_id, id, 1, 'ringing' FROM campaigns""")
        here.campaign.legs = [FINISHED]
        await handle.signal("cancel", {"calls": "hang_up"})
        result = await ended(handle)
    assert result.status == "cancelled"
    (call,) = await here.world.read("SELECT hang_up_at FROM calls")
    assert call.hang_up_at is not None


async def test_a_batch_waits_for_children_that_somebody_else_has_started(
    database: Database, skipping: WorkflowEnvironment
) -> None:
    async with yard(database, skipping) as here:
        await here.door.start_import(here.world.workspace_id, here.import_id, here.world.campaign_id)
        await here.until("scheduled")
        async with database.transaction(here.world.workspace_id) as session:
            await control.launch(session, here.world.campaign_id)
        await here.door.start_campaign(here.world.workspace_id, here.world.campaign_id, "Spring sale")
        handle = await here.start()
        await here.until_step("dial")
        await complete(here)
        await ended(here.environment.client.get_workflow_handle(f"campaign-{here.world.campaign_id}"))
        assert (await ended(handle)).status == "completed"


async def test_a_launch_that_comes_too_late_or_too_early_changes_nothing(
    database: Database, skipping: WorkflowEnvironment
) -> None:
    async with yard(database, skipping, ahead=timedelta(hours=1)) as here:
        await here.door.start_import(here.world.workspace_id, here.import_id, here.world.campaign_id)
        await here.until("scheduled")
        assert (await here.activities.launch_batch(here.ref)).step == "wait"
        request = BatchRequest(batch=here.ref, action="cancel")
        assert await here.activities.control_batch(request) == "stopped"
        assert (await here.activities.launch_batch(here.ref)).step == "over"
        assert await here.activities.control_batch(request) == "dropped: the batch is over"
        assert (await here.activities.read_batch(here.ref)).status == "cancelled"
        nobody = BatchRef(workspace_id=here.ref.workspace_id, batch_id=str(uuid4()))
        with pytest.raises(ApplicationError):
            await here.activities.read_batch(nobody)
