"""The end of a call: its disposition, its freed slot and the prospect's next state, in one transaction.

A slot is the live row itself, so ending a call updates no limit. The prospect's decision may wait for a late
answering-machine result; then the call is over, its slot free, and ``amd_due_at`` says until when.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.call_results import CallEnded, moment
from dialer.domain.campaign_rules import CampaignRules, rules_from_json
from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.dayparts import in_another_daypart
from dialer.domain.dispositions import (
    OUTCOME_RULES,
    Disposition,
    EndFacts,
    Outcome,
    disposition_of,
    refusal_pauses_campaign,
)
from dialer.domain.inbound import RANG_BACK
from dialer.domain.person_phones import Turn, following
from dialer.domain.redial import EndedCall, NextStep, attempt_of, next_step, wants_other_daypart, with_callback
from dialer.domain.states import CampaignStatus, ProspectState
from dialer.domain.timing import Timing
from dialer.domain.zones import ZoneSet
from dialer.store.database import one, rows
from dialer.store.person_phones import SUPPRESSED_OF_CALL
from dialer.store.redials_cancelled import HAS_RUNG_BACK, cancel_redial


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the line ended, as far as it is known."""

    disposition: Disposition
    ended_at: datetime | None = None
    talk_seconds: int | None = None
    sip_code: int | None = None
    error_code: int | None = None
    attempted: bool = True
    """False when the carrier certainly made no call: then it does not count as an attempt."""
    untouched: bool = False
    """True when the account or our settings were refused: nothing is known of the person, who stays as they were."""
    decision_waits: bool = False
    """True while an asynchronous answering-machine result may still come."""
    reported: bool = False
    """True when the carrier says so of a call that it must have accepted."""
    answered: bool = False
    answered_at: datetime | None = None
    answered_by: str | None = None
    recording_url: str | None = None
    price: Decimal | None = None


class _Following(NamedTuple):
    """What became of the prospect after the call."""

    state: str | None
    due_at: datetime | None
    reason: str | None


async def end_call(session: AsyncSession, call_id: UUID, ending: Ending, timing: Timing) -> CallEnded | None:
    """End a live call, once. None when it was over already, when the prospect's decision has to wait, or when the call
    came in: such a call has no workflow to tell.
    """
    sql = """
        UPDATE calls SET state = 'ended', disposition = :disposition, ended_at = coalesce(:ended_at, dialer_now()),
            talk_seconds = :talk, sip_code = coalesce(:sip, sip_code), error_code = coalesce(:error, error_code),
            accepted_at = CASE WHEN :reported THEN coalesce(accepted_at, dialer_now()) ELSE accepted_at END,
            answered_at = CASE WHEN :answered THEN coalesce(answered_at, :answered_at, dialer_now())
                ELSE answered_at END,
            answered_by = coalesce(:answered_by, answered_by), recording_url = coalesce(:recording, recording_url),
            cost = coalesce(:price, cost), deadline_at = NULL,
            amd_due_at = CASE WHEN :waits THEN dialer_now() + make_interval(secs => :amd_wait) END
        WHERE id = :id AND state NOT IN ('ended', 'deferred') RETURNING id"""
    ended = await one(
        session,
        sql,
        {
            "id": call_id,
            "disposition": ending.disposition.value,
            "ended_at": ending.ended_at,
            "talk": ending.talk_seconds,
            "sip": ending.sip_code,
            "error": ending.error_code,
            "reported": ending.reported,
            "answered": ending.answered,
            "answered_at": ending.answered_at,
            "answered_by": ending.answered_by,
            "recording": ending.recording_url,
            "price": ending.price,
            "waits": ending.decision_waits,
            "amd_wait": timing.amd_wait_s,
        },
    )
    if ended is None or ending.decision_waits:
        return None
    return await decide_prospect(session, call_id, attempted=ending.attempted, untouched=ending.untouched)


async def settle_amd(session: AsyncSession, call_id: UUID, *, only_when_due: bool = False) -> CallEnded | None:
    """Decide a call whose answering-machine result has come, or was waited for long enough. Once."""
    sql = """UPDATE calls SET amd_due_at = NULL WHERE id = :id AND amd_due_at IS NOT NULL
                AND (NOT :only_when_due OR amd_due_at <= dialer_now())
             RETURNING answered_by, sip_code, error_code, talk_seconds, message_played, cancel_reason"""
    call = await one(session, sql, {"id": call_id, "only_when_due": only_when_due})
    if call is None:
        return None
    disposition = disposition_of(
        EndFacts(
            status=CarrierStatus.COMPLETED,
            sip_code=call.sip_code,
            answered_by=call.answered_by,
            error_code=call.error_code,
            talk_seconds=call.talk_seconds,
            message_played=call.message_played,
            canceled_by_us=call.cancel_reason is not None,
        )
    )
    sql = "UPDATE calls SET disposition = :disposition WHERE id = :id"
    await session.execute(text(sql), {"id": call_id, "disposition": disposition.value})
    return await decide_prospect(session, call_id, attempted=True)


