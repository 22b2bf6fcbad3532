"""What a piece of the product says to PostgreSQL, and how PostgreSQL means to answer it."""

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Literal

#: Each is more work the more people or calls there are.
LARGE = frozenset({"prospects", "calls", "contacts", "prospect_phones", "suppressions"})


@dataclass(slots=True)
class Heard:
    """Statements in their order, without those that begin transactions; plans of those that can be explained."""

    statements: list[str] = field(default_factory=list[str])
    plans: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list[tuple[str, Mapping[str, Any]]])


@contextmanager
def heard(patch: pytest.MonkeyPatch, *, explain: bool = False) -> Generator[Heard]:
    """Listens at the driver. With ``explain`` each statement is planned, and what changes nothing is run once more."""
    found = Heard()
    real = psycopg.AsyncCursor[Any].execute

    async def execute(cursor: Any, query: Any, params: Any = None, **options: Any) -> Any:
        sql = str(query)
        if "dialer.workspace" not in sql and not re.match(r"\s*(BEGIN|COMMIT|ROLLBACK)", sql):
            found.statements.append(" ".join(sql.split()))
            if explain:
                twin = cursor.connection.cursor()
                changes = re.search(r"\b(INSERT INTO|UPDATE \w+ (\w+ )?SET|DELETE FROM)\b", sql) is not None
                how = "FORMAT JSON" if changes else "ANALYZE, TIMING OFF, FORMAT JSON"
                # Prepared, so that the transaction's own way to plan is seen.
                numbered, values = _prepared(sql, params or {})
                await real(twin, f"PREPARE explained AS {numbered}".encode(), prepare=False)
                given = SQL("({})").format(SQL(", ").join(values)) if values else SQL("")
                await real(twin, SQL(f"EXPLAIN ({how}) EXECUTE explained ") + given, prepare=False)
                row = await twin.fetchone()
                await real(twin, b"DEALLOCATE explained", prepare=False)
                found.plans.append((found.statements[-1], row[0][0]["Plan"]))
        return await real(cursor, query, params, **options)

    with patch.context() as patched:
        patched.setattr(psycopg.AsyncCursor, "execute", execute)
        yield found


def _prepared(sql: str, parameters: Mapping[str, Any]) -> tuple[str, list[Literal]]:
    """The statement with ``$1`` for each ``%(name)s``, and their values in this order."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", sql)))
    numbered = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", sql)
    return (numbered.replace("%%", "%") if names else sql), [Literal(parameters[name]) for name in names]


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The node and everything below it."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def objections(plan: Mapping[str, Any], most: int) -> list[str]:
    """Sequential scans of what grows, and nodes that look at or put in order more than ``most`` rows."""
    found: list[str] = []
    for node in nodes(plan):
        table, times = node.get("Relation Name"), max(node.get("Actual Loops", 1), 1)
        if node["Node Type"] == "Seq Scan" and table in LARGE:
            found.append(f"reads all of {table}")
        looked = node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0)
        if looked * times > most:
            found.append(f"{node['Node Type']} of {table or '…'} looks at {looked * times:.0f} rows")
    return found
