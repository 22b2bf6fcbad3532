"""What was said on a call, told while it lasts or after its end, and what follows from it for the person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.dispositions import OUTCOME_RULES, RULES, Disposition, Outcome
from dialer.domain.states import CallState
from dialer.domain.timing import Timing
from dialer.store.callback_requests import Asked, ask_callback, withdraw_of_call
from dialer.store.database import one
from dialer.store.endings import decide_again
from dialer.store.locks import share_campaign
from dialer.store.redials_cancelled import cancel_redial
from dialer.store.suppressing import suppress


class NotAnswered(Exception):
    """Nothing can have been said: nobody has answered."""


class CalledSince(Exception):
    """The person was called again, or is being called: what followed from this call has happened."""


class NobodysCall(Exception):
    """A single call, of nobody in a campaign, or one that came in: there is no attempt to follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """``decided`` again by the outcome, so that the campaign is to be woken; ``asked`` when a callback was kept."""

    campaign_id: UUID | None
    decided: bool
    asked: Asked | None = None


async def note_outcome(
    session: AsyncSession,
    call_id: UUID,
    outcome: Outcome,
    timing: Timing,
    *,
    callback_at: datetime | None = None,
    created_by: str | None = None,
) -> Noted:
    """Write an outcome, and ``callback_at`` with ``callback_requested``; the same again changes nothing more.

    While the call lasts the decision is made at its end. Whoever says that they want no more calls is suppressed at
    once, also when they were called since. Raises LookupError, NotAnswered, CalledSince; for a ``callback_at``
    NobodysCall, and what ``ask_callback`` raises.
    """
    call = await _locked(session, call_id, outcome, created_by)
    over = call.state == CallState.ENDED and call.amd_due_at is None
    if call.direction == "inbound":
        return await _note_inbound(session, call_id, call, outcome, callback_at)
    if over and call.prospect_id is not None and not OUTCOME_RULES[outcome].suppresses:
        await _refuse_if_called_since(session, call_id, call.prospect_id, call.claimed_at)
    sql = "UPDATE calls SET outcome = :outcome WHERE id = :id AND outcome IS DISTINCT FROM :outcome RETURNING id"
    new = await one(session, sql, {"id": call_id, "outcome": outcome.value}) is not None
    if call.prospect_id is None:
        if callback_at is not None:
            raise NobodysCall
        return Noted(campaign_id=call.campaign_id, decided=False)
    if new:
        await withdraw_of_call(session, call_id)
    decided = new and over and await decide_again(session, call_id) is not None
    if over:
        sql = "UPDATE prospects SET last_outcome = :outcome WHERE id = :id"
        await session.execute(text(sql), {"id": call.prospect_id, "outcome": outcome.value})
    if callback_at is None:
        return Noted(campaign_id=call.campaign_id, decided=decided)
    asked = await ask_callback(session, call.prospect_id, callback_at, timing, call_id=call_id, created_by=created_by)
    if over:
        sql = """UPDATE calls SET next_state = 'ready', next_due_at = :due_at, next_reason = 'a callback was asked for'
                 WHERE id = :id"""
        await session.execute(text(sql), {"id": call_id, "due_at": asked.due_at})
    return Noted(campaign_id=call.campaign_id, decided=True, asked=asked)


async def _note_inbound(
    session: AsyncSession, call_id: UUID, call: Row[Any], outcome: Outcome, callback_at: datetime | None
) -> Noted:
    """A call that came in is no attempt, and decides nothing but whether a redial is still needed."""
    if callback_at is not None:
        raise NobodysCall
    await session.execute(
        text("UPDATE calls SET outcome = :outcome WHERE id = :id AND outcome IS DISTINCT FROM :outcome"),
        {"id": call_id, "outcome": outcome.value},
    )
    return Noted(campaign_id=call.campaign_id, decided=await cancel_redial(session, call_id))


async def _locked(session: AsyncSession, call_id: UUID, outcome: Outcome, created_by: str | None) -> Row[Any]:
    """The call, locked, and the person suppressed if they want that. Advisory locks come before those of rows.

    Raises LookupError, NotAnswered.
    """
    sql = """SELECT workspace_id, campaign_id, direction,
                 CASE WHEN direction = 'inbound' THEN from_phone ELSE to_phone END AS phone
             FROM calls WHERE id = :id"""
    known = await one(session, sql, {"id": call_id})
    if known is None:
        raise LookupError(f"there is no call {call_id}")
    if known.direction == "inbound":
        # Its person may be due, so that their row is locked too: after the call's, as at its end.
        await one(session, "SELECT 1 FROM calls WHERE id = :id FOR NO KEY UPDATE", {"id": call_id})
    if known.campaign_id is not None:
        await share_campaign(session, known.campaign_id)
    if OUTCOME_RULES[outcome].suppresses and known.phone is not None:
        await suppress(
            session, known.workspace_id, known.phone, reason=outcome.value, source="outcome", created_by=created_by
        )
    sql = """SELECT state, disposition, prospect_id, campaign_id, amd_due_at, claimed_at, direction
             FROM calls WHERE id = :id FOR NO KEY UPDATE"""
    call = await one(session, sql, {"id": call_id})
    assert call is not None
    if call.disposition is not None and RULES[Disposition(call.disposition)].group != "answered":
        raise NotAnswered
    if call.state not in (CallState.IN_PROGRESS, CallState.INBOUND, CallState.ENDED):
        raise NotAnswered
    return call


async def _refuse_if_called_since(
    session: AsyncSession, call_id: UUID, prospect_id: UUID, claimed_at: datetime | None
) -> None:
    """Under the person's lock, which a claim takes too: whoever is not claimed now is not while this goes on."""
    sql = "SELECT state FROM prospects WHERE id = :id FOR NO KEY UPDATE"
    person = await one(session, sql, {"id": prospect_id})
    sql = """SELECT 1 FROM calls WHERE prospect_id = :prospect AND id <> :id AND claimed_at > :claimed_at
             AND state <> 'deferred' LIMIT 1"""
    parameters = {"prospect": prospect_id, "id": call_id, "claimed_at": claimed_at}
    if person is None or person.state == "in_call" or await one(session, sql, parameters) is not None:
        raise CalledSince
