"""Claims: which prospects are called next, over which numbers. One short transaction that inserts ``claimed`` calls.

Lock order: accounts, workspace, numbers, campaign, contacts by phone, prospects. Free slots are looked at without locks
first, so that a full campaign costs no lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.campaign_rules import CampaignRules
from dialer.domain.redial import attempt_of
from dialer.domain.slots import Capacity, NumberCapacity, Rate, room
from dialer.domain.timing import Timing
from dialer.store.database import one, rows
from dialer.store.person_phones import IN_CALL, SUPPRESSED
from dialer.store.tables.base import LIVE


def _backlog(scope: str, scope_id: str) -> str:
    """How far a pace row lies ahead of now, in seconds."""
    return f"""(SELECT extract(epoch FROM next_at - dialer_now()) FROM pace
        WHERE scope = '{scope}' AND scope_id = {scope_id})::float8"""


_CAMPAIGN_USE = f"""
    SELECT (SELECT count(*) FROM calls WHERE campaign_id = :campaign AND {LIVE}) AS live,
        (SELECT count(*) FROM calls WHERE campaign_id = :campaign AND state = 'claimed') AS waiting,
        {_backlog("campaign", ":campaign")} AS backlog,
        (SELECT count(*) FROM calls WHERE workspace_id = :workspace AND {LIVE}) AS workspace_live,
        (SELECT count(*) FROM calls WHERE workspace_id = :workspace AND state = 'claimed') AS workspace_waiting,
        {_backlog("workspace", ":workspace")} AS workspace_backlog,
        w.max_concurrent AS workspace_max, w.calls_per_second AS workspace_rate
    FROM workspaces w WHERE w.id = :workspace"""

_NUMBER_USE = f"""
    SELECT n.id, n.phone, n.max_concurrent, n.calls_per_day, n.calls_per_second AS number_rate, a.id AS account_id,
        a.max_concurrent AS account_max, a.calls_per_second AS account_rate,
        (SELECT count(*) FROM calls WHERE phone_number_id = n.id AND {LIVE}) AS live,
        (SELECT count(*) FROM calls WHERE phone_number_id = n.id AND state = 'claimed') AS waiting,
        {_backlog("number", "n.id")} AS backlog,
        CASE WHEN n.calls_per_day IS NULL THEN 0 ELSE (SELECT count(*) FROM calls
            WHERE phone_number_id = n.id AND (dialed_at > dialer_now() - interval '24 hours' OR state = 'claimed'))
            END AS today,
        (SELECT count(*) FROM calls WHERE carrier_account_id = a.id AND {LIVE}) AS account_live,
        (SELECT count(*) FROM calls WHERE carrier_account_id = a.id AND state = 'claimed') AS account_waiting,
        {_backlog("account", "a.id")} AS account_backlog,
        (SELECT count(*) FROM calls WHERE carrier_account_id = a.id AND campaign_id = :campaign AND {LIVE})
            AS campaign_live_on_account,
        (SELECT coalesce(sum(weight), 0) FROM campaigns o WHERE o.status = 'running' AND o.id <> :campaign
            AND o.wants_until > dialer_now() AND EXISTS (SELECT 1 FROM campaign_numbers m
                JOIN phone_numbers p ON p.id = m.phone_number_id
                WHERE m.campaign_id = o.id AND p.carrier_account_id = a.id))::float8 AS other_weight
    FROM campaign_numbers cn JOIN phone_numbers n ON n.id = cn.phone_number_id
        JOIN carrier_accounts a ON a.id = n.carrier_account_id
    WHERE cn.campaign_id = :campaign ORDER BY cn.position"""


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
    """The calls claimed; when there are none, ``blocked`` is ``slots``, ``pace`` or ``None`` (nobody is due)."""

    calls: tuple[ClaimedCall, ...] = ()
    blocked: str | None = None


async def claim(
    session: AsyncSession, campaign: Row[Any], rules: CampaignRules, lanes: Sequence[Lane], timing: Timing
) -> Claim:
    """Claim due prospects of ``lanes``, all of which are open now, as far as slots and pace allow."""
    capacity = await read_capacity(session, campaign, rules)
    looked = room(capacity, timing.turn_s)
    if not looked.numbers:
        return Claim(blocked="pace" if looked.paced else "slots")
    candidates = await _due(session, campaign.id, lanes, len(looked.numbers))
    if not candidates:
        return Claim()
    if not await _lock_limits(session, campaign, capacity.numbers):
        return Claim()
    found = room(await read_capacity(session, campaign, rules), timing.turn_s)
    if not found.numbers:
        return Claim(blocked="pace" if found.paced else "slots")
    chosen = await _lock_prospects(session, rules, candidates[: len(found.numbers)])
    return Claim(calls=tuple(await _insert(session, campaign, chosen, found.numbers, timing)))


async def read_capacity(session: AsyncSession, campaign: Row[Any], rules: CampaignRules) -> Capacity:
    """Count what is in use of every limit that bears on the campaign."""
    parameters = {"campaign": campaign.id, "workspace": campaign.workspace_id}
    head = (await rows(session, _CAMPAIGN_USE, parameters))[0]
    numbers = tuple(_number_capacity(row, rules) for row in await rows(session, _NUMBER_USE, parameters))
    return Capacity(
        campaign_live=head.live,
        campaign_max_concurrent=rules.pace.max_concurrent,
        campaign_rate=Rate(per_second=rules.pace.calls_per_second, waiting=head.waiting, backlog_s=head.backlog or 0.0),
        workspace_live=head.workspace_live,
        workspace_max_concurrent=head.workspace_max,
        workspace_rate=Rate(
            per_second=head.workspace_rate, waiting=head.workspace_waiting, backlog_s=head.workspace_backlog or 0.0
        ),
        numbers=numbers,
    )


def _number_capacity(row: Row[Any], rules: CampaignRules) -> NumberCapacity:
    paced = row.number_rate is not None
    return NumberCapacity(
        number_id=row.id,
        phone=row.phone,
        account_id=row.account_id,
        live=row.live,
        max_concurrent=row.max_concurrent,
        calls_per_day=row.calls_per_day,
        calls_today=row.today,
        rate=Rate(per_second=row.number_rate, waiting=row.waiting, backlog_s=row.backlog or 0.0) if paced else None,
        account_live=row.account_live,
        account_max_concurrent=row.account_max,
        account_rate=Rate(
            per_second=row.account_rate, waiting=row.account_waiting, backlog_s=row.account_backlog or 0.0
        ),
        account_share=rules.pace.weight / (rules.pace.weight + row.other_weight),
        campaign_live_on_account=row.campaign_live_on_account,
    )


async def _due(session: AsyncSession, campaign_id: UUID, lanes: Sequence[Lane], limit: int) -> list[Row[Any]]:
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
    now = await database_now(session)
    return await rows(
        session,
        sql,
        {
            "zone_sets": [lane.zone_set for lane in lanes],
            "priorities": [lane.priority for lane in lanes],
            "campaign": campaign_id,
            "now": now,
            "limit": limit,
        },
    )


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


async def _lock_prospects(session: AsyncSession, rules: CampaignRules, candidates: Sequence[Row[Any]]) -> list[_Due]:
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
            1 + (SELECT count(*) FROM calls c WHERE c.prospect_id = p.id AND c.state <> 'deferred') AS attempt,
            {SUPPRESSED} AS suppressed
        FROM prospects p
        WHERE p.id = ANY(:ids) AND p.state = 'ready' AND p.next_due_at <= :now AND NOT {IN_CALL}
        ORDER BY p.callback_id IS NULL, p.priority, p.next_due_at, p.id FOR NO KEY UPDATE OF p SKIP LOCKED"""
    parameters = {
        "ids": [row.id for row in candidates],
        "now": await database_now(session),
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
