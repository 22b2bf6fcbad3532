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
#: A restore is noticed within so many seconds: sweeps are half a minute apart, and a worker that starts looks first.
#: What was called since then may have been called by a database that was restored already.
UNNOTICED_S = 300
_LAST_CERTAIN = """
    SELECT greatest((SELECT max(recovered_at) FROM recoveries),
        (SELECT created_at FROM calls WHERE created_by IS DISTINCT FROM :maker
            AND created_at < dialer_now() - make_interval(secs => :unnoticed) ORDER BY number DESC LIMIT 1))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the database has come, and whether somebody has noticed a restore that is not recovered from yet."""

    mark: Mark
    awaits_recovery: bool

    def is_restored(self, seen: Mark) -> bool:
        """True when nobody may be dialed, since calls may be missing that were made."""
        return self.awaits_recovery or self.mark.is_behind(seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedCampaign:
    """A campaign that waits for the recovery."""

    workspace_id: UUID
    campaign_id: UUID
    name: str


async def read_standing(session: AsyncSession) -> Standing:
    """How far the whole database has come."""
    return await _standing(session, "(SELECT max(number) FROM calls)", {})


async def read_campaign_standing(session: AsyncSession, campaign_id: UUID) -> Standing:
    """How far one campaign has come. Its calls are claimed one transaction at a time, so the latest is the newest."""
    newest = "(SELECT number FROM calls WHERE campaign_id = :id ORDER BY created_at DESC, id DESC LIMIT 1)"
    return await _standing(session, newest, {"id": campaign_id})


async def _standing(session: AsyncSession, newest: str, parameters: Mapping[str, Any]) -> Standing:
    sql = f"""SELECT coalesce({newest}, 0) AS newest, max(recovered_at) AS recovered_at,
              coalesce(bool_or(recovered_at IS NULL), false) AS awaits FROM recoveries"""
    row = await one(session, sql, parameters)
    assert row is not None
    mark = Mark(newest_call=row.newest, recovered_at=row.recovered_at)
    return Standing(mark=mark, awaits_recovery=row.awaits)


async def note_restore(session: AsyncSession) -> None:
    """Remember what the newest call is now, since later ones will not tell when the gap begins. Once per restore."""
    sql = f"""
        INSERT INTO recoveries (newest_call_at)
        SELECT ({_LAST_CERTAIN}) WHERE NOT EXISTS (SELECT 1 FROM recoveries WHERE recovered_at IS NULL)"""
    await session.execute(text(sql), {"maker": MADE_BY, "unnoticed": UNNOTICED_S})


async def gap_begins(session: AsyncSession) -> datetime:
    """The newest call before the gap was made then; without any call, the first workspace was."""
    sql = f"""
        SELECT coalesce((SELECT min(newest_call_at) FROM recoveries WHERE recovered_at IS NULL), ({_LAST_CERTAIN}),
            (SELECT min(created_at) FROM workspaces), dialer_now()) AS at"""
    row = await one(session, sql, {"maker": MADE_BY, "unnoticed": UNNOTICED_S})
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
