"""A campaign that runs, and a Temporal server that skips time."""

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from dialer.store.database import Database
from tests.store.worlds import World, make_world


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=4)
    yield database
    await database.close()


@pytest.fixture
async def world(database: Database) -> World:
    return await make_world(database, status="running")


@pytest.fixture
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    beside = Path(sys.executable).with_name("temporal-test-server")
    server = str(beside) if beside.exists() else shutil.which("temporal-test-server")
    async with await WorkflowEnvironment.start_time_skipping(test_server_existing_path=server) as environment:
        yield environment
