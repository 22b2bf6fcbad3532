"""A batch's activities that answer as told, under the names of the real ones, and its children's beside them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities.batches import BatchPlan, BatchRef, BatchRequest, BatchStep
from activities.imports import ImportProgress, ImportRef
from dialer.store import batches, imports
from tests.store.worlds import World
from tests.workers import at_work
from tests.workflows.campaigns import ASLEEP, FINISHED, FakeCampaign
from workflows.options import BULK_QUEUE

IMPORT_ID, CAMPAIGN_ID = str(uuid4()), str(uuid4())
AT = "2031-01-01T09:00:00Z"
BASE = BatchPlan(
    step=BatchStep.WAIT,
    status="scheduled",
    name="Spring",
    campaign_id=CAMPAIGN_ID,
    import_id=IMPORT_ID,
    scheduled_at=AT,
)
IMPORTING = replace(BASE, step=BatchStep.IMPORT, status="importing")
UPLOADING = replace(BASE, step=BatchStep.UPLOAD, status="importing", wait_s=0.05)
#: Far longer than any test: only a signal ends it.
WAITING = replace(BASE, wait_s=90 * 86400)
DUE = replace(BASE, step=BatchStep.LAUNCH)
RUNNING = replace(BASE, step=BatchStep.DIAL, status="running")
COMPLETED = replace(BASE, step=BatchStep.OVER, status="completed")
CANCELLED = replace(BASE, step=BatchStep.OVER, status="cancelled")
FAILED = replace(
    BASE,
    step=BatchStep.OVER,
    status="failed",
    error_code="no_prospects",
    error_message="the campaign cannot be launched",
)

ALWAYS = """{"calling_hours": {"zone": "UTC", "holidays": null, "windows": [
    {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "00:00", "end": "24:00"}]}}"""


async def make_batch(world: World, content: bytes, ahead: timedelta | None) -> tuple[UUID, UUID]:
    """What the API stores."""
    sql = """
        WITH account AS (
            INSERT INTO carrier_accounts (workspace_id, label, account_sid, secret, max_concurrent, calls_per_second)
            VALUES (:w, 'Test', 'AC', '', 10, 10) RETURNING id
        ), number AS (
            INSERT INTO phone_numbers (workspace_id, carrier_account_id, phone)
            SELECT :w, id, '+16505550150' FROM account RETURNING id
        )
        INSERT INTO campaign_numbers (campaign_id, phone_number_id, workspace_id, position)
        SELECT :c, id, :w, 0 FROM number"""
    await world.run(sql, w=world.workspace_id)
    async with world.database.transaction(world.workspace_id) as session:
        batch_id = await batches.create(session, workspace_id=world.workspace_id, created_by=None)
        import_id = await imports.create_import(
            session, workspace_id=world.workspace_id, campaign_id=world.campaign_id, filename="f", options={}
        )
        await batches.own(session, batch_id, campaign_id=world.campaign_id, import_id=import_id)
        if content:
            await imports.append_piece(session, import_id, 0, content)
        await imports.finish_upload(session, import_id)
        at = None if ahead is None else datetime.now(UTC) + ahead
        await batches.settle(session, batch_id, scheduled_at=at, ignore_missing_variables=False, metadata={})
    return batch_id, import_id


class FakeBatch(FakeCampaign):
    """Plans in the order given, the last one again and again, whoever asks; requests are written down.

    Its campaign sleeps until ``legs`` are changed, and its import is one leg that ``writing`` holds up.
    """

    def __init__(self, *plans: BatchPlan, after_control: BatchPlan | None = None) -> None:
        super().__init__(FINISHED)
        self.plans = list(plans)
        self.after_control = after_control
        self.asked: list[BatchRequest] = []
        self.importing = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    @activity.defn
    async def read_batch(self, ref: BatchRef) -> BatchPlan:
        return await self._next("look")

    @activity.defn
    async def launch_batch(self, ref: BatchRef) -> BatchPlan:
        return await self._next("launch")

    @activity.defn
    async def control_batch(self, request: BatchRequest) -> str:
        self.asked.append(request)
        if self.after_control is not None:
            self.plans = [self.after_control]
            self.legs = [FINISHED]
            self.go_on.set()
        await self._note(request.action)
        return "done"

    @activity.defn
    async def scan_file(self, ref: ImportRef) -> ImportProgress:
        return ImportProgress(rows_total=10)

    @activity.defn
    async def write_rows(self, ref: ImportRef) -> ImportProgress:
        self.importing.set()
        while not self.go_on.is_set():
            activity.heartbeat()
            await asyncio.sleep(0.05)
        return ImportProgress(rows_total=10, rows_read=10, created=10, at_end=True)

    @activity.defn
    async def finish_import(self, ref: ImportRef) -> ImportProgress:
        return ImportProgress(status="completed", rows_total=10, rows_read=10, created=10, at_end=True)

    @activity.defn
    async def cancel_import(self, ref: ImportRef) -> ImportProgress:
        return ImportProgress(status="cancelled")

    async def _next(self, what: str) -> BatchPlan:
        await self._note(what)
        return self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]

    def sleeps(self) -> "FakeBatch":
        """Its campaign goes on until it is controlled."""
        self.legs = [ASLEEP]
        return self

    def on_control(self) -> list[Callable[..., Any]]:
        batch = [self.read_batch, self.launch_batch, self.control_batch]
        return [*batch, self.dispatch, self.read_control_version, self.control_campaign]

    @asynccontextmanager
    async def reading_files(self, client: Client, **options: Any) -> AsyncIterator[None]:
        activities = [self.scan_file, self.write_rows, self.finish_import, self.cancel_import]
        worker = Worker(
            client, task_queue=BULK_QUEUE, activities=activities, disable_eager_activity_execution=True, **options
        )
        async with at_work(worker):
            yield
