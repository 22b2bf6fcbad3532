"""Every way that an import's workflow can go."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.imports import ImportProgress, ImportRef
from tests.replay.recordings import Branch, Runs, over, serving
from workflows.options import BULK_QUEUE
from workflows.starts import WorkflowClient, import_workflow_id

EMPTY_FILE = ApplicationError("The file is empty", type="empty_file", non_retryable=True)
CLOSED = ApplicationError("The campaign is stopped", type="campaign_closed", non_retryable=True)
AWAY = ApplicationError("PostgreSQL: OperationalError", type="DatabaseFailure")


class FakeImport:
    """A file of thirty rows, ten to a leg. ``failures`` come first, each once; ``hold`` names what never ends."""

    def __init__(self, *, status: str = "running", hold: str = "", **failures: ApplicationError) -> None:
        self.progress = ImportProgress(status=status, rows_total=30)
        self.failures = failures
        self.hold = hold
        self.holding = asyncio.Event()

    @activity.defn
    async def scan_file(self, ref: ImportRef) -> ImportProgress:
        await self._enter("scan_file")
        return self.progress

    @activity.defn
    async def write_rows(self, ref: ImportRef) -> ImportProgress:
        await self._enter("write_rows")
        read = self.progress.rows_read + 10
        self.progress = ImportProgress(rows_total=30, rows_read=read, created=read, at_end=read == 30)
        return self.progress

    @activity.defn
    async def finish_import(self, ref: ImportRef) -> ImportProgress:
        await self._enter("finish_import")
        return ImportProgress(status="completed", rows_total=30, rows_read=30, created=30, at_end=True)

    @activity.defn
    async def cancel_import(self, ref: ImportRef) -> ImportProgress:
        await self._enter("cancel_import")
        return ImportProgress(status="cancelled", rows_total=30, rows_read=self.progress.rows_read)

    async def _enter(self, name: str) -> None:
        if name in self.failures:
            raise self.failures.pop(name)
        while name == self.hold:
            self.holding.set()
            activity.heartbeat()
            await asyncio.sleep(0.05)


class DryRun(FakeImport):
    """Nothing is written."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.progress = replace(self.progress, dry_run=True)

    @activity.defn
    async def rehearse_rows(self, ref: ImportRef) -> ImportProgress:
        await self._enter("rehearse_rows")
        return replace(self.progress, rows_read=30, created=30, at_end=True)


class OverMeanwhile(FakeImport):
    """Cancelled through the API, so that the leg under way finds nothing to do."""

    @activity.defn
    async def write_rows(self, ref: ImportRef) -> ImportProgress:
        return ImportProgress(status="cancelled", rows_total=30, rows_read=10, created=10)


Meanwhile = Callable[[WorkflowHandle[Any, Any]], Awaitable[None]]


async def run_import(
    environment: WorkflowEnvironment, fake: FakeImport, *, cancel: bool = False, meanwhile: Meanwhile | None = None
) -> Runs:
    import_id = uuid4()
    door = WorkflowClient(environment.client)
    activities: list[Callable[..., Any]] = [fake.scan_file, fake.write_rows, fake.finish_import, fake.cancel_import]
    if isinstance(fake, DryRun):
        activities.append(fake.rehearse_rows)
    async with serving(environment.client, BULK_QUEUE, activities):
        await door.start_import(uuid4(), import_id, uuid4())
        handle = environment.client.get_workflow_handle(import_workflow_id(import_id))
        if fake.hold:
            await fake.holding.wait()
        if meanwhile is not None:
            await meanwhile(handle)
        if cancel:
            await door.cancel_import(import_id)
            await over(handle)
        fake.hold = ""
        await over(handle)
    return [handle]


async def import_completed(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, FakeImport())


async def import_over_already(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, FakeImport(status="completed"))


async def import_over_meanwhile(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, OverMeanwhile())


async def import_refused(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, FakeImport(scan_file=EMPTY_FILE))


async def import_refused_while_writing(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, FakeImport(write_rows=CLOSED))


async def import_tried_again(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, FakeImport(scan_file=AWAY, write_rows=AWAY, finish_import=AWAY))


async def import_cancelled(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, FakeImport(hold="write_rows"), cancel=True)


async def import_cancelled_while_scanning(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, FakeImport(hold="scan_file", cancel_import=AWAY), cancel=True)


async def import_cancelled_while_finishing(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, FakeImport(hold="finish_import"), cancel=True)


async def import_rehearsed(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, DryRun(rehearse_rows=AWAY))


async def import_rehearsed_and_cancelled(environment: WorkflowEnvironment) -> Runs:
    return await run_import(environment, DryRun(hold="rehearse_rows"), cancel=True)


async def import_retried_while_it_cancels(environment: WorkflowEnvironment) -> Runs:
    """The first run is ended from outside, and another takes over from where it stopped."""
    import_id = uuid4()
    door = WorkflowClient(environment.client)
    fake = FakeImport(hold="cancel_import")
    activities = [fake.scan_file, fake.write_rows, fake.finish_import, fake.cancel_import]
    async with serving(environment.client, BULK_QUEUE, activities):
        fake.hold = "write_rows"
        await door.start_import(uuid4(), import_id, uuid4())
        await fake.holding.wait()
        fake.holding.clear()
        fake.hold = "cancel_import"
        await door.cancel_import(import_id)
        await fake.holding.wait()
        await door.start_import(uuid4(), import_id, uuid4(), 2, anew=True)
        fake.hold = ""
        handle = environment.client.get_workflow_handle(import_workflow_id(import_id))
        await over(handle)
    return [handle]


async def import_told_nonsense(environment: WorkflowEnvironment) -> Runs:
    async def mumble(handle: WorkflowHandle[Any, Any]) -> None:
        await handle.signal("nonsense", args=["junk", 7])

    return await run_import(environment, FakeImport(hold="write_rows"), meanwhile=mumble)


IMPORTS: tuple[Branch, ...] = (
    *(import_completed, import_over_already, import_over_meanwhile, import_refused, import_refused_while_writing),
    *(import_tried_again, import_cancelled, import_cancelled_while_scanning, import_cancelled_while_finishing),
    *(import_rehearsed, import_rehearsed_and_cancelled, import_told_nonsense, import_retried_while_it_cancels),
)
