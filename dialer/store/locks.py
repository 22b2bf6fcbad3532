"""Advisory locks that make a pause, an opt-out and the gate see each other.

A gate that has run but is not committed is invisible to a plain read. So gates and inserts of prospects hold a shared
lock on their campaign, and whoever pauses, stops, edits or completes it holds it exclusively; gates and suppressions
meet on the phone in the same way, gates on all phones of the person. Locks end with the transaction. Order: campaign,
then phones as texts are sorted.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def share_campaign(session: AsyncSession, campaign_id: UUID) -> None:
    """Wait until nobody changes the campaign, and keep it so."""
    await _lock(session, "pg_advisory_xact_lock_shared", f"campaign:{campaign_id}")


async def hold_campaign(session: AsyncSession, campaign_id: UUID) -> None:
    """Wait until no gate and no insert is under way for the campaign, and keep new ones out."""
    await _lock(session, "pg_advisory_xact_lock", f"campaign:{campaign_id}")


async def share_for_gate(
    session: AsyncSession, workspace_id: UUID, campaign_id: UUID | None, phones: Iterable[str]
) -> None:
    """Wait until nobody changes the campaign or suppresses one of the phones, and keep it so."""
    keys = [f"campaign:{campaign_id}"] if campaign_id is not None else []
    keys += [f"phone:{workspace_id}:{phone}" for phone in sorted(phones)]
    # One round trip; a function in FROM hands out its rows in their order.
    sql = "SELECT pg_advisory_xact_lock_shared(hashtextextended(key, 0)) FROM unnest(CAST(:keys AS text[])) AS key"
    await session.execute(text(sql), {"keys": keys})


async def hold_phone(session: AsyncSession, workspace_id: UUID, phone: str) -> None:
    """Wait until no gate is under way for the phone, and keep new ones out."""
    await _lock(session, "pg_advisory_xact_lock", f"phone:{workspace_id}:{phone}")


async def _lock(session: AsyncSession, function: str, key: str) -> None:
    await session.execute(text(f"SELECT {function}(hashtextextended(:key, 0))"), {"key": key})
