"""Everything that a list shows, row by row, for files: whatever the number of rows, a few hundred are in memory.

A reading goes by ``created_at`` and id, through a server-side cursor, so that a filter is looked through and sorted
once. It sees the database as it was when it began, for as long as it keeps up: a snapshot that is kept hinders
vacuum, and rows that change all the time then cost everybody more. After SNAPSHOT_S, or while nobody takes the rows,
it lets go of snapshot and connection and goes on behind the last row in a new one, and so it does when the connection
is lost. So every row is given once, as it was at some moment after the beginning, and none that was added after it.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import Database, is_lost, one, rows
from dialer.store.pages import Conditions
from dialer.store.person_phones import others_of

PAGE_ROWS = 500
PAGES_AHEAD = 2
"""Pages that are read before anybody has asked for them."""
SNAPSHOT_S = 60.0
PATIENCE_S = 3.0
"""How long a connection is kept for who does not take the rows."""
LOST_IN_A_ROW = 5
"""How many connections may be lost without a row between them."""
PAUSE_S = 1.0
"""How long is waited before the next one; each time so much longer."""
STATEMENT_S = 600
"""What one statement may take: a filter may have to look through millions of rows for the first that fits."""

_LAST_CALL = """LEFT JOIN LATERAL (
    SELECT l.id AS call_id, l.number AS call_number, l.state AS call_state, l.from_phone AS "from", l.answered_by,
        l.dialed_at, l.ringing_at, l.answered_at, l.ended_at, l.talk_seconds, l.detected_language, l.cost,
        l.recording_url, l.notes
    FROM calls l WHERE l.prospect_id = t.id AND l.state <> 'deferred' AND l.direction <> 'inbound'
    ORDER BY l.created_at DESC, l.id DESC LIMIT 1
) AS last ON true"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is exported: ``columns`` of ``table``, which goes by ``t``, and of what is joined to each of its rows."""

    columns: str
    table: str
    joined: str = ""


