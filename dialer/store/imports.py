"""Uploaded files: their bytes, how far their reading has come, and how it ended.

An import ends by compare-and-set from ``running`` and from the run that is meant: a cancelled one is never completed by
a worker that had not heard of it, and one that is retried is never ended by what is left of the run before.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.states import ImportStatus
from dialer.store.database import one, rows

#: The size of the pieces in which a file is stored; the last one is shorter.
PIECE_BYTES = 1 << 20
PIECES_KEPT = timedelta(days=7)
#: An upload of which no further megabyte came for so long never ends: its client is gone, or the API that heard it.
UPLOAD_PATIENCE = timedelta(minutes=15)


#: Imports that may add people: their campaign waits for them. A dry run adds nobody.
ADDING = "status = 'running' AND NOT coalesce(CAST(options ->> 'dry_run' AS boolean), false)"


class ImportConflict(Exception):
    """The import is in a state in which this cannot be done; ``code`` says what stands in the way."""

    def __init__(self, current_status: str, code: str) -> None:
        super().__init__(f"the import is {current_status}: {code}")
        self.current_status = current_status
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """An import as it is stored: ``rows_read = created + updated + skipped + failed``.

    The next chunk begins at byte ``next_offset`` with row ``next_row``, both None until the file was looked through.
    Without ``started_at`` bytes are still arriving. ``run`` counts from 1, and every retry begins another. ``error``
    has ``code, message, suggestion, column``.
    """

    id: UUID
    workspace_id: UUID
    campaign_id: UUID
    status: ImportStatus
    filename: str
    size_bytes: int
    options: Mapping[str, Any]
    shape: Mapping[str, Any] | None
    rows_total: int | None
    rows_read: int
    next_offset: int | None
    next_row: int | None
    created: int
    updated: int
    skipped: int
    failed: int
    error: Mapping[str, Any] | None
    report: Mapping[str, Any] | None
    created_by: str | None
    started_at: datetime | None
    finished_at: datetime | None
    run: int = 1

    @property
    def dry_run(self) -> bool:
        """True when nothing is written but ``report``."""
        return self.options.get("dry_run") is True


# -- the upload ----------------------------------------------------------------------------------------------------


async def create_import(
    session: AsyncSession,
    *,
    workspace_id: UUID,
    campaign_id: UUID,
    filename: str,
    options: Mapping[str, Any],
    created_by: str | None = None,
) -> UUID:
    """A new import whose bytes are still to come. It counts as running, so that its campaign is not completed."""
    sql = """
        INSERT INTO imports (workspace_id, campaign_id, filename, options, created_by)
        VALUES (:workspace, :campaign, :filename, CAST(:options AS jsonb), :by) RETURNING id"""
    parameters = {
        "workspace": workspace_id,
        "campaign": campaign_id,
        "filename": filename,
        "options": json.dumps(dict(options)),
        "by": created_by,
    }
    return (await rows(session, sql, parameters))[0].id


async def append_piece(session: AsyncSession, import_id: UUID, position: int, data: bytes) -> None:
    """Store the piece at ``position`` (from 0), at most PIECE_BYTES. Raises ImportConflict when the upload is over."""
    sql = """
        INSERT INTO import_pieces (workspace_id, import_id, position, data)
        SELECT workspace_id, id, :position, :data FROM imports
        WHERE id = :id AND status = 'running' AND started_at IS NULL
        ON CONFLICT (import_id, position) DO UPDATE SET data = excluded.data RETURNING position"""
    if await one(session, sql, {"id": import_id, "position": position, "data": data}) is None:
        raise await _conflict(session, import_id, "upload_ended")


async def first_piece(session: AsyncSession, import_id: UUID) -> bytes:
    """The file's first megabyte, or all of a shorter file; nothing when nothing is stored."""
    sql = "SELECT data FROM import_pieces WHERE import_id = :id AND position = 0"
    row = await one(session, sql, {"id": import_id})
    return b"" if row is None else bytes(row.data)


