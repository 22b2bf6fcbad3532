"""People who ring back, in the database: no attempt of theirs, and nobody dials them meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Row

from dialer.domain.carrier_events import CarrierEvent, CarrierStatus
from dialer.domain.dispositions import Outcome
from dialer.store import sweeps
from dialer.store.callbacks import apply_event, dedupe_key
from dialer.store.database import Database
from dialer.store.gates import GateClosed, GatePassed
from dialer.store.inbound_calls import Ringing, ring
from dialer.store.locks import share_for_gate
from dialer.store.outcomes import note_outcome
from tests.store.lines import (
    TIMING,
    call_row,
    claim_due,
    claim_one,
    finish,
    gate,
    make_line,
    prospect_row,
    report,
    tell,
)
from tests.store.worlds import World

PHONE = "+14155550100"


@pytest.fixture
async def database(module_database_url: str) -> AsyncIterator[Database]:
    database = Database(module_database_url, pool_size=6)
    yield database
    await database.close()


async def visit(world: World, *, phone: str = PHONE, sid: str | None = None) -> UUID:
    """Somebody rings the first number of the campaign; our id of the call."""
    number: Row[Any] = (await world.read("SELECT id, phone, carrier_account_id, NULL AS agent_id FROM phone_numbers"))[
        0
    ]
    ringing = Ringing(
        workspace_id=world.workspace_id,
        account_id=number.carrier_account_id,
        number=number,
        from_phone=phone,
        carrier_call_id=sid or f"CA{uuid4().hex}",
    )
    async with world.database.transaction(world.workspace_id) as session:
        call_id = await ring(session, ringing, TIMING)
    assert call_id is not None
    return call_id


async def hang_up(world: World, call_id: UUID, seconds: int = 20) -> None:
    call = await call_row(world, call_id)
    event = CarrierEvent(
        call_id=call_id,
        carrier_call_id=call.carrier_call_id,
        kind="status",
        account_sid="AC0",
        status=CarrierStatus.COMPLETED,
        duration_seconds=seconds,
    )
    async with world.database.transaction(world.workspace_id) as session:
        applied = await apply_event(session, call_id, event, payload={}, dedupe=dedupe_key(event), timing=TIMING)
    assert applied.ended is None  # there is no workflow to tell
    assert applied.frees_slot


async def dialed(world: World) -> tuple[UUID, UUID]:
    """The call and the person of an attempt that the carrier has accepted."""
    call = await claim_one(world)
    assert isinstance(await gate(world, call.call_id), GatePassed)
    await tell(world, report(call.call_id, CarrierStatus.RINGING))
    return call.call_id, call.prospect_id


async def due_now(world: World) -> None:
    await world.run("UPDATE prospects SET next_due_at = dialer_now() WHERE state = 'ready'")


async def test_whoever_rings_is_no_attempt_and_takes_no_slot(database: Database) -> None:
    world = await make_line(
        database,
        people=2,
        settings={"inbound": {"redial": "keep"}, "pace": {"max_concurrent": 1, "calls_per_second": 99}},
    )
    first, person = await dialed(world)
    await finish(world, first, CarrierStatus.BUSY)
    call_id = await visit(world)
    (other,) = (await claim_due(world)).calls  # the one slot is free
    assert other.prospect_id != person
    await hang_up(world, call_id)
    row = await prospect_row(world, person)
    assert (row.state, row.attempts) == ("ready", 1)
    await finish(world, other.call_id, CarrierStatus.BUSY)
    await due_now(world)
    attempts = {call.prospect_id: call.attempt for call in (await claim_due(world)).calls}
    assert attempts.get(person, 2) == 2
    assert await world.tally("inbound") == {"all": 1}
    assert await world.tally("answered") == {}


async def test_nobody_dials_whoever_is_in_a_call_with_us_that_they_made(database: Database) -> None:
    world = await make_line(database, people=1)
    claimed = await claim_one(world)
    call_id = await visit(world)
    assert await gate(world, claimed.call_id) == GateClosed(reason="rings_in", touched=True)
    await due_now(world)
    assert (await claim_due(world)).calls == ()
    await hang_up(world, call_id, seconds=2)
    assert (await prospect_row(world, claimed.prospect_id)).state == "ready"
    assert len((await claim_due(world)).calls) == 1


async def test_a_gate_and_a_ringing_wait_for_each_other(database: Database) -> None:
    world = await make_line(database, people=1)
    claimed = await claim_one(world)
    async with world.database.transaction(world.workspace_id) as session:
        await share_for_gate(session, world.workspace_id, None, [PHONE])  # as a gate that is not committed
        ringing = asyncio.create_task(visit(world))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await asyncio.shield(ringing)
    await ringing
    assert isinstance(await gate(world, claimed.call_id), GateClosed)


@pytest.mark.parametrize("ends", ["deferred", "busy"])
async def test_whoever_rang_back_and_talked_while_claimed_is_not_called_again(database: Database, ends: str) -> None:
    world = await make_line(database, people=1)
    claimed = await claim_one(world)
    if ends == "busy":
        assert isinstance(await gate(world, claimed.call_id), GatePassed)
    await hang_up(world, await visit(world))
    assert (await prospect_row(world, claimed.prospect_id)).state == "in_call"
    if ends == "deferred":
        assert await gate(world, claimed.call_id) == GateClosed(reason="rang_back", touched=True)
    else:
        ended = await finish(world, claimed.call_id, CarrierStatus.BUSY)
        assert ended is not None
        assert (ended.prospect_state, ended.why) == ("reached", "they rang back")
    row = await prospect_row(world, claimed.prospect_id)
    assert (row.state, row.next_due_at, row.rang_back_at) == ("reached", None, None)
    assert (await claim_due(world)).calls == ()


async def test_a_key_that_is_pressed_as_the_call_ends_suppresses(database: Database) -> None:
    """Both want the call and its person, who is due: they must want them in one order."""
    world = await make_line(database, people=1)
    first, person = await dialed(world)
    await finish(world, first, CarrierStatus.BUSY)

    async def press(call_id: UUID) -> None:
        async with world.database.transaction(world.workspace_id) as session:
            await note_outcome(session, call_id, Outcome.DNC_REQUESTED, TIMING)

    for _ in range(8):
        await world.run("DELETE FROM suppressions")
        sql = "UPDATE prospects SET state = 'ready', next_due_at = dialer_now() WHERE id = :id"
        await world.run(sql, id=person)
        call_id = await visit(world)
        await asyncio.gather(press(call_id), hang_up(world, call_id))
        assert (await prospect_row(world, person)).state in ("suppressed", "reached")
        assert len(await world.read("SELECT 1 FROM suppressions WHERE phone = :phone", phone=PHONE)) == 1


async def test_one_carrier_call_is_one_row_however_often_it_is_told(database: Database) -> None:
    world = await make_line(database, people=1)
    sid = f"CA{uuid4().hex}"
    told = await asyncio.gather(*(visit(world, sid=sid) for _ in range(5)))
    assert len(set(told)) == 1
    assert (await world.read("SELECT count(*) AS n FROM calls"))[0].n == 1


async def test_a_call_whose_end_nobody_told_is_looked_up_at_its_deadline(database: Database) -> None:
    world = await make_line(database, people=1)
    call_id = await visit(world)

    async def overdue() -> list[UUID]:
        async with database.transaction_over_all() as session:
            return [each.call_id for each in await sweeps.overdue(session)]

    assert call_id not in await overdue()
    await world.run("UPDATE calls SET deadline_at = dialer_now() - interval '1 second' WHERE id = :id", id=call_id)
    assert call_id in await overdue()
