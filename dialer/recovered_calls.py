"""A call that the carrier knows and a restored database does not: whose it was, and the row that it gets.

Whoever may have been called is counted one attempt, so that nobody is called again for it. When several campaigns
could have made the call, each of them counts one that ended as ``unknown``: that the person was called is certain, by
whom is not, and an attempt too few is worth less than a call too many. The redial policy goes on from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.carriers.base import CarrierCall
from dialer.carriers.twilio_callbacks import event_of_call
from dialer.domain.carrier_events import TERMINAL, CarrierStatus
from dialer.domain.dispositions import Disposition, EndFacts, disposition_of
from dialer.domain.states import CallState
from dialer.domain.timing import Timing
from dialer.store.callbacks import adopt, apply_event, dedupe_key
from dialer.store.database import one, rows
from dialer.store.endings import Ending, decide_prospect, end_call
from dialer.store.gates import defer
from dialer.store.recoveries import MADE_BY
from dialer.store.tables.base import LIVE

#: The carrier's clock and ours may differ by this much.
CLOCK_SKEW = timedelta(seconds=5)
_STATES = {
    CarrierStatus.QUEUED: CallState.ACCEPTED,
    CarrierStatus.INITIATED: CallState.ACCEPTED,
    CarrierStatus.RINGING: CallState.RINGING,
    CarrierStatus.IN_PROGRESS: CallState.IN_PROGRESS,
}


class Found(StrEnum):
    """What a call at the carrier is to us."""

    KNOWN = "known"
    ADOPTED = "adopted"
    """A call whose carrier id the database did not have."""
    RECOVERED = "recovered"
    AMBIGUOUS = "ambiguous"
    """Several campaigns could have made it: each counts an attempt."""
    WITHOUT_CAMPAIGN = "without_campaign"
    """From a number of ours, to somebody whom no campaign over that number has."""
    NOT_OURS = "not_ours"
    """From a number that the database does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One call as the carrier lists it, and our accounts (of several workspaces, perhaps) that may have made it."""

    accounts: Sequence[UUID]
    call: CarrierCall
    placed_at: datetime

    @property
    def is_over(self) -> bool:
        return self.call.status in TERMINAL

    @property
    def disposition(self) -> Disposition:
        """As far as a list tells: it has no SIP codes."""
        call = self.call
        facts = EndFacts(status=call.status, answered_by=call.answered_by, talk_seconds=call.duration_seconds)
        return disposition_of(facts)


async def live_at_carrier(session: AsyncSession, accounts: Sequence[UUID]) -> dict[str, UUID]:
    """Carrier id → call, of the calls that the database believes to be under way."""
    sql = f"""SELECT carrier_call_id, id FROM calls WHERE carrier_account_id = ANY(:accounts) AND {LIVE}
              AND carrier_call_id IS NOT NULL"""
    return {row.carrier_call_id: row.id for row in await rows(session, sql, {"accounts": list(accounts)})}


async def record(session: AsyncSession, listed: Listed, timing: Timing) -> Found:
    """Make the database know one call of the carrier's. Again: changes nothing.

    Calls between the same two phones have to come in the order in which they were placed.
    """
    # One at a time, whoever else recovers: what is looked at here must not change until it is written.
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('dialer.recovery', 0))"))
    if await _is_known(session, listed, timing):
        return Found.KNOWN
    if await _adopted(session, listed, timing):
        return Found.ADOPTED
    people = await _people(session, listed)
    for position, person in enumerate(people):
        await _count(session, listed, person, timing, owner=position == 0, alone=len(people) == 1)
    if people:
        return Found.RECOVERED if len(people) == 1 else Found.AMBIGUOUS
    return await _without_campaign(session, listed)


async def _is_known(session: AsyncSession, listed: Listed, timing: Timing) -> bool:
    sql = f"""SELECT id, state, {LIVE} AS live FROM calls
              WHERE carrier_account_id = ANY(:accounts) AND carrier_call_id = :sid FOR NO KEY UPDATE"""
    row = await one(session, sql, {"accounts": list(listed.accounts), "sid": listed.call.carrier_call_id})
    if row is None:
        return False
    if row.state == CallState.DEFERRED:
        # It surfaced after its row was given back: an attempt was made, and a deferred row does not count one.
        await session.execute(text("UPDATE calls SET carrier_call_id = NULL WHERE id = :id"), {"id": row.id})
        return False
    if row.live and listed.is_over:
        await _report(session, row.id, listed, timing)
    return True


async def _adopted(session: AsyncSession, listed: Listed, timing: Timing) -> bool:
    """A row without a carrier id that this call belongs to: one that was under way, or was given up at that time."""
    sql = f"""
        SELECT id, {LIVE} AS live FROM calls
        WHERE contact_id IN (SELECT k.id FROM contacts k JOIN carrier_accounts a ON a.workspace_id = k.workspace_id
                WHERE a.id = ANY(:accounts) AND k.phone = :to)
            AND carrier_account_id = ANY(:accounts) AND from_phone = :from AND to_phone = :to
            AND carrier_call_id IS NULL AND claimed_at <= :latest
            AND ({LIVE} OR state = 'ended' AND disposition = 'unknown' AND created_by IS DISTINCT FROM :maker
                AND gated_at BETWEEN :earliest AND :latest)
        ORDER BY {LIVE} DESC, claimed_at LIMIT 1 FOR NO KEY UPDATE"""
    parameters = {
        "accounts": list(listed.accounts),
        "from": listed.call.from_,
        "to": listed.call.to,
        "latest": listed.placed_at + CLOCK_SKEW,
        "earliest": listed.placed_at - CLOCK_SKEW - timedelta(seconds=timing.undecided_s),
        "maker": MADE_BY,
    }
    row = await one(session, sql, parameters)
    if row is None:
        return False
    if not row.live and listed.is_over:
        return await adopt(session, row.id, listed.call.carrier_call_id)
    sql = """UPDATE calls SET state = 'unknown', gated_at = :at, dialed_at = :at,
                zone_set = (SELECT nullif(zone_set, '') FROM prospects WHERE id = calls.prospect_id)
             WHERE id = :id AND state = 'claimed'"""
    await session.execute(text(sql), {"id": row.id, "at": listed.placed_at})
    await _report(session, row.id, listed, timing)
    return True


async def _report(session: AsyncSession, call_id: UUID, listed: Listed, timing: Timing) -> None:
    event = event_of_call(listed.call, call_id)
    await apply_event(session, call_id, event, payload={}, dedupe=dedupe_key(event), timing=timing)


async def _people(session: AsyncSession, listed: Listed) -> list[Row[Any]]:
    """Prospects who may have been called: those who were due, else those who might have become so, else anybody.

    When somebody is due again after a call that ended here later than this one was placed, they were due earlier then.
    """
    sql = """
        SELECT p.id, p.workspace_id, p.campaign_id,
            (SELECT k.id FROM contacts k WHERE k.workspace_id = p.workspace_id AND k.phone = :to) AS contact_id,
            p.zone_set, m.agent_id, m.settings_version,
            n.id AS number_id, n.carrier_account_id,
            CASE WHEN p.state = 'in_call' OR p.state = 'ready' AND (p.next_due_at <= :latest OR EXISTS (
                    SELECT 1 FROM calls r WHERE r.prospect_id = p.id
                        AND r.claimed_at <= :latest AND r.updated_at > :placed)) THEN 0
                WHEN p.state IN ('ready', 'held') THEN 1 ELSE 2 END AS rank
        FROM phone_numbers n JOIN campaign_numbers cn ON cn.phone_number_id = n.id
            JOIN campaigns m ON m.id = cn.campaign_id AND m.hidden_at IS NULL
            JOIN LATERAL (SELECT q.id FROM prospects q WHERE q.campaign_id = m.id AND q.phone = :to UNION ALL
                SELECT o.prospect_id FROM prospect_phones o WHERE o.campaign_id = m.id AND o.phone = :to
            ) AS owner ON true JOIN prospects p ON p.id = owner.id
        WHERE n.phone = :from AND n.carrier_account_id = ANY(:accounts)
        ORDER BY rank, m.launched_at DESC NULLS LAST, p.id"""
    parameters = {
        "accounts": list(listed.accounts),
        "from": listed.call.from_,
        "to": listed.call.to,
        "latest": listed.placed_at + CLOCK_SKEW,
        "placed": listed.placed_at,
    }
    found = await rows(session, sql, parameters)
    if found and found[0].rank == 2:
        return found[:1]  # nothing follows from it for anybody; the call belongs to the latest campaign
    return [row for row in found if row.rank == found[0].rank]


async def _count(
    session: AsyncSession, listed: Listed, person: Row[Any], timing: Timing, *, owner: bool, alone: bool
) -> None:
    """One attempt of one person. The owner's row has the carrier's id; a call under way is live in that row only."""
    await rows(session, "SELECT id FROM contacts WHERE id = :id FOR NO KEY UPDATE", {"id": person.contact_id})
    await _end_stale(session, person.id, timing)
    sql = "UPDATE prospects SET state = 'in_call' WHERE id = :id AND state = 'ready' RETURNING id"
    taken = await one(session, sql, {"id": person.id}) is not None
    sql = """SELECT 1 + count(*) AS n FROM calls
             WHERE prospect_id = :id AND state <> 'deferred' AND direction <> 'inbound'"""
    attempt = (await rows(session, sql, {"id": person.id}))[0].n
    call_id = await _insert(session, listed, person, attempt=attempt, owner=owner)
    live = owner and taken and not listed.is_over and await _goes_on(session, call_id, listed, timing)
    if live:
        return
    known = alone and listed.is_over
    await _ended(session, call_id, listed, listed.disposition if known else Disposition.UNKNOWN)
    if taken:
        await decide_prospect(session, call_id, attempted=True)
    else:
        # Somebody who is in another call, or whom nobody would call any more: only the count changes.
        sql = "UPDATE prospects SET attempts = attempts + 1 WHERE id = :id"
        await session.execute(text(sql), {"id": person.id})


async def _end_stale(session: AsyncSession, prospect_id: UUID, timing: Timing) -> None:
    """Calls that the backup caught before the carrier knew them: this one came later, so they are long over."""
    sql = f"SELECT id, state FROM calls WHERE prospect_id = :id AND {LIVE} AND carrier_call_id IS NULL"
    for row in await rows(session, sql, {"id": prospect_id}):
        if row.state == CallState.CLAIMED:
            await defer(session, row.id, "database_restored", timing)
        else:
            await end_call(session, row.id, Ending(disposition=Disposition.UNKNOWN), timing)


async def _insert(
    session: AsyncSession, listed: Listed, person: Row[Any], *, attempt: int = 1, owner: bool = True
) -> UUID:
    """The row, not counted yet: triggers count what becomes of it."""
    call = listed.call
    sql = """
        INSERT INTO calls (workspace_id, campaign_id, agent_id, prospect_id, contact_id, to_phone, from_phone, attempt,
            carrier_account_id, phone_number_id, carrier, carrier_call_id, state, settings_version, zone_set,
            claimed_at, answered_by, traced, created_by, requeue_id)
        VALUES (:workspace, :campaign, :agent, :prospect, :contact, :to, :from, :attempt, :account, :number, 'twilio',
            :sid, 'deferred', :version, :zones, :at, :answered_by, false, :maker,
            (SELECT requeue_id FROM prospects WHERE id = CAST(:prospect AS uuid)))
        RETURNING id"""
    parameters = {
        "workspace": person.workspace_id,
        "campaign": person.campaign_id,
        "agent": person.agent_id,
        "prospect": person.id,
        "contact": person.contact_id,
        "to": call.to,
        "from": call.from_,
        "attempt": attempt,
        "account": person.carrier_account_id,
        "number": person.number_id,
        "sid": call.carrier_call_id if owner else None,
        "version": person.settings_version,
        "zones": person.zone_set,
        "at": listed.placed_at,
        "answered_by": call.answered_by,
        "maker": MADE_BY,
    }
    return (await rows(session, sql, parameters))[0].id


async def _goes_on(session: AsyncSession, call_id: UUID, listed: Listed, timing: Timing) -> bool:
    """A call under way is looked after by the sweep. False when its person is in another live call already.

    One that nobody has answered yet is ended: the answer to it would be asked of a call that the database has lost.
    """
    sql = f"SELECT 1 FROM calls o JOIN calls c ON c.contact_id = o.contact_id WHERE c.id = :id AND o.{LIVE}"
    if await one(session, sql, {"id": call_id}) is not None:
        return False
    sql = """
        UPDATE calls SET state = :state, gated_at = :at, dialed_at = :at, accepted_at = :at,
            cost = :cost, answered_at = CASE WHEN :state = 'in_progress' THEN :answered END,
            hang_up_at = CASE WHEN :state <> 'in_progress' THEN dialer_now() END,
            cancel_reason = CASE WHEN :state <> 'in_progress' THEN 'database_restored' END,
            deadline_at = dialer_now() + make_interval(secs => :wait) WHERE id = :id"""
    parameters = {
        "id": call_id,
        "state": _STATES[listed.call.status].value,
        "at": listed.placed_at,
        "cost": listed.call.price,
        "answered": listed.call.started_at or listed.placed_at,
        "wait": timing.reconcile_s,
    }
    await session.execute(text(sql), parameters)
    return True


async def _ended(session: AsyncSession, call_id: UUID, listed: Listed, disposition: Disposition) -> None:
    call = listed.call
    talked = call.status is CarrierStatus.COMPLETED and disposition is not Disposition.UNKNOWN
    ended_at = call.ended_at or listed.placed_at
    sql = """
        UPDATE calls SET state = 'ended', disposition = :disposition, gated_at = :at, dialed_at = :at,
            accepted_at = :at, answered_at = :answered, ended_at = :ended, talk_seconds = :talk, cost = :cost,
            late_at = CASE WHEN :over THEN late_at ELSE dialer_now() END
        WHERE id = :id"""
    parameters = {
        "id": call_id,
        "disposition": disposition.value,
        "at": listed.placed_at,
        "answered": ended_at - timedelta(seconds=call.duration_seconds or 0) if talked else None,
        "ended": ended_at,
        "talk": call.duration_seconds if talked else None,
        "cost": call.price,
        "over": listed.is_over,
    }
    await session.execute(text(sql), parameters)


async def _without_campaign(session: AsyncSession, listed: Listed) -> Found:
    """A single call, or one of a campaign or an import that the backup does not have: known, and nobody's attempt."""
    sql = """SELECT id, workspace_id, carrier_account_id, agent_id FROM phone_numbers
             WHERE phone = :from AND carrier_account_id = ANY(:accounts) ORDER BY id LIMIT 1"""
    number = await one(session, sql, {"from": listed.call.from_, "accounts": list(listed.accounts)})
    if number is None:
        return Found.NOT_OURS
    sql = """INSERT INTO contacts (workspace_id, phone) VALUES (:workspace, :phone)
             ON CONFLICT (workspace_id, phone) DO NOTHING"""
    await session.execute(text(sql), {"workspace": number.workspace_id, "phone": listed.call.to})
    sql = """
        SELECT NULL::uuid AS id, c.id AS contact_id, c.workspace_id, NULL::uuid AS campaign_id, NULL AS zone_set,
            CAST(:agent AS uuid) AS agent_id, NULL::bigint AS settings_version, CAST(:number AS uuid) AS number_id,
            CAST(:account AS uuid) AS carrier_account_id
        FROM contacts c WHERE c.workspace_id = :workspace AND c.phone = :phone FOR NO KEY UPDATE"""
    parameters = {
        "workspace": number.workspace_id,
        "phone": listed.call.to,
        "agent": number.agent_id,
        "number": number.id,
        "account": number.carrier_account_id,
    }
    person = (await rows(session, sql, parameters))[0]
    call_id = await _insert(session, listed, person)
    if listed.is_over or not await _goes_on(session, call_id, listed, Timing()):
        disposition = listed.disposition if listed.is_over else Disposition.UNKNOWN
        await _ended(session, call_id, listed, disposition)
    return Found.WITHOUT_CAMPAIGN
