"""What became of one request to the carrier, saved so that an answer never lowers what a callback has already told."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.states import CallState
from dialer.domain.timing import Timing
from dialer.store.callbacks import adopt
from dialer.store.database import one


class Saved(StrEnum):
    """What the carrier's acceptance met in the row."""

    OURS = "ours"
    HANG_UP = "hang_up"
    """The call was given up, is to be hung up, or has another carrier id: end this one at the carrier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAtCarrier:
    """What reconciliation needs to know of a call."""

    workspace_id: UUID
    campaign_id: UUID | None
    state: CallState
    carrier_account_id: UUID
    carrier_call_id: str | None
    from_phone: str
    to_phone: str
    claimed_at: datetime
    gated_at: datetime | None
    hang_up: bool
    now: datetime
    awaits_recovery: bool = False
    """The database was restored: what it believes to be undialed may have been dialed."""


async def save_accepted(session: AsyncSession, call_id: UUID, carrier_call_id: str, timing: Timing) -> Saved:
    """Store the carrier's id, the first writer wins; ``dialing`` becomes ``accepted``."""
    sql = "SELECT state, carrier_call_id, hang_up_at FROM calls WHERE id = :id FOR NO KEY UPDATE"
    call = await one(session, sql, {"id": call_id})
    if call is None:
        return Saved.HANG_UP
    if call.carrier_call_id is None:
        if not await adopt(session, call_id, carrier_call_id):
            return Saved.HANG_UP
    elif call.carrier_call_id != carrier_call_id:
        return Saved.HANG_UP
    if call.state == CallState.DEFERRED or (call.state == CallState.ENDED and call.carrier_call_id is None):
        sql = "UPDATE calls SET late_at = coalesce(late_at, dialer_now()) WHERE id = :id"
        await session.execute(text(sql), {"id": call_id})
        return Saved.HANG_UP
    sql = """
        UPDATE calls SET state = 'accepted', accepted_at = coalesce(accepted_at, dialer_now()),
            deadline_at = dialer_now() + make_interval(secs => :left)
        WHERE id = :id AND state IN ('dialing', 'unknown')"""
    await session.execute(text(sql), {"id": call_id, "left": timing.ring_after_s + timing.deadline_margin_s})
    return Saved.HANG_UP if call.hang_up_at is not None and call.state != CallState.ENDED else Saved.OURS


async def save_unknown(session: AsyncSession, call_id: UUID, timing: Timing) -> bool:
    """``dialing`` without an answer becomes ``unknown``: it keeps its slot and is looked for at the carrier."""
    sql = """
        UPDATE calls SET state = 'unknown', deadline_at = dialer_now() + make_interval(secs => :wait)
        WHERE id = :id AND state = 'dialing' RETURNING id"""
    return await one(session, sql, {"id": call_id, "wait": timing.reconcile_s}) is not None


async def ask_to_cancel(session: AsyncSession, call_id: UUID, reason: str) -> Row[Any] | None:
    """Mark a live call to be ended at the carrier. Its row, or None when it is over."""
    sql = """
        UPDATE calls SET hang_up_at = coalesce(hang_up_at, dialer_now()),
            cancel_reason = coalesce(cancel_reason, :reason)
        WHERE id = :id AND state NOT IN ('ended', 'deferred')
        RETURNING state, carrier_call_id, carrier_account_id, workspace_id"""
    return await one(session, sql, {"id": call_id, "reason": reason})


async def mark_hang_up_sent(session: AsyncSession, call_id: UUID, carrier_call_id: str) -> None:
    """The carrier was asked to end this call, and not another one that named it; the poll sees the rest."""
    sql = """UPDATE calls SET hang_up_sent_at = coalesce(hang_up_sent_at, dialer_now())
             WHERE id = :id AND carrier_call_id = :sid"""
    await session.execute(text(sql), {"id": call_id, "sid": carrier_call_id})


async def read_at_carrier(session: AsyncSession, call_id: UUID) -> CallAtCarrier | None:
    """The call as reconciliation looks at it, or None when there is none."""
    sql = """
        SELECT workspace_id, campaign_id, state, carrier_account_id, carrier_call_id, from_phone, to_phone,
            coalesce(claimed_at, created_at) AS claimed_at, gated_at,
            hang_up_at IS NOT NULL AS hang_up, dialer_now() AS now,
            EXISTS (SELECT 1 FROM recoveries WHERE recovered_at IS NULL) AS awaits_recovery
        FROM calls WHERE id = :id"""
    row = await one(session, sql, {"id": call_id})
    if row is None:
        return None
    return CallAtCarrier(
        workspace_id=row.workspace_id,
        campaign_id=row.campaign_id,
        state=CallState(row.state),
        carrier_account_id=row.carrier_account_id,
        carrier_call_id=row.carrier_call_id,
        from_phone=row.from_phone,
        to_phone=row.to_phone,
        claimed_at=row.claimed_at,
        gated_at=row.gated_at,
        hang_up=row.hang_up,
        now=row.now,
        awaits_recovery=row.awaits_recovery,
    )


async def is_as_it_was(session: AsyncSession, call_id: UUID, state: CallState, carrier_call_id: str | None) -> bool:
    """True when nothing was reported since the call was read so; and nothing will be until the transaction ends."""
    sql = "SELECT state, carrier_call_id FROM calls WHERE id = :id FOR NO KEY UPDATE"
    row = await one(session, sql, {"id": call_id})
    return row is not None and (row.state, row.carrier_call_id) == (state.value, carrier_call_id)


async def owned_ids(session: AsyncSession, carrier_account_id: UUID, carrier_call_ids: list[str]) -> set[str]:
    """Those of the carrier's ids that belong to calls of ours already."""
    sql = """SELECT carrier_call_id FROM calls
             WHERE carrier_account_id = :account AND carrier_call_id = ANY(:ids)"""
    result = await session.execute(text(sql), {"account": carrier_account_id, "ids": carrier_call_ids})
    return {row.carrier_call_id for row in result}


async def push_deadline(session: AsyncSession, call_id: UUID, seconds: float) -> None:
    """Look at the carrier again after ``seconds``."""
    sql = """UPDATE calls SET deadline_at = dialer_now() + make_interval(secs => :s)
             WHERE id = :id AND deadline_at IS NOT NULL"""
    await session.execute(text(sql), {"id": call_id, "s": seconds})


async def campaign_of(session: AsyncSession, call_id: UUID) -> UUID | None:
    """The call's campaign; None for a single call."""
    row = await one(session, "SELECT campaign_id FROM calls WHERE id = :id", {"id": call_id})
    return None if row is None else row.campaign_id
