"""Imports with real workers, and what is around them."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.imports import ImportActivities, ImportProgress
from dialer.domain.call_results import CallEnded
from dialer.store import imports
from dialer.store.database import Database
from tests.store.worlds import World
from tests.workers import at_work
from workflows.options import BULK_QUEUE, CONTROL_QUEUE
from workflows.prospect_import import ImportInput, ProspectImportWorkflow

PHONES = [f"+1650555{n:04}" for n in range(100, 200)]
FILE = "Phone,Name\n" + "".join(f"{phone},P{n}\n" for n, phone in enumerate(PHONES))


@dataclass
class Nudged:
    """Other workflows, as far as imports know them. ``before`` runs ahead of each nudge."""

    campaigns: list[UUID] = field(default_factory=list[UUID])
    before: Callable[[], Awaitable[None]] | None = None

    async def nudge_campaign(self, campaign_id: UUID) -> None:
        self.campaigns.append(campaign_id)
        if self.before is not None:
            await self.before()

    async def start_calls(self, calls: Any) -> None:
        raise AssertionError("imports place no calls")

    async def start_campaign(self, workspace_id: UUID, campaign_id: UUID, name: str) -> None:
        raise AssertionError("imports start no campaign")

    async def start_import(self, workspace_id: UUID, import_id: UUID, campaign_id: UUID, run: int) -> None:
        raise AssertionError("imports start no import")

    async def start_batch(self, workspace_id: UUID, batch_id: UUID, campaign_id: UUID, name: str) -> None:
        raise AssertionError("imports start no batch")

    async def nudge_batch(self, batch_id: UUID) -> None:
        raise AssertionError("imports nudge no batch")

    async def cancel_import(self, import_id: UUID) -> None:
        raise AssertionError("imports cancel no import")

    async def call_ended(self, call_id: UUID, ended: CallEnded) -> None:
        raise AssertionError("imports end no calls")


@asynccontextmanager
async def workers(
    environment: WorkflowEnvironment, database: Database, workflows: Nudged, **settings: Any
) -> AsyncGenerator[None]:
    """Both queues as in production, with small chunks."""
    activities = ImportActivities(database, workflows, **{"chunk_rows": 10, **settings})
    control = Worker(
        environment.client,
        task_queue=CONTROL_QUEUE,
        workflows=[ProspectImportWorkflow],
        workflow_failure_exception_types=[Exception],
    )
    bulk = Worker(
        environment.client,
        task_queue=BULK_QUEUE,
        activities=[
            activities.scan_file,
            activities.write_rows,
            activities.rehearse_rows,
            activities.finish_import,
            activities.cancel_import,
        ],
    )
    async with at_work(control, bulk):
        yield


async def upload(world: World, content: str | bytes = FILE, **options: Any) -> UUID:
    data = content.encode() if isinstance(content, str) else content
    async with world.database.transaction(world.workspace_id) as session:
        import_id = await imports.create_import(
            session, workspace_id=world.workspace_id, campaign_id=world.campaign_id, filename="f", options=options
        )
        for position in range(0, len(data), 1000):
            await imports.append_piece(session, import_id, position // 1000, data[position : position + 1000])
        await imports.finish_upload(session, import_id)
    return import_id


async def start(
    environment: WorkflowEnvironment, world: World, import_id: UUID
) -> WorkflowHandle[ProspectImportWorkflow, ImportProgress]:
    order = ImportInput(
        workspace_id=str(world.workspace_id),
        import_id=str(import_id),
        campaign_id=str(world.campaign_id),
        run=(await stored(world, import_id)).run,
    )
    return await environment.client.start_workflow(
        ProspectImportWorkflow.run, order, id=f"import-{import_id}", task_queue=CONTROL_QUEUE
    )


async def stored(world: World, import_id: UUID) -> imports.ImportRecord:
    async with world.database.transaction(world.workspace_id) as session:
        record = await imports.read_import(session, import_id)
    assert record is not None
    return record


def counts(progress: ImportProgress | imports.ImportRecord) -> tuple[int, ...]:
    return progress.rows_read, progress.created, progress.updated, progress.skipped, progress.failed


async def make_idle(world: World) -> None:
    await world.run("UPDATE campaigns SET idle_until = dialer_now() + interval '1 hour' WHERE id = :c")
