"""Uploads that go on where they stopped: an import whose bytes come in as many requests as it takes.

While they come, ``size_bytes`` counts those that are stored and ``options.upload_length`` says how many are announced.
Bytes are added by compare-and-set on the count, so that of two senders of the same bytes one is told where to go on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.states import ImportStatus
from dialer.store.database import one
from dialer.store.imports import create_import, finish_upload

_ANNOUNCED = "(options->>'upload_length')::bigint"


class NotAppended(Exception):
    """The bytes do not belong at the end of what is stored, or the upload is over: read it to see which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """``offset`` of ``length`` bytes are stored; ``complete`` once all are and the file may be read.

    ``resumable`` is False when the upload was ended for good.
    """

    import_id: UUID
    campaign_id: UUID
    status: ImportStatus
    offset: int
    length: int
    complete: bool
    resumable: bool


async def begin(
    session: AsyncSession,
    *,
    workspace_id: UUID,
    campaign_id: UUID,
    filename: str,
    length: int,
    options: Mapping[str, Any],
    created_by: str | None = None,
) -> Upload:
    """An import of ``length`` bytes that are still to come."""
    import_id = await create_import(
        session,
        workspace_id=workspace_id,
        campaign_id=campaign_id,
        filename=filename,
        options={**options, "upload_length": length},
        created_by=created_by,
    )
    found = await read(session, import_id)
    assert found is not None
    return found


async def count_open(session: AsyncSession) -> int:
    """How many uploads of the workspace are under way."""
    sql = "SELECT count(*) AS n FROM imports WHERE status = 'running' AND started_at IS NULL"
    row = await one(session, sql)
    return 0 if row is None else row.n


async def read(session: AsyncSession, import_id: UUID) -> Upload | None:
    """How far an upload has come; None when there is no such import, or its file came in one request."""
    sql = f"""
        SELECT t.id, campaign_id, status, size_bytes, {_ANNOUNCED} AS length, started_at,
            status = 'failed' AND error->>'code' = 'upload_incomplete' AS given_up
        FROM imports t WHERE t.id = :id AND options->>'upload_length' IS NOT NULL
            AND EXISTS (SELECT 1 FROM campaigns v WHERE v.id = t.campaign_id AND v.hidden_at IS NULL)"""
    row = await one(session, sql, {"id": import_id})
    if row is None:
        return None
    return Upload(
        import_id=row.id,
        campaign_id=row.campaign_id,
        status=ImportStatus(row.status),
        offset=row.size_bytes,
        length=row.length,
        complete=row.started_at is not None,
        resumable=row.started_at is None and (row.status == ImportStatus.RUNNING or row.given_up),
    )


async def append(session: AsyncSession, import_id: UUID, offset: int, data: bytes) -> int:
    """Store at most PIECE_BYTES behind the first ``offset`` bytes; how many are stored now.

    An upload that was given up since nothing came for a while goes on, if its bytes are still kept. The last bytes
    end the upload, in the same transaction. Raises NotAppended.
    """
    await _reopen(session, import_id)
    sql = f"""
        UPDATE imports SET size_bytes = size_bytes + :n
        WHERE id = :id AND status = 'running' AND started_at IS NULL AND size_bytes = :offset
            AND size_bytes + :n <= {_ANNOUNCED}
        RETURNING size_bytes, {_ANNOUNCED} AS length"""
    row = await one(session, sql, {"id": import_id, "offset": offset, "n": len(data)})
    if row is None:
        raise NotAppended
    # A statement of its own: it sees the pieces of whoever held the row before.
    sql = """
        INSERT INTO import_pieces (workspace_id, import_id, position, data)
        SELECT workspace_id, id, (SELECT coalesce(max(position) + 1, 0) FROM import_pieces WHERE import_id = :id), :data
        FROM imports WHERE id = :id"""
    await session.execute(text(sql), {"id": import_id, "data": data})
    if row.size_bytes == row.length:
        await finish_upload(session, import_id)
    return row.size_bytes


async def _reopen(session: AsyncSession, import_id: UUID) -> None:
    sql = """
        UPDATE imports SET status = 'running', error = NULL, finished_at = NULL
        WHERE id = :id AND status = 'failed' AND started_at IS NULL AND error->>'code' = 'upload_incomplete'
            AND size_bytes = (SELECT coalesce(sum(octet_length(data)), 0) FROM import_pieces WHERE import_id = :id)"""
    await session.execute(text(sql), {"id": import_id})
