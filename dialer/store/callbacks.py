"""What the carrier reports, applied once and forwards only: the event, the call, the slot and the prospect together."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.call_progress import Fit, contradicts, fit, progress
from dialer.domain.call_results import CallEnded
from dialer.domain.campaign_rules import AnsweringMachine, rules_from_json
from dialer.domain.carrier_events import CarrierEvent, CarrierStatus
from dialer.domain.dispositions import EndFacts, disposition_of
from dialer.domain.inbound import disposition_of_inbound
from dialer.domain.states import CallState
from dialer.domain.timing import Timing
from dialer.store.database import one, violated
from dialer.store.endings import Ending, end_call, settle_amd

DEFAULT_RING_TIMEOUT_S = 25
DEFAULT_MAX_CALL_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a report did. ``ended`` goes to the call's workflow; ``hang_up`` is a carrier's call that must not go on.

    ``foreign``: the report names the carrier's id of another call of ours, which has its own reports.
    """

    workspace_id: UUID
    campaign_id: UUID | None
    changed: bool
    foreign: bool = False
    ended: CallEnded | None = None
    hang_up: str | None = None
    state: CallState | None = None

    @property
    def frees_slot(self) -> bool:
        """True when somebody else may be called now."""
        return self.changed and self.state is CallState.ENDED


class CallNotFound(LookupError):
    """No call of ours has this id."""


async def apply_event(
    session: AsyncSession,
    call_id: UUID,
    event: CarrierEvent,
    *,
    payload: dict[str, Any],
    dedupe: str,
    timing: Timing,
    account_id: UUID | None = None,
) -> Applied:
    """Record a report and let it move the call. The same report again (by ``dedupe``) changes nothing.

    Raises CallNotFound; with ``account_id`` also for a call over another carrier account.
    """
    call = await _recorded(session, call_id, account_id, event, payload, dedupe)
    if not call.is_new:
        return _untouched(call)
    if call.redacted:
        # What was forgotten on purpose is not told again by a report that came late.
        event = replace(event, recording_url=None)
    fitting = fit(CallState(call.state), call.carrier_call_id, event)
    if fitting is Fit.ANOTHER:
        if await _is_another_calls(session, call, event.carrier_call_id):
            return replace(_untouched(call), foreign=True)
        return _untouched(call, hang_up=event.carrier_call_id)
    if call.carrier_call_id is None and not await adopt(session, call_id, event.carrier_call_id):
        return replace(_untouched(call), foreign=True)
    if fitting is Fit.LATE:
        sql = "UPDATE calls SET late_at = coalesce(late_at, dialer_now()) WHERE id = :id"
        await session.execute(text(sql), {"id": call.id})
        return _untouched(call, hang_up=event.carrier_call_id)
    return await _advance(session, call, event, timing)


async def adopt(session: AsyncSession, call_id: UUID, carrier_call_id: str) -> bool:
    """The first writer sets the carrier's id. False when that id belongs to another call of ours.

    The transaction can only end then: PostgreSQL takes no further statement after the key that was violated. That
    spares each attempt a savepoint.
    """
    sql = "UPDATE calls SET carrier_call_id = :sid WHERE id = :id AND carrier_call_id IS NULL"
    try:
        await session.execute(text(sql), {"id": call_id, "sid": carrier_call_id})
    except IntegrityError as error:
        if violated(error) == "uq_calls_carrier_call_id":
            return False
        raise
    return True


async def _advance(session: AsyncSession, call: Row[Any], event: CarrierEvent, timing: Timing) -> Applied:
    state = CallState(call.state)
    step = progress(state, event)
    if not step.ends and not contradicts(state, event):
        await _note(session, call, event, step.state, timing)
    ended = None
    if step.ends:
        ended = await end_call(session, call.id, _ending(call, event), timing)
    elif event.kind == "amd":
        ended = await settle_amd(session, call.id)
    return Applied(
        workspace_id=call.workspace_id,
        campaign_id=call.campaign_id,
        changed=step.state is not state or ended is not None,
        ended=ended,
        hang_up=event.carrier_call_id if call.hang_up_at is not None and not step.ends else None,
        state=step.state,
    )


async def _note(session: AsyncSession, call: Row[Any], event: CarrierEvent, state: CallState, timing: Timing) -> None:
    """Everything but the end: times are set once, who answered is refined until the prospect is decided."""
    left = _time_left(call, state, timing)
    moved = state is not CallState(call.state) and left is not None
    rang = event.status is CarrierStatus.RINGING
    answered_at = _answered_at(event)
    sql = """
        UPDATE calls SET
            state = CASE WHEN state IN ('ended', 'deferred') OR :state = 'ended' THEN state ELSE :state END,
            accepted_at = coalesce(accepted_at, dialer_now()),
            ringing_at = CASE WHEN :rang THEN coalesce(ringing_at, :at, dialer_now()) ELSE ringing_at END,
            answered_at = CASE WHEN :answered THEN coalesce(answered_at, :answered_at, dialer_now())
                ELSE answered_at END,
            answered_by = coalesce(:answered_by, answered_by),
            recording_url = coalesce(:recording, recording_url),
            cost = coalesce(:price, cost),
            deadline_at = CASE WHEN :moved THEN dialer_now() + make_interval(secs => :left) ELSE deadline_at END
        WHERE id = :id"""
    parameters = {
        "id": call.id,
        "state": state.value,
        "rang": rang,
        # Who picks up a call that came in is us, and when is known.
        "answered": call.direction != "inbound"
        and event.status in (CarrierStatus.IN_PROGRESS, CarrierStatus.COMPLETED),
        "answered_at": answered_at,
        "at": event.occurred_at,
        "answered_by": event.answered_by,
        "recording": event.recording_url,
        "price": event.price,
        "moved": moved,
        "left": (left or 0) + timing.deadline_margin_s,
    }
    await session.execute(text(sql), parameters)


