"""A leg's campaign, and waking it: by NOTIFY while a dispatch leg runs, by a nudge to its workflow while it is idle.

Woken after the commit, in a statement of its own: a leg first stores ``idle_until`` and then looks once more, so
whoever commits before that look is seen by it, and whoever commits after it finds ``idle_until`` set and nudges.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one

CHANNEL = "dialer_wake"


async def campaign_of_leg(session: AsyncSession, campaign_id: UUID) -> Row[Any] | None:
    """What a leg needs of the campaign's row, and the time ``now``. None when it is deleted."""
    sql = """SELECT id, workspace_id, agent_id, name, status, settings, settings_version, control_version,
                 paused_reason, completed_reason, reopening, judged_from, dialer_now() AS now
             FROM campaigns WHERE id = :id AND hidden_at IS NULL"""
    return await one(session, sql, {"id": campaign_id})


async def wake(session: AsyncSession, campaign_id: UUID) -> bool:
    """Wake a running leg, or clear ``idle_until``. True: the campaign was idle, so its workflow wants a nudge."""
    sql = f"""
        WITH woken AS (UPDATE campaigns SET idle_until = NULL WHERE id = :id AND idle_until IS NOT NULL RETURNING 1)
        SELECT pg_notify('{CHANNEL}', :name) AS told, EXISTS (SELECT 1 FROM woken) AS was_idle"""
    found = await one(session, sql, {"id": campaign_id, "name": str(campaign_id)})
    return found is not None and found.was_idle


async def sleep_until(session: AsyncSession, campaign_id: UUID, until: datetime) -> None:
    """Store that no leg will run before ``until`` unless somebody wakes the campaign."""
    await session.execute(
        text("UPDATE campaigns SET idle_until = :until WHERE id = :id"), {"id": campaign_id, "until": until}
    )


async def start_leg(session: AsyncSession, campaign_id: UUID) -> None:
    """A leg runs: nobody needs to nudge."""
    sql = "UPDATE campaigns SET idle_until = NULL WHERE id = :id AND idle_until IS NOT NULL"
    await session.execute(text(sql), {"id": campaign_id})
