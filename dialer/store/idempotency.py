"""Answers remembered for keyed requests, so that a repeated request does nothing twice.

A key is taken in a transaction of its own before the work begins, and settled after it. A key whose process died in
between stays taken until it expires: nobody knows what became of its work, and doing it again might ring a phone twice.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one, rows

KEPT = "24 hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What is known of a key: its request, and the answer unless it is still being made."""

    request_hash: bytes
    status: int | None
    headers: Mapping[str, str]
    body: bytes


async def take(session: AsyncSession, workspace_id: UUID, key: str, request_hash: bytes) -> Remembered | None:
    """Take a key. None: it is ours now; else what is remembered of it. A key older than a day is forgotten first."""
    parameters = {"workspace": workspace_id, "key": key, "hash": request_hash}
    sql = f"""DELETE FROM idempotency_keys WHERE workspace_id = :workspace AND key = :key
              AND created_at < dialer_now() - interval '{KEPT}'"""
    await session.execute(text(sql), parameters)
    sql = """INSERT INTO idempotency_keys (workspace_id, key, request_hash) VALUES (:workspace, :key, :hash)
             ON CONFLICT DO NOTHING RETURNING key"""
    if await one(session, sql, parameters) is not None:
        return None
    sql = """SELECT request_hash, status, headers, body FROM idempotency_keys
             WHERE workspace_id = :workspace AND key = :key"""
    row = await one(session, sql, parameters)
    if row is None:  # released between the two statements
        return Remembered(request_hash=request_hash, status=None, headers={}, body=b"")
    return Remembered(request_hash=row.request_hash, status=row.status, headers=row.headers or {}, body=row.body or b"")


async def settle(
    session: AsyncSession,
    workspace_id: UUID,
    key: str,
    *,
    request_hash: bytes,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
) -> None:
    """Remember the answer. ``request_hash`` may differ from the one given first: a stream's is known at its end."""
    sql = """UPDATE idempotency_keys SET request_hash = :hash, status = :status, headers = CAST(:headers AS jsonb),
             body = :body WHERE workspace_id = :workspace AND key = :key"""
    await session.execute(
        text(sql),
        {
            "workspace": workspace_id,
            "key": key,
            "hash": request_hash,
            "status": status,
            "headers": json.dumps(dict(headers)),
            "body": body,
        },
    )


async def release(session: AsyncSession, workspace_id: UUID, key: str) -> None:
    """Forget a key whose request did nothing."""
    sql = "DELETE FROM idempotency_keys WHERE workspace_id = :workspace AND key = :key AND status IS NULL"
    await session.execute(text(sql), {"workspace": workspace_id, "key": key})


async def forget_old(session: AsyncSession) -> int:
    """Delete what is older than a day; how many."""
    sql = f"DELETE FROM idempotency_keys WHERE created_at < dialer_now() - interval '{KEPT}' RETURNING 1"
    return len(await rows(session, sql))
