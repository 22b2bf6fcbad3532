"""Which attempts of a campaign have changed lately: ids and states, nothing personal, by index alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import rows
from dialer.store.tables.base import LIVE

#: A row shows the time at which it was written and is seen once that is committed: so much later at most, usually.
LATE_COMMIT = timedelta(seconds=5)
#: How much older than its last change a call may be that is over.
LONGEST = timedelta(hours=1)

_COLUMNS = "c.id, c.prospect_id, c.attempt, c.state, c.disposition, c.outcome, c.updated_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallNow:
    """Where one call stands."""

    id: UUID
    prospect_id: UUID | None
    attempt: int | None
    state: str
    disposition: str | None
    outcome: str | None
    updated_at: datetime


async def calls_now(session: AsyncSession, campaign_id: UUID, known: Sequence[UUID], since: datetime) -> list[CallNow]:
    """Calls in flight, those of ``known``, and those that began after ``since``."""
    sql = f"""
        SELECT {_COLUMNS} FROM calls c WHERE c.direction <> 'inbound' AND c.id IN (
            SELECT id FROM calls WHERE campaign_id = :id AND {LIVE}
            UNION SELECT id FROM calls WHERE campaign_id = :id AND created_at > :since
            UNION SELECT unnest(CAST(:known AS uuid[]))) ORDER BY c.updated_at, c.id"""
    found = await rows(session, sql, {"id": campaign_id, "since": since - LATE_COMMIT, "known": list(known)})
    return [CallNow(**row._mapping) for row in found]  # pyright: ignore[reportPrivateUsage]


async def calls_since(session: AsyncSession, campaign_id: UUID, since: datetime, limit: int) -> list[CallNow]:
    """Calls that changed after ``since``, the latest ``limit`` of them, oldest change first."""
    sql = f"""
        SELECT * FROM (
            SELECT {_COLUMNS} FROM calls c WHERE c.campaign_id = :id AND c.updated_at > :since
                AND c.direction <> 'inbound' AND c.id IN (
                SELECT id FROM calls WHERE campaign_id = :id AND {LIVE}
                UNION SELECT id FROM calls WHERE campaign_id = :id AND created_at > :oldest)
            ORDER BY c.updated_at DESC LIMIT :limit) AS changed ORDER BY updated_at, id"""
    since -= LATE_COMMIT
    parameters = {"id": campaign_id, "since": since, "oldest": since - LONGEST, "limit": limit}
    return [CallNow(**row._mapping) for row in await rows(session, sql, parameters)]  # pyright: ignore[reportPrivateUsage]
