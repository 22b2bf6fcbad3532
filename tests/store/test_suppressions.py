"""Opting out while somebody else lifts the same entry."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from dialer.store.database import Database, rows
from dialer.store.suppressing import suppress, unsuppress
from tests.store.lines import make_line
from tests.store.worlds import World

PHONE = "+14155550100"


@pytest.fixture
async def line(database_url: str) -> AsyncIterator[World]:
    database = Database(database_url, pool_size=4)
    yield await make_line(database, people=1)
    await database.close()


async def test_an_entry_is_not_lifted_under_somebody_who_opts_out_again(line: World) -> None:
    async with line.database.transaction(line.workspace_id) as session:
        entry, _ = await suppress(session, line.workspace_id, PHONE)

    async def lift() -> bool:
        async with line.database.transaction(line.workspace_id) as session:
            return await unsuppress(session, entry.id)

    async with line.database.transaction(line.workspace_id) as session:
        again, new = await suppress(session, line.workspace_id, PHONE)
        lifting = asyncio.create_task(lift())
        await _waits_for_a_lock(line, lifting)
        assert (again.id, new) == (entry.id, False)
        assert len(await rows(session, "SELECT 1 FROM suppressions")) == 1, "it is in force until this is answered"
    assert await lifting
    assert await line.read("SELECT 1 FROM suppressions") == []


async def test_what_is_not_there_cannot_be_lifted(line: World) -> None:
    async with line.database.transaction(line.workspace_id) as session:
        assert not await unsuppress(session, line.campaign_id)


async def _waits_for_a_lock(line: World, task: "asyncio.Task[bool]") -> None:
    async with asyncio.timeout(10):
        while not await line.read("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            assert not task.done(), "it did not wait"
