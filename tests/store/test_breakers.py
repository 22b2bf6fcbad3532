"""What a campaign is judged by once a second: the calls that were the last to end, and those beside them that go on."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from dialer.domain.breaker import BreakerRules, Trip
from dialer.domain.states import PausedReason
from dialer.store.breakers import judge_campaign
from dialer.store.campaign_rows import campaign_row
from dialer.store.database import Database
from tests.store.statements import heard, nodes, objections
from tests.store.worlds import World, make_world

RULES = BreakerRules()


@pytest.fixture
async def database(module_database_url: str) -> AsyncIterator[Database]:
    """One database for all, since each keeps to its workspace."""
    database = Database(module_database_url, pool_size=2)
    yield database
    await database.close()


@pytest.fixture
async def world(database: Database) -> World:
    return await make_world(database, status="running")


@pytest.fixture
async def alone(database_url: str) -> AsyncIterator[World]:
    """A campaign with a database of its own: a plan is chosen by all that a table holds."""
    database = Database(database_url, pool_size=2)
    yield await make_world(database, status="running")
    await database.close()


async def ended(world: World, count: int, disposition: str, *, first_s: float, last_s: float, took_s: float) -> None:
    """Calls that were claimed so many seconds ago, evenly from the first to the last, and are over."""
    sql = """
        INSERT INTO calls (workspace_id, campaign_id, state, disposition, created_at, claimed_at, ended_at)
        SELECT workspace_id, id, 'ended', :disposition, at, at, at + make_interval(secs => :took)
        FROM (SELECT c.id, c.workspace_id, dialer_now() - make_interval(secs =>
                  :first + (CAST(:last AS float) - :first) * i / :count) AS at
              FROM campaigns c, generate_series(1, :count) AS i WHERE c.id = :c) AS made"""
    await world.run(sql, disposition=disposition, count=count, first=first_s, last=last_s, took=took_s)


async def live(world: World, count: int, state: str, *, first_s: float, last_s: float) -> None:
    """Calls that were claimed so many seconds ago, evenly from the first to the last, and go on."""
    sql = """
        INSERT INTO calls (workspace_id, campaign_id, state, created_at, claimed_at)
        SELECT workspace_id, id, :state, at, at
        FROM (SELECT c.id, c.workspace_id, dialer_now() - make_interval(secs =>
                  :first + (CAST(:last AS float) - :first) * i / :count) AS at
              FROM campaigns c, generate_series(1, :count) AS i WHERE c.id = :c) AS made"""
    await world.run(sql, state=state, count=count, first=first_s, last=last_s)


async def judged(world: World) -> Trip | None:
    async with world.database.transaction(world.workspace_id) as session:
        return await judge_campaign(session, await campaign_row(session, world.campaign_id), RULES)


async def test_a_fast_campaign_whose_calls_fail_late_trips_though_its_newest_calls_go_on(world: World) -> None:
    """Forty calls a second ring, and fail after five seconds."""
    await ended(world, 40, "carrier_error", first_s=6.0, last_s=5.0, took_s=5.0)
    await live(world, 60, "accepted", first_s=1.5, last_s=0.0)
    await live(world, 140, "ringing", first_s=4.9, last_s=1.5)
    trip = await judged(world)
    assert trip is not None
    assert (trip.reason, trip.figures["calls"], trip.figures["failed"]) == (PausedReason.CARRIER_FAILING, 40, 40)


@pytest.mark.parametrize("state", ["in_progress", "ringing", "accepted"])
async def test_a_tenth_that_fails_at_once_does_not_trip_while_the_others_have_not_ended(
    world: World, state: str
) -> None:
    """Twenty calls a second, ten seconds after the launch: all that has ended has failed."""
    await ended(world, 20, "carrier_error", first_s=10.0, last_s=0.5, took_s=0.2)
    await live(world, 180, state, first_s=10.0, last_s=0.5)
    assert await judged(world) is None


async def test_calls_that_only_ring_do_not_hide_failures_that_take_as_long(world: World) -> None:
    await ended(world, 30, "disconnected", first_s=20.0, last_s=12.0, took_s=11.0)
    await live(world, 200, "ringing", first_s=10.0, last_s=1.0)
    trip = await judged(world)
    assert trip is not None
    assert trip.reason is PausedReason.FAILURE_RATE


async def test_conversations_from_before_do_not_hide_a_carrier_that_begins_to_fail(world: World) -> None:
    """Nor do they when one call of then took a minute to fail."""
    await live(world, 200, "in_progress", first_s=600.0, last_s=10.0)
    await ended(world, 1, "unreachable", first_s=62.0, last_s=62.0, took_s=60.0)
    await ended(world, 40, "provider_error", first_s=3.0, last_s=1.0, took_s=0.2)
    trip = await judged(world)
    assert trip is not None
    assert trip.figures["dispositions"] == {"provider_error": 40}


async def test_the_last_calls_are_those_that_were_the_last_to_end(world: World) -> None:
    await ended(world, 50, "carrier_error", first_s=20.0, last_s=10.0, took_s=0.2)
    await ended(world, 50, "human", first_s=120.0, last_s=110.0, took_s=105.0)
    assert await judged(world) is None


async def test_calls_from_before_it_was_resumed_are_not_judged(world: World) -> None:
    await ended(world, 40, "carrier_error", first_s=70.0, last_s=62.0, took_s=61.0)
    await world.run("UPDATE campaigns SET judged_from = dialer_now() - interval '1 minute' WHERE id = :c")
    await ended(world, 19, "carrier_error", first_s=5.0, last_s=1.0, took_s=0.2)
    assert await judged(world) is None
    await ended(world, 1, "carrier_error", first_s=2.0, last_s=2.0, took_s=0.2)
    assert await judged(world) is not None


async def test_calls_that_came_in_are_not_judged(world: World) -> None:
    await ended(world, 20, "carrier_error", first_s=5.0, last_s=1.0, took_s=0.2)
    await world.run("UPDATE calls SET direction = 'inbound' WHERE campaign_id = :c")
    assert await judged(world) is None


async def test_a_look_reads_the_last_calls_by_their_index(alone: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also right after a campaign was resumed, when none of all its calls is judged."""
    await ended(alone, 3000, "human", first_s=9000.0, last_s=100.0, took_s=60.0)
    await alone.run("UPDATE campaigns SET judged_from = dialer_now() - interval '1 minute' WHERE id = :c")
    await ended(alone, 30, "carrier_error", first_s=5.0, last_s=1.0, took_s=0.2)
    await live(alone, 10, "ringing", first_s=5.0, last_s=1.0)
    async with await psycopg.AsyncConnection.connect(alone.database.url, autocommit=True) as connection:
        await connection.execute("ANALYZE calls")
    with heard(monkeypatch, explain=True) as found:
        assert await judged(alone) is not None
    plans = [plan for sql, plan in found.plans if "FROM calls" in sql]
    assert len(plans) == 2, "one each second, and another before it trips"
    assert [objection for plan in plans for objection in objections(plan, 250)] == []
    assert "ix_calls_ended" in {node.get("Index Name") for node in nodes(plans[0])}
