"""What becomes of people who are still ready when their campaign ends, or whose zones never open."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one
from dialer.store.locks import hold_campaign

BATCH = 5000


async def expire_ready(session: AsyncSession, campaign_id: UUID) -> int:
    """Up to 5,000 ready prospects of a campaign that is over become expired; how many."""
    sql = """
        WITH batch AS (
            SELECT id FROM prospects WHERE campaign_id = :id AND state = 'ready' LIMIT :batch FOR NO KEY UPDATE
        ), done AS (UPDATE prospects p SET state = 'expired', next_due_at = NULL FROM batch WHERE p.id = batch.id
            AND p.state = 'ready' RETURNING p.id)
        SELECT count(*) AS n FROM done"""
    row = await one(session, sql, {"id": campaign_id, "batch": BATCH})
    return 0 if row is None else row.n


async def hold_never_open(session: AsyncSession, campaign_id: UUID, zone_sets: list[str]) -> None:
    """People whose zone set does not open within 14 days are held: reported, and no obstacle to completion."""
    if not zone_sets:
        return
    sql = """UPDATE prospects SET state = 'held', held_reason = 'never_open', next_due_at = NULL
             WHERE campaign_id = :id AND state = 'ready' AND zone_set = ANY(:sets)"""
    await session.execute(text(sql), {"id": campaign_id, "sets": zone_sets})


async def reopen_held(session: AsyncSession, campaign_id: UUID) -> int:
    """After a change of calling hours: people whom only their zones held are ready again; how many."""
    await hold_campaign(session, campaign_id)
    sql = """
        WITH done AS (UPDATE prospects SET state = 'ready', held_reason = NULL, next_due_at = dialer_now()
            WHERE campaign_id = :id AND state = 'held' AND held_reason = 'never_open' RETURNING id)
        SELECT count(*) AS n FROM done"""
    row = await one(session, sql, {"id": campaign_id})
    return 0 if row is None else row.n
