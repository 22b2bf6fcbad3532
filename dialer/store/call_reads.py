"""Calls as the API reads them, and the little that people write at them."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one, rows
from dialer.store.pages import CREATED_AT, Listing, SortColumn
from dialer.store.tables.base import LIVE

CALLS = Listing(
    columns="t.*",
    source="calls t",
    sorts={
        "created_at": CREATED_AT,
        "started_at": SortColumn(expression="coalesce(t.dialed_at, t.created_at)", type="timestamptz"),
        "updated_at": SortColumn(expression="t.updated_at", type="timestamptz"),
    },
)
IN_FLIGHT = f"(t.{LIVE} OR t.state = 'inbound')"
#: Said although row-level security sees to it: only a plain comparison lets an index give the calls in their order.
OF_WORKSPACE = "t.workspace_id = dialer_workspace()"


async def find(session: AsyncSession, call_id: UUID) -> dict[str, Any] | None:
    row = await one(session, "SELECT * FROM calls WHERE id = :id", {"id": call_id})
    return None if row is None else dict(row._mapping)  # pyright: ignore[reportPrivateUsage]


async def events_of(session: AsyncSession, call_id: UUID) -> list[dict[str, Any]]:
    """What the carrier reported, in the order in which it came."""
    sql = """SELECT id, kind, status, sequence, carrier_call_id, occurred_at, received_at, payload
             FROM call_events WHERE call_id = :id ORDER BY received_at, id"""
    return [dict(row._mapping) for row in await rows(session, sql, {"id": call_id})]  # pyright: ignore[reportPrivateUsage]


async def annotate(session: AsyncSession, call_id: UUID, values: Mapping[str, Any]) -> None:
    """Write notes or metadata."""
    if "notes" in values:
        sql = "UPDATE calls SET notes = :notes WHERE id = :id"
        await session.execute(text(sql), {"id": call_id, "notes": values["notes"]})
    if "metadata" in values:
        sql = "UPDATE calls SET metadata = CAST(:metadata AS jsonb) WHERE id = :id"
        await session.execute(text(sql), {"id": call_id, "metadata": json.dumps(values["metadata"])})


async def redact(session: AsyncSession, call_id: UUID) -> bool:
    """Empty everything personal of a call that is over; ids and times stay as evidence. False while it is live."""
    sql = """
        UPDATE calls SET from_phone = NULL, to_phone = NULL, notes = NULL, recording_url = NULL, variables = '{}',
            metadata = '{}', detected_language = NULL, contact_id = NULL
        WHERE id = :id AND state IN ('ended', 'deferred') RETURNING id"""
    if await one(session, sql, {"id": call_id}) is None:
        return False
    await session.execute(text("UPDATE call_events SET payload = '{}' WHERE call_id = :id"), {"id": call_id})
    return True


async def sealed_secrets(session: AsyncSession) -> list[Row[Any]]:
    """Every carrier account with the sealed secret that signs its callbacks. Asked over all workspaces."""
    return await rows(session, "SELECT id, workspace_id, account_sid, secret FROM carrier_accounts")


async def opening_of(session: AsyncSession, call_id: UUID) -> dict[str, Any] | None:
    """What the agent of a call begins with, and what fills it in."""
    sql = """
        SELECT g.first_message, g.language, c.state, c.variables AS call_variables, c.answered_by,
            p.variables AS prospect_variables, p.name, m.settings, c.direction, c.agent_id,
            CASE WHEN c.direction = 'inbound' THEN c.from_phone ELSE c.to_phone END AS phone,
            (SELECT count(*) FROM calls o WHERE o.prospect_id = c.prospect_id AND o.message_played) AS messages_left
        FROM calls c LEFT JOIN agents g ON g.id = c.agent_id LEFT JOIN prospects p ON p.id = c.prospect_id
            LEFT JOIN campaigns m ON m.id = c.campaign_id
        WHERE c.id = :id"""
    row = await one(session, sql, {"id": call_id})
    return None if row is None else dict(row._mapping)  # pyright: ignore[reportPrivateUsage]
