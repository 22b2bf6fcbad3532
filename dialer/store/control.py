"""Launch, pause, resume, stop and complete: compare-and-set on the campaign's row, which is the only truth.

Each function holds the campaign's lock exclusively, so that when it has committed no gate is under way that saw the row
before. What is then still undecided at the carrier is counted by ``count_undecided``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.calling_hours import PROSPECT_ZONE
from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.runs import RunOutcome, RunTrigger
from dialer.domain.states import CampaignStatus, CompletedReason, PausedReason
from dialer.store import runs
from dialer.store.campaign_ends import reopen_held
from dialer.store.database import one, rows
from dialer.store.imports import ADDING
from dialer.store.locks import hold_campaign
from dialer.store.tables.base import LIVE

#: Runs that were due before are not owed.
_OWED = "recurs_since = dialer_now()"
_NOT_PAUSED = "paused_reason = NULL, paused_details = NULL"


class StateConflict(Exception):
    """The campaign is in a state from which this cannot be done."""

    def __init__(self, current_status: str) -> None:
        super().__init__(f"the campaign is {current_status}")
        self.current_status = current_status


class LostRace(Exception):
    """Somebody else changed the campaign since the version that this change was meant for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controlled:
    """The campaign after a change; ``changed`` is False when it was so already."""

    status: CampaignStatus
    control_version: int
    changed: bool


async def launch(session: AsyncSession, campaign_id: UUID) -> Controlled:
    """``draft``, ``scheduled`` or ``completed`` becomes running, or scheduled when its start lies ahead.

    A recurring one waits for its next run, and one that waits runs now.
    """
    row = await _held(session, campaign_id, None)
    now = await _now(session)
    if row.hidden_at is not None:
        raise StateConflict("deleted")
    if row.status not in (CampaignStatus.DRAFT, CampaignStatus.SCHEDULED, CampaignStatus.COMPLETED):
        raise StateConflict(row.status)
    rules = rules_from_json(row.settings)
    ahead = rules.recurrence is not None or (rules.start_at is not None and rules.start_at > now)
    later = ahead and row.status != CampaignStatus.SCHEDULED
    status = CampaignStatus.SCHEDULED if later else CampaignStatus.RUNNING
    await reopen_held(session, campaign_id, fixed_zone=rules.hours.zone != PROSPECT_ZONE)
    if rules.recurrence is not None and not later:
        await runs.open_run(session, campaign_id, RunTrigger.LAUNCH, None)
    extra = "launched_at = dialer_now(), completed_reason = NULL, completed_at = NULL, judged_from = dialer_now()"
    return await _set(session, row, status, f"{extra}, {_NOT_PAUSED}, {_OWED}")


async def start_scheduled(session: AsyncSession, campaign_id: UUID) -> Controlled:
    """``scheduled`` becomes running once its time has come; anything else stays."""
    row = await _held(session, campaign_id, None)
    if row.status != CampaignStatus.SCHEDULED:
        return _unchanged(row)
    return await _set(session, row, CampaignStatus.RUNNING)


async def pause(
    session: AsyncSession,
    campaign_id: UUID,
    *,
    hang_up: bool = False,
    reason: PausedReason = PausedReason.USER,
    details: Mapping[str, Any] | None = None,
    expected_version: int | None = None,
) -> Controlled:
    """``running`` or ``scheduled`` becomes paused; ``hang_up`` also marks its live calls. Idempotent.

    ``details`` are the figures that a pause by the system rests on.
    """
    row = await _held(session, campaign_id, expected_version)
    if hang_up and row.status in (CampaignStatus.RUNNING, CampaignStatus.PAUSED, CampaignStatus.SCHEDULED):
        await mark_for_hang_up(session, campaign_id)
    if row.status == CampaignStatus.PAUSED:
        return _unchanged(row)
    if row.status not in (CampaignStatus.RUNNING, CampaignStatus.SCHEDULED):
        raise StateConflict(row.status)
    if row.status == CampaignStatus.RUNNING and rules_from_json(row.settings).recurrence is not None:
        # Recurring since it runs, perhaps: what is resumed is this run, not the wait for the next.
        await runs.open_run(session, campaign_id, RunTrigger.LAUNCH, None)
    extra = "paused_reason = :reason, paused_details = CAST(:details AS jsonb)"
    parameters = {"reason": reason.value, "details": json.dumps(dict(details)) if details is not None else None}
    return await _set(session, row, CampaignStatus.PAUSED, extra, parameters)


