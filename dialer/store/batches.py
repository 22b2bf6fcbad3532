"""Batches: a file, its import and its campaign, seen as one thing.

The status is not stored. It follows from the campaign once that was launched, and from the import before, so that the
three cannot disagree: a campaign that is stopped is a batch that is cancelled, whoever stopped it and by which door.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.states import BatchStatus
from dialer.store.database import one, rows
from dialer.store.pages import CREATED_AT, Listing, SortColumn

STATUS = """CASE
    WHEN c.status = 'stopped' THEN 'cancelled'
    WHEN c.launched_at IS NOT NULL THEN CASE WHEN c.status IN ('completed', 'paused') THEN c.status ELSE 'running' END
    WHEN t.error IS NOT NULL OR i.id IS NULL OR i.status = 'failed' THEN 'failed'
    WHEN i.status = 'cancelled' OR c.hidden_at IS NOT NULL AND i.started_at IS NOT NULL THEN 'cancelled'
    WHEN i.status = 'running' THEN 'importing'
    ELSE 'scheduled' END"""
_SOURCE = "batches t JOIN campaigns c ON c.batch_id = t.id LEFT JOIN imports i ON i.id = t.import_id"
_PEOPLE = """(SELECT coalesce(jsonb_object_agg(key, n), '{}') FROM (
    SELECT key, sum(n)::bigint AS n FROM tallies WHERE campaign_id = c.id AND kind = 'state' GROUP BY key
    ) AS states)"""
_DIALED = "(SELECT coalesce(sum(n), 0)::bigint FROM tallies WHERE campaign_id = c.id AND kind = 'dialed')"

BATCHES = Listing(
    columns=f"""t.*, {STATUS} AS status, c.id AS campaign_id, c.name, c.agent_id, c.paused_reason, c.completed_reason,
        c.launched_at, c.completed_at, c.settings, i.id AS found_import, i.filename, i.error AS import_error,
        i.rows_total, i.rows_read, i.created, i.updated, i.skipped, i.failed, i.started_at AS uploaded_at,
        i.status AS import_status, {_PEOPLE} AS prospects, {_DIALED} AS calls_total""",
    source=_SOURCE,
    sorts={
        "created_at": CREATED_AT,
        "updated_at": SortColumn(expression="t.updated_at", type="timestamptz"),
        "name": SortColumn(expression="c.name"),
        "scheduled_at": SortColumn(expression="coalesce(t.scheduled_at, t.created_at)", type="timestamptz"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a batch stands at ``now``, for whoever decides what comes next.

    ``uploaded`` is False while its file arrives. ``error`` has a ``code`` and a ``message`` when it failed.
    """

    status: BatchStatus
    name: str
    now: datetime
    scheduled_at: datetime | None
    campaign_id: UUID
    import_id: UUID | None
    import_run: int
    uploaded: bool
    anybody: bool
    ignore_missing_variables: bool
    error: Mapping[str, Any] | None

    @property
    def is_due(self) -> bool:
        return self.scheduled_at is None or self.scheduled_at <= self.now


async def create(session: AsyncSession, *, workspace_id: UUID, created_by: str | None) -> UUID:
    """A batch without anything yet."""
    sql = "INSERT INTO batches (workspace_id, created_by) VALUES (:workspace, :by) RETURNING id"
    return (await rows(session, sql, {"workspace": workspace_id, "by": created_by}))[0].id


async def some_agent(session: AsyncSession) -> UUID | None:
    """Any agent of the workspace, for a draft whose own is not known yet; None when there is none."""
    row = await one(session, "SELECT id FROM agents LIMIT 1")
    return None if row is None else row.id


async def own(session: AsyncSession, batch_id: UUID, *, campaign_id: UUID, import_id: UUID) -> None:
    """A draft and its import belong to the batch. Nobody sees the draft until its file is there."""
    sql = "UPDATE campaigns SET batch_id = :batch, hidden_at = dialer_now() WHERE id = :id"
    await session.execute(text(sql), {"batch": batch_id, "id": campaign_id})
    sql = "UPDATE batches SET import_id = :import WHERE id = :id"
    await session.execute(text(sql), {"import": import_id, "id": batch_id})


async def settle(
    session: AsyncSession,
    batch_id: UUID,
    *,
    scheduled_at: datetime | None,
    ignore_missing_variables: bool,
    metadata: Mapping[str, Any],
) -> None:
    """The file is there, and so is every field that came with it: the campaign may be seen."""
    sql = """UPDATE batches SET scheduled_at = :at, ignore_missing_variables = :ignore,
             metadata = CAST(:metadata AS jsonb) WHERE id = :id"""
    parameters = {"at": scheduled_at, "ignore": ignore_missing_variables, "id": batch_id}
    await session.execute(text(sql), {**parameters, "metadata": json.dumps(metadata)})
    await session.execute(text("UPDATE campaigns SET hidden_at = NULL WHERE batch_id = :id"), {"id": batch_id})


