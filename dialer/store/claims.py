"""Claims: which prospects are called next, over which numbers. One short transaction that inserts ``claimed`` calls.

Lock order: accounts, workspace, numbers, campaign, contacts by phone, prospects. Free slots are looked at without locks
first, so that a full campaign costs no lock.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.campaign_rules import CampaignRules
from dialer.domain.redial import attempt_of
from dialer.domain.slots import Blocked, Capacity, NumberCapacity, Room, room
from dialer.domain.timing import Timing
from dialer.store.capacities import read_capacity, read_capacity_and_standing
from dialer.store.database import one, rows
from dialer.store.person_phones import IN_CALL, SUPPRESSED
from dialer.store.shares import Standing, save_standing, tell, want_nothing

#: A campaign that is left no room looks for so many people, to say how many calls it wants.
_LOOKED_AT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One zone set at one priority (1 is the most urgent)."""

    zone_set: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedCall:
    """What a CallWorkflow is started with. ``attempt_of``: which of those allowed, in words."""

    call_id: UUID
    prospect_id: UUID
    attempt: int
    attempt_of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """Somebody to be called, and on which phone."""

    id: UUID
    attempt: int
    attempt_of: str
    phone: str
    contact_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The calls claimed; when there are none, what is in the way: None when nobody is due.

    ``retry_s``: look again after this at the latest; None when somebody else decides when there is room.
    """

    calls: tuple[ClaimedCall, ...] = ()
    blocked: Blocked | None = None
    retry_s: float | None = None
    paced: bool = False
    """As many wait for their turns as the campaign's own pace allows."""


async def claim(
    session: AsyncSession,
    campaign: Row[Any],
    rules: CampaignRules,
    lanes: Sequence[Lane],
    now: datetime,
    timing: Timing,
) -> Claim:
    """Claim people of ``lanes``, all of which are open ``now``, as far as slots, pace and the campaign's share allow.

    What the others may claim instead, they are told of; what the campaign is left no room for, it says that it wants.
    """
    capacity, standing = await read_capacity_and_standing(session, campaign, rules)
    own = capacity.own_room(timing.turn_s)
    alone = room(capacity, timing.turn_s, max(own, 1))
    if own == 0 or alone.blocked is Blocked.CARRIER:
        return await _leave(session, campaign, standing, alone)
    most = min(own, max(capacity.shared_room(timing.turn_s), _LOOKED_AT))
    candidates = await _due(session, campaign.id, lanes, now, most)
    looked = room(capacity, timing.turn_s, len(candidates))
    if not any(looked.wants.values()) and not looked.numbers:
        return await _leave(session, campaign, standing, looked)
    if not looked.numbers:
        return await _say(session, campaign, capacity, looked)
    if not await _lock_limits(session, campaign, capacity.numbers):
        return Claim()
    capacity = await read_capacity(session, campaign, rules)
    found = room(capacity, timing.turn_s, len(candidates))
    if not found.numbers:
        return await _say(session, campaign, capacity, found)
    chosen = await _lock_prospects(session, rules, candidates[: len(found.numbers)], now)
    calls = await _insert(session, campaign, chosen, found.numbers, timing)
    complete = len(calls) == len(found.numbers)
    begun = Counter(number.account_id for number in found.numbers[: len(calls)])
    # Who could not claim everybody chosen waits for others to let go of them, and nobody for it.
    await _save(session, campaign, capacity, begun, found if complete else replace(found, wants={}))
    await tell(session, found.others)
    return Claim(calls=tuple(calls), paced=capacity.own_turns(timing.turn_s) <= len(calls))


async def _leave(session: AsyncSession, campaign: Row[Any], standing: Standing, looked: Room) -> Claim:
    """The campaign would claim nobody if it were alone: the others need not wait for it."""
    if standing.wants:
        await want_nothing(session, campaign.workspace_id, campaign.id)
    await tell(session, looked.others if standing.wants else _one_of(looked.others))
    return Claim(blocked=looked.blocked, retry_s=looked.retry_s, paced=looked.paced)


async def _say(session: AsyncSession, campaign: Row[Any], capacity: Capacity, looked: Room) -> Claim:
    """The campaign is left no room: say what it wants. Whoever began a call has told the others whose turn it is; one
    is told again, in case they have not heard it, and no more: each would look for itself, and tell as many."""
    await _save(session, campaign, capacity, {}, looked)
    await tell(session, _one_of(looked.others))
    return Claim(blocked=looked.blocked, retry_s=looked.retry_s, paced=looked.paced)


def _one_of(campaigns: Sequence[UUID]) -> Sequence[UUID]:
    """Any: all of them may call now, and the first may be one that does not hear."""
    return [random.choice(campaigns)] if campaigns else ()


