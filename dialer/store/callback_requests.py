"""Calls that people asked for: at their time, inside their hours, before all others, and one each."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.states import CampaignStatus, ProspectState
from dialer.domain.timing import Timing
from dialer.domain.zones import ZoneSet
from dialer.store.control import StateConflict
from dialer.store.database import one
from dialer.store.locks import share_campaign
from dialer.store.person_phones import SUPPRESSED


class NotToBeCalled(Exception):
    """The person is on the do-not-call list, or said that they want no more calls."""


class NoOpening(Exception):
    """From that time on no calling window opens within 14 days, or no time zone is known for the person."""


class AfterEnd(Exception):
    """The campaign ends before the call could be made."""

    def __init__(self, end_at: datetime) -> None:
        super().__init__(f"the campaign ends at {end_at.isoformat()}")
        self.end_at = end_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The request as it is kept. ``due_at``: ``asked_for``, or when the person's calling hours open after it."""

    id: UUID
    prospect_id: UUID
    campaign_id: UUID
    campaign_status: CampaignStatus
    asked_for: datetime
    due_at: datetime


async def ask_callback(
    session: AsyncSession,
    prospect_id: UUID,
    asked_for: datetime,
    timing: Timing,
    *,
    call_id: UUID | None = None,
    created_by: str | None = None,
) -> Asked:
    """Keep that somebody asked to be called then; an earlier request of theirs that was not answered is replaced.

    Somebody in a call is due when it ends. The call is allowed even when every attempt is used up. Wake the campaign
    after the commit; a completed one calls nobody before its next launch. Raises LookupError; StateConflict when the
    campaign is stopped; NotToBeCalled, NoOpening, AfterEnd.
    """
    row = await _locked(session, prospect_id)
    due_at = _due_at(row, asked_for, timing)
    sql = """
        INSERT INTO callback_requests (workspace_id, campaign_id, prospect_id, call_id, asked_for, due_at, created_by)
        VALUES (:workspace, :campaign, :prospect, :call, :asked_for, :due_at, :by) RETURNING id"""
    parameters = {
        "workspace": row.workspace_id,
        "campaign": row.campaign_id,
        "prospect": prospect_id,
        "call": call_id,
        "asked_for": asked_for,
        "due_at": due_at,
        "by": created_by,
    }
    made = await one(session, sql, parameters)
    assert made is not None
    await session.execute(text(_MAKE_DUE), {**parameters, "id": made.id})
    return Asked(
        id=made.id,
        prospect_id=prospect_id,
        campaign_id=row.campaign_id,
        campaign_status=CampaignStatus(row.status),
        asked_for=asked_for,
        due_at=due_at,
    )


#: Somebody who asks can be reached at their phone, whatever was thought of it; on the one where they asked. The time
#: is kept during a call too, since one that is not dialed is given back and must not be made sooner.
_MAKE_DUE = """
    UPDATE prospects p SET callback_id = :id, callback_at = :asked_for,
        state = CASE WHEN state IN ('in_call', 'held') THEN state ELSE 'ready' END,
        next_due_at = :due_at,
        bad_phones = CASE WHEN state = 'invalid' THEN 0 ELSE bad_phones END,
        phone_at = coalesce((SELECT CASE WHEN c.to_phone = p.phone THEN 0 ELSE o.position END
            FROM calls c LEFT JOIN prospect_phones o ON o.prospect_id = p.id AND o.phone = c.to_phone
            WHERE c.id = :call), CASE WHEN state = 'invalid' THEN 0 ELSE phone_at END)
    WHERE id = :prospect"""


async def _locked(session: AsyncSession, prospect_id: UUID) -> Row[Any]:
    """The person, locked, and their campaign. Raises LookupError, StateConflict, NotToBeCalled."""
    known = await one(session, "SELECT campaign_id FROM prospects WHERE id = :id", {"id": prospect_id})
    if known is None:
        raise LookupError(f"there is no prospect {prospect_id}")
    await share_campaign(session, known.campaign_id)
    sql = f"""
        SELECT p.workspace_id, p.campaign_id, p.state, p.zone_set, c.status, c.settings,
            p.state = 'suppressed' OR {SUPPRESSED} AS suppressed
        FROM prospects p JOIN campaigns c ON c.id = p.campaign_id AND c.hidden_at IS NULL
        WHERE p.id = :id FOR NO KEY UPDATE OF p"""
    row = await one(session, sql, {"id": prospect_id})
    if row is None:
        raise LookupError(f"there is no prospect {prospect_id}")
    if row.status == CampaignStatus.STOPPED:
        raise StateConflict(row.status)
    if row.suppressed:
        raise NotToBeCalled
    return row


def _due_at(row: Row[Any], asked_for: datetime, timing: Timing) -> datetime:
    """The time asked for, or when the person's hours open after it. Raises NoOpening, AfterEnd."""
    rules = rules_from_json(row.settings)
    zones = ZoneSet.parse(row.zone_set) if row.zone_set else None
    due_at = rules.hours.next_open(asked_for, timedelta(seconds=timing.window_margin_s), zones)
    if due_at is None:
        raise NoOpening
    if rules.end_at is not None and due_at >= rules.end_at:
        raise AfterEnd(rules.end_at)
    return due_at


async def withdraw_of_call(session: AsyncSession, call_id: UUID) -> None:
    """What was asked for on this call is asked for no more, unless the call for it was made already."""
    sql = """
        UPDATE prospects p SET callback_id = NULL, callback_at = NULL FROM callback_requests r
        WHERE r.call_id = :call AND p.id = r.prospect_id AND p.callback_id = r.id"""
    await session.execute(text(sql), {"call": call_id})


def is_waiting(state: str) -> bool:
    """True while a request may still be answered."""
    return state in (ProspectState.READY, ProspectState.HELD, ProspectState.IN_CALL)
