"""People on their way into the database: a table of the connection's own, filled by COPY and empty after each commit.

COPY cannot write into tables with row-level security. Statements that read this table can, and cost a third less than
those that read the same people from JSON.
"""

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring as quoted
from typing import Any, cast

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_COLUMNS = """position int, id uuid, phone text, extension text, external_id text, name text, variables jsonb,
    zone_set text, zone_source text, priority smallint, state text, held_reason text, next_due_at timestamptz,
    import_row bigint, phone_at smallint, bad_phones smallint, contact_id uuid"""

_TO_ESCAPE = re.compile(r"[\\\t\n\r]")
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NOTHING = "\\N"
_LINES_AT_ONCE = 500
_BREAKS = re.compile(r"[\n\r]")
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


def lines(people: Iterable[tuple[object, ...]]) -> Iterator[bytes]:
    """Rows of ``incoming`` for COPY, some hundred at once; each has its columns from ``id`` on, and ``position`` counts
    them from 0."""
    numbered = (f"{position}\t{_line(person)}\n" for position, person in enumerate(people))
    while piece := "".join(itertools.islice(numbered, _LINES_AT_ONCE)):
        yield piece.encode()


async def stage(session: AsyncSession, pieces: Iterable[bytes]) -> None:
    """Fill ``incoming`` with ``lines``."""
    await session.execute(text(f"CREATE TEMP TABLE IF NOT EXISTS incoming ({_COLUMNS}) ON COMMIT DELETE ROWS"))
    connection = await (await session.connection()).get_raw_connection()
    driver = cast("psycopg.AsyncConnection[TupleRow]", connection.driver_connection)
    async with driver.cursor() as cursor, cursor.copy("COPY incoming FROM STDIN") as copy:
        for piece in pieces:
            await copy.write(piece)


def _line(values: Sequence[object]) -> str:
    """One look at the whole line tells whether anything in it is to be escaped, which is rare."""
    line = "\t".join([value if type(value) is str else _NOTHING if value is None else _text(value) for value in values])
    tabs, backslashes = len(values) - 1, values.count(None)
    if line.count("\t") == tabs and line.count("\\") == backslashes and not _BREAKS.search(line):
        return line
    return "\t".join([_NOTHING if value is None else _escaped(_text(value)) for value in values])


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return _moment(value)
    return _json(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else str(value)


def _json(variables: Mapping[str, Any]) -> str:
    """Most variables are texts, and for each a whole encoder would take twice as long to begin as it takes to run."""
    try:
        return "{" + ", ".join([f"{quoted(name)}: {quoted(value)}" for name, value in variables.items()]) + "}"
    except TypeError:
        return _ENCODER.encode(variables)


def _escaped(value: str) -> str:
    return value.translate(_ESCAPED) if _TO_ESCAPE.search(value) else value


@lru_cache(maxsize=128)
def _moment(value: datetime) -> str:
    """Most people of a batch are due at the same one."""
    return value.isoformat()
