"""Batches: a file that is imported and dialed once, at a given time."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.service import RPCError

from api.operations.campaign_control import stop_campaign
from api.operations.campaign_settings import schedule_problems
from api.operations.errors import Conflict, Invalid, NotFound
from api.operations.filters import created
from api.operations.listing import ListRequest, listed
from api.operations.services import Services
from api.operations.waking import nudge_batch
from api.schemas.accounts import ListFilters
from api.schemas.base import Page
from api.schemas.batches import BatchCancelled, BatchCounts, BatchOut, BatchPatch
from api.schemas.campaigns import LiveCalls
from dialer.domain.actors import Actor
from dialer.domain.batch_times import time_problem
from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.field_errors import FieldError
from dialer.domain.states import FINAL_PROSPECT_STATES, BatchStatus
from dialer.store import batches, control, imports, pages
from workflows.starts import batch_workflow_id

log = logging.getLogger(__name__)

_WAITS = (BatchStatus.IMPORTING, BatchStatus.SCHEDULED)
_OVER = (BatchStatus.COMPLETED, BatchStatus.FAILED)


async def list_batches(
    services: Services,
    actor: Actor,
    filters: ListFilters,
    request: ListRequest,
    *,
    status: BatchStatus | None = None,
    agent_id: UUID | None = None,
) -> Page[BatchOut]:
    conditions = pages.where(
        {
            **created(filters),
            "status": (f"({batches.STATUS}) = :status", status),
            "agent": ("c.agent_id = :agent", agent_id),
            "search": ("(c.name ILIKE :search OR i.filename ILIKE :search)", pages.contains(filters.search)),
        }
    )
    async with services.database.transaction(actor.workspace_id) as session:
        found = await listed(session, batches.BATCHES, conditions, request)
    return Page(items=[batch_out(services, item) for item in found.items], next_cursor=found.next_cursor)


async def read_batch(services: Services, actor: Actor, batch_id: UUID) -> BatchOut:
    async with services.database.transaction(actor.workspace_id) as session:
        return batch_out(services, await _found(session, batch_id))


async def change_batch(services: Services, actor: Actor, batch_id: UUID, patch: BatchPatch) -> BatchOut:
    """Another time to begin at, unless it has begun. Raises NotFound, Conflict; Invalid for a time that cannot be."""
    given = patch.given()
    async with services.database.transaction(actor.workspace_id) as session:
        await batches.hold(session, batch_id)
        row = await _found(session, batch_id)
        if "scheduled_at" in given:
            if row["status"] not in _WAITS or row["uploaded_at"] is None:
                raise _conflict(row["status"])
            if problems := time_problems(services, row["settings"], patch.scheduled_at):
                raise Invalid(problems)
            await batches.reschedule(session, batch_id, patch.scheduled_at)
        if "metadata" in given:
            await batches.annotate(session, batch_id, patch.metadata)
        row = await _found(session, batch_id)
    if "scheduled_at" in given:
        await nudge_batch(services, batch_id)
    return batch_out(services, row)


def time_problems(services: Services, settings: Mapping[str, Any], scheduled_at: datetime | None) -> list[FieldError]:
    """What is wrong with beginning then under these rules."""
    now = services.now()
    problem = time_problem(scheduled_at, now, rules_from_json(settings).end_at)
    if problem is not None:
        return [problem]
    return schedule_problems(settings, max(now, scheduled_at or now), services.settings.timing)


async def cancel_batch(services: Services, actor: Actor, batch_id: UUID, given: LiveCalls) -> BatchCancelled:
    """Cancel its import and stop its campaign, for good. Again changes nothing.

    Raises NotFound, and Conflict for a batch that is completed or has failed. ``undecided`` as for a stop.
    """
    async with services.database.transaction(actor.workspace_id) as session:
        row = await _found(session, batch_id)
        if row["status"] in _OVER:
            raise _conflict(row["status"])
        try:
            await control.stop(session, row["campaign_id"], hang_up=given.calls == "hang_up")
        except control.StateConflict as error:
            raise _conflict(error.current_status) from None
        if row["import_id"] is not None:
            await imports.cancel(session, row["import_id"])
        row = await _found(session, batch_id)  # it may have been launched before its campaign was held
    live = undecided = 0
    if row["launched_at"] is not None:
        stopped = await stop_campaign(services, actor, str(row["campaign_id"]), given)
        live, undecided = stopped.calls_in_flight, stopped.undecided or 0
    await _tell_import(services, row["import_id"])
    await nudge_batch(services, batch_id)
    after = await read_batch(services, actor, batch_id)
    return BatchCancelled(**after.model_dump(), calls_in_flight=live, undecided=undecided or None)


async def _tell_import(services: Services, import_id: UUID | None) -> None:
    """So that it ends now; its next leg would find it cancelled."""
    if import_id is None:
        return
    try:
        await services.workflows.cancel_import(import_id)
    except (RPCError, RuntimeError) as error:
        log.warning("import %s could not be told that it is cancelled: %s", import_id, type(error).__name__)


async def _found(session: AsyncSession, batch_id: UUID) -> dict[str, Any]:
    row = await batches.find(session, batch_id)
    if row is None:
        raise NotFound("batch")
    return row


def _conflict(status: str) -> Conflict:
    return Conflict(f"The batch is {status}.", code="wrong_status", current_status=status)


def batch_out(services: Services, row: Mapping[str, Any]) -> BatchOut:
    """A stored batch as clients read it."""
    status = BatchStatus(row["status"])
    error = None
    if status is BatchStatus.FAILED:
        error = batches.failure_of(row["error"], row["import_error"], imported=row["found_import"] is not None)
    counts = _counts(row)
    workflow_id = batch_workflow_id(row["id"])
    began = row["uploaded_at"] is not None or row["launched_at"] is not None
    return BatchOut.model_validate(
        {
            **row,
            "status": status,
            "import_id": row["found_import"],
            "error": error,
            "counts": counts,
            "progress": _progress(status, row, counts),
            "workflow_id": workflow_id,
            "trace_url": services.workflows.trace_url(workflow_id) if began else None,
        }
    )


def _counts(row: Mapping[str, Any]) -> BatchCounts:
    people: Mapping[str, int] = row["prospects"]
    rows = {name: row[name] or 0 for name in ("rows_read", "created", "updated", "skipped", "failed")}
    return BatchCounts(
        **rows,
        rows_total=row["rows_total"],
        prospects_total=sum(people.values()),
        prospects_done=sum(n for state, n in people.items() if state in FINAL_PROSPECT_STATES),
        calls_total=row["calls_total"],
    )


def _progress(status: BatchStatus, row: Mapping[str, Any], counts: BatchCounts) -> float:
    if status is BatchStatus.COMPLETED:
        return 1.0
    if row["launched_at"] is None and status is not BatchStatus.SCHEDULED:
        return min(1.0, counts.rows_read / counts.rows_total) if counts.rows_total else 0.0
    return counts.prospects_done / counts.prospects_total if counts.prospects_total else 0.0
