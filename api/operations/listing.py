"""What a list request asks for, and the opaque cursor."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncSession

from api.operations.errors import Invalid, invalid
from dialer.store import pages

MAX_OFFSET = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """Which part of a list in which order. ``offset`` and ``with_total`` are for callers without cursors."""

    limit: int = 20
    cursor: str | None = None
    sort: str | None = None
    offset: int = 0
    with_total: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Rows, the next cursor, and when asked for the total, exact up to 10,000."""

    items: list[dict[str, Any]]
    next_cursor: str | None
    total: int | None = None
    total_exact: bool = True


async def listed(
    session: AsyncSession,
    listing: pages.Listing,
    conditions: pages.Conditions,
    request: ListRequest,
    default_sort: str = "-created_at",
) -> Found:
    """One page of ``listing``. Raises Invalid for a sort or cursor that is none."""
    sort = request.sort or default_sort
    keys = _keys(sort, listing)
    part = pages.Slice(
        keys=keys,
        after=None if request.cursor is None else _opened(request.cursor, sort, len(keys) + 1),
        offset=min(request.offset, MAX_OFFSET),
        limit=request.limit,
    )
    try:
        found = await pages.fetch(session, listing, conditions, part)
    except DataError:
        if part.after is None:
            raise
        raise _no_cursor() from None
    total, exact = await pages.count(session, listing, conditions) if request.with_total else (None, True)
    cursor = None if found.next_after is None else _closed(found.next_after, sort)
    return Found(items=found.items, next_cursor=cursor, total=total, total_exact=exact)


def _keys(sort: str, listing: pages.Listing) -> list[pages.Key]:
    keys = [
        pages.Key(name=part.strip().removeprefix("-"), descending=part.strip().startswith("-"))
        for part in sort.split(",")
    ]
    names = [key.name for key in keys]
    if len(set(names)) != len(names) or any(name not in listing.sorts for name in names):
        known = ", ".join(sorted(listing.sorts))
        raise invalid("sort", "unknown_sort", f"Sort by each of these once at most, with - for descending: {known}")
    return keys


def _closed(after: Sequence[str], sort: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort, *after]).encode()).rstrip(b"=").decode()


def _opened(cursor: str, sort: str, length: int) -> list[str]:
    try:
        content: Any = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        raise _no_cursor() from None
    if not isinstance(content, list) or not content:
        raise _no_cursor()
    first, *after = cast("list[object]", content)
    if first != sort or len(after) != length:
        raise invalid("cursor", "other_sort", "The cursor belongs to a list in another order")
    values = [item for item in after if isinstance(item, str) and "\0" not in item]
    if len(values) != length:
        raise _no_cursor()
    return values


def _no_cursor() -> Invalid:
    return invalid("cursor", "invalid_cursor", "This is no cursor of this list")