def _time_left(call: Row[Any], state: CallState, timing: Timing) -> float | None:
    """How long the state may last, None for one that does not wait for the carrier."""
    if state is CallState.ACCEPTED:
        return timing.ring_after_s
    rules = rules_from_json(call.settings) if call.settings is not None else None
    if state is CallState.RINGING:
        return rules.ring_timeout_s if rules is not None else DEFAULT_RING_TIMEOUT_S
    if state is CallState.IN_PROGRESS:
        return rules.max_call_s if rules is not None else DEFAULT_MAX_CALL_S
    return None


def _answered_at(event: CarrierEvent) -> datetime | None:
    """When the phone was picked up: as reported, or the end less the time connected."""
    if event.status is CarrierStatus.COMPLETED and event.occurred_at is not None:
        return event.occurred_at - timedelta(seconds=event.duration_seconds or 0)
    return event.occurred_at


def _ending(call: Row[Any], event: CarrierEvent) -> Ending:
    assert event.status is not None
    talk_seconds = event.duration_seconds if event.status is CarrierStatus.COMPLETED else None
    if call.direction == "inbound":
        answered, has_agent = call.answered_at is not None, call.agent_id is not None
        disposition = disposition_of_inbound(event.status, talk_seconds, answered=answered, has_agent=has_agent)
        return Ending(disposition=disposition, ended_at=event.occurred_at, talk_seconds=talk_seconds)
    answered_by = event.answered_by or call.answered_by
    facts = EndFacts(
        status=event.status,
        sip_code=event.sip_code,
        answered_by=answered_by,
        error_code=event.error_code,
        talk_seconds=event.duration_seconds,
        message_played=call.message_played,
        canceled_by_us=call.cancel_reason is not None,
    )
    asked = rules_from_json(call.settings).answering_machine if call.settings is not None else None
    waits = asked is AnsweringMachine.DETECT_ASYNC and event.status is CarrierStatus.COMPLETED and answered_by is None
    return Ending(
        disposition=disposition_of(facts),
        ended_at=event.occurred_at,
        talk_seconds=talk_seconds,
        sip_code=event.sip_code,
        error_code=event.error_code,
        decision_waits=waits,
        reported=True,
        answered=event.status is CarrierStatus.COMPLETED,
        answered_at=_answered_at(event),
        answered_by=event.answered_by,
        recording_url=event.recording_url,
        price=event.price,
    )


async def _recorded(
    session: AsyncSession,
    call_id: UUID,
    account_id: UUID | None,
    event: CarrierEvent,
    payload: dict[str, Any],
    dedupe: str,
) -> Row[Any]:
    """The call, locked, with the report kept in its log; ``is_new`` is False when the log had it already.

    One statement, because a callback costs about as much as the round trips it makes.
    """
    sql = """
        WITH call AS (
            SELECT c.id, c.workspace_id, c.campaign_id, c.carrier_account_id, c.state, c.carrier_call_id,
                c.direction, c.agent_id, c.answered_at, c.answered_by, c.message_played, c.hang_up_at,
                c.cancel_reason, m.settings,
                c.state IN ('ended', 'deferred') AND c.from_phone IS NULL AND c.to_phone IS NULL AS redacted
            FROM calls c LEFT JOIN campaigns m ON m.id = c.campaign_id
            WHERE c.id = :id AND (CAST(:account AS uuid) IS NULL OR c.carrier_account_id = :account)
            FOR NO KEY UPDATE OF c
        ), event AS (
            INSERT INTO call_events (workspace_id, call_id, kind, dedupe, carrier_call_id, status, sequence,
                occurred_at, payload)
            SELECT workspace_id, id, :kind, :dedupe, :sid, :status, :sequence, :at,
                CASE WHEN redacted THEN '{}' ELSE CAST(:payload AS jsonb) END
            FROM call ON CONFLICT (call_id, dedupe) DO NOTHING RETURNING id
        )
        SELECT call.*, EXISTS (SELECT 1 FROM event) AS is_new FROM call"""
    parameters = {
        "id": call_id,
        "account": account_id,
        "kind": event.kind,
        "dedupe": dedupe,
        "sid": event.carrier_call_id,
        "status": event.status,
        "sequence": event.sequence,
        "at": event.occurred_at,
        "payload": json.dumps(payload),
    }
    call = await one(session, sql, parameters)
    if call is None:
        raise CallNotFound(f"there is no call {call_id}")
    return call


async def _is_another_calls(session: AsyncSession, call: Row[Any], carrier_call_id: str) -> bool:
    sql = "SELECT 1 FROM calls WHERE carrier_account_id = :account AND carrier_call_id = :sid"
    return await one(session, sql, {"account": call.carrier_account_id, "sid": carrier_call_id}) is not None


def _untouched(call: Row[Any], hang_up: str | None = None) -> Applied:
    return Applied(workspace_id=call.workspace_id, campaign_id=call.campaign_id, changed=False, hang_up=hang_up)


async def note_message_left(session: AsyncSession, call_id: UUID) -> None:
    """A machine has heard all of the message; after the end of the call that changes nothing any more."""
    sql = "UPDATE calls SET message_played = true WHERE id = :id AND state <> 'ended'"
    await session.execute(text(sql), {"id": call_id})


def dedupe_key(event: CarrierEvent) -> str:
    """What makes a report the same report: kind, carrier id, sequence, status; for detection also its result."""
    who = event.answered_by if event.kind == "amd" else None
    parts = (event.kind, event.carrier_call_id, event.sequence, event.status, who)
    return ":".join("" if part is None else str(part) for part in parts)