async def decide_prospect(
    session: AsyncSession, call_id: UUID, *, attempted: bool, untouched: bool = False
) -> CallEnded | None:
    """Set the prospect's next state after the ended call, and what the call's workflow will show.

    After a call that came in: cancel their redial if there is none needed, and None.
    """
    call = await _read(session, call_id)
    if call.direction == "inbound":
        await cancel_redial(session, call_id)
        return None
    following = _Following(call.next_state, call.next_due_at, call.next_reason)
    if call.prospect_id is not None:
        step = await _next_step(session, call, attempted=attempted, untouched=untouched)
        following = await _apply(session, call, step, attempted=attempted, untouched=untouched) or following
    return _ended(call, following)


async def decide_again(session: AsyncSession, call_id: UUID) -> CallEnded | None:
    """Decide a call's prospect once more, because its outcome became known after its end.

    The prospect is locked and was not called since, unless they opted out. None when they stay as they are: the
    campaign is over and calls nobody again, they opted out before, or they were requeued since and the outcome is not
    a last word.
    """
    call = await _read(session, call_id)
    requeued = call.person_requeue_id != call.requeue_id and call.asked_due_at is None
    if requeued and not OUTCOME_RULES[Outcome(call.outcome)].final:
        return None
    step = await _by_policy(session, call, attempted=False, counted=True)
    if call.asked_due_at is not None:
        step = with_callback(step, call.asked_due_at)
    over = call.campaign_status in (CampaignStatus.STOPPED, CampaignStatus.COMPLETED)
    if over and step.state is ProspectState.READY:
        return None
    turn = _turn(call, step, untouched=False)
    sql = """
        WITH prospect AS (
            UPDATE prospects SET state = :state, last_outcome = :outcome, phone_at = :phone_at,
                bad_phones = :bad_phones, callback_id = CASE WHEN :unanswered THEN callback_id END,
                callback_at = CASE WHEN :unanswered THEN callback_at END,
                next_due_at = CASE WHEN :state = 'ready' THEN coalesce(CAST(:due_at AS timestamptz),
                    CAST(:ended_at AS timestamptz) + make_interval(secs => :delay)) END
            WHERE id = :prospect AND state NOT IN ('in_call', 'held', 'suppressed', 'expired') RETURNING next_due_at
        )
        UPDATE calls SET next_state = :state, next_due_at = prospect.next_due_at, next_reason = :reason
        FROM prospect WHERE calls.id = :id
        RETURNING calls.next_state, calls.next_due_at, calls.next_reason"""
    parameters = {
        "id": call_id,
        "prospect": call.prospect_id,
        "state": step.state.value,
        "reason": step.reason,
        "outcome": call.outcome,
        "phone_at": turn.at,
        "bad_phones": turn.bad,
        "due_at": step.due_at,
        "unanswered": call.asked_due_at is not None and step.state is ProspectState.READY,
        "ended_at": call.ended_at,
        "delay": step.delay.total_seconds() if step.delay is not None else 0.0,
    }
    changed = await one(session, sql, parameters)
    return None if changed is None else _ended(call, _Following(*changed))


async def read_result(session: AsyncSession, call_id: UUID) -> CallEnded | None:
    """The result, once the call is over and its prospect decided; None before.

    A call that is gone was lost when the database was restored; what it became is told under another id.
    """
    sql = "SELECT state IN ('ended', 'deferred') AND amd_due_at IS NULL AS decided FROM calls WHERE id = :id"
    row = await one(session, sql, {"id": call_id})
    if row is None:
        return CallEnded(state="lost", why="the database was restored to a moment before this call")
    return await read_ended(session, call_id) if row.decided else None


async def read_ended(session: AsyncSession, call_id: UUID) -> CallEnded:
    """The result of an attempt that is over, as its workflow shows it."""
    row = await _read(session, call_id)
    return _ended(row, _Following(row.next_state, row.next_due_at, row.next_reason))


