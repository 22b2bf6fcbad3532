"""One outbound call that belongs to no campaign: the same gates, limits and locks as a campaign's."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.campaign_rules import CampaignRules
from dialer.domain.gate_checks import GateCheck, first_closed
from dialer.domain.timing import Timing
from dialer.domain.zones import zones_for_phone
from dialer.store.claims import database_now
from dialer.store.database import one, rows
from dialer.store.person_phones import in_use
from dialer.store.tables.base import LIVE


class GatesClosed(Exception):
    """The call may not be made now; ``checks`` say why."""

    def __init__(self, checks: Sequence[GateCheck]) -> None:
        blocking = first_closed(checks)
        super().__init__(f"closed: {blocking.name}" if blocking is not None else "closed")
        self.checks = tuple(checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleCall:
    """What is asked for. The agent and the number belong to the workspace."""

    workspace_id: UUID
    agent_id: UUID
    phone_number_id: UUID
    to_phone: str
    variables: dict[str, Any]
    created_by: str


async def claim_single(session: AsyncSession, wanted: SingleCall, timing: Timing) -> UUID:
    """Insert a claimed call and return its id. Raises GatesClosed, and then nothing is written."""
    number = await _lock_limits(session, wanted)
    await session.execute(
        text("INSERT INTO contacts (workspace_id, phone) VALUES (:w, :phone) ON CONFLICT DO NOTHING"),
        {"w": wanted.workspace_id, "phone": wanted.to_phone},
    )
    sql = "SELECT id FROM contacts WHERE workspace_id = :w AND phone = :phone FOR NO KEY UPDATE"
    contact = (await rows(session, sql, {"w": wanted.workspace_id, "phone": wanted.to_phone}))[0]
    checks = await check_gates(session, wanted.workspace_id, wanted.to_phone, number, timing)
    if first_closed(checks) is not None:
        raise GatesClosed(checks)
    sql = """
        INSERT INTO calls (workspace_id, agent_id, contact_id, to_phone, carrier_account_id, phone_number_id,
            from_phone, carrier, claimed_at, deadline_at, variables, created_by)
        VALUES (:workspace, :agent, :contact, :to, :account, :number, :from, 'twilio', dialer_now(),
            dialer_now() + make_interval(secs => :expiry), CAST(:variables AS jsonb), :by) RETURNING id"""
    inserted = await one(
        session,
        sql,
        {
            "workspace": wanted.workspace_id,
            "agent": wanted.agent_id,
            "contact": contact.id,
            "to": wanted.to_phone,
            "account": number.account_id,
            "number": number.id,
            "from": number.phone,
            "expiry": timing.claim_expiry_s,
            "variables": json.dumps(wanted.variables),
            "by": wanted.created_by,
        },
    )
    assert inserted is not None
    return inserted.id


async def check_gates(
    session: AsyncSession, workspace_id: UUID, phone: str, number: Row[Any], timing: Timing
) -> list[GateCheck]:
    """Every gate for one phone and one caller number, with the default calling hours."""
    now = await database_now(session)
    sql = f"""
        SELECT EXISTS (SELECT 1 FROM suppressions WHERE workspace_id = :w AND phone = :phone AND campaign_id IS NULL)
                AS suppressed,
            {in_use("SELECT id FROM contacts WHERE workspace_id = :w AND phone = :phone")} AS in_call"""
    facts = (await rows(session, sql, {"w": workspace_id, "phone": phone}))[0]
    suppression = "on the do-not-call list" if facts.suppressed else "not on the do-not-call list"
    status = "this person is in a call" if facts.in_call else "nobody calls this person now"
    return [
        GateCheck(name="status", passed=not facts.in_call, why=status),
        *window_checks(phone, now, timing),
        GateCheck(name="suppression", passed=not facts.suppressed, why=suppression),
        *cap_checks(number),
    ]


def window_checks(phone: str, now: datetime, timing: Timing) -> list[GateCheck]:
    """Zone and window of a phone without a prospect."""
    zones = zones_for_phone(phone)
    if zones is None:
        why = "no time zone is known for this number"
        return [GateCheck(name="zone", passed=False, why=why), GateCheck(name="window", passed=False, why=why)]
    margin = timedelta(seconds=timing.window_margin_s)
    hours = CampaignRules().hours
    is_open = hours.is_open_for(now, margin, zones)
    return [
        GateCheck(name="zone", passed=True, why=", ".join(zones.names)),
        GateCheck(
            name="window",
            passed=is_open,
            why="inside calling hours" if is_open else "outside calling hours (Mon–Fri 09:00–20:00 local)",
            next_eligible_at=None if is_open else hours.next_open(now, margin, zones),
        ),
    ]


def cap_checks(number: Row[Any]) -> list[GateCheck]:
    """Slots and daily limit of the caller number, its account and the workspace."""
    limits = (
        ("workspace", number.workspace_live, number.workspace_max),
        ("carrier account", number.account_live, number.account_max),
        ("caller number", number.live, number.max_concurrent),
        ("caller number's day", number.today, number.calls_per_day),
    )
    full = [name for name, used, limit in limits if limit is not None and used >= limit]
    why = f"full: {', '.join(full)}" if full else "below every limit"
    return [GateCheck(name="caps", passed=not full, why=why)]


async def _lock_limits(session: AsyncSession, wanted: SingleCall) -> Row[Any]:
    sql = """SELECT carrier_account_id FROM phone_numbers WHERE id = :id"""
    account = (await rows(session, sql, {"id": wanted.phone_number_id}))[0].carrier_account_id
    await rows(session, "SELECT id FROM carrier_accounts WHERE id = :id FOR NO KEY UPDATE", {"id": account})
    await rows(session, "SELECT id FROM workspaces WHERE id = :id FOR NO KEY UPDATE", {"id": wanted.workspace_id})
    await rows(session, "SELECT id FROM phone_numbers WHERE id = :id FOR NO KEY UPDATE", {"id": wanted.phone_number_id})
    return await read_limits(session, wanted.phone_number_id)


async def read_limits(session: AsyncSession, phone_number_id: UUID) -> Row[Any]:
    """What is in use of the limits that bear on a caller number."""
    sql = f"""
        SELECT n.id, n.phone, n.max_concurrent, n.calls_per_day, a.id AS account_id, a.max_concurrent AS account_max,
            w.max_concurrent AS workspace_max,
            (SELECT count(*) FROM calls WHERE phone_number_id = n.id AND {LIVE}) AS live,
            (SELECT count(*) FROM calls WHERE phone_number_id = n.id
                AND (dialed_at > dialer_now() - interval '24 hours' OR state = 'claimed')) AS today,
            (SELECT count(*) FROM calls WHERE carrier_account_id = a.id AND {LIVE}) AS account_live,
            (SELECT count(*) FROM calls WHERE workspace_id = w.id AND {LIVE}) AS workspace_live
        FROM phone_numbers n JOIN carrier_accounts a ON a.id = n.carrier_account_id
            JOIN workspaces w ON w.id = n.workspace_id WHERE n.id = :id"""
    return (await rows(session, sql, {"id": phone_number_id}))[0]
