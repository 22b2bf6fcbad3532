"""Accounts that do not answer, and campaigns whose calls fail: what the breakers know, and when they trip.

An account has a row from its first failed request until an answer; without one, nothing is read or written per call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.breaker import (
    FAILURES_IN_A_ROW,
    BreakerRules,
    EndedCall,
    GoingOn,
    Trip,
    Trouble,
    backoff_s,
    going_on_beside,
    is_open_after,
    judge_calls,
)
from dialer.domain.dispositions import Disposition
from dialer.domain.timing import Timing
from dialer.store.database import one, rows

#: Of account ``a`` with its row ``b``: None while it answers, else how many calls may ask whether it does again.
ASKING = f"""CASE WHEN b.failures >= {FAILURES_IN_A_ROW} THEN CASE WHEN b.open_until > dialer_now() THEN 0
    ELSE greatest(0, 1 - (SELECT count(*) FROM calls WHERE carrier_account_id = a.id
        AND state IN ('claimed', 'dialing'))) END END"""

#: The last ended calls are read this far, whatever is left out of them: right after a campaign was resumed, all that
#: it has ever called would be left out.
_READ_PER_CALL = 4
_AT_ONCE = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """Nobody may dial over any account of a campaign. ``until`` is None while a call asks the carrier."""

    until: datetime | None
    reason: Trouble


async def note_failure(
    session: AsyncSession,
    workspace_id: UUID,
    carrier_account_id: UUID,
    trouble: Trouble,
    timing: Timing,
    retry_after_s: float | None = None,
) -> datetime | None:
    """Count a request that failed. Until when the account is left alone, when that begins now.

    Failures of requests that were under way when it began do not prolong it.
    """
    sql = """
        INSERT INTO backoffs (carrier_account_id, workspace_id, failures, reason) VALUES (:id, :workspace, 1, :reason)
        ON CONFLICT (carrier_account_id) DO UPDATE SET failures = backoffs.failures + 1, reason = EXCLUDED.reason
        RETURNING failures, trips, open_until > dialer_now() AS is_open"""
    row = await one(session, sql, {"id": carrier_account_id, "workspace": workspace_id, "reason": trouble.value})
    assert row is not None
    if row.is_open or not is_open_after(row.failures):
        return None
    wait_s = backoff_s(row.trips + 1, timing.backoff_first_s, timing.backoff_most_s, retry_after_s)
    sql = """UPDATE backoffs SET trips = trips + 1, open_until = dialer_now() + make_interval(secs => :wait)
             WHERE carrier_account_id = :id RETURNING open_until"""
    opened = await one(session, sql, {"id": carrier_account_id, "wait": wait_s})
    return None if opened is None else opened.open_until


async def note_answer(session: AsyncSession, carrier_account_id: UUID) -> bool:
    """The carrier answers. True when the account had been left alone, so that campaigns may wait for this."""
    sql = "DELETE FROM backoffs WHERE carrier_account_id = :id RETURNING trips"
    row = await one(session, sql, {"id": carrier_account_id})
    return row is not None and row.trips > 0


async def campaigns_of_account(session: AsyncSession, carrier_account_id: UUID) -> Sequence[UUID]:
    """Running campaigns that call over the account."""
    sql = """SELECT c.id FROM campaigns c WHERE c.status = 'running' AND c.hidden_at IS NULL AND EXISTS (
                SELECT 1 FROM campaign_numbers m JOIN phone_numbers n ON n.id = m.phone_number_id
                WHERE m.campaign_id = c.id AND n.carrier_account_id = :id)"""
    return [row.id for row in await rows(session, sql, {"id": carrier_account_id})]


async def no_answer(session: AsyncSession, campaign_id: UUID) -> NoAnswer | None:
    """Why no account of the campaign may be dialed over, or None."""
    sql = f"""
        SELECT {ASKING} AS asking, b.reason, CASE WHEN b.open_until > dialer_now() THEN b.open_until END AS opens_at
        FROM carrier_accounts a LEFT JOIN backoffs b ON b.carrier_account_id = a.id
        WHERE a.id IN (SELECT n.carrier_account_id FROM campaign_numbers m
            JOIN phone_numbers n ON n.id = m.phone_number_id WHERE m.campaign_id = :id)"""
    found = await rows(session, sql, {"id": campaign_id})
    if not found or any(row.asking is None or row.asking > 0 for row in found):
        return None
    first = min(found, key=lambda row: row.opens_at or _AT_ONCE)
    return NoAnswer(until=first.opens_at, reason=Trouble(first.reason))


async def judge_campaign(session: AsyncSession, campaign: Row[Any], rules: BreakerRules) -> Trip | None:
    """Look at the last ended calls of a campaign (id, judged_from) that were claimed since it was launched or resumed.

    Failed ones are often over sooner than calls that work: before it trips, those that go on are counted too.
    """
    newest = await _last_ended(session, campaign, rules)
    dispositions = [call.disposition for call in newest]
    trip, others = judge_calls(rules, dispositions), going_on_beside(newest)
    if trip is None or others is None:
        return trip
    return judge_calls(rules, dispositions, await _going_on(session, campaign.id, others))


async def _last_ended(session: AsyncSession, campaign: Row[Any], rules: BreakerRules) -> list[EndedCall]:
    sql = """
        SELECT disposition, created_at, ended_at - created_at AS took FROM (
            SELECT disposition, direction, created_at, ended_at, id FROM calls
            WHERE campaign_id = :id AND state = 'ended' ORDER BY ended_at DESC, id DESC LIMIT :read
        ) AS last
        WHERE direction <> 'inbound' AND disposition <> 'unknown'
            AND (CAST(:since AS timestamptz) IS NULL OR created_at >= :since)
        ORDER BY ended_at DESC, id DESC LIMIT :window"""
    parameters = {
        "id": campaign.id,
        "since": campaign.judged_from,
        "read": rules.window * _READ_PER_CALL,
        "window": rules.window,
    }
    return [
        EndedCall(disposition=Disposition(row.disposition), claimed_at=row.created_at, took=row.took)
        for row in await rows(session, sql, parameters)
    ]


async def _going_on(session: AsyncSession, campaign_id: UUID, others: GoingOn) -> int:
    sql = """
        SELECT count(*) AS n FROM calls
        WHERE campaign_id = :id AND state IN ('accepted', 'ringing', 'in_progress') AND created_at >= :since
            AND (state = 'in_progress' OR created_at < dialer_now() - CAST(:older AS interval))"""
    found = await one(session, sql, {"id": campaign_id, "since": others.claimed_from, "older": others.older_than})
    assert found is not None
    return found.n