def _ended(row: Row[Any], following: _Following) -> CallEnded:
    rules = rules_from_json(row.settings) if row.settings is not None else None
    return CallEnded(
        state=row.state,
        disposition=row.disposition,
        attempt=_attempt(row, rules),
        caller_number=row.caller_number,
        dialed_at=moment(row.dialed_at),
        ringing_at=moment(row.ringing_at),
        answered_at=moment(row.answered_at),
        ended_at=moment(row.ended_at),
        talk_seconds=row.talk_seconds,
        prospect_state=following.state,
        next_due_at=moment(following.due_at),
        why=following.reason if row.state == "ended" else row.deferred_reason,
    )


def _attempt(row: Row[Any], rules: CampaignRules | None) -> str:
    if rules is None:
        return str(row.attempt)
    return attempt_of(row.place_of, row.requeue_attempts or rules.redial.max_attempts, asked_for=row.asked_for)


async def _next_step(session: AsyncSession, call: Row[Any], *, attempted: bool, untouched: bool) -> NextStep:
    if untouched:
        step = NextStep(state=ProspectState.READY, delay=None, reason="the carrier refused the account, not the person")
    else:
        step = await _by_policy(session, call, attempted=attempted)
    if call.asked_due_at is not None:
        step = with_callback(step, call.asked_due_at)
    over = call.campaign_status in (CampaignStatus.STOPPED, CampaignStatus.COMPLETED)
    if over and step.state is ProspectState.READY:
        return NextStep(state=ProspectState.EXPIRED, delay=None, reason=f"the campaign is {call.campaign_status}")
    return step


async def _by_policy(session: AsyncSession, call: Row[Any], *, attempted: bool, counted: bool = False) -> NextStep:
    """``counted``: the prospect's count has the call already."""
    sql = """
        SELECT c.disposition, c.outcome, c.error_code, c.dialed_at, c.requeue_id,
            c.disposition = 'unknown' OR c.carrier_call_id IS NOT NULL AS rang
        FROM calls c WHERE c.prospect_id = :prospect AND c.state = 'ended' AND c.id <> :id
            AND c.direction <> 'inbound'"""
    is_first = call.attempt == 1 and call.attempts == (1 if counted else 0)  # most are, and none was before it
    others = [] if is_first else await rows(session, sql, {"prospect": call.prospect_id, "id": call.id})
    earlier = [
        EndedCall(disposition=Disposition(row.disposition), outcome=Outcome(row.outcome) if row.outcome else None)
        for row in others
        if row.requeue_id == call.requeue_id and not refusal_pauses_campaign(row.error_code)
    ]
    rules: CampaignRules = rules_from_json(call.settings)
    made = call.attempts - call.attempts_base + (1 if attempted else 0)
    most = call.allowance or rules.redial.max_attempts
    if call.asked_for and not attempted and not counted:
        most = max(most, made + 1)  # the call that was asked for is still to be made
    ended = EndedCall(
        disposition=Disposition(call.disposition), outcome=Outcome(call.outcome) if call.outcome else None
    )
    step = next_step(
        replace(rules.redial, max_attempts=most),
        ended,
        earlier,
        made,
        suppressed=call.suppressed,
        others_left=any(not call.bad_phones >> place & 1 for place in range(call.phones) if place != call.place),
    )
    if not wants_other_daypart(rules.redial, ended, step):
        return step
    tried = [each.dialed_at for each in (call, *(row for row in others if row.rang)) if each.dialed_at is not None]
    return _in_another_daypart(call, rules, step, tried)


def _in_another_daypart(call: Row[Any], rules: CampaignRules, step: NextStep, tried: Sequence[datetime]) -> NextStep:
    """The same step at a better time, unless the campaign ends before it."""
    zones = ZoneSet.parse(call.zone_set) if call.zone_set else None
    earliest = call.now + (step.delay or timedelta(0))
    margin = timedelta(seconds=Timing().window_margin_s)
    due_at = in_another_daypart(earliest, tried, rules.hours, margin, zones)
    if due_at == earliest or (rules.end_at is not None and due_at >= rules.end_at):
        return step
    return replace(step, due_at=due_at, reason=f"{step.reason}, in another part of the day")


def _turn(call: Row[Any], step: NextStep, *, untouched: bool) -> Turn:
    """Whose turn it is among the phones: the one after the phone that was called, without those left out."""
    place: int | None = call.place
    if untouched or place is None:
        return Turn(at=call.phone_at, bad=call.bad_phones)
    called = Turn(at=place, bad=call.bad_phones | (1 << place if step.leaves_phone else 0))
    if step.state is not ProspectState.READY or call.asked_due_at is not None:
        return called  # who asks to be called back is called where they were reached
    return Turn(at=following(called, call.phones) or 0, bad=called.bad)


