"""How far the database has come, and which restores of it are still to be recovered from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.restores import Mark
from dialer.domain.states import PausedReason
from dialer.store.database import one, rows

#: Who made the rows of calls that were found at the carrier.
MADE_BY = "recovery"
_RECOVERED = "(SELECT max(recovered_at) FROM recoveries)"


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedCampaign:
    """A campaign that waits for the recovery."""

    workspace_id: UUID
    campaign_id: UUID
    name: str


async def read_mark(session: AsyncSession) -> Mark:
    """How far the whole database has come."""
    row = await one(session, f"SELECT coalesce(max(number), 0) AS newest, {_RECOVERED} AS recovered_at FROM calls")
    return Mark() if row is None else Mark(newest_call=row.newest, recovered_at=row.recovered_at)


async def read_campaign_mark(session: AsyncSession, campaign_id: UUID) -> Mark:
    """How far one campaign has come. Its calls are claimed one transaction at a time, so the latest is the newest."""
    sql = f"""
        SELECT coalesce((SELECT number FROM calls WHERE campaign_id = :id
            ORDER BY created_at DESC, id DESC LIMIT 1), 0) AS newest, {_RECOVERED} AS recovered_at"""
    row = await one(session, sql, {"id": campaign_id})
    return Mark() if row is None else Mark(newest_call=row.newest, recovered_at=row.recovered_at)


async def note_restore(session: AsyncSession) -> None:
    """Remember what the newest call is now, since later ones will not tell when the gap begins. Once per restore."""
    sql = """
        INSERT INTO recoveries (newest_call_at)
        SELECT (SELECT created_at FROM calls WHERE created_by IS DISTINCT FROM :maker ORDER BY number DESC LIMIT 1)
        WHERE NOT EXISTS (SELECT 1 FROM recoveries WHERE recovered_at IS NULL)"""
    await session.execute(text(sql), {"maker": MADE_BY})


async def gap_begins(session: AsyncSession) -> datetime:
    """The newest call before the gap was made then; without any call, the first workspace was."""
    sql = """
        SELECT coalesce((SELECT min(newest_call_at) FROM recoveries WHERE recovered_at IS NULL),
            (SELECT created_at FROM calls WHERE created_by IS DISTINCT FROM :maker ORDER BY number DESC LIMIT 1),
            (SELECT min(created_at) FROM workspaces), dialer_now()) AS at"""
    row = await one(session, sql, {"maker": MADE_BY})
    assert row is not None
    return row.at


async def close_recoveries(session: AsyncSession, since: datetime, facts: Mapping[str, Any]) -> datetime:
    """Everything that the carrier knows of is recovered: whoever has seen more than this looks anew."""
    await note_restore(session)
    sql = """
        UPDATE recoveries SET recovered_at = dialer_now(), since = :since, facts = CAST(:facts AS jsonb)
        WHERE recovered_at IS NULL RETURNING recovered_at"""
    closed = await rows(session, sql, {"since": since, "facts": json.dumps(dict(facts))})
    return closed[0].recovered_at


async def callable_campaigns(session: AsyncSession) -> list[tuple[UUID, UUID]]:
    """(workspace, campaign) of every campaign that calls, or will."""
    sql = "SELECT workspace_id, id FROM campaigns WHERE status IN ('running', 'scheduled') ORDER BY id"
    return [(row.workspace_id, row.id) for row in await rows(session, sql)]


async def paused_campaigns(session: AsyncSession) -> list[PausedCampaign]:
    """Campaigns that were paused because the database was restored."""
    sql = """SELECT workspace_id, id, name FROM campaigns WHERE status = 'paused' AND paused_reason = :reason
             AND hidden_at IS NULL ORDER BY id"""
    found = await rows(session, sql, {"reason": PausedReason.DATABASE_RESTORED.value})
    return [PausedCampaign(workspace_id=row.workspace_id, campaign_id=row.id, name=row.name) for row in found]
