"""Prospects, imports and do-not-call entries as the API reads them, and the few changes it makes to one of them."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.states import ProspectState
from dialer.store.database import one, rows
from dialer.store.pages import CREATED_AT, Listing, SortColumn
from dialer.store.person_phones import IN_CALL, SUPPRESSED, others_of

_UPDATED = SortColumn(expression="t.updated_at", type="timestamptz")

PROSPECTS = Listing(
    columns=f"t.*, {others_of('t.id')}",
    source="prospects t",
    sorts={
        "created_at": CREATED_AT,
        "updated_at": _UPDATED,
        "phone": SortColumn(expression="t.phone"),
        "name": SortColumn(expression="coalesce(t.name, '')"),
        "state": SortColumn(expression="t.state"),
        "attempts": SortColumn(expression="t.attempts", type="smallint"),
        "priority": SortColumn(expression="-t.priority", type="int"),
    },
)
IMPORTS = Listing(columns="t.*", source="imports t", sorts={"created_at": CREATED_AT, "updated_at": _UPDATED})
SUPPRESSIONS = Listing(
    columns="t.*",
    source="suppressions t",
    sorts={"created_at": CREATED_AT, "phone": SortColumn(expression="t.phone")},
)


#: Prospects of campaigns that are not deleted.
VISIBLE = "EXISTS (SELECT 1 FROM campaigns v WHERE v.id = t.campaign_id AND v.hidden_at IS NULL)"


def in_state(state: ProspectState | None) -> tuple[str, ProspectState | None]:
    """A condition for ``pages.where``, with the state written out: an index of some states is chosen by that."""
    return "" if state is None else f"t.state = '{ProspectState(state).value}'", state


async def find(session: AsyncSession, prospect_id: UUID, *, lock: bool = False) -> dict[str, Any] | None:
    """A prospect of a campaign that is not deleted."""
    sql = f"""SELECT t.*, {others_of("t.id")} FROM prospects t WHERE t.id = :id AND {VISIBLE}
              {"FOR NO KEY UPDATE" if lock else ""}"""
    row = await one(session, sql, {"id": prospect_id})
    return None if row is None else dict(row._mapping)  # pyright: ignore[reportPrivateUsage]


async def was_called(session: AsyncSession, prospect_id: UUID) -> bool:
    """True when a carrier may have been asked to call this person for this campaign, or is about to be."""
    sql = "SELECT 1 FROM calls WHERE prospect_id = :id AND state <> 'deferred' LIMIT 1"
    return await one(session, sql, {"id": prospect_id}) is not None


async def delete(session: AsyncSession, prospect_id: UUID) -> None:
    """Delete somebody who was never called; records of deferred calls stay, without the person."""
    parameters = {"id": prospect_id}
    await session.execute(text("UPDATE calls SET prospect_id = NULL WHERE prospect_id = :id"), parameters)
    await session.execute(text("DELETE FROM prospects WHERE id = :id"), parameters)


async def facts_for_explain(session: AsyncSession, prospect_id: UUID) -> dict[str, Any] | None:
    """Everything that decides whether a prospect may be called now."""
    sql = f"""
        SELECT p.state, p.phone_at, p.bad_phones, {others_of("p.id")},
            p.held_reason, p.next_due_at, p.attempts - p.attempts_base AS attempts, p.allowance, p.callback_at,
            p.zone_set, p.phone, p.last_disposition,
            c.id AS campaign_id, c.status AS campaign_status, c.paused_reason, c.settings, c.workspace_id,
            dialer_now() AS now,
            {SUPPRESSED} AS suppressed, {IN_CALL} AS in_call,
            (SELECT next_at FROM pace WHERE scope = 'campaign' AND scope_id = c.id) AS paced_until
        FROM prospects p JOIN campaigns c ON c.id = p.campaign_id WHERE p.id = :id AND c.hidden_at IS NULL"""
    row = await one(session, sql, {"id": prospect_id})
    return None if row is None else dict(row._mapping)  # pyright: ignore[reportPrivateUsage]


async def find_import(session: AsyncSession, import_id: UUID) -> dict[str, Any] | None:
    row = await one(session, f"SELECT t.* FROM imports t WHERE t.id = :id AND {VISIBLE}", {"id": import_id})
    return None if row is None else dict(row._mapping)  # pyright: ignore[reportPrivateUsage]


async def set_import_options(session: AsyncSession, import_id: UUID, options: Mapping[str, Any]) -> None:
    """The choices that came behind the file."""
    sql = "UPDATE imports SET options = CAST(:options AS jsonb) WHERE id = :id AND status = 'running'"
    await session.execute(text(sql), {"id": import_id, "options": json.dumps(options)})


async def discard_upload(session: AsyncSession, import_id: UUID) -> None:
    """Forget an upload that was refused or broken off; nothing was read of it."""
    await session.execute(text("DELETE FROM imports WHERE id = :id AND rows_read = 0"), {"id": import_id})


async def suppressions_of(session: AsyncSession, phone: str) -> list[dict[str, Any]]:
    """Every do-not-call entry of a phone."""
    sql = "SELECT * FROM suppressions WHERE phone = :phone ORDER BY created_at"
    found = await rows(session, sql, {"phone": phone})
    return [dict(row._mapping) for row in found]  # pyright: ignore[reportPrivateUsage]
