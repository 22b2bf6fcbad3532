"""People on their way into the database: a table of the connection's own, filled by COPY and empty after each commit.

COPY cannot write into tables with row-level security. Statements that read this table can, and cost a third less than
those that read the same people from JSON.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_COLUMNS = """position int, id uuid, phone text, extension text, external_id text, name text, variables jsonb,
    zone_set text, zone_source text, priority smallint, state text, held_reason text, next_due_at timestamptz,
    import_row bigint, phone_at smallint, bad_phones smallint"""

_TO_ESCAPE = re.compile(r"[\\\t\n\r]")
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NOTHING = "\\N"
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

#: Per batch, since tables grow a thousandfold while a file is read: a plan of yesterday, or one that prefers to look
#: through all contacts, would make the last rows of a file cost many times what the first ones did.
_BY_INDEX = """
    SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true)"""


#: Before rows are written: the checks of their foreign keys are statements too, one per key and row, and planning each
#: of them anew would take longer than everything else.
_KEEP_PLANS = "SELECT set_config('plan_cache_mode', 'auto', true)"


async def look_up_by_index(session: AsyncSession) -> None:
    """From here every statement is planned for the tables as they are, by their indexes until the transaction ends."""
    await session.execute(text(_BY_INDEX))


async def keep_plans(session: AsyncSession) -> None:
    """What ``look_up_by_index`` has read is read: write rows now."""
    await session.execute(text(_KEEP_PLANS))


async def stage(session: AsyncSession, people: Sequence[tuple[object, ...]]) -> None:
    """Fill ``incoming`` with rows in the order of its columns from ``id`` on; ``position`` counts them from 0."""
    await session.execute(text(f"CREATE TEMP TABLE IF NOT EXISTS incoming ({_COLUMNS}) ON COMMIT DELETE ROWS"))
    connection = await (await session.connection()).get_raw_connection()
    driver = cast("psycopg.AsyncConnection[TupleRow]", connection.driver_connection)
    lines = "".join(f"{position}\t{_line(person)}\n" for position, person in enumerate(people))
    async with driver.cursor() as cursor, cursor.copy("COPY incoming FROM STDIN") as copy:
        await copy.write(lines)


def _line(values: Sequence[object]) -> str:
    return "\t".join(map(_field, values))


def _field(value: Any) -> str:
    if value is None:
        return _NOTHING
    if isinstance(value, str):  # before all others, as most are
        return value.translate(_ESCAPED) if _TO_ESCAPE.search(value) else value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return _ENCODER.encode(value).replace("\\", "\\\\")
    return str(value)
