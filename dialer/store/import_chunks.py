"""Chunks of an uploaded file, each written once.

A chunk's prospects, errors and counts are one transaction, which is refused unless the import stands exactly where the
chunk begins. So a chunk that is written again, by a retry or by a worker that was taken for dead, changes nothing and
counts once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.prospect_matching import DEFAULT_PRIORITY
from dialer.domain.prospect_rows import ProspectRow, RowError, complaint
from dialer.domain.states import ImportStatus
from dialer.store.database import one, rows
from dialer.store.imports import ImportConflict, ImportRecord, import_record
from dialer.store.locks import share_campaign
from dialer.store.prospect_writes import NewProspect, OnDuplicate, RowProblem, write_prospects


class ChunkOutOfOrder(Exception):
    """Rows before this chunk are not written yet, so it must not be: read again from where the import stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a file a chunk begins or ends: a byte, and the number of the row that starts there."""

    offset: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows that follow each other in a file, good and bad, and the places around them."""

    start: Place
    end: Place
    rows: Sequence[ProspectRow]
    errors: Sequence[RowError]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The import after a chunk; ``due`` is True when the chunk made somebody callable."""

    record: ImportRecord
    due: bool


async def record_chunk(session: AsyncSession, record: ImportRecord, chunk: Chunk) -> Recorded:
    """Write a chunk's prospects, errors and counts; nothing when it is written already.

    Raises ImportConflict when the import no longer runs, CampaignClosed when its campaign is over, ChunkOutOfOrder.
    """
    await share_campaign(session, record.campaign_id)
    found = await one(session, "SELECT * FROM imports WHERE id = :id FOR NO KEY UPDATE", {"id": record.id})
    if found is None or found.status != ImportStatus.RUNNING:
        raise ImportConflict("deleted" if found is None else found.status, "not_running")
    if found.next_offset > chunk.start.offset:
        return Recorded(record=import_record(found), due=False)
    if found.next_offset < chunk.start.offset:
        raise ChunkOutOfOrder(f"import {record.id} stands at {found.next_offset}, the chunk at {chunk.start.offset}")
    written = await write_prospects(
        session,
        workspace_id=record.workspace_id,
        campaign_id=record.campaign_id,
        prospects=[_prospect(row) for row in chunk.rows],
        on_duplicate=OnDuplicate(record.options.get("on_duplicate") or OnDuplicate.SKIP),
        import_id=record.id,
        created_by=record.created_by,
    )
    headers = cast("Mapping[str, str]", (found.shape or {}).get("mapping", {}))
    errors = [*chunk.errors, *(_row_error(chunk.rows[each.index], each, headers) for each in written.problems)]
    await _insert_errors(session, record, errors)
    sql = """
        UPDATE imports SET rows_read = rows_read + :created + :updated + :skipped + :failed,
            created = created + :created, updated = updated + :updated, skipped = skipped + :skipped,
            failed = failed + :failed, next_offset = :offset, next_row = :row
        WHERE id = :id RETURNING *"""
    parameters = {
        "id": record.id,
        "created": written.created,
        "updated": written.updated,
        "skipped": written.skipped,
        "failed": len(errors),
        "offset": chunk.end.offset,
        "row": chunk.end.row,
    }
    return Recorded(record=import_record((await rows(session, sql, parameters))[0]), due=written.due)


def _prospect(row: ProspectRow) -> NewProspect:
    return NewProspect(
        phone=row.phone,
        extension=row.extension,
        external_id=row.external_id,
        name=row.name,
        variables=row.variables,
        zone_set=row.zone_set or "",
        zone_source=row.zone_source,
        # In files a higher number is dialed first and 0 is usual; lanes are read from the lowest number up.
        priority=DEFAULT_PRIORITY - row.priority if row.priority else None,
        import_row=row.row,
    )


def _row_error(row: ProspectRow, problem: RowProblem, headers: Mapping[str, str]) -> RowError:
    values = {"phone": row.phone, "external_id": row.external_id or ""}
    return complaint(
        row=row.row,
        column=headers.get(problem.column),
        value=values.get(problem.column, ""),
        code=problem.code,
        message=problem.message,
        suggestion=problem.suggestion,
    )


async def _insert_errors(session: AsyncSession, record: ImportRecord, errors: Sequence[RowError]) -> None:
    if not errors:
        return
    sql = """
        INSERT INTO import_errors (workspace_id, import_id, row, "column", value, code, message, suggestion)
        SELECT :workspace, :id, v.row, v."column", v.value, v.code, v.message, v.suggestion
        FROM json_to_recordset(CAST(:errors AS json)) AS v(row bigint, "column" text, value text, code text,
            message text, suggestion text)"""
    given = json.dumps([asdict(each) for each in errors])
    await session.execute(text(sql), {"workspace": record.workspace_id, "id": record.id, "errors": given})
