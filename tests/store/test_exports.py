"""Reading everything: flat memory, each row once, and no connection kept for who does not read on."""

import os
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError

from dialer.exporting.files import FileFormat, writer_of
from dialer.exporting.tables import PROSPECTS
from dialer.store import exports
from dialer.store.database import Database
from dialer.store.exports import PAGE_ROWS, Patience, Reading, pages_of
from dialer.store.pages import where
from tests.store.worlds import World, make_world

ROWS = int(os.environ.get("EXPORTED_ROWS", "5000"))
LITTLE = 48 << 20
"""Bytes that Python may hold at a time, however many rows there are: pages of a few formats."""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    await database.close()


@pytest.fixture
async def world(database: Database) -> World:
    return await make_world(database)


async def crowd(world: World, count: int) -> None:
    """Many people, made by the database itself. Their phones are in no numbering plan."""
    sql = """
        WITH people AS (
            INSERT INTO contacts (workspace_id, phone)
            SELECT :w, '+999' || n FROM generate_series(CAST(:first AS int), :last) AS n
            RETURNING id, phone
        )
        INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, name, variables, next_due_at)
        SELECT :w, :c, id, phone, 'Somebody', jsonb_build_object('plan', 'gold', 'note', repeat('x', 100)), now()
        FROM people"""
    parameters = {"w": world.workspace_id, "c": world.campaign_id}
    for first in range(1, count + 1, 5000):  # a statement has half a minute, also on a busy machine
        async with world.database.transaction(world.workspace_id) as session:
            last = min(first + 4999, count)
            await session.execute(text(sql), {**parameters, "first": first, "last": last})


async def reading(world: World) -> Reading:
    conditions = where({"campaign": ("t.campaign_id = :campaign", world.campaign_id)})
    async with world.database.transaction(world.workspace_id) as session:
        return Reading(source=exports.PROSPECTS, conditions=conditions, until=await exports.moment(session))


async def connections_of(world: World) -> int:
    """Transactions that are open besides the one that asks."""
    sql = """SELECT count(*) AS n FROM pg_stat_activity
             WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
                 AND backend_type = 'client backend'"""
    return (await world.read(sql))[0].n


async def settled(world: World, wanted: int) -> None:
    """Until so many transactions are open."""
    for _ in range(5000):
        if await connections_of(world) == wanted:
            return
    raise AssertionError(f"{await connections_of(world)} transactions are open, not {wanted}")


@pytest.mark.timeout(120 + ROWS // 100)
async def test_however_many_rows_are_written_memory_stays_flat(world: World):
    await crowd(world, ROWS)
    given = await reading(world)
    writers = [writer_of(file_format, PROSPECTS, ["plan", "note"]) for file_format in FileFormat]
    for writer in writers:
        writer.head()
    size = rows = 0
    tracemalloc.start()
    try:
        async with aclosing(pages_of(world.database, world.workspace_id, given)) as pages:
            async for page in pages:
                assert len(page) <= PAGE_ROWS
                facts = [PROSPECTS.facts(row) for row in page]
                rows += len(page)
                size += sum(len(writer.add(facts)) for writer in writers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows == ROWS
    assert size > 500 * ROWS
    assert peak < LITTLE


async def test_each_row_is_given_once_though_snapshots_end_and_rows_come_and_change(world: World):
    await crowd(world, 4 * PAGE_ROWS + 7)
    given = await reading(world)
    seen: list[str] = []
    async with aclosing(pages_of(world.database, world.workspace_id, given, Patience(snapshot_s=0))) as pages:
        async for page in pages:
            seen += [row["phone"] for row in page]
            await world.run("UPDATE prospects SET attempts = attempts + 1, next_due_at = now()")
            await world.run(
                """INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, next_due_at)
                   SELECT workspace_id, campaign_id, contact_id, phone || 'x', now() FROM prospects LIMIT 1"""
            ) if len(seen) <= PAGE_ROWS else None
    assert len(seen) == len(set(seen)) == 4 * PAGE_ROWS + 7


async def test_a_snapshot_shows_every_row_as_it_was_in_the_beginning(world: World):
    await crowd(world, 6 * PAGE_ROWS)
    async with aclosing(pages_of(world.database, world.workspace_id, await reading(world))) as pages:
        first = await anext(pages)
        await world.run("UPDATE prospects SET name = 'Else'")
        names = {row["name"] for row in first} | {row["name"] async for page in pages for row in page}
    assert names == {"Somebody"}


async def test_whoever_does_not_read_on_keeps_no_connection(world: World):
    await crowd(world, 8 * PAGE_ROWS)
    patience = Patience(idle_s=0.05)
    async with aclosing(pages_of(world.database, world.workspace_id, await reading(world), patience)) as pages:
        phones = [row["phone"] for row in await anext(pages)]
        await settled(world, 0)
        async for page in pages:
            phones += [row["phone"] for row in page]
    assert len(phones) == len(set(phones)) == 8 * PAGE_ROWS


async def test_whoever_stops_reading_frees_the_connection_at_once(world: World):
    await crowd(world, 8 * PAGE_ROWS)
    for _ in range(5):  # more often than the pool has connections
        async with aclosing(pages_of(world.database, world.workspace_id, await reading(world))) as pages:
            await anext(pages)
            assert await connections_of(world) <= 1
        await settled(world, 0)
    assert world.database.engine.pool.checkedout() == 0  # pyright: ignore[reportAttributeAccessIssue]


async def end_connections(world: World) -> int:
    """As PostgreSQL does when it is restarted, or when a process stands still in a transaction; how many there were."""
    sql = """SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity WHERE datname = current_database()
             AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND usename = current_user"""
    async with world.database.engine.connect() as connection:
        return (await connection.execute(text(sql))).one().n


async def test_a_connection_that_is_lost_costs_no_row_and_gives_none_twice(world: World):
    await crowd(world, 8 * PAGE_ROWS + 3)
    patience = Patience(pause_s=0)
    lost = 0
    async with aclosing(pages_of(world.database, world.workspace_id, await reading(world), patience)) as pages:
        phones: list[str] = []
        async for page in pages:
            phones += [row["phone"] for row in page]
            lost += await end_connections(world)
    assert lost >= 2
    assert len(phones) == len(set(phones)) == 8 * PAGE_ROWS + 3


async def test_what_goes_wrong_for_good_while_reading_is_told(world: World):
    await crowd(world, 8 * PAGE_ROWS)
    patience = Patience(snapshot_s=0, idle_s=0.05)
    async with aclosing(pages_of(world.database, world.workspace_id, await reading(world), patience)) as pages:
        await anext(pages)
        await settled(world, 0)
        async with world.database.transaction(world.workspace_id) as session:
            await session.execute(text("ALTER TABLE prospects RENAME TO people"))
        with pytest.raises(ProgrammingError):
            async for _ in pages:
                pass


async def test_connections_that_are_lost_again_and_again_are_told(world: World):
    given = await reading(world)
    nowhere = Database("postgresql://nobody@127.0.0.1:1/nothing")  # nothing listens there
    with pytest.raises(OperationalError):
        async for _ in pages_of(nowhere, world.workspace_id, given, Patience(pause_s=0)):
            pass
    await nowhere.close()
