"""What a sweep looks for: rows that a crash has left behind, and calls to be looked at or ended at the carrier."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one, rows
from dialer.store.redials_cancelled import HAS_RUNG_BACK
from dialer.store.tables.base import LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedCall:
    """A call and whose it is."""

    workspace_id: UUID
    call_id: UUID
    carrier_account_id: UUID | None = None
    carrier_call_id: str | None = None
    answered: bool = False


async def expired_claims(session: AsyncSession, expiry_s: float) -> list[OwnedCall]:
    """Calls claimed so long ago that the process which claimed them must be gone."""
    sql = """SELECT id, workspace_id FROM calls WHERE state = 'claimed'
             AND claimed_at < dialer_now() - make_interval(secs => :expiry) LIMIT 500"""
    return [_owned(row) for row in await rows(session, sql, {"expiry": expiry_s})]


async def overdue(session: AsyncSession) -> list[OwnedCall]:
    """Live calls past their deadline, oldest first, also those that came in, and ended ones whose detection result has
    not come.

    Some of each account, so that one which does not answer keeps no other's calls from being looked at.
    """
    sql = f"""
        SELECT id, workspace_id, carrier_account_id FROM (
            SELECT *, row_number() OVER (PARTITION BY carrier_account_id ORDER BY due_at) AS place FROM (
                SELECT id, workspace_id, carrier_account_id, deadline_at AS due_at FROM calls
                WHERE {LIVE} AND state <> 'claimed' AND deadline_at < dialer_now()
                UNION ALL
                SELECT id, workspace_id, carrier_account_id, deadline_at FROM calls
                WHERE state = 'inbound' AND deadline_at < dialer_now()
                UNION ALL
                SELECT id, workspace_id, carrier_account_id, amd_due_at FROM calls WHERE amd_due_at < dialer_now()
            ) AS late
        ) AS placed WHERE place <= 100 ORDER BY place LIMIT 1000"""
    return [
        OwnedCall(workspace_id=row.workspace_id, call_id=row.id, carrier_account_id=row.carrier_account_id)
        for row in await rows(session, sql)
    ]


async def to_hang_up(session: AsyncSession) -> list[OwnedCall]:
    """Calls that are to be ended at the carrier, live or late, whose carrier id is known and which were not asked yet.

    In no order, so that an account which refuses everything keeps no other call from its turn.
    """
    columns = "id, workspace_id, carrier_account_id, carrier_call_id, answered_at"
    unsent = "hang_up_sent_at IS NULL AND carrier_call_id IS NOT NULL"
    sql = f"""
        SELECT {columns} FROM (
            SELECT {columns} FROM calls WHERE {LIVE} AND hang_up_at IS NOT NULL AND {unsent}
            UNION ALL
            SELECT {columns} FROM calls WHERE late_at > dialer_now() - interval '1 day' AND {unsent}
        ) AS asked ORDER BY random() LIMIT 200"""
    return [_owned(row, at_carrier=True) for row in await rows(session, sql)]


async def mark_not_ringing(session: AsyncSession, ring_after_s: float) -> int:
    """Accepted calls that have not begun to ring in time are to be ended; how many."""
    sql = """
        UPDATE calls SET hang_up_at = dialer_now(), cancel_reason = 'not_ringing'
        WHERE state = 'accepted' AND hang_up_at IS NULL
            AND accepted_at < dialer_now() - make_interval(secs => :seconds)"""
    result = await session.execute(text(sql + " RETURNING id"), {"seconds": ring_after_s})
    return len(result.all())


async def waiting_at_carrier(session: AsyncSession) -> list[Row[Any]]:
    """Calls that ring or are about to, with what their calling hours need."""
    sql = """
        SELECT c.id, c.campaign_id, c.prospect_id, c.to_phone, p.zone_set, m.settings, dialer_now() AS now
        FROM calls c LEFT JOIN campaigns m ON m.id = c.campaign_id LEFT JOIN prospects p ON p.id = c.prospect_id
        WHERE c.state IN ('accepted', 'ringing') AND c.hang_up_at IS NULL AND c.direction = 'outbound'"""
    return await rows(session, sql)


async def mark_window_closing(session: AsyncSession, call_ids: list[UUID]) -> None:
    """These are to be ended: their window closes before anybody has answered."""
    sql = """UPDATE calls SET hang_up_at = dialer_now(), cancel_reason = 'window_closing'
             WHERE id = ANY(:ids) AND state IN ('accepted', 'ringing') AND hang_up_at IS NULL"""
    await session.execute(text(sql), {"ids": call_ids})


async def free_orphans(session: AsyncSession) -> list[UUID]:
    """People ``in_call`` without a call become ready again, unless they have rung back; their campaigns."""
    sql = f"""
        UPDATE prospects p SET rang_back_at = NULL, state = CASE WHEN {HAS_RUNG_BACK} THEN 'reached' ELSE 'ready' END,
            next_due_at = CASE WHEN NOT {HAS_RUNG_BACK}
                THEN greatest(p.next_due_at, dialer_now() + interval '5 seconds') END
        WHERE p.state = 'in_call' AND p.updated_at < dialer_now() - interval '60 seconds'
            AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.prospect_id = p.id
                AND (c.{LIVE} OR c.amd_due_at IS NOT NULL))
        RETURNING p.campaign_id"""
    return list({row.campaign_id for row in await rows(session, sql)})


async def open_campaigns(session: AsyncSession) -> list[Row[Any]]:
    """Campaigns that must have a workflow: it is started again when it has none.

    ``claiming``: a leg has claimed somebody in the last half minute, so that one certainly runs.
    """
    sql = """SELECT id, workspace_id, name, status, settings, paused_reason, completed_reason, idle_until,
                coalesce(wants_until > dialer_now() - interval '30 seconds', false) AS claiming, dialer_now() AS now
             FROM campaigns c WHERE hidden_at IS NULL AND (status IN ('scheduled', 'running', 'paused')
                OR status = 'stopped' AND EXISTS (
                    SELECT 1 FROM prospects p WHERE p.campaign_id = c.id AND p.state = 'ready'))
                AND updated_at < dialer_now() - interval '10 seconds'"""
    return await rows(session, sql)


async def open_imports(session: AsyncSession) -> list[Row[Any]]:
    """Imports that must have a workflow, and which run of theirs."""
    sql = """SELECT id, workspace_id, campaign_id, run FROM imports
             WHERE status = 'running' AND started_at < dialer_now() - interval '30 seconds'"""
    return await rows(session, sql)


async def least_checked(session: AsyncSession) -> tuple[UUID, UUID, datetime | None] | None:
    """(workspace, campaign, last check) of the campaign whose tallies were checked longest ago."""
    sql = """SELECT workspace_id, id, tallies_checked_at FROM campaigns WHERE hidden_at IS NULL
                AND (tallies_checked_at IS NULL OR tallies_checked_at < dialer_now() - interval '10 minutes')
             ORDER BY tallies_checked_at NULLS FIRST LIMIT 1"""
    row = await one(session, sql)
    return None if row is None else (row.workspace_id, row.id, row.tallies_checked_at)


def _owned(row: Row[Any], *, at_carrier: bool = False) -> OwnedCall:
    if not at_carrier:
        return OwnedCall(workspace_id=row.workspace_id, call_id=row.id)
    return OwnedCall(
        workspace_id=row.workspace_id,
        call_id=row.id,
        carrier_account_id=row.carrier_account_id,
        carrier_call_id=row.carrier_call_id,
        answered=row.answered_at is not None,
    )
