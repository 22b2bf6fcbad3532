"""Limits that a campaign shares with others, when they let it call nobody: for whoever asks why no call goes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import rows
from dialer.store.tables.base import LIVE

#: How many of its calls of 24 hours the number ``n`` has made or will make at once: what claims count as well.
MADE_TODAY = """CASE WHEN n.calls_per_day IS NULL THEN 0 ELSE (SELECT count(*) FROM calls
    WHERE phone_number_id = n.id AND (dialed_at > dialer_now() - interval '24 hours' OR state = 'claimed')) END"""

_SQL = f"""
    SELECT w.max_concurrent AS workspace_max,
        (SELECT count(*) FROM calls WHERE workspace_id = w.id AND {LIVE}) AS workspace_live,
        n.carrier_account_id, n.max_concurrent, n.calls_per_day, a.max_concurrent AS account_max,
        (SELECT count(*) FROM calls WHERE carrier_account_id = a.id AND {LIVE}) AS account_live,
        (SELECT count(*) FROM calls WHERE phone_number_id = n.id AND {LIVE}) AS live,
        {MADE_TODAY} AS today,
        CASE WHEN n.calls_per_day IS NOT NULL THEN (SELECT dialed_at + interval '24 hours' FROM calls
            WHERE phone_number_id = n.id AND dialed_at > dialer_now() - interval '24 hours'
            ORDER BY dialed_at DESC OFFSET greatest(n.calls_per_day - 1, 0) LIMIT 1) END AS frees_at
    FROM campaigns c JOIN workspaces w ON w.id = c.workspace_id
        JOIN campaign_numbers m ON m.campaign_id = c.id JOIN phone_numbers n ON n.id = m.phone_number_id
        JOIN carrier_accounts a ON a.id = n.carrier_account_id
    WHERE c.id = :id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """What is waited for. ``is_day``: all numbers have made their calls of a day, and ``until`` is when one may again.

    Slots free themselves, whenever a call ends.
    """

    text: str
    is_day: bool = False
    until: datetime | None = None


async def full_limit(session: AsyncSession, campaign_id: UUID) -> Full | None:
    """What keeps the campaign from calling although it has slots of its own; None when nothing does."""
    found = await rows(session, _SQL, {"id": campaign_id})
    if not found:
        return None
    if found[0].workspace_live >= found[0].workspace_max:
        return Full(text=f"a slot: all {found[0].workspace_max:,} of the workspace are taken")
    if any(_why(row) is None for row in found):
        return None
    return _by_numbers(found)


def _by_numbers(found: Sequence[Row[Any]]) -> Full:
    """Slots free themselves within minutes, so they are told if any number waits for one."""
    reasons = {_why(row) for row in found}
    if "account" in reasons:
        slots = {row.carrier_account_id: row.account_max for row in found if _why(row) == "account"}
        accounts = "account" if len(slots) == 1 else "accounts"
        return Full(text=f"a slot: all {sum(slots.values()):,} of its carrier {accounts} are taken")
    if "number" in reasons:
        return Full(text="a slot: all of its caller numbers are taken")
    which = "it has made all calls" if len(found) == 1 else "all of them have made their calls"
    frees = min((row.frees_at for row in found if row.frees_at is not None), default=None)
    return Full(text=f"a caller number: {which} of 24 hours", is_day=True, until=frees)


def _why(row: Row[Any]) -> str | None:
    if row.calls_per_day is not None and row.today >= row.calls_per_day:
        return "day"
    if row.account_live >= row.account_max:
        return "account"
    return "number" if row.max_concurrent is not None and row.live >= row.max_concurrent else None
