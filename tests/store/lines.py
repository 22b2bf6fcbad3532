"""A running campaign with a carrier account, caller numbers and people, ready to be dialed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from dialer.domain.call_results import CallEnded
from dialer.domain.campaign_rules import rules_from_json
from dialer.domain.carrier_events import CarrierEvent, CarrierStatus
from dialer.domain.timing import Timing
from dialer.store.callbacks import Applied, apply_event, dedupe_key
from dialer.store.claims import Claim, ClaimedCall, claim, database_now
from dialer.store.database import Database, one, rows
from dialer.store.gates import GateClosed, GatePassed, pass_gate
from dialer.store.prospect_writes import NewProspect, OnDuplicate, write_prospects
from dialer.store.waiting import due_lanes, open_lanes
from tests.store.worlds import World, make_world

ALL_DAY = {
    "windows": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "00:00", "end": "24:00"}],
    "zone": "prospect",
}
TIMING = Timing()


async def make_line(
    database: Database,
    *,
    people: int = 3,
    settings: Mapping[str, Any] | None = None,
    numbers: int = 1,
    status: str = "running",
    account_limits: tuple[int, float] = (1000, 1000.0),
) -> World:
    """A campaign that calls all day at 1,000 calls per second, unless ``settings`` say otherwise."""
    defaults = {"calling_hours": ALL_DAY, "pace": {"max_concurrent": 10, "calls_per_second": 1000}}
    world = await make_world(database, settings=json.dumps({**defaults, **(settings or {})}), status=status)
    await world.run(
        "UPDATE workspaces SET calls_per_second = 1000, max_concurrent = 1000 WHERE id = :w", w=world.workspace_id
    )
    await add_numbers(world, numbers, account_limits)
    await add_people(world, people)
    return world


async def add_numbers(world: World, count: int, account_limits: tuple[int, float]) -> None:
    async with world.database.transaction(world.workspace_id) as session:
        sql = """INSERT INTO carrier_accounts
                 (workspace_id, label, account_sid, secret, max_concurrent, calls_per_second)
                 VALUES (:w, 'Test', :sid, '', :most, :rate) RETURNING id"""
        most, rate = account_limits
        account = await one(
            session, sql, {"w": world.workspace_id, "sid": f"AC{uuid4().hex}", "most": most, "rate": rate}
        )
        assert account is not None
        sql = """
            WITH n AS (INSERT INTO phone_numbers (workspace_id, phone, carrier_account_id)
                SELECT :w, '+1650555015' || i, :a FROM generate_series(0, :count - 1) AS i RETURNING id, phone)
            INSERT INTO campaign_numbers (workspace_id, campaign_id, phone_number_id, position)
            SELECT :w, :c, id, row_number() OVER (ORDER BY phone) FROM n RETURNING 1"""
        await rows(session, sql, {"w": world.workspace_id, "a": account.id, "c": world.campaign_id, "count": count})


async def add_people(world: World, count: int, **facts: Any) -> None:
    people = [
        NewProspect(
            phone=f"+1415555{number:04d}", **{"zone_set": "America/Los_Angeles", "zone_source": "phone", **facts}
        )
        for number in range(100, 100 + count)
    ]
    async with world.database.transaction(world.workspace_id) as session:
        await write_prospects(
            session,
            workspace_id=world.workspace_id,
            campaign_id=world.campaign_id,
            prospects=people,
            on_duplicate=OnDuplicate.SKIP,
        )


async def claim_due(world: World, timing: Timing = TIMING) -> Claim:
    """What a dispatch leg does once."""
    async with world.database.transaction(world.workspace_id) as session:
        campaign = await one(session, "SELECT * FROM campaigns WHERE id = :id", {"id": world.campaign_id})
        assert campaign is not None
        rules = rules_from_json(campaign.settings)
        now = await database_now(session)
        lanes = open_lanes(await due_lanes(session, world.campaign_id), rules, now, timing)
        return await claim(session, campaign, rules, lanes, now, timing)


async def claim_one(world: World) -> ClaimedCall:
    found = await claim_due(world)
    return found.calls[0]


async def gate(world: World, call_id: UUID, timing: Timing = TIMING) -> GatePassed | GateClosed:
    async with world.database.transaction(world.workspace_id) as session:
        return await pass_gate(session, call_id, timing)


def sid_of(call_id: UUID) -> str:
    return f"CA{call_id.hex}"


def report(call_id: UUID, status: CarrierStatus, **facts: Any) -> CarrierEvent:
    """A status callback."""
    return replace(
        CarrierEvent(call_id=call_id, carrier_call_id=sid_of(call_id), kind="status", account_sid="AC0", status=status),
        **facts,
    )


async def tell(world: World, event: CarrierEvent) -> Applied:
    """Apply a callback as the API does."""
    assert event.call_id is not None
    async with world.database.transaction(world.workspace_id) as session:
        return await apply_event(session, event.call_id, event, payload={}, dedupe=dedupe_key(event), timing=TIMING)


async def finish(world: World, call_id: UUID, status: CarrierStatus, **facts: Any) -> CallEnded | None:
    return (await tell(world, report(call_id, status, **facts))).ended


async def call_row(world: World, call_id: UUID) -> Row[Any]:
    return (await world.read("SELECT * FROM calls WHERE id = :id", id=call_id))[0]


async def prospect_row(world: World, prospect_id: UUID) -> Row[Any]:
    return (await world.read("SELECT * FROM prospects WHERE id = :id", id=prospect_id))[0]
