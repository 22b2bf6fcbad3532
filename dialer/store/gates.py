"""The gate: the last look before a phone rings, committed before the request to the carrier leaves.

The same predicate as the claim's, looked at once more under the campaign's and the phone's shared locks: between claim
and dial somebody may have paused, edited, stopped or opted out. What does not pass is deferred; nobody's phone rang.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.campaign_rules import CampaignRules, rules_from_json
from dialer.domain.states import CallState, CampaignStatus
from dialer.domain.timing import Timing
from dialer.domain.zones import ZoneSet, zones_for_phone
from dialer.store.database import one
from dialer.store.locks import share_for_gate
from dialer.store.person_phones import PHONES_OF_CALL, SUPPRESSED_OF_CALL
from dialer.store.redials_cancelled import HAS_RUNG_BACK
from dialer.store.sealed_accounts import SealedAccount
from dialer.store.turns import LIMITS, PACED, Edited, Turn, next_turn

#: Why a call that was claimed before an edit is not dialed.
SETTINGS_CHANGED = "settings_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePassed:
    """Everything that the carrier needs to know, read under the gate's locks."""

    workspace_id: UUID
    campaign_id: UUID | None
    account: SealedAccount
    from_phone: str
    to_phone: str
    extension: str | None
    rules: CampaignRules
    gated_at: datetime
    turn: Turn
    troubled: bool = False
    """The account's last request failed, so that an answer is news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateClosed:
    """Why the call was not dialed; ``touched`` is False when it was not ours to change."""

    reason: str
    touched: bool


async def pass_gate(session: AsyncSession, call_id: UUID, timing: Timing) -> GatePassed | GateClosed:
    """Take the call's turn and compare-and-set ``claimed → dialing``, or defer the call."""
    sql = f"""SELECT workspace_id, campaign_id, ARRAY({PHONES_OF_CALL}) AS phones FROM calls c
              WHERE id = :id AND state = 'claimed'"""
    known = await one(session, sql, {"id": call_id})
    if known is None:
        return GateClosed(reason="not_claimed", touched=False)
    await share_for_gate(session, known.workspace_id, known.campaign_id, known.phones)
    row = await _read(session, call_id)
    if row is None:
        return GateClosed(reason="not_claimed", touched=False)
    rules = rules_from_json(row.settings) if row.settings is not None else CampaignRules()
    turn = closed_because(row, rules, timing) or await _turn(session, row, rules, timing)
    if not isinstance(turn, Turn):
        await defer(session, call_id, turn, timing)
        return GateClosed(reason=turn, touched=True)
    sql = """
        UPDATE calls SET state = 'dialing', gated_at = dialer_now(), dialed_at = dialer_now(), zone_set = :zones,
            deadline_at = dialer_now() + make_interval(secs => :undecided)
        WHERE id = :id AND state = 'claimed' RETURNING gated_at"""
    zones = zones_of(row)
    parameters = {"id": call_id, "undecided": timing.undecided_s, "zones": zones.key if zones is not None else None}
    passed = await one(session, sql, parameters)
    if passed is None:
        return GateClosed(reason="not_claimed", touched=False)
    return GatePassed(
        workspace_id=row.workspace_id,
        campaign_id=row.campaign_id,
        account=SealedAccount(
            id=row.carrier_account_id, account_sid=row.account_sid, secret=bytes(row.secret), base_url=row.base_url
        ),
        from_phone=row.from_phone,
        to_phone=row.to_phone,
        extension=row.extension,
        rules=rules,
        gated_at=passed.gated_at.astimezone(UTC),
        troubled=row.troubled,
        turn=turn,
    )


async def _turn(session: AsyncSession, row: Row[Any], rules: CampaignRules, timing: Timing) -> Turn | str:
    """The call's turn, or why it gets none. Last of all: the pace rows that it locks are everybody's."""
    lead_s = timing.turn_lead_s
    try:
        turn = await next_turn(session, row, rules, within_s=timing.turn_s + lead_s, lead_s=lead_s)
    except Edited:
        return SETTINGS_CHANGED
    return turn if turn is not None else "pace"


