"""Rows of runs: begun, ended, and kept with their reason when they did not start. At most one of a campaign is open."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.runs import RunOutcome, RunReason, RunTrigger
from dialer.store.database import one, rows

_COUNTS = """
    (SELECT coalesce(sum(n), 0) FROM tallies WHERE campaign_id = :campaign AND kind = 'dialed') AS calls,
    (SELECT coalesce(sum(n), 0) FROM tallies WHERE campaign_id = :campaign AND kind = 'state' AND key = 'reached')
        AS reached"""


async def open_run(session: AsyncSession, campaign_id: UUID, trigger: RunTrigger, due_at: datetime | None) -> None:
    """A run begins now, unless one is open; ``due_at`` None: it was due now. The campaign's lock is held."""
    sql = f"""
        INSERT INTO campaign_runs (workspace_id, campaign_id, trigger, due_at, outcome, started_at, calls_before,
            reached_before)
        SELECT c.workspace_id, c.id, :trigger, coalesce(CAST(:due AS timestamptz), dialer_now()), :running,
            dialer_now(), counts.calls, counts.reached
        FROM campaigns c, (SELECT {_COUNTS}) AS counts
        WHERE c.id = :campaign AND NOT EXISTS (
            SELECT 1 FROM campaign_runs r WHERE r.campaign_id = c.id AND r.outcome = :running)"""
    parameters = {"campaign": campaign_id, "trigger": trigger.value, "due": due_at, "running": RunOutcome.RUNNING.value}
    await session.execute(text(sql), parameters)


async def end_run(session: AsyncSession, campaign_id: UUID, outcome: RunOutcome) -> None:
    """The open run of a campaign is over, if there is one. The campaign's lock is held."""
    sql = f"""
        UPDATE campaign_runs r SET outcome = :outcome, ended_at = dialer_now(),
            calls = counts.calls - r.calls_before, reached = counts.reached - r.reached_before
        FROM (SELECT {_COUNTS}) AS counts WHERE r.campaign_id = :campaign AND r.outcome = :running"""
    parameters = {"campaign": campaign_id, "outcome": outcome.value, "running": RunOutcome.RUNNING.value}
    await session.execute(text(sql), parameters)


async def is_open(session: AsyncSession, campaign_id: UUID) -> bool:
    """True while a run goes on, paused or not."""
    sql = "SELECT 1 FROM campaign_runs WHERE campaign_id = :campaign AND outcome = :running"
    return await one(session, sql, {"campaign": campaign_id, "running": RunOutcome.RUNNING.value}) is not None


async def note_unstarted(
    session: AsyncSession, campaign_id: UUID, due_at: datetime, outcome: RunOutcome, reason: RunReason | None
) -> None:
    """A run that did not come to it."""
    sql = """
        INSERT INTO campaign_runs (workspace_id, campaign_id, trigger, due_at, outcome, reason)
        SELECT workspace_id, id, :trigger, :due, :outcome, :reason FROM campaigns WHERE id = :campaign
        ON CONFLICT (campaign_id, due_at) DO NOTHING"""
    parameters: Mapping[str, Any] = {
        "campaign": campaign_id,
        "trigger": RunTrigger.SCHEDULE.value,
        "due": due_at,
        "outcome": outcome.value,
        "reason": reason,
    }
    await session.execute(text(sql), parameters)


async def run_due_at(session: AsyncSession, campaign_id: UUID, due_at: datetime) -> Row[Any] | None:
    """What became of the run that was due then (outcome, reason), or None."""
    sql = "SELECT outcome, reason FROM campaign_runs WHERE campaign_id = :campaign AND due_at = :due"
    return await one(session, sql, {"campaign": campaign_id, "due": due_at})


async def last_started_at(session: AsyncSession, campaign_id: UUID) -> datetime | None:
    """When a run last began."""
    sql = "SELECT max(started_at) AS at FROM campaign_runs WHERE campaign_id = :campaign"
    row = await one(session, sql, {"campaign": campaign_id})
    return None if row is None else row.at


async def owed_after(session: AsyncSession, campaign_id: UUID) -> datetime | None:
    """Every run that is due later than this is still to come, or to be accounted for; None before a launch."""
    sql = """SELECT greatest(c.recurs_since, max(r.due_at)) AS at FROM campaigns c
             LEFT JOIN campaign_runs r ON r.campaign_id = c.id WHERE c.id = :campaign GROUP BY c.recurs_since"""
    row = await one(session, sql, {"campaign": campaign_id})
    return None if row is None else row.at


async def newest_runs(session: AsyncSession, campaign_id: UUID, limit: int) -> list[Row[Any]]:
    """The newest runs, with what an open one has done so far."""
    sql = f"""
        SELECT r.id, r.trigger, r.due_at, r.outcome, r.reason, r.started_at, r.ended_at,
            CASE WHEN r.outcome = 'running' THEN counts.calls - r.calls_before ELSE r.calls END AS calls,
            CASE WHEN r.outcome = 'running' THEN counts.reached - r.reached_before ELSE r.reached END AS reached
        FROM campaign_runs r, (SELECT {_COUNTS}) AS counts
        WHERE r.campaign_id = :campaign ORDER BY r.due_at DESC LIMIT :limit"""
    return await rows(session, sql, {"campaign": campaign_id, "limit": limit})
