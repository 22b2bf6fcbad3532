"""Calls that come in: recorded once by the carrier's id, and matched with whom we have called.

Who rings holds their phone's lock as an opt-out does, so that every gate is before the ringing, or sees it.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.campaign_rules import DEFAULT_MAX_CALL_S
from dialer.domain.inbound import Match, who_rings
from dialer.domain.timing import Timing
from dialer.store.database import one, rows
from dialer.store.locks import hold_phone


@dataclass(frozen=True, slots=True, kw_only=True)
class Ringing:
    """A call that comes in at a number (id, phone, agent_id) of ours. ``from_phone`` is None when it is withheld."""

    workspace_id: UUID
    account_id: UUID
    number: Row[Any]
    from_phone: str | None
    carrier_call_id: str


async def number_at(session: AsyncSession, account_id: UUID, phone: str) -> Row[Any] | None:
    """The number of ours behind which the account's calls come in (id, phone, agent_id)."""
    sql = """SELECT n.id, n.phone, g.id AS agent_id FROM phone_numbers n
                 LEFT JOIN agents g ON g.id = n.agent_id
             WHERE n.carrier_account_id = :account AND n.phone = :phone"""
    return await one(session, sql, {"account": account_id, "phone": phone})


async def inbound_call(session: AsyncSession, account_id: UUID, carrier_call_id: str) -> UUID | None:
    """Our id of a call that came in, if it is recorded."""
    sql = """SELECT id FROM calls WHERE carrier_account_id = :account AND carrier_call_id = :sid
             AND direction = 'inbound'"""
    row = await one(session, sql, {"account": account_id, "sid": carrier_call_id})
    return None if row is None else row.id


async def ring(session: AsyncSession, ringing: Ringing, timing: Timing, *, answered: bool = True) -> UUID | None:
    """Record a call that comes in, once, and say which it is.

    ``answered`` is False for one of which nobody told us before it was over. None when the carrier's id belongs to a
    call that we have made.
    """
    if ringing.from_phone is not None:
        await hold_phone(session, ringing.workspace_id, ringing.from_phone)
    contact_id = await _contact(session, ringing)
    match = None if contact_id is None else who_rings(await _matches(session, ringing, contact_id))
    sql = """
        INSERT INTO calls (workspace_id, direction, state, attempt, traced, carrier, carrier_account_id,
            carrier_call_id, phone_number_id, from_phone, to_phone, contact_id, campaign_id, prospect_id, agent_id,
            created_by, ringing_at, answered_at, deadline_at)
        VALUES (:workspace, 'inbound', 'inbound', NULL, false, 'twilio', :account, :sid,
            :number, :from, :to, :contact, :campaign, :prospect, :agent, 'caller',
            dialer_now(), CASE WHEN :answered THEN dialer_now() END, dialer_now() + make_interval(secs => :left))
        ON CONFLICT (carrier_account_id, carrier_call_id) WHERE carrier_call_id IS NOT NULL DO NOTHING RETURNING id"""
    parameters = {
        "workspace": ringing.workspace_id,
        "account": ringing.account_id,
        "sid": ringing.carrier_call_id,
        "number": ringing.number.id,
        "from": ringing.from_phone,
        "to": ringing.number.phone,
        "contact": contact_id,
        "campaign": None if match is None else match.campaign_id,
        "prospect": None if match is None else match.prospect_id,
        "agent": ringing.number.agent_id if match is None else match.agent_id,
        "answered": answered,
        "left": DEFAULT_MAX_CALL_S + timing.deadline_margin_s,
    }
    made = await one(session, sql, parameters)
    return made.id if made is not None else await inbound_call(session, ringing.account_id, ringing.carrier_call_id)


async def _contact(session: AsyncSession, ringing: Ringing) -> UUID | None:
    if ringing.from_phone is None:
        return None
    parameters = {"w": ringing.workspace_id, "phone": ringing.from_phone}
    sql = "INSERT INTO contacts (workspace_id, phone) VALUES (:w, :phone) ON CONFLICT DO NOTHING"
    await session.execute(text(sql), parameters)
    found = await one(session, "SELECT id FROM contacts WHERE workspace_id = :w AND phone = :phone", parameters)
    return None if found is None else found.id


async def _matches(session: AsyncSession, ringing: Ringing, contact_id: UUID) -> list[Match]:
    """Our last call from that number to that phone; and who has that phone in a campaign that calls from it."""
    sql = """
        (SELECT c.campaign_id, c.prospect_id, coalesce(m.agent_id, c.agent_id) AS agent_id, c.dialed_at AS called_at,
            NULL::timestamptz AS joined_at, coalesce(m.status = 'running', false) AS running
        FROM calls c LEFT JOIN campaigns m ON m.id = c.campaign_id
        WHERE c.contact_id = :contact AND c.direction = 'outbound' AND c.phone_number_id = :number
            AND c.dialed_at IS NOT NULL AND c.state <> 'deferred'
        ORDER BY c.dialed_at DESC, c.id DESC LIMIT 1)
        UNION ALL
        (SELECT p.campaign_id, p.id, m.agent_id, NULL, p.created_at, m.status = 'running'
        FROM prospects p JOIN campaigns m ON m.id = p.campaign_id
        WHERE m.hidden_at IS NULL
            AND EXISTS (SELECT 1 FROM campaign_numbers n WHERE n.campaign_id = m.id AND n.phone_number_id = :number)
            AND p.id IN (SELECT q.id FROM prospects q WHERE q.contact_id = :contact
                UNION ALL SELECT o.prospect_id FROM prospect_phones o WHERE o.contact_id = :contact)
        ORDER BY (m.status = 'running') DESC, p.created_at DESC, p.id DESC LIMIT 1)"""
    found = await rows(session, sql, {"contact": contact_id, "number": ringing.number.id})
    return [Match(**row._mapping) for row in found]  # pyright: ignore[reportPrivateUsage]
