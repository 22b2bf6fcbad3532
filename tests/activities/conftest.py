"""One migrated database per module, emptied after every test: a new one for each would cost more than the tests."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from dialer.store.database import Database
from tests.activities.recorders import Recorder


@pytest.fixture
async def database(module_database_url: str) -> AsyncIterator[Database]:
    database = Database(module_database_url, pool_size=6)
    yield database
    async with database.transaction_over_all() as session:
        await session.execute(text("TRUNCATE workspaces, recoveries CASCADE"))
    await database.close()


@pytest.fixture
async def later(module_database_url: str) -> AsyncIterator[Database]:
    """The same database as a process sees it whose clock is ten minutes ahead: what is fresh now is old there."""
    database = Database(module_database_url, clock_offset=timedelta(minutes=10), pool_size=6)
    yield database
    await database.close()


@pytest.fixture
def workflows() -> Recorder:
    return Recorder()
