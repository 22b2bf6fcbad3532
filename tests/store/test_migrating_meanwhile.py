"""Migrations run while the version before goes on: a deployment begins with them."""

import subprocess
import sys
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dialer.store import migrate
from dialer.store.database import Database, is_transient
from tests.fixtures_postgres import TestPostgres

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


def test_two_processes_that_migrate_at_once_both_end(postgres: TestPostgres) -> None:
    """One builds indexes that wait for every statement; the other waits for its turn, in no statement."""
    name = postgres.create()
    code = "import sys; from dialer.store import migrate; migrate.upgrade(sys.argv[1])"
    command = [sys.executable, "-c", code, postgres.url(name)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert migrate.is_current(postgres.url(name))
    postgres.drop(name)