async def _apply(
    session: AsyncSession, call: Row[Any], step: NextStep, *, attempted: bool, untouched: bool
) -> _Following | None:
    """Move the prospect on, and keep with the call what was decided. None when that was done already."""
    delay = step.delay.total_seconds() if step.delay is not None else 0.0
    turn = _turn(call, step, untouched=untouched)
    unanswered = call.asked_due_at is not None or (call.asked_for and not attempted)
    sql = f"""
        WITH prospect AS (
            UPDATE prospects SET attempts = attempts + :counted, rang_back_at = NULL,
                state = CASE WHEN :state = 'ready' AND {HAS_RUNG_BACK} THEN 'reached' ELSE :state END,
                phone_at = :phone_at, bad_phones = :bad_phones,
                last_disposition = CASE WHEN :untouched THEN last_disposition ELSE :disposition END,
                last_outcome = CASE WHEN :untouched THEN last_outcome ELSE :outcome END,
                callback_id = CASE WHEN :unanswered THEN callback_id END,
                callback_at = CASE WHEN :unanswered THEN callback_at END,
                next_due_at = CASE WHEN :state = 'ready' AND NOT {HAS_RUNG_BACK} THEN coalesce(:due_at,
                    dialer_now() + make_interval(secs => :delay)) END
            WHERE id = :prospect AND state = 'in_call' RETURNING state, next_due_at
        )
        UPDATE calls SET next_state = prospect.state, next_due_at = prospect.next_due_at,
            next_reason = CASE WHEN prospect.state = :state THEN :reason ELSE :rang_back END
        FROM prospect WHERE calls.id = :id
        RETURNING calls.next_state, calls.next_due_at, calls.next_reason"""
    changed = await one(
        session,
        sql,
        {
            "id": call.id,
            "prospect": call.prospect_id,
            "state": step.state.value,
            "phone_at": turn.at,
            "bad_phones": turn.bad,
            "reason": step.reason,
            "rang_back": RANG_BACK,
            "counted": 1 if attempted else 0,
            "untouched": untouched,
            "disposition": call.disposition,
            "outcome": call.outcome,
            "delay": delay,
            "due_at": step.due_at,
            "unanswered": unanswered and step.state is ProspectState.READY,
        },
    )
    return None if changed is None else _Following(*changed)


async def _read(session: AsyncSession, call_id: UUID) -> Row[Any]:
    # Columns by name: a migration that adds one must not make prepared statements of running processes fail.
    sql = f"""
        SELECT c.id, c.prospect_id, c.direction, c.state, c.disposition, c.outcome, c.error_code, c.attempt,
            c.dialed_at,
            c.ringing_at, c.answered_at, c.ended_at, c.talk_seconds, c.next_state, c.next_due_at, c.next_reason,
            c.deferred_reason, m.status AS campaign_status, m.settings, p.attempts, n.number AS caller_number,
            p.phone_at, p.bad_phones, p.attempts_base, p.allowance, c.requeue_id, p.requeue_id AS person_requeue_id,
            r.attempts AS requeue_attempts,
            c.callback_id IS NOT NULL AS asked_for, p.zone_set, dialer_now() AS now,
            (SELECT b.due_at FROM callback_requests b WHERE b.id = p.callback_id
                AND b.id IS DISTINCT FROM c.callback_id) AS asked_due_at,
            1 + (SELECT count(*) FROM calls e WHERE e.prospect_id = c.prospect_id AND e.attempt < c.attempt
                AND e.requeue_id IS NOT DISTINCT FROM c.requeue_id AND e.state = 'ended'
                AND (e.disposition = 'unknown' OR e.carrier_call_id IS NOT NULL AND e.late_at IS NULL)) AS place_of,
            1 + (SELECT count(*) FROM prospect_phones o WHERE o.prospect_id = p.id) AS phones,
            CASE WHEN p.phone = c.to_phone THEN 0 ELSE (SELECT o.position FROM prospect_phones o
                WHERE o.prospect_id = p.id AND o.phone = c.to_phone) END AS place,
            {SUPPRESSED_OF_CALL} AS suppressed
        FROM calls c LEFT JOIN campaigns m ON m.id = c.campaign_id LEFT JOIN prospects p ON p.id = c.prospect_id
            LEFT JOIN phone_numbers n ON n.id = c.phone_number_id LEFT JOIN requeues r ON r.id = c.requeue_id
        WHERE c.id = :id"""
    row = await one(session, sql, {"id": call_id})
    if row is None:
        raise LookupError(f"there is no call {call_id}")
    return row