def closed_because(row: Row[Any], rules: CampaignRules, timing: Timing) -> str | None:
    """The first reason not to dial now, or None."""
    if row.account_sid is None:
        return "no_carrier"
    if row.hang_up_at is not None:
        return "hang_up"
    if row.suppressed:
        return "suppressed"
    if row.rings_in:
        return "rings_in"  # they are in a call with us that they have made
    if row.rang_back_at is not None:
        return "rang_back"
    if row.left_alone:
        return "carrier_unavailable"
    if row.campaign_id is not None:
        if row.status != CampaignStatus.RUNNING:
            return f"campaign_{row.status}"
        if row.campaign_settings_version != row.settings_version:
            return SETTINGS_CHANGED
        if rules.end_at is not None and row.now >= rules.end_at:
            return "ended"
    margin = timedelta(seconds=timing.window_margin_s)
    return None if rules.hours.is_open_for(row.now, margin, zones_of(row)) else "window"


def zones_of(row: Row[Any]) -> ZoneSet | None:
    """The prospect's zone set; for a call without one, every zone that the number may be in."""
    if row.prospect_id is None:
        return zones_for_phone(row.to_phone)
    return ZoneSet.parse(row.zone_set) if row.zone_set else None


async def defer(
    session: AsyncSession, call_id: UUID, reason: str, timing: Timing, *, state: CallState = CallState.CLAIMED
) -> bool:
    """The call was never dialed: no attempt. Its prospect is due again in a moment, or suppressed. True if it did so.

    Only the process that passed the gate may say so of a ``dialing`` call, once it knows that no request left or that
    the carrier did nothing; to everybody else the phone may be ringing.
    """
    sql = """
        UPDATE calls SET state = 'deferred', deferred_reason = :reason, ended_at = dialer_now(), deadline_at = NULL
        WHERE id = :id AND state = :state AND carrier_call_id IS NULL
        RETURNING prospect_id, campaign_id"""
    call = await one(session, sql, {"id": call_id, "reason": reason, "state": state.value})
    if call is None:
        return False
    if call.prospect_id is not None:
        await _give_back(session, call.prospect_id, reason, timing)
    return True


async def _give_back(session: AsyncSession, prospect_id: UUID, reason: str, timing: Timing) -> None:
    """A prospect whose call was not dialed is due again in a moment; unless the campaign is over, they opted out, or
    they rang back meanwhile.

    Who was claimed before an edit is due at once: the next claim is under the new settings, so nobody is claimed and
    given back in a circle.
    """
    sql = f"""
        UPDATE prospects p SET rang_back_at = NULL,
            state = CASE WHEN :reason = 'suppressed' THEN 'suppressed' WHEN {HAS_RUNG_BACK} THEN 'reached'
                WHEN c.status IN ('stopped', 'completed') THEN 'expired' ELSE 'ready' END,
            next_due_at = CASE WHEN :reason = 'suppressed' OR {HAS_RUNG_BACK}
                OR c.status IN ('stopped', 'completed') THEN NULL
                ELSE greatest(p.next_due_at, dialer_now() + make_interval(secs => :delay)) END
        FROM campaigns c WHERE p.id = :id AND c.id = p.campaign_id AND p.state = 'in_call'"""
    delay = 0.0 if reason == SETTINGS_CHANGED else timing.defer_s
    await session.execute(text(sql), {"id": prospect_id, "reason": reason, "delay": delay})


async def _read(session: AsyncSession, call_id: UUID) -> Row[Any] | None:
    sql = f"""
        SELECT {PACED}, c.prospect_id, c.from_phone, c.to_phone, c.settings_version, c.hang_up_at, m.status, m.settings,
            a.account_sid, a.secret, a.base_url, p.zone_set, p.rang_back_at, dialer_now() AS now,
            CASE WHEN p.phone = c.to_phone THEN p.extension ELSE (SELECT o.extension FROM prospect_phones o
                WHERE o.prospect_id = c.prospect_id AND o.phone = c.to_phone) END AS extension,
            {SUPPRESSED_OF_CALL} AS suppressed,
            EXISTS (SELECT 1 FROM calls i WHERE i.state = 'inbound' AND i.workspace_id = c.workspace_id
                AND i.from_phone IN ({PHONES_OF_CALL})) AS rings_in,
            b.carrier_account_id IS NOT NULL AS troubled, coalesce(b.open_until > dialer_now(), false) AS left_alone
        FROM calls c {LIMITS} LEFT JOIN campaigns m ON m.id = c.campaign_id
            LEFT JOIN prospects p ON p.id = c.prospect_id
            LEFT JOIN backoffs b ON b.carrier_account_id = c.carrier_account_id
        WHERE c.id = :id AND c.state = 'claimed'"""
    return await one(session, sql, {"id": call_id})