async def finish_upload(session: AsyncSession, import_id: UUID) -> int:
    """All bytes are there: from now on the file may be read. Returns its size. Raises ImportConflict."""
    sql = """
        UPDATE imports SET started_at = dialer_now(), size_bytes = found.size
        FROM (SELECT coalesce(sum(octet_length(data)), 0) AS size, count(*) AS n, coalesce(max(position), -1) AS last
              FROM import_pieces WHERE import_id = :id) AS found
        WHERE imports.id = :id AND status = 'running' AND started_at IS NULL AND found.n = found.last + 1
        RETURNING size_bytes"""
    row = await one(session, sql, {"id": import_id})
    if row is None:
        raise await _conflict(session, import_id, "upload_incomplete_or_ended")
    return row.size_bytes


# -- the reading ---------------------------------------------------------------------------------------------------


async def read_import(session: AsyncSession, import_id: UUID) -> ImportRecord | None:
    """The import as it stands."""
    row = await one(session, "SELECT * FROM imports WHERE id = :id", {"id": import_id})
    return None if row is None else import_record(row)


async def default_region(session: AsyncSession, record: ImportRecord) -> str | None:
    """The country of numbers without one: the uploader's choice, else the workspace's."""
    chosen: str | None = record.options.get("default_region")
    sql = "SELECT default_region FROM workspaces WHERE id = :id"
    row = None if chosen else await one(session, sql, {"id": record.workspace_id})
    return chosen if row is None else row.default_region


async def begin(
    session: AsyncSession,
    import_id: UUID,
    *,
    shape: Mapping[str, Any],
    rows_total: int,
    next_offset: int,
    next_row: int,
) -> ImportRecord | None:
    """Store what a look through the file has found; the first one counts. None when the import no longer runs."""
    sql = """
        UPDATE imports SET shape = coalesce(shape, CAST(:shape AS jsonb)), rows_total = coalesce(rows_total, :total),
            next_offset = coalesce(next_offset, :offset), next_row = coalesce(next_row, :row)
        WHERE id = :id AND status = 'running' RETURNING *"""
    parameters = {
        "id": import_id,
        "shape": json.dumps(dict(shape)),
        "total": rows_total,
        "offset": next_offset,
        "row": next_row,
    }
    row = await one(session, sql, parameters)
    return None if row is None else import_record(row)


async def finish(session: AsyncSession, import_id: UUID, *, run: int | None = None) -> bool:
    """Running becomes completed; from now on the campaign may complete too. False when it no longer ran.

    Only that ``run`` is ended, here and below; without one, whichever it is.
    """
    return await _end(session, import_id, run, ImportStatus.COMPLETED, None)


async def fail(
    session: AsyncSession,
    import_id: UUID,
    *,
    code: str,
    message: str,
    suggestion: str | None = None,
    column: str | None = None,
    run: int | None = None,
) -> bool:
    """Running becomes failed, with the reason; what is written stays. False when it no longer ran."""
    error = {"code": code, "message": message, "suggestion": suggestion, "column": column}
    return await _end(session, import_id, run, ImportStatus.FAILED, json.dumps(error))


async def cancel(session: AsyncSession, import_id: UUID, *, run: int | None = None) -> bool:
    """Running becomes cancelled; what is written stays. False when it no longer ran."""
    return await _end(session, import_id, run, ImportStatus.CANCELLED, None)


async def _end(
    session: AsyncSession, import_id: UUID, run: int | None, status: ImportStatus, error: str | None
) -> bool:
    sql = """
        UPDATE imports SET status = :status, error = CAST(:error AS jsonb), finished_at = dialer_now(),
            rows_total = CASE WHEN :status = 'completed' THEN rows_read ELSE rows_total END
        WHERE id = :id AND status = 'running' AND run = coalesce(:run, run) RETURNING id"""
    parameters = {"id": import_id, "run": run, "status": status.value, "error": error}
    return await one(session, sql, parameters) is not None


# -- afterwards ----------------------------------------------------------------------------------------------------


async def retry(session: AsyncSession, import_id: UUID) -> ImportRecord:
    """A failed or cancelled import runs again from where it stopped, once the workflow of its new run is started.

    Raises ImportConflict, also when the file is no longer stored.
    """
    sql = """
        UPDATE imports SET status = 'running', run = run + 1, error = NULL, finished_at = NULL
        WHERE id = :id AND status IN ('failed', 'cancelled') AND started_at IS NOT NULL
            AND (size_bytes = 0 OR EXISTS (SELECT 1 FROM import_pieces WHERE import_id = :id)) RETURNING *"""
    row = await one(session, sql, {"id": import_id})
    if row is None:
        raise await _conflict(session, import_id, "nothing_to_retry")
    return import_record(row)


