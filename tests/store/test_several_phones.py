"""One person with several phones: called on one at a time, on each in turn, and on none after an opt-out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Row

from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.dispositions import Disposition
from dialer.domain.person_phones import Line
from dialer.store.database import Database, rows
from dialer.store.endings import Ending, end_call
from dialer.store.gates import GateClosed, GatePassed, pass_gate
from dialer.store.prospect_edits import InCall, PhoneTaken, edit_prospect
from dialer.store.prospect_writes import NewProspect, OnDuplicate, Written, write_prospects
from dialer.store.suppressing import count_undecided_for_phone, suppress
from tests.store.lines import TIMING, call_row, claim_due, claim_one, finish, gate, make_line, prospect_row
from tests.store.worlds import World

A, B, C, D = "+14155550100", "+14155550101", "+14155550102", "+12125550103"
LA, NEW_YORK = "America/Los_Angeles", "America/New_York"
SOON = {"redial": {"max_attempts": 4, "delays": {"busy": ["PT1M", "PT1M", "PT1M"], "failed": []}}}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=6)
    yield database
    await database.close()


@pytest.fixture
async def line(database: Database) -> World:
    return await make_line(database, people=0, settings=SOON)


def person(first: str, *others: str | Line, **facts: Any) -> NewProspect:
    lines = tuple(Line(other) if isinstance(other, str) else other for other in others) or None
    return NewProspect(phone=first, other_phones=lines, **{"zone_set": LA, "zone_source": "phone", **facts})


async def write(world: World, *people: NewProspect, update: bool = False, campaign: Any = None) -> Written:
    async with world.database.transaction(world.workspace_id) as session:
        return await write_prospects(
            session,
            workspace_id=world.workspace_id,
            campaign_id=campaign or world.campaign_id,
            prospects=people,
            on_duplicate=OnDuplicate.UPDATE if update else OnDuplicate.SKIP,
        )


async def phones_of(world: World) -> list[list[str]]:
    sql = """SELECT p.phone || ARRAY(SELECT o.phone FROM prospect_phones o WHERE o.prospect_id = p.id
                ORDER BY o.position) AS phones FROM prospects p WHERE p.campaign_id = :c ORDER BY p.phone"""
    return [row.phones for row in await world.read(sql)]


async def due(world: World) -> None:
    """Time passes until everybody who waits is due."""
    await world.run("UPDATE prospects SET next_due_at = dialer_now() WHERE state = 'ready'")


async def call(world: World, status: CarrierStatus | None, **facts: Any) -> Row[Any]:
    """One attempt; without a status the carrier refuses the number. The call's row."""
    await due(world)
    claimed = await claim_one(world)
    assert isinstance(await gate(world, claimed.call_id), GatePassed)
    if status is None:
        async with world.database.transaction(world.workspace_id) as session:
            ending = Ending(disposition=Disposition.INVALID_NUMBER, error_code=21211, attempted=False)
            await end_call(session, claimed.call_id, ending, TIMING)
    else:
        await finish(world, claimed.call_id, status, **facts)
    return await call_row(world, claimed.call_id)


async def test_redials_go_to_the_next_phone_and_around_again(line: World) -> None:
    written = await write(line, person(A, B, C))
    dialed = [(await call(line, CarrierStatus.BUSY)).to_phone for _ in range(4)]
    assert dialed == [A, B, C, A]
    prospect = await prospect_row(line, written.ids[0])
    assert (prospect.state, prospect.attempts) == ("exhausted", 4)


async def test_the_extension_is_that_of_the_phone_that_is_called(line: World) -> None:
    await write(line, person(A, Line(B, "77"), extension="5"))
    extensions: list[str | None] = []
    for _ in range(2):
        await due(line)
        claimed = await claim_one(line)
        passed = await gate(line, claimed.call_id)
        assert isinstance(passed, GatePassed)
        extensions.append(passed.extension)
        await finish(line, claimed.call_id, CarrierStatus.BUSY)
    assert extensions == ["5", "77"]


