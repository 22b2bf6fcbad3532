"""The versions of a campaign's settings. Each is written once, in the transaction that makes it, and never changed."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one
from dialer.store.pages import Listing, SortColumn

_BEFORE = ("name", "agent_id", "caller_numbers", "settings")
_OWN = ("version", "created_at", "created_by", "restored_from", *_BEFORE)
_COLUMNS = ", ".join([*(f"t.{name}" for name in _OWN), *(f"b.{name} AS before_{name}" for name in _BEFORE)])
#: With each version the settings of the one before (``before_…``), and the calls that were dialed under it.
VERSIONS = Listing(
    columns=f"""{_COLUMNS}, coalesce((SELECT sum(n)::bigint FROM tallies
            WHERE campaign_id = t.campaign_id AND kind = 'version' AND key = t.version::text), 0) AS calls""",
    source="""setting_versions t LEFT JOIN LATERAL (
        SELECT * FROM setting_versions p WHERE p.campaign_id = t.campaign_id AND p.version < t.version
        ORDER BY p.version DESC LIMIT 1) AS b ON true""",
    sorts={"version": SortColumn(expression="t.version", type="bigint")},
)


async def note(
    session: AsyncSession, campaign_id: UUID, *, created_by: str | None, restored_from: int | None = None
) -> None:
    """Write down the campaign's present version and who made it. Once per version: a second call changes nothing.

    What nobody writes down, a trigger does when the transaction commits, without a name.
    """
    sql = "SELECT note_settings(c, :by, :restored) FROM campaigns c WHERE id = :id"
    await session.execute(text(sql), {"id": campaign_id, "by": created_by, "restored": restored_from})


async def find(session: AsyncSession, campaign_id: UUID, version: int) -> dict[str, Any] | None:
    """One version as ``VERSIONS`` lists it."""
    sql = f"SELECT {VERSIONS.columns} FROM {VERSIONS.source} WHERE t.campaign_id = :id AND t.version = :version"
    row = await one(session, sql, {"id": campaign_id, "version": version})
    return None if row is None else dict(row._mapping)  # pyright: ignore[reportPrivateUsage]
