"""An uploaded file becomes prospects: look through it, write its rows leg by leg, finish.

PostgreSQL knows where the import stands, so that nothing is lost or doubled whatever dies; the workflow decides what
comes next and shows how far it is. An import that cannot go on fails with its code; details stay in PostgreSQL.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.imports import ImportActivities, ImportProgress, ImportRef
    from workflows.options import BULK_QUEUE, UNTIL_DONE, ActivityOptions

RUNNING = "running"

#: Reads the whole file once, or writes for one leg. A heartbeat every two seconds; ten without one mean a dead worker.
#: Tried again for ever, since only a file that is refused can fail, and that is said by the error's type.
READ_FILE = ActivityOptions(
    task_queue=BULK_QUEUE,
    start_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=UNTIL_DONE,
)

#: Judges the whole file in one piece, since nothing is kept of a dry run that breaks off. Hours, for the largest files.
REHEARSE_FILE = ActivityOptions(
    task_queue=BULK_QUEUE,
    start_to_close_timeout=timedelta(hours=6),
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=UNTIL_DONE,
)

#: One short transaction.
END_IMPORT = ActivityOptions(
    task_queue=BULK_QUEUE, start_to_close_timeout=timedelta(seconds=30), retry_policy=UNTIL_DONE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportInput:
    """Ids only: activities read the rest. ``run`` is the import's, which counts from 1; every retry is another."""

    workspace_id: str
    import_id: str
    campaign_id: str
    run: int = 1


@workflow.defn(name="ProspectImportWorkflow")
class ProspectImportWorkflow:
    """``import-{id}``, one run of an import. Cancelling it cancels the import; what is written stays."""

    @workflow.init
    def __init__(self, order: ImportInput) -> None:
        self._ref = ImportRef(
            workspace_id=order.workspace_id,
            import_id=order.import_id,
            campaign_id=order.campaign_id,
            run=order.run,
        )
        self._progress = ImportProgress()

    @workflow.run
    async def run(self, order: ImportInput) -> ImportProgress:
        try:
            await self._scan()
            while self._progress.status == RUNNING and not self._progress.at_end:
                await (self._rehearse() if self._progress.dry_run else self._write_leg())
            return await self._finish()
        except (ActivityError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                await self._cancel()
            raise

    @workflow.query
    def progress(self) -> ImportProgress:
        """How far the import had come after its last leg; the API has it by the second."""
        return self._progress

    async def _scan(self) -> None:
        workflow.set_current_details("Looking through the file.")
        self._show(
            await workflow.execute_activity_method(
                ImportActivities.scan_file, self._ref, summary="encoding, columns, number of rows", **READ_FILE
            )
        )

    async def _rehearse(self) -> None:
        workflow.set_current_details("**Dry run**: judging every row; nothing is written but a report.")
        self._show(
            await workflow.execute_activity_method(
                ImportActivities.rehearse_rows, self._ref, summary="dry run: every row", **REHEARSE_FILE
            )
        )

    async def _write_leg(self) -> None:
        self._show(
            await workflow.execute_activity_method(
                ImportActivities.write_rows,
                self._ref,
                summary=f"rows from {self._progress.rows_read + 1:,} on",
                **READ_FILE,
            )
        )

    async def _finish(self) -> ImportProgress:
        if self._progress.status == RUNNING:
            self._show(
                await workflow.execute_activity_method(
                    ImportActivities.finish_import, self._ref, summary="completed", **END_IMPORT
                )
            )
        return self._progress

    async def _cancel(self) -> None:
        self._show(
            await workflow.execute_activity_method(
                ImportActivities.cancel_import, self._ref, summary="cancelled; what is written stays", **END_IMPORT
            )
        )

    def _show(self, progress: ImportProgress) -> None:
        self._progress = progress
        what = f"dry run, {progress.status}" if progress.dry_run else progress.status
        counts = (
            f"{progress.created:,} created, {progress.updated:,} updated, {progress.skipped:,} skipped, "
            f"{progress.failed:,} failed"
        )
        workflow.set_current_details(f"**{what}**: {_share_read(progress)}: {counts}.")


def _share_read(progress: ImportProgress) -> str:
    """How many rows are read, of about how many, and the percentage; the total is exact once all are read."""
    total = progress.rows_total
    if not total or progress.status == "completed":
        return f"{progress.rows_read:,} rows read"
    percent = min(100, progress.rows_read * 100 // total)
    return f"{percent} %, {progress.rows_read:,} of about {total:,} rows read"
