"""Carrier accounts with their secret as it is stored: sealed."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedAccount:
    """What it takes to reach the carrier, for whoever has the key. ``base_url`` is None for the carrier's own."""

    id: UUID
    account_sid: str
    secret: bytes = field(repr=False)
    base_url: str | None


async def read_sealed_account(session: AsyncSession, account_id: UUID) -> SealedAccount | None:
    """The account as it is now."""
    sql = "SELECT account_sid, secret, base_url FROM carrier_accounts WHERE id = :id"
    row = await one(session, sql, {"id": account_id})
    if row is None:
        return None
    return SealedAccount(id=account_id, account_sid=row.account_sid, secret=bytes(row.secret), base_url=row.base_url)
