"""Migrations run while the version before goes on: a deployment begins with them."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dialer.store.database import Database, is_transient

READ = text("SELECT * FROM calls LIMIT 1")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    one = Database(database_url)
    yield one
    await one.close()


async def test_a_column_that_is_added_meanwhile_costs_each_connection_one_try(database: Database) -> None:
    async def read() -> None:
        async with database.transaction_over_all() as session:
            await session.execute(READ)

    for _ in range(6):
        await read()
    with psycopg.connect(database.url, autocommit=True) as migration:
        migration.execute("ALTER TABLE calls ADD COLUMN added_meanwhile integer")
    with pytest.raises(DBAPIError, match="cached plan") as raised:
        await read()
    assert is_transient(raised.value), "so that what the carrier answered is saved at the second try"
    await read()
