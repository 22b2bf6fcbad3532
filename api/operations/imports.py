"""Imports as people look at them afterwards."""

import base64
import csv
import io
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.service import RPCError

from api.operations.errors import Conflict, NotFound, invalid
from api.operations.filters import created
from api.operations.listing import ListRequest, listed
from api.operations.services import Services
from api.operations.uploads import start_import
from api.schemas.accounts import ListFilters
from api.schemas.base import Page
from api.schemas.prospects import ImportErrorOut, ImportOut, ImportStarted
from dialer.domain.actors import Actor
from dialer.domain.error_files import ErrorFile
from dialer.domain.states import ImportStatus
from dialer.store import import_errors, imports, pages, prospect_reads
from workflows.starts import import_workflow_id

_CSV_PAGE = 1000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


async def list_imports(
    services: Services,
    actor: Actor,
    filters: ListFilters,
    request: ListRequest,
    *,
    status: ImportStatus | None = None,
    campaign_id: UUID | None = None,
) -> Page[ImportOut]:
    conditions = pages.where(
        {
            **created(filters),
            "status": ("t.status = :status", status),
            "campaign": ("t.campaign_id = :campaign", campaign_id),
            "search": ("t.filename ILIKE :search", pages.contains(filters.search)),
        }
    )
    async with services.database.transaction(actor.workspace_id) as session:
        found = await listed(session, prospect_reads.IMPORTS, conditions, request)
    return Page(items=[import_out(services, item) for item in found.items], next_cursor=found.next_cursor)


async def read_import(services: Services, actor: Actor, import_id: UUID) -> ImportOut:
    async with services.database.transaction(actor.workspace_id) as session:
        return import_out(services, await _found(session, import_id))


async def list_errors(
    services: Services, actor: Actor, import_id: UUID, *, limit: int = 20, cursor: str | None = None, skipped: bool
) -> Page[ImportErrorOut]:
    """The bad rows in the order of the file; with ``skipped`` the first repeated ones among them."""
    after = 0 if cursor is None else _opened(cursor)
    async with services.database.transaction(actor.workspace_id) as session:
        await _found(session, import_id)
        rows = await import_errors.list_errors(session, import_id, after, limit + 1, skipped=skipped)
    items = [ImportErrorOut.model_validate(row) for row in rows[:limit]]
    return Page(items=items, next_cursor=_closed(items[-1].row) if len(rows) > limit else None)


async def errors_as_csv(services: Services, actor: Actor, import_id: UUID, *, skipped: bool) -> AsyncIterator[bytes]:
    """The bad rows as a file to correct and upload again, a thousand at a time.

    Raises NotFound before anything is given.
    """
    async with services.database.transaction(actor.workspace_id) as session:
        shape: Mapping[str, Any] = (await _found(session, import_id))["shape"] or {}
    file = ErrorFile(shape.get("columns", ()), shape.get("delimiter"))
    return _csv(services, actor, import_id, file, skipped)


async def _csv(
    services: Services, actor: Actor, import_id: UUID, file: ErrorFile, skipped: bool
) -> AsyncIterator[bytes]:
    # Excel reads UTF-8 as such only behind its mark.
    yield _BYTE_ORDER_MARK + _lines(file, [file.header()])
    after = 0
    while True:
        async with services.database.transaction(actor.workspace_id) as session:
            rows = await import_errors.list_errors(session, import_id, after, _CSV_PAGE, skipped=skipped)
        if rows:
            yield _lines(file, [file.row(row) for row in rows])
        if len(rows) < _CSV_PAGE:
            return
        after = rows[-1]["row"]


async def retry_import(services: Services, actor: Actor, import_id: UUID) -> ImportStarted:
    """Continue where it stopped. Raises NotFound; Conflict when there is nothing to continue."""
    try:
        async with services.database.transaction(actor.workspace_id) as session:
            await _found(session, import_id)
            record = await imports.retry(session, import_id)
    except imports.ImportConflict as error:
        raise _conflict(error) from None
    await start_import(services, actor, import_id, record.campaign_id, retried=record.run)
    workflow_id = import_workflow_id(import_id)
    return ImportStarted(
        import_id=import_id, workflow_id=workflow_id, trace_url=services.workflows.trace_url(workflow_id)
    )


async def cancel_import(services: Services, actor: Actor, import_id: UUID) -> ImportOut:
    """Stop a running import. Again changes nothing. Raises NotFound; Conflict when it has ended otherwise."""
    await _stop(services, actor, import_id)
    found = await read_import(services, actor, import_id)
    if found.status != ImportStatus.CANCELLED:
        raise Conflict(f"The import is {found.status}.", code="not_running", current_status=found.status)
    return found


async def undo_import(services: Services, actor: Actor, import_id: UUID) -> None:
    """Cancel it when it runs; then delete it with the prospects that it made, if none of them was ever called.

    Raises NotFound; Conflict when somebody was called: then it stays, cancelled.
    """
    await _stop(services, actor, import_id)
    try:
        async with services.database.transaction(actor.workspace_id) as session:
            await imports.undo(session, import_id)
    except imports.ImportConflict as error:
        raise _conflict(error) from None


async def _stop(services: Services, actor: Actor, import_id: UUID) -> None:
    """From the commit on no chunk is written; the workflow is told, so that it ends and wakes the campaign."""
    async with services.database.transaction(actor.workspace_id) as session:
        await _found(session, import_id)
        cancelled = await imports.cancel(session, import_id)
    if cancelled:
        try:
            await services.workflows.cancel_import(import_id)
        except (RPCError, RuntimeError):
            return  # its next leg finds the import cancelled


async def _found(session: AsyncSession, import_id: UUID) -> dict[str, Any]:
    row = await prospect_reads.find_import(session, import_id)
    if row is None:
        raise NotFound("import")
    return row


def import_out(services: Services, row: Mapping[str, Any]) -> ImportOut:
    """A stored import as clients read it."""
    shape: Mapping[str, Any] = row["shape"] or {}
    total = row["rows_total"]
    done = row["status"] == ImportStatus.COMPLETED
    workflow_id = import_workflow_id(row["id"])
    return ImportOut.model_validate(
        {
            **row,
            "dry_run": row["options"].get("dry_run") is True,
            "encoding": shape.get("encoding"),
            "delimiter": shape.get("delimiter"),
            "mapping": shape.get("mapping"),
            "progress": 1.0 if done else min(1.0, row["rows_read"] / total) if total else 0.0,
            "workflow_id": workflow_id,
            "trace_url": services.workflows.trace_url(workflow_id),
        }
    )


def _conflict(error: imports.ImportConflict) -> Conflict:
    return Conflict(f"The import is {error.current_status}.", code=error.code, current_status=error.current_status)


def _lines(file: ErrorFile, rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=file.delimiter).writerows(rows)
    return text.getvalue().encode()


def _closed(row: int) -> str:
    return base64.urlsafe_b64encode(str(row).encode()).rstrip(b"=").decode()


def _opened(cursor: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except ValueError:
        raise invalid("cursor", "invalid_cursor", "This is no cursor of this list") from None