async def test_an_invalid_number_leads_to_the_next_phone_at_once_and_is_not_called_again(line: World) -> None:
    written = await write(line, person(A, B))
    refused = await call(line, None)
    assert (refused.to_phone, refused.next_state, refused.next_reason) == (
        A,
        "ready",
        "invalid_number: on to the next phone",
    )
    assert await line.read("SELECT 1 FROM prospects WHERE next_due_at <= dialer_now()")
    assert [(await call(line, CarrierStatus.BUSY)).to_phone for _ in range(3)] == [B, B, B]
    prospect = await prospect_row(line, written.ids[0])
    assert (prospect.attempts, prospect.bad_phones) == (3, 1)


async def test_a_person_is_invalid_only_when_all_phones_are(line: World) -> None:
    written = await write(line, person(A, B))
    assert [(await call(line, None)).next_state for _ in range(2)] == ["ready", "invalid"]
    again = await write(line, person(A, B, C), update=True)
    assert (await prospect_row(line, written.ids[0])).state == "ready"
    assert again.due
    assert (await call(line, CarrierStatus.BUSY)).to_phone == C


async def test_a_deferred_call_does_not_use_up_the_turn(line: World) -> None:
    await write(line, person(A, B))
    claimed = await claim_one(line)
    await line.run("UPDATE calls SET hang_up_at = dialer_now() WHERE id = :id", id=claimed.call_id)
    assert isinstance(await gate(line, claimed.call_id), GateClosed)
    assert (await call(line, CarrierStatus.BUSY)).to_phone == A


@pytest.mark.parametrize("phone", [A, B, C])
async def test_an_opt_out_of_any_phone_is_the_persons(line: World, phone: str) -> None:
    written = await write(line, person(A, B, C))
    async with line.database.transaction(line.workspace_id) as session:
        await suppress(session, line.workspace_id, phone)
    assert (await prospect_row(line, written.ids[0])).state == "suppressed"
    assert (await claim_due(line)).calls == ()


async def test_nobody_is_added_as_ready_with_an_opted_out_phone(line: World) -> None:
    async with line.database.transaction(line.workspace_id) as session:
        await suppress(session, line.workspace_id, B)
    written = await write(line, person(A, B))
    assert (await prospect_row(line, written.ids[0])).state == "suppressed"


async def test_an_opt_out_of_another_phone_between_claim_and_gate_is_in_force(line: World) -> None:
    written = await write(line, person(A, B))
    claimed = await claim_one(line)
    async with line.database.transaction(line.workspace_id) as session:
        await suppress(session, line.workspace_id, B)
    closed = await gate(line, claimed.call_id)
    assert closed == GateClosed(reason="suppressed", touched=True)
    assert (await prospect_row(line, written.ids[0])).state == "suppressed"


