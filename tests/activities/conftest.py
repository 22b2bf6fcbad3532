"""A database for each test, and what looks into it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from dialer.store.database import Database
from tests.activities.recorders import Recorder


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=6)
    yield database
    await database.close()


@pytest.fixture
async def later(database_url: str) -> AsyncIterator[Database]:
    """The same database as a process sees it whose clock is ten minutes ahead: what is fresh now is old there."""
    database = Database(database_url, clock_offset=timedelta(minutes=10), pool_size=6)
    yield database
    await database.close()


@pytest.fixture
def workflows() -> Recorder:
    return Recorder()
