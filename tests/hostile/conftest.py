"""The app over a real database, as in ``tests/api``; and as a process where sockets matter."""

import asyncio
from collections.abc import Iterator
from uuid import UUID

import pytest

from dialer.store.database import Database
from tests.api.conftest import api, clock_offset, services, settings, temporal_address  # noqa: F401
from tests.hostile.ground import ApiProcess, running_api
from tests.hostile.live_calls import LiveCalls, make_live_calls, settings_for

CALLS = 3


@pytest.fixture(scope="module")
def live(module_database_url: str) -> LiveCalls:
    """Calls in flight in the module's database."""
    return asyncio.run(_made(module_database_url))


async def _made(url: str) -> LiveCalls:
    database = Database(url)
    try:
        return await make_live_calls(database, settings_for(url), CALLS)
    finally:
        await database.close()


@pytest.fixture(scope="module")
def process(
    module_database_url: str, live: LiveCalls, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """The API as a process over the module's database."""
    with running_api(settings_for(module_database_url), tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture
def call_id(live: LiveCalls) -> UUID:
    return live.ids[0]
