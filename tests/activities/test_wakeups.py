import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from activities.wakeups import Wakeups, Woken
from dialer.store.database import Database
from dialer.store.waking import CHANNEL, wake


@pytest.fixture
async def wakeups(database: Database) -> AsyncIterator[Wakeups]:
    """Listening, as in a worker."""
    it = Wakeups(database.url)
    with it.listen(uuid4()) as begun:
        task = asyncio.create_task(it.run())
        assert await begun.wait(10)
    yield it
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def notify(database: Database, campaign_id: UUID) -> None:
    async with database.transaction_over_all() as session:
        await wake(session, campaign_id)


async def until_woken(database: Database, woken: Woken, campaign_id: UUID) -> None:
    """Notify again and again, since nobody hears what was said before they listened, until somebody wakes."""
    async with asyncio.timeout(10):
        waiting = asyncio.create_task(woken.wait(60))
        while not waiting.done():
            await notify(database, campaign_id)
            await asyncio.wait({waiting}, timeout=0.05)


async def is_woken(woken: Woken) -> bool:
    """Whether a wait ends by a notification within a moment."""
    try:
        async with asyncio.timeout(0.2):
            await woken.wait(60)
    except TimeoutError:
        return False
    return True


async def test_a_notification_wakes_whoever_waits_for_that_campaign_and_nobody_else(
    database: Database, wakeups: Wakeups
) -> None:
    mine, other = uuid4(), uuid4()
    with wakeups.listen(mine) as woken, wakeups.listen(mine) as also, wakeups.listen(other) as stranger:
        await until_woken(database, woken, mine)
        assert await is_woken(also)
        assert not await is_woken(stranger)


async def test_a_notification_is_kept_until_somebody_waits_and_used_once(database: Database, wakeups: Wakeups) -> None:
    mine, other = uuid4(), uuid4()
    with wakeups.listen(mine) as woken, wakeups.listen(other) as canary:
        await until_woken(database, canary, other)
        await notify(database, mine)
        await until_woken(database, canary, other)
        assert await is_woken(woken)
        assert not await is_woken(woken)


async def test_a_message_that_is_no_campaign_is_ignored(database: Database, wakeups: Wakeups) -> None:
    mine = uuid4()
    with wakeups.listen(mine) as woken:
        await until_woken(database, woken, mine)
        async with database.transaction_over_all() as session:
            await session.execute(text(f"SELECT pg_notify('{CHANNEL}', 'junk')"))
        await until_woken(database, woken, mine)


async def test_a_lost_connection_is_made_again(database: Database, wakeups: Wakeups) -> None:
    mine = uuid4()
    with wakeups.listen(mine) as woken:
        await until_woken(database, woken, mine)
        async with database.transaction_over_all() as session:
            sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = :listen"
            ended = await session.execute(text(sql), {"listen": f"LISTEN {CHANNEL}"})
            assert ended.scalars().all() == [True]
        await until_woken(database, woken, mine)


async def test_a_wait_ends_without_a_notification_too() -> None:
    async with asyncio.timeout(10):
        await Woken().wait(0.01)
