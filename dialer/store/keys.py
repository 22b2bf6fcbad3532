"""API keys: who holds one, and what it opens."""

from sqlalchemy.ext.asyncio import AsyncSession

from dialer.domain.actors import Actor
from dialer.store.database import one


async def find_actor(session: AsyncSession, key_hash: bytes) -> Actor | None:
    """The actor of a key that is not revoked. Asked over all workspaces, since the key says which one it is."""
    sql = """SELECT workspace_id, id, scopes, requests_per_minute FROM api_keys
             WHERE key_hash = :hash AND revoked_at IS NULL"""
    row = await one(session, sql, {"hash": key_hash})
    if row is None:
        return None
    return Actor(
        workspace_id=row.workspace_id,
        principal=f"key:{row.id}",
        scopes=frozenset(row.scopes),
        requests_per_minute=row.requests_per_minute,
    )
