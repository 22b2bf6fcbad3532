"""Statements that go to the driver at once behave as those that go SQLAlchemy's way."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import Database, is_lost, one, rows, violated
from dialer.store.tables import Workspace


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """One connection, which every transaction gets."""
    made = Database(database_url, pool_size=1)
    yield made
    await made.close()


async def scope_of(database: Database) -> str:
    workspace = uuid4()
    async with database.transaction(workspace) as session:
        row = await one(
            session, "SELECT current_setting('dialer.workspace') AS scope, :w = 'x%y:z' AS same", {"w": "a"}
        )
    assert row is not None
    assert not row.same
    return "its own" if row.scope == str(workspace) else row.scope


async def test_a_transaction_has_its_scope_and_leaves_none(database: Database) -> None:
    assert await scope_of(database) == "its own"
    async with AsyncSession(database.engine) as session, session.begin():
        found = await rows(session, "SELECT coalesce(current_setting('dialer.workspace', true), '') AS scope")
    assert [row.scope for row in found] == [""]


async def test_a_connection_that_was_of_another_isolation_level_gets_its_scope_too(database: Database) -> None:
    engine = database.engine.execution_options(isolation_level="REPEATABLE READ")
    async with AsyncSession(engine) as session, session.begin():
        (level,) = await rows(session, "SELECT current_setting('transaction_isolation') AS name")
    assert level.name == "repeatable read"
    assert await scope_of(database) == "its own"


async def test_what_fails_is_rolled_back_and_told_as_sqlalchemy_tells_it(database: Database) -> None:
    async def insert_twice() -> None:
        async with database.transaction_over_all() as session:
            await rows(session, "INSERT INTO workspaces (name, slug) VALUES ('A', 'same') RETURNING id")
            await session.execute(text("INSERT INTO workspaces (name, slug) VALUES (:name, 'same')"), {"name": "B"})

    with pytest.raises(IntegrityError) as broken:
        await insert_twice()
    assert violated(broken.value) == "uq_workspaces_slug"
    async with database.transaction_over_all() as session:
        assert await rows(session, "SELECT 1 FROM workspaces WHERE slug = 'same'") == []


async def test_a_lost_connection_is_told_and_replaced(database: Database) -> None:
    async def lose() -> None:
        async with database.transaction_over_all() as session:
            await rows(session, "SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DBAPIError) as lost:
        await lose()
    assert is_lost(lost.value)
    assert await scope_of(database) == "its own"


async def names(database: Database) -> list[str]:
    async with database.transaction_over_all() as session:
        return [row.name for row in await rows(session, "SELECT name FROM workspaces ORDER BY name")]


async def test_what_goes_sqlalchemys_way_is_in_the_same_transaction(database: Database) -> None:
    async def make(names: str) -> None:
        async with database.transaction_over_all() as session:
            await rows(session, "INSERT INTO workspaces (name, slug) VALUES (:n, :n) RETURNING id", {"n": names[0]})
            await session.execute(insert(Workspace).values(name=names[1], slug=names[1]))
            if "!" in names:
                raise LookupError

    await make("ab")
    with pytest.raises(LookupError):
        await make("cd!")
    assert await names(database) == ["a", "b"]


async def test_what_is_undone_to_a_savepoint_leaves_the_rest(database: Database) -> None:
    sql = "INSERT INTO workspaces (name, slug) VALUES (:n, 'same') RETURNING id"
    async with database.transaction_over_all() as session:
        await rows(session, sql, {"n": "a"})
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                await rows(session, sql, {"n": "b"})
    assert await names(database) == ["a"]


_SLOW_COMMIT = """
    CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON workspaces DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION slowly()"""


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("during", ["a statement", "the commit"])
async def test_who_is_cancelled_gives_the_connection_back(database: Database, during: str, times: int) -> None:
    async with database.transaction_over_all() as session:
        for statement in _SLOW_COMMIT.split(";\n"):
            await session.execute(text(statement))

    async def work() -> None:
        async with database.transaction_over_all() as session:
            await rows(session, "INSERT INTO workspaces (name, slug) VALUES ('a', 'a') RETURNING id")
            if during == "a statement":
                await session.execute(text("SELECT pg_sleep(2)"))

    working = asyncio.create_task(work())
    await asyncio.sleep(0.3)
    for _ in range(times):
        working.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await names(database) == [], "and the only connection serves the next"


async def test_a_transaction_that_cannot_begin_keeps_no_connection(database: Database) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="one workspace or for all"):
            async with database._transaction("nobody's"):  # pyright: ignore[reportPrivateUsage]
                pass
    assert await scope_of(database) == "its own"
