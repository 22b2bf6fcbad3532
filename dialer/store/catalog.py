"""Workspaces, agents, carrier accounts and caller numbers: what campaigns are made of.

Row-level security keeps every statement inside the transaction's workspace.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one, rows
from dialer.store.pages import CREATED_AT, Listing, SortColumn
from dialer.store.tables import Base

_NAME = SortColumn(expression="t.name")
_UPDATED = SortColumn(expression="t.updated_at", type="timestamptz")

AGENTS = Listing(
    columns="t.*", source="agents t", sorts={"created_at": CREATED_AT, "updated_at": _UPDATED, "name": _NAME}
)
ACCOUNTS = Listing(
    columns="t.*",
    source="carrier_accounts t",
    sorts={"created_at": CREATED_AT, "updated_at": _UPDATED, "label": SortColumn(expression="t.label")},
)
NUMBERS = Listing(
    columns="t.*",
    source="phone_numbers t",
    sorts={
        "created_at": CREATED_AT,
        "updated_at": _UPDATED,
        "label": SortColumn(expression="t.label"),
        "phone": SortColumn(expression="t.phone"),
    },
)


async def create(session: AsyncSession, kind: type[Base], values: Mapping[str, Any]) -> dict[str, Any]:
    """Insert one row and read it back. Raises sqlalchemy's IntegrityError."""
    table = _table(kind)
    row = (await session.execute(insert(table).values(dict(values)).returning(*table.c))).one()
    return dict(row._mapping)  # pyright: ignore[reportPrivateUsage]


async def read(session: AsyncSession, kind: type[Base], row_id: UUID, *, lock: bool = False) -> dict[str, Any] | None:
    """One row, if this workspace has it."""
    table = _table(kind)
    statement = select(table).where(table.c.id == row_id)
    row = (await session.execute(statement.with_for_update(key_share=True) if lock else statement)).first()
    return None if row is None else dict(row._mapping)  # pyright: ignore[reportPrivateUsage]


async def change(
    session: AsyncSession, kind: type[Base], row_id: UUID, values: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Change some columns of one row and read it back."""
    if not values:
        return await read(session, kind, row_id)
    table = _table(kind)
    statement = update(table).where(table.c.id == row_id).values(dict(values)).returning(*table.c)
    row = (await session.execute(statement)).first()
    return None if row is None else dict(row._mapping)  # pyright: ignore[reportPrivateUsage]


async def remove(session: AsyncSession, kind: type[Base], row_id: UUID) -> bool:
    """Delete one row. Raises sqlalchemy's IntegrityError while something refers to it."""
    table = _table(kind)
    return (await session.execute(delete(table).where(table.c.id == row_id).returning(table.c.id))).first() is not None


async def live_campaigns(
    session: AsyncSession,
    *,
    agent_id: UUID | None = None,
    phone_number_id: UUID | None = None,
    account_id: UUID | None = None,
) -> list[dict[str, Any]]:
    """The scheduled, running and paused campaigns that use an agent, a caller number or an account."""
    sql = """
        SELECT c.id, c.name, c.status FROM campaigns c
        WHERE c.status IN ('scheduled', 'running', 'paused') AND (
            c.agent_id = :agent
            OR EXISTS (SELECT 1 FROM campaign_numbers n JOIN phone_numbers p ON p.id = n.phone_number_id
                WHERE n.campaign_id = c.id AND (n.phone_number_id = :phone OR p.carrier_account_id = :account)))
        ORDER BY c.created_at LIMIT 100"""
    found = await rows(session, sql, {"agent": agent_id, "phone": phone_number_id, "account": account_id})
    return [{"id": str(row.id), "name": row.name, "status": row.status} for row in found]


async def find_number(session: AsyncSession, phone: str) -> UUID | None:
    """The id of a caller number by its E.164."""
    row = await one(session, "SELECT id FROM phone_numbers WHERE phone = :phone", {"phone": phone})
    return None if row is None else row.id


async def numbers_of_agent(session: AsyncSession, agent_id: UUID) -> list[str]:
    """The caller numbers that an agent calls from by default."""
    sql = "SELECT phone FROM phone_numbers WHERE agent_id = :agent ORDER BY created_at, id"
    return [row.phone for row in await rows(session, sql, {"agent": agent_id})]


async def owned_numbers(session: AsyncSession, phones: Sequence[str]) -> dict[str, UUID]:
    """Which of the numbers this workspace has, by E.164."""
    sql = "SELECT phone, id FROM phone_numbers WHERE phone = ANY(:phones)"
    return {row.phone: row.id for row in await rows(session, sql, {"phones": list(phones)})}


def _table(kind: type[Base]) -> Table:
    return cast("Table", kind.__table__)
