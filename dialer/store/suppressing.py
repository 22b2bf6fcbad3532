"""Do-not-call: in force when the transaction has committed, also for calls that are about to be dialed."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one
from dialer.store.locks import hold_phone
from dialer.store.tables.base import LIVE


async def suppress(
    session: AsyncSession,
    workspace_id: UUID,
    phone: str,
    *,
    campaign_id: UUID | None = None,
    reason: str = "",
    source: str = "api",
    created_by: str | None = None,
) -> tuple[Row[Any], bool]:
    """Add an entry; its row, and whether it is new. Ready people with this phone, first or other, become suppressed.

    Somebody who is in a call keeps it: their state is decided when it ends.
    """
    await hold_phone(session, workspace_id, phone)
    parameters = {
        "workspace": workspace_id,
        "phone": phone,
        "campaign": campaign_id,
        "reason": reason,
        "source": source,
        "by": created_by,
    }
    sql = """
        INSERT INTO suppressions (workspace_id, phone, campaign_id, reason, source, created_by)
        VALUES (:workspace, :phone, CAST(:campaign AS uuid), :reason, :source, :by)
        ON CONFLICT (workspace_id, phone, campaign_id) DO NOTHING RETURNING *"""
    new = await one(session, sql, parameters)
    sql = """
        UPDATE prospects p SET state = 'suppressed', next_due_at = NULL FROM contacts c
        WHERE c.workspace_id = :workspace AND c.phone = :phone AND p.state IN ('ready', 'held')
            AND p.id IN (SELECT q.id FROM prospects q WHERE q.contact_id = c.id
                UNION ALL SELECT o.prospect_id FROM prospect_phones o WHERE o.contact_id = c.id)
            AND (CAST(:campaign AS uuid) IS NULL OR p.campaign_id = CAST(:campaign AS uuid))"""
    await session.execute(text(sql), parameters)
    if new is not None:
        return new, True
    sql = """SELECT * FROM suppressions WHERE workspace_id = :workspace AND phone = :phone
             AND campaign_id IS NOT DISTINCT FROM CAST(:campaign AS uuid)"""
    found = await one(session, sql, parameters)
    assert found is not None
    return found, False


async def unsuppress(session: AsyncSession, suppression_id: UUID) -> bool:
    """Remove an entry. People whom it suppressed stay so until somebody requeues them. False when there is none.

    Under the phone's lock: whoever opts out meanwhile finds the entry in force, or makes it anew.
    """
    entry = await one(session, "SELECT workspace_id, phone FROM suppressions WHERE id = :id", {"id": suppression_id})
    if entry is None:
        return False
    await hold_phone(session, entry.workspace_id, entry.phone)
    sql = "DELETE FROM suppressions WHERE id = :id RETURNING id"
    return await one(session, sql, {"id": suppression_id}) is not None


async def count_undecided_for_phone(session: AsyncSession, workspace_id: UUID, phone: str) -> int:
    """Calls to whoever has the phone that passed their gate and have no answer from the carrier yet."""
    sql = f"""
        WITH contact AS (SELECT id FROM contacts WHERE workspace_id = :workspace AND phone = :phone)
        SELECT count(*) AS n FROM calls c WHERE c.{LIVE} AND c.state IN ('dialing', 'unknown')
            AND c.carrier_call_id IS NULL AND (c.contact_id IN (SELECT id FROM contact) OR c.prospect_id IN (
                SELECT p.id FROM prospects p WHERE p.contact_id IN (SELECT id FROM contact)
                UNION ALL SELECT o.prospect_id FROM prospect_phones o WHERE o.contact_id IN (SELECT id FROM contact)))
            AND c.workspace_id = :workspace"""
    row = await one(session, sql, {"workspace": workspace_id, "phone": phone})
    return 0 if row is None else row.n


async def mark_settled(session: AsyncSession, suppression_id: UUID) -> None:
    """No call to the phone that had passed its gate is undecided any more. Once, for whoever judges the calls later."""
    sql = """UPDATE changes SET settled_at = dialer_now()
             WHERE subject = 'suppression' AND subject_id = :id AND settled_at IS NULL"""
    await session.execute(text(sql), {"id": suppression_id})
