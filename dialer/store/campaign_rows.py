"""Campaign rows as the API reads and writes them. Changes of status are made in ``control`` only."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one, rows
from dialer.store.imports import ADDING
from dialer.store.pages import CREATED_AT, Listing, SortColumn
from dialer.store.tables.base import LIVE

NUMBERS = """ARRAY(SELECT n.phone FROM campaign_numbers m JOIN phone_numbers n ON n.id = m.phone_number_id
    WHERE m.campaign_id = t.id ORDER BY m.position) AS caller_numbers"""
CAMPAIGNS = Listing(
    columns=f"t.*, {NUMBERS}",
    source="campaigns t",
    sorts={
        "created_at": CREATED_AT,
        "updated_at": SortColumn(expression="t.updated_at", type="timestamptz"),
        "name": SortColumn(expression="t.name"),
        "status": SortColumn(expression="t.status"),
    },
)


async def find(session: AsyncSession, reference: UUID | str, *, lock: bool = False) -> dict[str, Any] | None:
    """A campaign that is not deleted, by id or slug."""
    by = "id" if isinstance(reference, UUID) else "slug"
    sql = f"""SELECT t.*, {NUMBERS} FROM campaigns t WHERE t.{by} = :reference AND t.hidden_at IS NULL
              {"FOR NO KEY UPDATE" if lock else ""}"""
    row = await one(session, sql, {"reference": reference})
    return None if row is None else dict(row._mapping)  # pyright: ignore[reportPrivateUsage]


async def campaign_row(session: AsyncSession, campaign_id: UUID) -> Row[Any]:
    """The whole row. Raises LookupError."""
    row = await one(session, "SELECT * FROM campaigns WHERE id = :id", {"id": campaign_id})
    if row is None:
        raise LookupError(f"there is no campaign {campaign_id}")
    return row


async def create(
    session: AsyncSession,
    *,
    workspace_id: UUID,
    created_by: str,
    name: str,
    slug: str | None,
    agent_id: UUID,
    settings: Mapping[str, Any],
    metadata: Mapping[str, Any],
) -> UUID:
    """Insert a draft. Raises IntegrityError for a slug that is taken."""
    sql = """
        INSERT INTO campaigns (workspace_id, created_by, name, slug, agent_id, settings, max_concurrent, weight,
            metadata)
        VALUES (:workspace, :by, :name, :slug, :agent, CAST(:settings AS jsonb), :concurrent, :weight,
            CAST(:metadata AS jsonb)) RETURNING id"""
    pace = settings["pace"]
    row = await one(
        session,
        sql,
        {
            "workspace": workspace_id,
            "by": created_by,
            "name": name,
            "slug": slug,
            "agent": agent_id,
            "settings": json.dumps(settings),
            "concurrent": pace["max_concurrent"],
            "weight": pace["weight"],
            "metadata": json.dumps(metadata),
        },
    )
    assert row is not None
    return row.id


async def set_numbers(session: AsyncSession, workspace_id: UUID, campaign_id: UUID, numbers: Sequence[UUID]) -> None:
    """Replace the caller numbers of a campaign, in order."""
    await session.execute(text("DELETE FROM campaign_numbers WHERE campaign_id = :id"), {"id": campaign_id})
    sql = """INSERT INTO campaign_numbers (workspace_id, campaign_id, phone_number_id, position)
             SELECT :workspace, :id, number_id, position - 1
             FROM unnest(CAST(:numbers AS uuid[])) WITH ORDINALITY AS v(number_id, position)"""
    await session.execute(text(sql), {"workspace": workspace_id, "id": campaign_id, "numbers": list(numbers)})


async def change(
    session: AsyncSession,
    campaign_id: UUID,
    *,
    name: str,
    slug: str | None,
    agent_id: UUID,
    settings: Mapping[str, Any],
    metadata: Mapping[str, Any],
    new_version: bool,
) -> None:
    """Write a campaign's document; ``new_version`` when anything that decides about calls is different."""
    sql = """
        UPDATE campaigns SET name = :name, slug = :slug, agent_id = :agent, settings = CAST(:settings AS jsonb),
            max_concurrent = :concurrent, weight = :weight, metadata = CAST(:metadata AS jsonb),
            settings_version = settings_version + :step
        WHERE id = :id"""
    pace = settings["pace"]
    await session.execute(
        text(sql),
        {
            "id": campaign_id,
            "name": name,
            "slug": slug,
            "agent": agent_id,
            "settings": json.dumps(settings),
            "concurrent": pace["max_concurrent"],
            "weight": pace["weight"],
            "metadata": json.dumps(metadata),
            "step": 1 if new_version else 0,
        },
    )


async def hide(session: AsyncSession, campaign_id: UUID) -> None:
    """Take a campaign out of sight and free its slug; its calls stay."""
    sql = "UPDATE campaigns SET hidden_at = dialer_now(), slug = NULL WHERE id = :id"
    await session.execute(text(sql), {"id": campaign_id})


async def running_imports(session: AsyncSession, campaign_id: UUID) -> int:
    sql = f"SELECT count(*) AS n FROM imports WHERE campaign_id = :id AND {ADDING}"
    row = await one(session, sql, {"id": campaign_id})
    return 0 if row is None else row.n


async def lane_zone_sets(session: AsyncSession, campaign_id: UUID) -> list[str]:
    """The distinct zone sets of the people who could be called, without looking at each of them."""
    sql = """
        SELECT DISTINCT l.zone_set FROM lanes l WHERE l.campaign_id = :id AND EXISTS (
            SELECT 1 FROM prospects p WHERE p.campaign_id = l.campaign_id AND p.zone_set = l.zone_set
                AND p.priority = l.priority AND p.state = 'ready')"""
    return [row.zone_set for row in await rows(session, sql, {"id": campaign_id})]


async def live_calls(session: AsyncSession, campaign_id: UUID) -> int:
    row = await one(session, f"SELECT count(*) AS n FROM calls WHERE campaign_id = :id AND {LIVE}", {"id": campaign_id})
    return 0 if row is None else row.n


async def public_workspace(session: AsyncSession, reference: UUID | str) -> UUID | None:
    """The workspace of a campaign whose status anybody may read, by id. Asked over all workspaces."""
    if not isinstance(reference, UUID):
        return None
    sql = """SELECT workspace_id FROM campaigns WHERE id = :id AND hidden_at IS NULL
             AND (settings->>'public_status')::boolean"""
    row = await one(session, sql, {"id": reference})
    return None if row is None else row.workspace_id