PROSPECTS = Source(columns=f"t.*, {others_of('t.id')}", table="prospects")
RESULTS = Source(columns=f"t.*, {others_of('t.id')}, last.*", table="prospects", joined=_LAST_CALL)
CALLS = Source(
    table="calls",
    joined="LEFT JOIN prospects p ON p.id = t.prospect_id",
    # A call whose contact is forgotten does not tell the name any more.
    columns="""t.*, CASE WHEN t.contact_id IS NOT NULL THEN p.external_id END AS external_id,
        CASE WHEN t.contact_id IS NOT NULL THEN p.name END AS name""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Which rows. ``until`` is when the reading began; ``after`` the row behind which it goes on."""

    source: Source
    conditions: Conditions
    until: datetime
    after: tuple[datetime, UUID] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a snapshot is kept, how long one for which nobody takes the rows, and how long is waited after a
    connection was lost; seconds."""

    snapshot_s: float = SNAPSHOT_S
    idle_s: float = PATIENCE_S
    pause_s: float = PAUSE_S


async def moment(session: AsyncSession) -> datetime:
    """Now, as rows have it."""
    row = await one(session, "SELECT dialer_now() AS now")
    assert row is not None
    return row.now


async def how_many(session: AsyncSession, reading: Reading) -> int:
    """The number of rows, counted to the last."""
    filtered, parameters = _where(reading)
    row = await one(session, f"SELECT count(*) AS n FROM {reading.source.table} t WHERE {filtered}", parameters)
    return 0 if row is None else row.n


async def names_of_variables(session: AsyncSession, reading: Reading, limit: int) -> list[str]:
    """The names of the prospects' variables, those of the most people first."""
    filtered, parameters = _where(reading)
    sql = f"""
        SELECT key FROM {reading.source.table} t, jsonb_object_keys(t.variables) AS key WHERE {filtered}
        GROUP BY key ORDER BY count(*) DESC, key LIMIT :limit"""
    return [row.key for row in await rows(session, sql, {**parameters, "limit": limit})]


async def pages_of(
    database: Database, workspace_id: UUID, reading: Reading, patience: Patience | None = None
) -> AsyncGenerator[list[dict[str, Any]]]:
    """All rows of a reading, PAGE_ROWS at a time. Whoever stops early closes it, which frees the connection.

    A connection that is lost is replaced, and the reading goes on behind the last row. Raises SQLAlchemyError when
    several are lost one after the other, or a statement fails.
    """
    pages: asyncio.Queue[list[dict[str, Any]] | None] = asyncio.Queue()
    reader = _Reader(database, workspace_id, reading, patience or Patience(), pages)

    async def read() -> None:
        try:
            await reader.read()
        finally:
            pages.put_nowait(None)

    task = asyncio.create_task(read())
    try:
        while (page := await pages.get()) is not None:
            yield page
            reader.room.release()
        await task
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # was raised above, or nobody is left to tell


class _Reader:
    """Puts page after page into ``pages``, each when there is room for it."""

    def __init__(
        self,
        database: Database,
        workspace_id: UUID,
        reading: Reading,
        patience: Patience,
        pages: asyncio.Queue[list[dict[str, Any]] | None],
    ) -> None:
        self.room = asyncio.Semaphore(PAGES_AHEAD)
        self._database = database
        self._workspace_id = workspace_id
        self._reading = reading
        self._patience = patience
        self._pages = pages

    async def read(self) -> None:
        """All rows, over as many connections as it takes."""
        lost = 0
        while True:
            before = self._reading
            try:
                if await self._read_on():
                    return
            except (DBAPIError, NoConnection) as error:
                # PostgreSQL was restarted, or this process stood still so long that its connection was closed.
                lost = 1 if self._reading is not before else lost + 1
                if lost > LOST_IN_A_ROW or (isinstance(error, DBAPIError) and not is_lost(error)):
                    raise
                await asyncio.sleep(lost * self._patience.pause_s)

    async def _read_on(self) -> bool:
        """As many rows as one snapshot shows in its time; True when they were the last."""
        now = asyncio.get_running_loop().time
        waiting: list[dict[str, Any]] | None = None
        async with self._database.snapshot(self._workspace_id, statement_s=STATEMENT_S) as session:
            ends = now() + self._patience.snapshot_s
            async with aclosing(_pages(session, self._reading)) as found:
                async for page in found:
                    if not await _has_room(self.room, self._patience.idle_s):
                        waiting = page
                        break
                    self._give(page)
                    if now() > ends:
                        break
                else:
                    return True
        if waiting is not None:
            await self.room.acquire()
            self._give(waiting)
        return False

    def _give(self, page: list[dict[str, Any]]) -> None:
        self._pages.put_nowait(page)
        self._reading = replace(self._reading, after=(page[-1]["created_at"], page[-1]["id"]))


async def _has_room(room: asyncio.Semaphore, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await room.acquire()
    except TimeoutError:
        return False
    return True


async def _pages(session: AsyncSession, reading: Reading) -> AsyncGenerator[list[dict[str, Any]]]:
    filtered, parameters = _where(reading)
    source = reading.source
    # A name of its own, since connections remember statements: another cursor of the same name has other columns.
    cursor = f"export_{uuid4().hex}"
    sql = f"""DECLARE {cursor} NO SCROLL CURSOR FOR SELECT {source.columns} FROM {source.table} t {source.joined}
              WHERE {filtered} ORDER BY t.created_at, t.id"""
    await session.execute(text(sql), parameters)
    while found := await rows(session, f"FETCH {PAGE_ROWS} FROM {cursor}"):
        yield [dict(row._mapping) for row in found]  # pyright: ignore[reportPrivateUsage]


def _where(reading: Reading) -> tuple[str, Mapping[str, Any]]:
    parts: Sequence[str] = [*reading.conditions.parts, "t.created_at <= :until"]
    parameters = {**reading.conditions.parameters, "until": reading.until}
    if reading.after is not None:
        parts = [*parts, "(t.created_at, t.id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid))"]
        parameters |= {"after_at": reading.after[0], "after_id": reading.after[1]}
    return " AND ".join(parts), parameters