async def resume(session: AsyncSession, campaign_id: UUID, *, expected_version: int | None = None) -> Controlled:
    """``paused`` becomes running, or scheduled when its start still lies ahead. Idempotent.

    A recurring campaign goes on with the run that was paused, or waits for the next; those in between are not owed.
    """
    row = await _held(session, campaign_id, expected_version)
    if row.status in (CampaignStatus.RUNNING, CampaignStatus.SCHEDULED):
        return _unchanged(row)
    if row.status != CampaignStatus.PAUSED:
        raise StateConflict(row.status)
    rules = rules_from_json(row.settings)
    if rules.recurrence is not None:
        later = not await runs.is_open(session, campaign_id)
    else:
        later = rules.start_at is not None and rules.start_at > await _now(session)
    status = CampaignStatus.SCHEDULED if later else CampaignStatus.RUNNING
    return await _set(session, row, status, f"{_NOT_PAUSED}, judged_from = dialer_now(), {_OWED}")


async def stop(
    session: AsyncSession, campaign_id: UUID, *, hang_up: bool = False, expected_version: int | None = None
) -> Controlled:
    """Final. Its ready prospects become expired by the campaign's workflow. Idempotent."""
    row = await _held(session, campaign_id, expected_version)
    if hang_up:
        await mark_for_hang_up(session, campaign_id)
    if row.status == CampaignStatus.STOPPED:
        return _unchanged(row)
    if row.status == CampaignStatus.COMPLETED:
        raise StateConflict(row.status)
    await runs.end_run(session, campaign_id, RunOutcome.STOPPED)
    return await _set(session, row, CampaignStatus.STOPPED, f"{_NOT_PAUSED}, completed_at = dialer_now()")


async def complete(
    session: AsyncSession,
    campaign_id: UUID,
    reason: CompletedReason,
    *,
    status: CampaignStatus = CampaignStatus.RUNNING,
    settings_version: int | None = None,
) -> bool:
    """What was in ``status`` becomes completed, if nobody is ready or in a call and no import runs.

    Only under the settings of ``settings_version``, if given: others may have another end, or none. True when it did.
    """
    sets = "status = 'completed', completed_reason = :reason, completed_at = dialer_now()"
    parameters = {"reason": reason.value, "status": status.value, "version": settings_version}
    return await _end(session, campaign_id, sets, parameters)


async def await_next_run(session: AsyncSession, campaign_id: UUID, *, settings_version: int | None = None) -> bool:
    """The run of a recurring campaign is over and the next lies ahead: running becomes scheduled. True when it did.

    Under the same conditions as ``complete``.
    """
    parameters = {"status": CampaignStatus.RUNNING.value, "version": settings_version}
    return await _end(session, campaign_id, "status = 'scheduled'", parameters)


async def _end(session: AsyncSession, campaign_id: UUID, sets: str, parameters: dict[str, Any]) -> bool:
    await hold_campaign(session, campaign_id)
    sql = f"""
        UPDATE campaigns c SET {sets}, control_version = control_version + 1, idle_until = NULL
        WHERE id = :id AND status = :status
          AND settings_version = coalesce(CAST(:version AS bigint), settings_version)
          AND NOT EXISTS (SELECT 1 FROM prospects WHERE campaign_id = c.id AND state IN ('ready', 'in_call'))
          AND NOT EXISTS (SELECT 1 FROM imports WHERE campaign_id = c.id AND {ADDING})
        RETURNING id"""
    if await one(session, sql, {"id": campaign_id, **parameters}) is None:
        return False
    await runs.end_run(session, campaign_id, RunOutcome.COMPLETED)
    return True


