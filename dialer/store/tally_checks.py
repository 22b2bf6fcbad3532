"""Tallies against the rows that they count. They are kept by triggers; this is the proof, and the repair."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import rows

_COUNTED = """
    SELECT CASE WHEN grouping(state) = 0 THEN 'state' ELSE 'attempts' END AS kind,
        CASE WHEN grouping(state) = 0 THEN state ELSE attempts::text END AS key, count(*)::numeric AS n
    FROM prospects WHERE campaign_id = :id GROUP BY GROUPING SETS ((state), (attempts))
    UNION ALL
    SELECT k.kind, k.key, sum(k.n) FROM calls c, LATERAL call_counts(c) AS k WHERE c.campaign_id = :id GROUP BY 1, 2"""


async def wrong_tallies(session: AsyncSession, campaign_id: UUID) -> dict[str, tuple[int, int]]:
    """``kind:key`` → (tallied, counted) where the two differ, in one snapshot. Empty when all is well."""
    sql = f"""
        WITH counted AS ({_COUNTED}),
        tallied AS (SELECT kind, key, sum(n) AS n FROM tallies WHERE campaign_id = :id GROUP BY kind, key)
        SELECT kind, key, coalesce(t.n, 0) AS tallied, coalesce(c.n, 0) AS counted
        FROM tallied t FULL JOIN counted c USING (kind, key) WHERE coalesce(t.n, 0) <> coalesce(c.n, 0)"""
    found = await rows(session, sql, {"id": campaign_id})
    return {f"{row.kind}:{row.key}": (int(row.tallied), int(row.counted)) for row in found}


async def repair_tallies(session: AsyncSession, campaign_id: UUID) -> None:
    """Count anew, while nobody writes."""
    await session.execute(text("LOCK TABLE tallies IN EXCLUSIVE MODE"))
    await session.execute(text("DELETE FROM tallies WHERE campaign_id = :id"), {"id": campaign_id})
    sql = f"""INSERT INTO tallies (workspace_id, campaign_id, kind, key, slot, n)
              SELECT c.workspace_id, c.id, k.kind, k.key, 0, k.n FROM campaigns c, ({_COUNTED}) AS k WHERE c.id = :id"""
    await session.execute(text(sql), {"id": campaign_id})


async def limit_statements(session: AsyncSession, seconds: int) -> None:
    """From here on no statement of this transaction takes longer. What does raises DBAPIError."""
    await session.execute(text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": f"{seconds}s"})


async def mark_checked(session: AsyncSession, campaign_id: UUID) -> None:
    """The campaign's turn comes again after all others."""
    await session.execute(
        text("UPDATE campaigns SET tallies_checked_at = dialer_now() WHERE id = :id"), {"id": campaign_id}
    )
