"""Keyed requests: the same key and body give the same answer again, without doing anything again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.operations.errors import Conflict, invalid
from api.operations.services import Services
from dialer.domain.actors import Actor
from dialer.store import idempotency

MAX_KEY = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A remembered answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request_hash: bytes


def request_hash(method: str, path: str, body: bytes) -> bytes:
    """What makes two requests the same: JSON is compared by content, everything else byte by byte."""
    try:
        content: Any = json.loads(body) if body else None
        body = json.dumps(content, sort_keys=True).encode()
    except (ValueError, RecursionError):
        pass
    return hashlib.sha256(f"{method} {path}\n".encode() + body).digest()


async def begin(services: Services, actor: Actor, key: str, digest: bytes | None) -> Answer | None:
    """Take the key; None when the work is to be done, else the answer that was given.

    ``digest`` is None for a stream, whose content is not known yet: then the answer to an earlier request is not looked
    at here but by ``compare``. Raises Conflict while the first request runs, Invalid for another request's key.
    """
    _check(key)
    async with services.database.transaction(actor.workspace_id) as session:
        known = await idempotency.take(session, actor.workspace_id, key, digest or b"")
    if known is None:
        return None
    if known.status is None:
        raise Conflict(
            "The first request with this Idempotency-Key is still running, or nobody knows how it ended.",
            code="idempotency_key_in_use",
        )
    if digest is not None:
        compare(known.request_hash, digest)
    return Answer(status=known.status, headers=known.headers, body=known.body, request_hash=known.request_hash)


def compare(first: bytes, second: bytes) -> None:
    """Raises Invalid when a key is used for another request than before."""
    if first != second:
        raise invalid(
            "Idempotency-Key", "idempotency_key_reused", "This Idempotency-Key was used for a different request"
        )


async def finish(services: Services, actor: Actor, key: str, answer: Answer) -> None:
    """Remember the answer for a day."""
    async with services.database.transaction(actor.workspace_id) as session:
        await idempotency.settle(
            session,
            actor.workspace_id,
            key,
            request_hash=answer.request_hash,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
        )


async def give_up(services: Services, actor: Actor, key: str) -> None:
    """Forget the key: the request was refused and did nothing."""
    async with services.database.transaction(actor.workspace_id) as session:
        await idempotency.release(session, actor.workspace_id, key)


def _check(key: str) -> None:
    if not key.isascii() or not key.isprintable() or not 1 <= len(key) <= MAX_KEY:
        raise invalid("Idempotency-Key", "invalid_key", f"1 to {MAX_KEY} printable ASCII characters")