async def _save(
    session: AsyncSession,
    campaign: Row[Any],
    capacity: Capacity,
    begun: Mapping[UUID, int],
    found: Room,
) -> None:
    """Count the calls that begin at every limit, by account; and what the campaign wants there besides."""
    workspace = campaign.workspace_id
    counts = {account: count + begun.get(account, 0) / capacity.weight for account, count in capacity.counts.items()}
    counts[workspace] = capacity.count + sum(begun.values()) / capacity.weight
    in_workspace = sum(found.wants.values()) if found.scarce else 0
    await save_standing(
        session,
        campaign,
        capacity.weight,
        counts=counts,
        wants={**found.wants, workspace: in_workspace},
        looks_again_s=found.retry_s,
    )


async def _due(
    session: AsyncSession, campaign_id: UUID, lanes: Sequence[Lane], now: datetime, limit: int
) -> list[Row[Any]]:
    """The most urgent due prospects: one short index scan per lane, then a merge of the few rows found.

    Callbacks that people asked for come before all others; they are few, in an index of their own.
    """
    sql = f"""
        SELECT due.id, due.contact_id FROM (
            SELECT asked.* FROM (SELECT DISTINCT unnest(CAST(:zone_sets AS text[])) AS zone_set) AS lane, LATERAL (
                SELECT p.id, p.contact_id, 0 AS kind, 0 AS priority, p.next_due_at FROM prospects p
                WHERE p.campaign_id = :campaign AND p.zone_set = lane.zone_set AND p.callback_id IS NOT NULL
                    AND p.state = 'ready' AND p.next_due_at <= :now AND NOT {IN_CALL}
                ORDER BY p.next_due_at, p.id LIMIT :limit
            ) AS asked
            UNION ALL
            SELECT usual.* FROM
                unnest(CAST(:zone_sets AS text[]), CAST(:priorities AS smallint[])) AS lane(zone_set, priority),
            LATERAL (
                SELECT p.id, p.contact_id, 1 AS kind, p.priority, p.next_due_at FROM prospects p
                WHERE p.campaign_id = :campaign AND p.zone_set = lane.zone_set AND p.priority = lane.priority
                    AND p.state = 'ready' AND p.next_due_at <= :now AND p.callback_id IS NULL AND NOT {IN_CALL}
                ORDER BY p.next_due_at, p.id LIMIT :limit
            ) AS usual
        ) AS due ORDER BY due.kind, due.priority, due.next_due_at, due.id LIMIT :limit"""
    parameters = {
        "zone_sets": [lane.zone_set for lane in lanes],
        "priorities": [lane.priority for lane in lanes],
        "campaign": campaign_id,
        "now": now,
        "limit": limit,
    }
    return await rows(session, sql, parameters)


async def _lock_limits(session: AsyncSession, campaign: Row[Any], numbers: Sequence[NumberCapacity]) -> bool:
    """Lock every limit's row in the common order. False when the campaign no longer runs with these settings."""
    accounts = sorted({number.account_id for number in numbers})
    sql = "SELECT id FROM carrier_accounts WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE"
    await rows(session, sql, {"ids": accounts})
    await rows(session, "SELECT id FROM workspaces WHERE id = :id FOR NO KEY UPDATE", {"id": campaign.workspace_id})
    sql = "SELECT id FROM phone_numbers WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE"
    await rows(session, sql, {"ids": sorted({number.number_id for number in numbers})})
    sql = """SELECT id FROM campaigns WHERE id = :id AND status = 'running' AND settings_version = :version
             FOR NO KEY UPDATE"""
    return await one(session, sql, {"id": campaign.id, "version": campaign.settings_version}) is not None


async def _lock_prospects(
    session: AsyncSession, rules: CampaignRules, candidates: Sequence[Row[Any]], now: datetime
) -> list[_Due]:
    """Lock contacts in order of phone, then prospects; keep those that are still due, free and may be called.

    Suppressed people are marked so, and those who are left without an attempt, because the rules have changed.
    """
    sql = """SELECT id FROM contacts WHERE id IN (SELECT unnest(CAST(:ids AS uuid[])) UNION
                SELECT contact_id FROM prospect_phones WHERE prospect_id = ANY(:prospects))
             ORDER BY phone FOR NO KEY UPDATE"""
    parameters = {"ids": [row.contact_id for row in candidates], "prospects": [row.id for row in candidates]}
    locked = [row.id for row in await rows(session, sql, parameters)]
    sql = f"""
        SELECT p.id, p.callback_id IS NULL AND p.attempts - p.attempts_base >= coalesce(p.allowance, :most) AS spent,
            p.attempts - p.attempts_base AS made, coalesce(p.allowance, :most) AS most,
            p.callback_id IS NOT NULL AS asked_for,
            1 + (SELECT count(*) FROM calls c WHERE c.prospect_id = p.id AND c.state <> 'deferred'
                AND c.direction <> 'inbound') AS attempt,
            {SUPPRESSED} AS suppressed
        FROM prospects p
        WHERE p.id = ANY(:ids) AND p.state = 'ready' AND p.next_due_at <= :now AND NOT {IN_CALL}
        ORDER BY p.callback_id IS NULL, p.priority, p.next_due_at, p.id FOR NO KEY UPDATE OF p SKIP LOCKED"""
    parameters = {
        "ids": [row.id for row in candidates],
        "now": now,
        "most": rules.redial.max_attempts,
    }
    found = await rows(session, sql, parameters)
    out = [row.id for row in found if row.suppressed or row.spent]
    if out:
        sql = """UPDATE prospects SET state = CASE WHEN id = ANY(:suppressed) THEN 'suppressed' ELSE 'exhausted' END,
                     next_due_at = NULL WHERE id = ANY(:ids)"""
        await session.execute(text(sql), {"ids": out, "suppressed": [row.id for row in found if row.suppressed]})
    free = [row for row in found if not (row.suppressed or row.spent)]
    return await _phones_due(session, free, locked)