async def mark_for_hang_up(session: AsyncSession, campaign_id: UUID) -> int:
    """Ask that the campaign's live calls be ended; whoever learns a call's carrier id acts on it."""
    sql = f"""UPDATE calls SET hang_up_at = coalesce(hang_up_at, dialer_now()), cancel_reason = coalesce(cancel_reason,
              'hang_up') WHERE campaign_id = :id AND {LIVE} RETURNING id"""
    return len(await rows(session, sql, {"id": campaign_id}))


async def count_undecided(session: AsyncSession, campaign_id: UUID) -> int:
    """Calls that may be at the carrier without our knowing: dialed, and neither accepted nor refused yet."""
    sql = """SELECT count(*) AS n FROM calls WHERE campaign_id = :id AND state IN ('dialing', 'unknown')
             AND carrier_call_id IS NULL"""
    row = await one(session, sql, {"id": campaign_id})
    return 0 if row is None else row.n


async def mark_settled(session: AsyncSession, campaign_id: UUID) -> None:
    """Nobody whom an earlier gate let through is undecided any more: the newest change is in force at the carrier too.

    Once per change, for whoever judges the calls later.
    """
    newest = """SELECT id FROM changes WHERE subject = 'campaign' AND subject_id = :id
                AND facts ->> 'status' <> 'running' ORDER BY at DESC, id DESC LIMIT 1"""
    sql = f"UPDATE changes SET settled_at = dialer_now() WHERE settled_at IS NULL AND id = ({newest})"
    await session.execute(text(sql), {"id": campaign_id})


async def count_live(session: AsyncSession, campaign_id: UUID) -> int:
    """Calls that hold a slot."""
    row = await one(session, f"SELECT count(*) AS n FROM calls WHERE campaign_id = :id AND {LIVE}", {"id": campaign_id})
    return 0 if row is None else row.n


async def control_version(session: AsyncSession, campaign_id: UUID) -> int:
    """The version that a change asked for now is meant for."""
    row = await one(session, "SELECT control_version FROM campaigns WHERE id = :id", {"id": campaign_id})
    return 0 if row is None else row.control_version


async def _held(session: AsyncSession, campaign_id: UUID, expected_version: int | None) -> Row[Any]:
    await hold_campaign(session, campaign_id)
    sql = "SELECT id, status, control_version, settings, hidden_at FROM campaigns WHERE id = :id FOR NO KEY UPDATE"
    row = await one(session, sql, {"id": campaign_id})
    if row is None:
        raise LookupError(f"there is no campaign {campaign_id}")
    if expected_version is not None and row.control_version != expected_version:
        raise LostRace(f"campaign {campaign_id} is at version {row.control_version}, not {expected_version}")
    return row


async def _set(
    session: AsyncSession,
    row: Row[Any],
    status: CampaignStatus,
    extra: str = "",
    parameters: dict[str, Any] | None = None,
) -> Controlled:
    sets = ", ".join(
        filter(None, ("status = :status, control_version = control_version + 1, idle_until = NULL", extra))
    )
    await session.execute(
        text(f"UPDATE campaigns SET {sets} WHERE id = :id"),
        {"id": row.id, "status": status.value, **(parameters or {})},
    )
    return Controlled(status=status, control_version=row.control_version + 1, changed=True)


def _unchanged(row: Row[Any]) -> Controlled:
    return Controlled(status=CampaignStatus(row.status), control_version=row.control_version, changed=False)


async def _now(session: AsyncSession) -> datetime:
    row = await one(session, "SELECT dialer_now() AS now")
    assert row is not None
    return row.now
