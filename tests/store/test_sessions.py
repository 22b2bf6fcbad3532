"""Statements that go to the driver at once behave as those that go SQLAlchemy's way."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dialer.store.database import Database, is_lost, one, rows, violated


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