async def test_an_opt_out_of_another_phone_waits_for_a_gate_and_counts_its_call(line: World) -> None:
    await write(line, person(A, B))
    claimed = await claim_one(line)

    async def opt_out() -> None:
        async with line.database.transaction(line.workspace_id) as session:
            await suppress(session, line.workspace_id, B)

    async with line.database.transaction(line.workspace_id) as session:
        assert isinstance(await pass_gate(session, claimed.call_id, TIMING), GatePassed)
        opting = asyncio.create_task(opt_out())
        async with asyncio.timeout(10):
            while not await line.read("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
                assert not opting.done(), "it did not wait"
    await opting
    async with line.database.transaction(line.workspace_id) as session:
        assert await count_undecided_for_phone(session, line.workspace_id, B) == 1


async def test_whoever_is_suppressed_while_in_a_call_stays_so_after_it(line: World) -> None:
    written = await write(line, person(A, B))
    claimed = await claim_one(line)
    await gate(line, claimed.call_id)
    async with line.database.transaction(line.workspace_id) as session:
        await suppress(session, line.workspace_id, B)
    await finish(line, claimed.call_id, CarrierStatus.BUSY)
    assert (await prospect_row(line, written.ids[0])).state == "suppressed"


@pytest.mark.parametrize(("here", "there"), [((A, B), (B, A)), ((A, B), (B,)), ((A, B), (C, A)), ((A,), (C, A))])
async def test_nobody_is_in_two_calls_on_two_phones_for_two_campaigns(
    line: World, here: tuple[str, ...], there: tuple[str, ...]
) -> None:
    other = await second_campaign(line)
    await write(line, person(here[0], *here[1:]))
    await write(line, person(there[0], *there[1:]), campaign=other.campaign_id)
    assert len((await claim_due(line)).calls) == 1
    assert (await claim_due(other)).calls == ()


async def test_claims_at_the_same_time_never_call_a_person_on_two_phones(line: World) -> None:
    other = await second_campaign(line)
    for first, second in ((A, B), (C, D)):
        await write(line, person(first, second))
        await write(line, person(second, first), campaign=other.campaign_id)
    found = await asyncio.gather(*(claim_due(world) for world in (line, other) for _ in range(3)))
    assert len([each for claim in found for each in claim.calls]) == 2


async def test_a_phone_of_somebody_else_is_left_out(line: World) -> None:
    written = await write(line, person(A, B), person(C, B, D), person(B, external_id="b"))
    assert (written.created, written.skipped, written.problems) == (2, 1, ())
    assert await phones_of(line) == [[A, B], [C, D]]


async def test_batches_at_the_same_time_agree_whose_a_phone_is(line: World) -> None:
    await asyncio.gather(write(line, person(A, D)), write(line, person(B, D)), write(line, person(D, C)))
    known = [phone for phones in await phones_of(line) for phone in phones]
    assert known.count(D) == 1


async def test_a_row_with_several_phones_replaces_them_and_one_with_one_keeps_them(line: World) -> None:
    await write(line, person(A, B))
    await write(line, person(B, name="Ann"), update=True)
    assert await phones_of(line) == [[A, B]]
    await write(line, person(B, A, C), update=True)
    assert await phones_of(line) == [[B, A, C]]
    await write(line, person(B, D), update=True)
    assert await phones_of(line) == [[B, D]]


async def test_a_person_is_called_by_the_clocks_of_all_their_phones(line: World) -> None:
    written = await write(line, person(A, D, zone_set=f"{LA}|{NEW_YORK}"))
    await write(line, person(A, name="Ann", zone_set=LA), update=True)
    prospect = await prospect_row(line, written.ids[0])
    assert {LA, NEW_YORK} <= set(prospect.zone_set.split("|"))
    assert prospect.name == "Ann"


async def test_the_turn_goes_with_the_phone_and_not_with_its_place(line: World) -> None:
    await write(line, person(A, B, C))
    await call(line, CarrierStatus.BUSY)
    await write(line, person(C, A, B), update=True)
    assert (await call(line, CarrierStatus.BUSY)).to_phone == B


async def test_phones_are_not_changed_during_a_call(line: World) -> None:
    written = await write(line, person(A, B))
    await claim_one(line)
    refused = await write(line, person(A, C), update=True)
    assert [problem.code for problem in refused.problems] == ["prospect_in_call"]
    with pytest.raises(InCall):
        async with line.database.transaction(line.workspace_id) as session:
            await edit_prospect(session, written.ids[0], line.campaign_id, {"other_phones": ()})
    assert await phones_of(line) == [[A, B]]


async def test_an_edit_takes_no_phone_of_somebody_else(line: World) -> None:
    written = await write(line, person(A, B), person(C))
    for changes in ({"phone": B}, {"other_phones": (Line(A),)}):
        with pytest.raises(PhoneTaken):
            async with line.database.transaction(line.workspace_id) as session:
                await edit_prospect(session, written.ids[1], line.campaign_id, changes)
    async with line.database.transaction(line.workspace_id) as session:
        await edit_prospect(session, written.ids[0], line.campaign_id, {"phone": B})
    assert await phones_of(line) == [[B], [C]]


async def second_campaign(line: World) -> World:
    """Another campaign of the workspace with the same numbers."""
    async with line.database.transaction(line.workspace_id) as session:
        sql = """
            WITH made AS (INSERT INTO campaigns (workspace_id, agent_id, name, settings, max_concurrent, status)
                SELECT workspace_id, agent_id, 'Second', settings, 10, 'running' FROM campaigns WHERE id = :c
                RETURNING id, workspace_id
            ), numbers AS (INSERT INTO campaign_numbers (workspace_id, campaign_id, phone_number_id, position)
                SELECT made.workspace_id, made.id, n.phone_number_id, n.position
                FROM campaign_numbers n, made WHERE n.campaign_id = :c RETURNING 1)
            SELECT id FROM made, (SELECT count(*) FROM numbers) AS n"""
        made = (await rows(session, sql, {"c": line.campaign_id}))[0]
    return World(database=line.database, workspace_id=line.workspace_id, campaign_id=made.id)
