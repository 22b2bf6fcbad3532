"""Lists, page by page: keyset paging, which stays stable while rows are added.

A list is described by a ``Listing`` that the code writes, never by what a client sends: clients choose among its sort
keys and filters only. Every sort ends with the id, so that no two rows tie.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import one, rows

COUNT_CAP = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SortColumn:
    """An expression that is never null, and the type that a cursor's text is cast to."""

    expression: str
    type: str = "text"


CREATED_AT = SortColumn(expression="t.created_at", type="timestamptz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is listed: ``columns`` of ``source``, whose main table goes by ``t`` and has an ``id``."""

    columns: str
    source: str
    sorts: Mapping[str, SortColumn]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One sort key of a request."""

    name: str
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Conditions joined by AND, and their parameters."""

    parts: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Which part of a list: after the row whose sort values are ``after``, or from ``offset``; ``limit`` rows."""

    keys: Sequence[Key] = (Key(name="created_at", descending=True),)
    after: Sequence[str] | None = None
    offset: int = 0
    limit: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows as dictionaries, and the sort values of the last one when there are more."""

    items: list[dict[str, Any]]
    next_after: list[str] | None


def where(filters: Mapping[str, tuple[str, Any]]) -> Conditions:
    """Conditions from ``name → (SQL with :name, value)``; a None value is no condition."""
    given = {name: pair for name, pair in filters.items() if pair[1] is not None}
    return Conditions(
        parts=[sql for sql, _ in given.values()], parameters={name: value for name, (_, value) in given.items()}
    )


def contains(text: str | None) -> str | None:
    """A LIKE pattern for whatever contains ``text``, whose own wildcards mean themselves."""
    if text is None:
        return None
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


async def fetch(session: AsyncSession, listing: Listing, conditions: Conditions, part: Slice) -> Rows:
    """One page. Raises KeyError for a sort key that the listing has not, ValueError for a cursor of another sort."""
    columns = [(listing.sorts[key.name], key.descending) for key in part.keys]
    columns.append((SortColumn(expression="t.id", type="uuid"), part.keys[0].descending if part.keys else False))
    parts, parameters = list(conditions.parts), dict(conditions.parameters)
    if part.after is not None:
        if len(part.after) != len(columns):
            raise ValueError("the cursor belongs to another order")
        parts.append(_after(columns))
        parameters |= {f"after_{n}": value for n, value in enumerate(part.after)}
    order = ", ".join(f"{column.expression} {'DESC' if descending else 'ASC'}" for column, descending in columns)
    values = ", ".join(f"CAST({column.expression} AS text)" for column, _ in columns)
    sql = f"""SELECT {listing.columns}, ARRAY[{values}] AS sort_values FROM {listing.source}
              {"WHERE " + " AND ".join(parts) if parts else ""} ORDER BY {order} LIMIT :limit OFFSET :offset"""
    found = await rows(session, sql, {**parameters, "limit": part.limit + 1, "offset": part.offset})
    items = [dict(row._mapping) for row in found[: part.limit]]  # pyright: ignore[reportPrivateUsage]
    last = items[-1]["sort_values"] if len(found) > part.limit else None
    for item in items:
        del item["sort_values"]
    return Rows(items=items, next_after=last)


async def count(session: AsyncSession, listing: Listing, conditions: Conditions) -> tuple[int, bool]:
    """How many rows there are, counted up to a cap, and whether the number is exact."""
    filtered = "WHERE " + " AND ".join(conditions.parts) if conditions.parts else ""
    sql = f"SELECT count(*) AS n FROM (SELECT 1 FROM {listing.source} {filtered} LIMIT {COUNT_CAP + 1}) AS counted"
    row = await one(session, sql, conditions.parameters)
    found = 0 if row is None else row.n
    return min(found, COUNT_CAP), found <= COUNT_CAP


def _after(columns: Sequence[tuple[SortColumn, bool]]) -> str:
    """A row comparison where all keys run one way, since an index serves it; else the same thing spelled out."""
    values = [f"CAST(:after_{n} AS {column.type})" for n, (column, _) in enumerate(columns)]
    if len({descending for _, descending in columns}) == 1:
        sign = "<" if columns[0][1] else ">"
        return f"({', '.join(c.expression for c, _ in columns)}) {sign} ({', '.join(values)})"
    cases: list[str] = []
    for n, (column, descending) in enumerate(columns):
        same = [f"{columns[m][0].expression} = {values[m]}" for m in range(n)]
        cases.append(" AND ".join([*same, f"{column.expression} {'<' if descending else '>'} {values[n]}"]))
    return "(" + " OR ".join(f"({case})" for case in cases) + ")"
