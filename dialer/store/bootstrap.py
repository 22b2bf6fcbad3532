"""What the first start makes: one workspace, one API key, and the carrier account that the environment names.

``python -m dialer.store.bootstrap`` prints ``{"workspace_id", "api_key"}`` as JSON; a second run changes nothing and
prints a key only when ``DIALER_API_KEY`` gave it, since keys are kept as hashes.
"""

import asyncio
import hashlib
import json
import secrets
import sys
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.actors import SCOPES
from dialer.sealing import Seal
from dialer.settings import Settings
from dialer.store.database import Database, one, rows

#: Caller numbers of the simulator: from the range that is reserved for fiction.
SIMULATED_NUMBERS = tuple(f"+16505550{n}" for n in range(150, 160))


def hash_key(api_key: str) -> bytes:
    """What is stored of an API key: keys have 256 bits of chance, so a fast hash is enough."""
    return hashlib.sha256(api_key.encode()).digest()


async def ensure_workspace(session: AsyncSession, settings: Settings) -> tuple[UUID, str | None]:
    """Make what is missing; the workspace's id, and the key's plain text when it is known."""
    await one(session, "SELECT pg_advisory_xact_lock(hashtextextended('dialer.bootstrap', 0))")
    workspace = await one(session, "SELECT id FROM workspaces ORDER BY number LIMIT 1")
    if workspace is None:
        sql = "INSERT INTO workspaces (name, slug) VALUES ('My workspace', 'main') RETURNING id"
        workspace = (await rows(session, sql))[0]
    workspace_id: UUID = workspace.id
    has_keys = await one(session, "SELECT 1 FROM api_keys WHERE workspace_id = :w LIMIT 1", {"w": workspace_id})
    api_key = settings.api_key
    if api_key is None and has_keys is None:
        api_key = "dk_" + secrets.token_urlsafe(32)
    if api_key is not None:
        sql = """INSERT INTO api_keys (workspace_id, name, key_hash, scopes)
                 VALUES (:w, 'first key', :hash, :scopes) ON CONFLICT (key_hash) DO NOTHING"""
        await session.execute(text(sql), {"w": workspace_id, "hash": hash_key(api_key), "scopes": sorted(SCOPES)})
    await _ensure_carrier(session, settings, workspace_id)
    return workspace_id, api_key


async def _ensure_carrier(session: AsyncSession, settings: Settings, workspace_id: UUID) -> None:
    if settings.twilio_account_sid is None or settings.twilio_auth_token is None:
        return
    sealed = Seal(settings.secret_key).close(settings.twilio_auth_token)
    sql = """INSERT INTO carrier_accounts (workspace_id, label, account_sid, secret, base_url, calls_per_second)
             VALUES (:w, :label, :sid, :secret, :base_url, :cps)
             ON CONFLICT (workspace_id, account_sid) DO UPDATE 
             SET secret = excluded.secret, base_url = excluded.base_url
             RETURNING id"""
    account = (
        await rows(
            session,
            sql,
            {
                "w": workspace_id,
                "label": "Simulator" if settings.simulated else "Twilio",
                "sid": settings.twilio_account_sid,
                "secret": sealed,
                "base_url": settings.twilio_base_url,
                "cps": 100.0 if settings.simulated else 1.0,
            },
        )
    )[0]
    if settings.simulated:
        sql = """INSERT INTO phone_numbers (workspace_id, phone, label, carrier_account_id)
                 SELECT :w, phone, 'Simulated', :account FROM unnest(CAST(:phones AS text[])) AS phone
                 ON CONFLICT (workspace_id, phone) DO UPDATE SET carrier_account_id = excluded.carrier_account_id"""
        await session.execute(text(sql), {"w": workspace_id, "account": account.id, "phones": list(SIMULATED_NUMBERS)})


async def main() -> None:
    """Read the environment, make what is missing, print what a caller needs."""
    settings = Settings.or_leave()
    database = Database(settings.database_url, clock_offset=settings.clock_offset, pool_size=1)
    try:
        async with database.transaction_over_all() as session:
            workspace_id, api_key = await ensure_workspace(session, settings)
    finally:
        await database.close()
    sys.stdout.write(json.dumps({"workspace_id": str(workspace_id), "api_key": api_key}) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
