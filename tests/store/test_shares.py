"""Campaigns that share an account or a workspace: claims in sequences that favour whoever comes first."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import text

from dialer.domain.slots import Blocked
from dialer.store.database import Database
from dialer.store.shares import forget_standings, want_nothing
from dialer.store.waking import CHANNEL
from tests.store.towns import make_town

STOPPED = """CREATE OR REPLACE FUNCTION dialer_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT timestamptz '2026-11-24 17:00:00Z' $$"""


@pytest.fixture
async def database(module_database_url: str) -> AsyncIterator[Database]:
    """One database for all, since each keeps to its workspace. Its clock stands still, so that nobody is forgotten."""
    database = Database(module_database_url)
    async with database.transaction_over_all() as session:
        await session.execute(text(STOPPED))
    yield database
    await database.close()


async def test_calls_follow_the_weights_however_early_the_lightest_asks(database: Database) -> None:
    town = await make_town(database, [1, 3, 6], account_limits=(10, 1000.0))
    await town.everybody_claims()
    assert town.begun == {0: 10, 1: 0, 2: 0}, "what nobody else had asked for yet"
    for _ in range(3):
        await town.end_calls()
        await town.everybody_claims()
    assert town.begun == {0: 10 + 3, 1: 9, 2: 18}


async def test_shares_below_one_slot_go_round(database: Database) -> None:
    """Five campaigns on two slots; calls end one by one, and the same campaign always asks first."""
    town = await make_town(database, [1] * 5, people=6, account_limits=(2, 1000.0))
    await town.everybody_claims(rounds=1)
    for _ in range(10):
        await town.end_calls(1)
        await town.everybody_claims(rounds=1)
    assert town.begun == {0: 2 + 2, 1: 2, 2: 2, 3: 2, 4: 2}


async def test_a_late_urgent_campaign_gets_the_next_slots_that_are_free(database: Database) -> None:
    town = await make_town(database, [1, 9], account_limits=(5, 1000.0))
    assert len((await town.claim(0)).calls) == 5
    assert (await town.claim(1)).blocked is Blocked.SLOTS
    await town.end_calls(1, of=0)
    assert (await town.claim(0)).blocked is Blocked.SHARE
    assert len((await town.claim(1)).calls) == 1
    for _ in range(9):
        await town.end_calls(1)
        await town.everybody_claims(rounds=1)
    assert town.begun == {0: 6, 1: 9}


async def test_a_late_campaign_has_its_share_of_the_pace_within_a_second(database: Database) -> None:
    """Nobody's calls have to end first: those of one second have had their turns in the next."""
    town = await make_town(database, [1, 1], account_limits=(1000, 4.0))
    assert len((await town.claim(0)).calls) == 4
    late = await town.claim(1)
    assert (late.blocked, late.retry_s) == (Blocked.PACE, 0.125)
    await town.campaigns[0].run("UPDATE calls SET state = 'in_progress' WHERE state = 'claimed'")
    assert len((await town.claim(0)).calls) == 2
    assert (await town.claim(0)).blocked is Blocked.SHARE
    assert len((await town.claim(1)).calls) == 2


async def test_whoever_has_nobody_due_gives_its_share_away(database: Database) -> None:
    town = await make_town(database, [1, 1], account_limits=(4, 1000.0))
    await town.claim(0)
    await town.claim(1)
    await town.end_calls()
    assert len((await town.claim(0)).calls) == 2
    await town.forget_people(1)
    assert (await town.claim(1)).blocked is None
    assert await town.waiting(1) == 0
    assert len((await town.claim(0)).calls) == 2


async def test_a_campaign_that_is_heard_of_no_more_is_not_waited_for(database: Database) -> None:
    town = await make_town(database, [1, 1], account_limits=(2, 1000.0))
    await town.claim(0)
    await town.claim(1)
    await town.end_calls()
    assert len((await town.claim(0)).calls) == 1
    await town.be_silent(1)
    assert len((await town.claim(0)).calls) == 1


async def test_a_campaign_at_its_own_limit_is_not_waited_for(database: Database) -> None:
    town = await make_town(database, [1, 100], account_limits=(4, 1000.0), pace={"max_concurrent": 2})
    assert len((await town.claim(1)).calls) == 2
    assert (await town.claim(1)).blocked is Blocked.SLOTS
    assert await town.waiting(1) == 0
    assert len((await town.claim(0)).calls) == 2


async def test_what_was_not_wanted_in_the_past_is_no_credit(database: Database) -> None:
    town = await make_town(database, [1, 1], account_limits=(4, 1000.0))
    for _ in range(3):
        await town.claim(0)
        await town.end_calls()
    await town.claim(0)
    await town.claim(1)
    for _ in range(2):
        await town.end_calls()
        await town.everybody_claims()
    assert town.begun[1] in (4, 5)


async def test_campaigns_of_two_accounts_share_their_workspace(database: Database) -> None:
    town = await make_town(database, [1, 3], workspace_slots=4, accounts=2)
    assert len((await town.claim(0)).calls) == 4
    assert (await town.claim(1)).blocked is Blocked.SLOTS
    for _ in range(2):
        await town.end_calls()
        await town.everybody_claims()
    assert town.begun == {0: 6, 1: 6}


async def test_whose_turn_it_is_is_told(database: Database) -> None:
    town = await make_town(database, [1, 9], account_limits=(1, 1000.0))
    await town.claim(0)
    await town.claim(1)
    await town.end_calls()
    async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as listening:
        await listening.execute(f"LISTEN {CHANNEL}")
        assert (await town.claim(0)).calls == ()
        async with asyncio.timeout(10):
            told = await anext(listening.notifies())
    assert told.payload == str(town.campaigns[1].campaign_id)


async def test_when_a_campaign_wants_nothing_any_more_those_who_wait_are_told(database: Database) -> None:
    town = await make_town(database, [1, 1], account_limits=(1, 1000.0))
    await town.everybody_claims(rounds=1)
    first, second = town.campaigns
    async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as listening:
        await listening.execute(f"LISTEN {CHANNEL}")
        for _ in range(2):  # the second time it has nothing to give up, and nobody is told
            async with database.transaction(first.workspace_id) as session:
                await want_nothing(session, first.workspace_id, first.campaign_id)
        told = [each.payload async for each in listening.notifies(timeout=1)]
    assert told == [str(second.campaign_id)]
    wants = await first.read("SELECT sum(wants) AS n FROM shares WHERE campaign_id = :c")
    assert wants[0].n == 0


async def test_rows_that_nobody_has_touched_for_a_while_are_forgotten(database: Database) -> None:
    town = await make_town(database, [1, 1])
    await town.everybody_claims(rounds=1)
    await town.campaigns[0].run(
        "UPDATE shares SET wants_until = dialer_now() - interval '11 minutes' WHERE campaign_id = :c"
    )
    async with database.transaction_over_all() as session:
        assert await forget_standings(session) == 2
    assert (await town.campaigns[1].read("SELECT count(*) AS n FROM shares"))[0].n == 2
