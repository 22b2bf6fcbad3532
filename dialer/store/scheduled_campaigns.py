"""Recurring campaigns as their Schedules need them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one, rows

_COLUMNS = """id, workspace_id, name, status, paused_reason, settings, control_version,
    hidden_at IS NOT NULL AS hidden, dialer_now() AS now"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledCampaign:
    """A campaign, recurring or not."""

    id: UUID
    workspace_id: UUID
    name: str
    status: str
    paused_reason: str | None
    settings: Mapping[str, Any]
    control_version: int
    hidden: bool
    now: datetime


async def read_scheduled(session: AsyncSession, campaign_id: UUID) -> ScheduledCampaign | None:
    """One campaign, also a hidden one; None when there is none."""
    row = await one(session, f"SELECT {_COLUMNS} FROM campaigns WHERE id = :id", {"id": campaign_id})
    return None if row is None else _scheduled(row)


async def live_recurring(session: AsyncSession) -> list[ScheduledCampaign]:
    """Every campaign that is to have a Schedule."""
    sql = f"""SELECT {_COLUMNS} FROM campaigns WHERE hidden_at IS NULL AND status IN ('scheduled', 'running', 'paused')
              AND jsonb_typeof(settings #> '{{schedule,recurrence}}') = 'object'"""
    return [_scheduled(row) for row in await rows(session, sql)]


async def workspace_of(session: AsyncSession, campaign_id: UUID) -> UUID | None:
    """Whose campaign it is; None when there is none. Asked over all workspaces."""
    row = await one(session, "SELECT workspace_id FROM campaigns WHERE id = :id", {"id": campaign_id})
    return None if row is None else row.workspace_id


def _scheduled(row: Row[Any]) -> ScheduledCampaign:
    return ScheduledCampaign(**row._mapping)  # pyright: ignore[reportPrivateUsage]