async def undo(session: AsyncSession, import_id: UUID) -> int:
    """Delete an import that does not run, with every prospect it created, if none of them was ever called.

    Returns how many prospects are gone. Prospects that it only updated stay as they are. Raises ImportConflict, and
    then the transaction must not be committed.
    """
    row = await one(session, "SELECT status FROM imports WHERE id = :id FOR UPDATE", {"id": import_id})
    if row is None or row.status == ImportStatus.RUNNING:
        raise await _conflict(session, import_id, "still_running")
    # A million rows with their references take longer than one statement is otherwise allowed.
    await session.execute(text("SET LOCAL statement_timeout = '10min'"))
    # Claimed and never dialed is no call: such records stay, without the person.
    sql = """
        UPDATE calls SET prospect_id = NULL FROM prospects p
        WHERE p.import_id = :id AND p.attempts = 0 AND p.state <> 'in_call'
            AND calls.prospect_id = p.id AND calls.state = 'deferred'"""
    await session.execute(text(sql), {"id": import_id})
    sql = """
        WITH gone AS (
            DELETE FROM prospects p WHERE import_id = :id AND attempts = 0 AND state <> 'in_call'
                AND NOT EXISTS (SELECT 1 FROM calls WHERE prospect_id = p.id) RETURNING 1)
        SELECT count(*) AS n FROM gone"""
    gone = (await rows(session, sql, {"id": import_id}))[0].n
    if await one(session, "SELECT 1 FROM prospects WHERE import_id = :id LIMIT 1", {"id": import_id}) is not None:
        raise ImportConflict(row.status, "prospects_called")
    await session.execute(text("DELETE FROM imports WHERE id = :id"), {"id": import_id})
    return gone


async def delete_old_pieces(session: AsyncSession, limit: int = 500) -> int:
    """Delete up to ``limit`` pieces of files older than seven days that nobody is reading; how many are gone."""
    sql = """
        DELETE FROM import_pieces WHERE (import_id, position) IN (
            SELECT p.import_id, p.position FROM import_pieces p JOIN imports i ON i.id = p.import_id
            WHERE i.status <> 'running' AND p.created_at < dialer_now() - :kept ORDER BY 1, 2 LIMIT :limit)
        RETURNING 1"""
    return len(await rows(session, sql, {"kept": PIECES_KEPT, "limit": limit}))


async def fail_abandoned_uploads(session: AsyncSession) -> int:
    """Fail imports whose upload never ended, lest their campaigns wait for them for ever; how many."""
    sql = """
        UPDATE imports i SET status = 'failed', finished_at = dialer_now(),
            error = '{"code": "upload_incomplete", "message": "The file was not uploaded completely",
                "suggestion": "Upload the file again", "column": null}'
        WHERE status = 'running' AND started_at IS NULL AND created_at < dialer_now() - :patience
            AND NOT EXISTS (SELECT 1 FROM import_pieces p
                WHERE p.import_id = i.id AND p.created_at >= dialer_now() - :patience)
        RETURNING id"""
    return len(await rows(session, sql, {"patience": UPLOAD_PATIENCE}))


# -- rows ----------------------------------------------------------------------------------------------------------


def import_record(row: Row[Any]) -> ImportRecord:
    """A row of ``imports`` with all of its columns."""
    return ImportRecord(
        id=row.id,
        workspace_id=row.workspace_id,
        campaign_id=row.campaign_id,
        status=ImportStatus(row.status),
        filename=row.filename,
        size_bytes=row.size_bytes,
        options=row.options,
        shape=row.shape,
        rows_total=row.rows_total,
        rows_read=row.rows_read,
        next_offset=row.next_offset,
        next_row=row.next_row,
        created=row.created,
        updated=row.updated,
        skipped=row.skipped,
        failed=row.failed,
        error=row.error,
        report=row.report,
        created_by=row.created_by,
        started_at=row.started_at,
        finished_at=row.finished_at,
        run=row.run,
    )


async def _conflict(session: AsyncSession, import_id: UUID, code: str) -> ImportConflict:
    row = await one(session, "SELECT status FROM imports WHERE id = :id", {"id": import_id})
    return ImportConflict("deleted" if row is None else row.status, "not_found" if row is None else code)