async def _phones_due(session: AsyncSession, people: Sequence[Row[Any]], locked: Sequence[UUID]) -> list[_Due]:
    """Each with the phone whose turn it is, without those who were given another phone before they were locked.

    Read after the locks: the statement that locks people may see their further phones as they were before.
    """
    sql = """
        SELECT p.id, due.phone, due.contact_id FROM prospects p, LATERAL (
            SELECT p.phone, p.contact_id, 0 AS position UNION ALL
            SELECT o.phone, o.contact_id, o.position FROM prospect_phones o WHERE o.prospect_id = p.id) AS due
        WHERE p.id = ANY(:ids) AND due.position = p.phone_at AND p.contact_id = ANY(:locked) AND NOT EXISTS (
            SELECT 1 FROM prospect_phones o WHERE o.prospect_id = p.id AND o.contact_id <> ALL(:locked))"""
    parameters = {"ids": [row.id for row in people], "locked": locked}
    due = {row.id: row for row in await rows(session, sql, parameters)} if people else {}
    return [
        _Due(
            id=row.id,
            attempt=row.attempt,
            attempt_of=attempt_of(row.made + 1, row.most, asked_for=row.asked_for),
            phone=due[row.id].phone,
            contact_id=due[row.id].contact_id,
        )
        for row in people
        if row.id in due
    ]


async def _insert(
    session: AsyncSession,
    campaign: Row[Any],
    prospects: Sequence[_Due],
    numbers: Sequence[NumberCapacity],
    timing: Timing,
) -> list[ClaimedCall]:
    if not prospects:
        return []
    pairs = list(zip(prospects, numbers, strict=False))
    sql = """
        INSERT INTO calls (workspace_id, campaign_id, agent_id, prospect_id, contact_id, to_phone, attempt,
            carrier_account_id, phone_number_id, from_phone, carrier, settings_version, claimed_at, deadline_at,
            requeue_id, callback_id)
        SELECT :workspace, :campaign, :agent, v.prospect_id, v.contact_id, v.phone, v.attempt, v.account_id,
            v.number_id, v.from_phone, 'twilio', :version, dialer_now(), dialer_now() + make_interval(secs => :expiry),
            p.requeue_id, p.callback_id
        FROM unnest(CAST(:prospects AS uuid[]), CAST(:contacts AS uuid[]), CAST(:phones AS text[]),
            CAST(:attempts AS smallint[]), CAST(:accounts AS uuid[]), CAST(:numbers AS uuid[]), CAST(:from AS text[]))
            AS v(prospect_id, contact_id, phone, attempt, account_id, number_id, from_phone)
            JOIN prospects p ON p.id = v.prospect_id
        RETURNING id, prospect_id, attempt"""
    inserted = await rows(
        session,
        sql,
        {
            "workspace": campaign.workspace_id,
            "campaign": campaign.id,
            "agent": campaign.agent_id,
            "version": campaign.settings_version,
            "expiry": timing.claim_expiry_s,
            "prospects": [prospect.id for prospect, _ in pairs],
            "contacts": [prospect.contact_id for prospect, _ in pairs],
            "phones": [prospect.phone for prospect, _ in pairs],
            "attempts": [prospect.attempt for prospect, _ in pairs],
            "accounts": [number.account_id for _, number in pairs],
            "numbers": [number.number_id for _, number in pairs],
            "from": [number.phone for _, number in pairs],
        },
    )
    sql = "UPDATE prospects SET state = 'in_call' WHERE id = ANY(:ids)"
    await session.execute(text(sql), {"ids": [prospect.id for prospect, _ in pairs]})
    sql = """UPDATE campaigns SET wants_until = dialer_now() + interval '3 seconds'
             WHERE id = :id AND (wants_until IS NULL OR wants_until < dialer_now() + interval '2 seconds')"""
    await session.execute(text(sql), {"id": campaign.id})
    words = {prospect.id: prospect.attempt_of for prospect, _ in pairs}
    return [
        ClaimedCall(call_id=row.id, prospect_id=row.prospect_id, attempt=row.attempt, attempt_of=words[row.prospect_id])
        for row in inserted
    ]


async def database_now(session: AsyncSession) -> datetime:
    """The product's clock, as PostgreSQL reads it."""
    row = await one(session, "SELECT dialer_now() AS now")
    assert row is not None
    return row.now
