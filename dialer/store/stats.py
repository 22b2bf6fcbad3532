"""A campaign's figures, read from what triggers keep: the cost does not grow with the number of prospects."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.states import FINAL_PROSPECT_STATES
from dialer.store.database import one, rows
from dialer.store.tables.base import LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """``campaign`` is the row (id, status, paused_reason, paused_details, completed_reason, settings, hidden_at)."""

    campaign: Row[Any]
    now: datetime
    prospects: dict[str, int]
    calls_total: int
    calls_in_flight: int

    @property
    def prospects_total(self) -> int:
        return sum(self.prospects.values())

    @property
    def prospects_done(self) -> int:
        """Those whose state is final."""
        return sum(n for state, n in self.prospects.items() if state in FINAL_PROSPECT_STATES)


async def figures_of(session: AsyncSession, campaign_id: UUID) -> Figures:
    """Status at a glance, in one statement. Raises LookupError."""
    sql = f"""
        SELECT c.id, c.workspace_id, c.status, c.paused_reason, c.paused_details, c.completed_reason, c.settings,
            c.hidden_at, dialer_now() AS now,
            (SELECT coalesce(jsonb_object_agg(key, n), '{{}}') FROM (
                SELECT key, sum(n)::bigint AS n FROM tallies WHERE campaign_id = c.id AND kind = 'state' GROUP BY key
            ) AS states) AS prospects,
            (SELECT coalesce(sum(n), 0)::bigint FROM tallies WHERE campaign_id = c.id AND kind = 'dialed') AS dialed,
            (SELECT count(*) FROM calls WHERE campaign_id = c.id AND {LIVE}) AS live
        FROM campaigns c WHERE c.id = :id"""
    row = await one(session, sql, {"id": campaign_id})
    if row is None:
        raise LookupError(f"there is no campaign {campaign_id}")
    return Figures(
        campaign=row,
        now=row.now,
        prospects={state: n for state, n in row.prospects.items() if n},
        calls_total=row.dialed,
        calls_in_flight=row.live,
    )


async def tallies_of(session: AsyncSession, campaign_id: UUID) -> dict[str, dict[str, Decimal]]:
    """Every count of a campaign: kind, then key. Zeros are left out."""
    sql = """SELECT kind, key, sum(n) AS n FROM tallies WHERE campaign_id = :id
             GROUP BY kind, key HAVING sum(n) <> 0 ORDER BY kind, key"""
    found: dict[str, dict[str, Decimal]] = {}
    for row in await rows(session, sql, {"id": campaign_id}):
        found.setdefault(row.kind, {})[row.key] = row.n
    return found