async def discard(session: AsyncSession, batch_id: UUID) -> None:
    """Forget a batch whose upload was refused or broken off, unless somebody has cancelled it: then it stays so.

    Its draft stays hidden for ever, since what the history of changes says of it stays too.
    """
    sql = f"SELECT c.id, t.import_id, {STATUS} AS status FROM {_SOURCE} WHERE t.id = :id"
    row = await one(session, sql, {"id": batch_id})
    if row is None or row.status == BatchStatus.CANCELLED:
        return
    await session.execute(text("UPDATE campaigns SET batch_id = NULL WHERE id = :id"), {"id": row.id})
    await session.execute(text("DELETE FROM batches WHERE id = :id"), {"id": batch_id})
    await session.execute(text("DELETE FROM imports WHERE id = :id AND rows_read = 0"), {"id": row.import_id})


async def find(session: AsyncSession, batch_id: UUID) -> dict[str, Any] | None:
    """A batch with all that ``BATCHES`` lists."""
    row = await one(session, f"SELECT {BATCHES.columns} FROM {_SOURCE} WHERE t.id = :id", {"id": batch_id})
    return None if row is None else dict(row._mapping)  # pyright: ignore[reportPrivateUsage]


async def hold(session: AsyncSession, batch_id: UUID) -> None:
    """Whoever launches or reschedules a batch waits for the other; what is read afterwards is what the other left."""
    await session.execute(text("SELECT 1 FROM batches WHERE id = :id FOR NO KEY UPDATE"), {"id": batch_id})


async def standing_of(session: AsyncSession, batch_id: UUID) -> Standing | None:
    """Where the batch stands now; None when there is none. ``anybody``: somebody can be called, or may be by then."""
    sql = f"""
        SELECT t.*, {STATUS} AS status, c.id AS campaign_id, c.name, i.id AS found_import, i.error AS import_error,
            coalesce(i.run, 1) AS run, i.started_at, dialer_now() AS now,
            coalesce(CAST(c.settings ->> 'keep_open' AS boolean), false)
                OR EXISTS (SELECT 1 FROM prospects p WHERE p.campaign_id = c.id AND p.state IN ('ready', 'held'))
                OR EXISTS (SELECT 1 FROM imports o WHERE o.campaign_id = c.id AND o.status = 'running') AS anybody
        FROM {_SOURCE} WHERE t.id = :id"""
    row = await one(session, sql, {"id": batch_id})
    return None if row is None else _standing(row)


def failure_of(
    error: Mapping[str, Any] | None, import_error: Mapping[str, Any] | None, *, imported: bool
) -> Mapping[str, Any]:
    """Why a failed batch failed: its launch, else its import, else that its import was undone."""
    if error is not None:
        return error
    if imported and import_error is not None:
        return import_error
    return {"code": "import_deleted", "message": "The import of this batch was undone"}


async def reschedule(session: AsyncSession, batch_id: UUID, scheduled_at: datetime | None) -> None:
    """Another time to begin at; whether that can be is for the caller to know, who holds the batch."""
    sql = "UPDATE batches SET scheduled_at = :at WHERE id = :id"
    await session.execute(text(sql), {"id": batch_id, "at": scheduled_at})


async def annotate(session: AsyncSession, batch_id: UUID, metadata: Mapping[str, Any]) -> None:
    """Other metadata."""
    sql = "UPDATE batches SET metadata = CAST(:metadata AS jsonb) WHERE id = :id"
    await session.execute(text(sql), {"id": batch_id, "metadata": json.dumps(metadata)})


async def fail(session: AsyncSession, batch_id: UUID, error: Mapping[str, Any]) -> None:
    """It cannot be launched, and why."""
    sql = "UPDATE batches SET error = CAST(:error AS jsonb) WHERE id = :id"
    await session.execute(text(sql), {"id": batch_id, "error": json.dumps(error)})


async def open_batches(session: AsyncSession) -> list[Row[Any]]:
    """Batches that must have a workflow; ``late``: it should have launched one by now, so a wake-up may be lost."""
    sql = f"""
        SELECT t.id, t.workspace_id, c.name, c.id AS campaign_id,
            c.launched_at IS NULL AND i.status = 'completed'
                AND coalesce(t.scheduled_at, i.finished_at) < dialer_now() - interval '10 seconds' AS late
        FROM {_SOURCE}
        WHERE c.status NOT IN ('completed', 'stopped') AND i.started_at < dialer_now() - interval '30 seconds'
            AND {STATUS} IN ('importing', 'scheduled', 'running', 'paused')"""
    return await rows(session, sql)


def _standing(row: Row[Any]) -> Standing:
    status = BatchStatus(row.status)
    failed = status is BatchStatus.FAILED
    return Standing(
        status=status,
        name=row.name,
        now=row.now,
        scheduled_at=row.scheduled_at,
        campaign_id=row.campaign_id,
        import_id=row.import_id,
        import_run=row.run,
        uploaded=row.started_at is not None,
        anybody=row.anybody,
        ignore_missing_variables=row.ignore_missing_variables,
        error=failure_of(row.error, row.import_error, imported=row.found_import is not None) if failed else None,
    )
