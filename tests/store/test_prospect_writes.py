import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from dialer.store.database import Database, violated
from dialer.store.prospect_writes import CampaignClosed, NewProspect, OnDuplicate, Written, write_prospects
from tests.store.worlds import World, make_world

A, B, C = "+16505550101", "+16505550102", "+16505550103"
LA = "America/Los_Angeles"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=4)
    yield database
    await database.close()


@pytest.fixture
async def world(database: Database) -> World:
    return await make_world(database)


def person(phone: str, **facts: Any) -> NewProspect:
    return NewProspect(phone=phone, **{"zone_set": LA, "zone_source": "phone", **facts})


async def write(world: World, *prospects: NewProspect, update: bool = False) -> Written:
    async with world.database.transaction(world.workspace_id) as session:
        return await write_prospects(
            session,
            workspace_id=world.workspace_id,
            campaign_id=world.campaign_id,
            prospects=prospects,
            on_duplicate=OnDuplicate.UPDATE if update else OnDuplicate.SKIP,
        )


async def stored(world: World) -> list[Any]:
    return await world.read("SELECT * FROM prospects WHERE campaign_id = :c ORDER BY phone")


def counts(written: Written) -> tuple[int, int, int, int]:
    return written.created, written.updated, written.skipped, len(written.problems)


async def test_a_new_prospect_is_ready_and_due_now(world: World) -> None:
    written = await write(world, person(A, name="Ann", external_id="1", variables={"city": "Zürich"}, extension="12"))
    (row,) = await stored(world)
    assert counts(written) == (1, 0, 0, 0)
    assert written.due
    assert written.ids == {0: row.id}
    assert (row.state, row.priority, row.zone_set, row.variables) == ("ready", 5, LA, {"city": "Zürich"})
    assert (row.name, row.external_id, row.extension) == ("Ann", "1", "12")
    assert await world.read("SELECT 1 FROM prospects WHERE next_due_at <= dialer_now()")
    assert await world.read("SELECT 1 FROM lanes WHERE campaign_id = :c AND zone_set = :zone AND priority = 5", zone=LA)
    assert await world.tally() == {"ready": 1}


async def test_texts_are_stored_as_they_are_whatever_signs_they_hold(world: World) -> None:
    odd = "tab\t line\n return\r back\\slash \\N \\. 'quote' \"double\" Zürich 東京"
    await write(world, person(A, name=odd, external_id=odd, variables={odd: odd, "deep": {"list": [1, None, odd]}}))
    (row,) = await stored(world)
    assert (row.name, row.external_id) == (odd, odd)
    assert row.variables == {odd: odd, "deep": {"list": [1, None, odd]}}


async def test_a_prospect_without_a_zone_is_held(world: World) -> None:
    written = await write(world, NewProspect(phone=A))
    (row,) = await stored(world)
    assert (row.state, row.held_reason, row.next_due_at) == ("held", "zone_unresolved", None)
    assert not written.due


async def test_a_campaign_with_a_fixed_zone_holds_nobody_for_want_of_a_zone(database: Database) -> None:
    hours = (
        '{"calling_hours": {"zone": "Europe/Rome", "windows": [{"days": ["mon"], "start": "09:00", "end": "20:00"}]}}'
    )
    world = await make_world(database, settings=hours)
    await write(world, NewProspect(phone=A))
    (row,) = await stored(world)
    assert (row.state, row.zone_set) == ("ready", "")


@pytest.mark.parametrize("scope", ["NULL", ":c"])
async def test_a_suppressed_phone_is_never_ready(world: World, scope: str) -> None:
    sql = f"INSERT INTO suppressions (workspace_id, campaign_id, phone) VALUES (:w, {scope}, :phone)"
    await world.run(sql, w=world.workspace_id, phone=A)
    await write(world, person(A), person(B))
    assert [row.state for row in await stored(world)] == ["suppressed", "ready"]


async def test_repeats_in_one_batch_are_skipped_whether_by_phone_or_by_external_id(world: World) -> None:
    written = await write(world, person(A, external_id="1"), person(A), person(B, external_id="1"), person(C))
    assert counts(written) == (2, 0, 2, 0)
    assert written.ids[0] == written.ids[1] == written.ids[2]
    assert [row.phone for row in await stored(world)] == [A, C]


async def test_the_same_batch_again_changes_nothing(world: World) -> None:
    batch = [person(A, external_id="1", name="Ann"), person(B)]
    await write(world, *batch)
    before = await stored(world)
    assert counts(await write(world, *batch)) == (0, 0, 2, 0)
    assert await stored(world) == before


async def test_an_update_replaces_what_it_says_and_keeps_what_it_leaves_out(world: World) -> None:
    await write(world, person(A, name="Ann", priority=3, variables={"a": "1", "b": "2"}))
    written = await write(world, person(A, external_id="7", variables={"b": "3"}), update=True)
    (row,) = await stored(world)
    assert counts(written) == (0, 1, 0, 0)
    assert (row.name, row.priority, row.external_id, row.variables) == ("Ann", 3, "7", {"a": "1", "b": "3"})


async def test_a_zone_that_is_written_is_not_replaced_by_one_guessed_from_the_phone(world: World) -> None:
    await write(world, person(A, zone_set="Europe/Rome", zone_source="explicit"))
    await write(world, person(A), update=True)
    assert (await stored(world))[0].zone_set == "Europe/Rome"


async def test_an_update_in_one_batch_counts_each_row_once(world: World) -> None:
    written = await write(world, person(A, name="Ann"), person(A, name="Anna"), update=True)
    assert counts(written) == (1, 1, 0, 0)
    assert (await stored(world))[0].name == "Anna"


async def test_a_zone_reopens_who_was_held_for_want_of_one(world: World) -> None:
    await write(world, NewProspect(phone=A))
    written = await write(world, person(A, zone_source="explicit"), update=True)
    assert written.due
    assert (await stored(world))[0].state == "ready"
    assert await world.tally() == {"ready": 1}


async def test_an_external_id_carries_a_new_phone_to_the_same_person(world: World) -> None:
    first = await write(world, person(A, external_id="1"))
    written = await write(world, person(B, external_id="1"), update=True)
    (row,) = await stored(world)
    assert (row.phone, row.id, written.ids) == (B, first.ids[0], {0: first.ids[0]})
    assert (await world.read("SELECT phone FROM contacts WHERE id = :id", id=row.contact_id))[0].phone == B


async def test_a_phone_of_somebody_else_is_refused_and_changes_nobody(world: World) -> None:
    await write(world, person(A, external_id="1"), person(B, external_id="2"))
    before = await stored(world)
    written = await write(world, person(B, external_id="1"), person(A, external_id="9"), update=True)
    assert [(p.index, p.code, p.column) for p in written.problems] == [
        (0, "phone_taken", "phone"),
        (1, "phone_taken", "phone"),
    ]
    assert await stored(world) == before


async def test_two_people_never_swap_phones_in_one_batch(world: World) -> None:
    await write(world, person(A, external_id="1"), person(B, external_id="2"))
    written = await write(world, person(C, external_id="1"), person(A, external_id="2"), update=True)
    assert counts(written) == (0, 1, 0, 1)
    assert [row.phone for row in await stored(world)] == [B, C]


async def test_somebody_in_a_call_keeps_the_phone_and_takes_the_rest(world: World) -> None:
    await write(world, person(A, external_id="1"))
    await world.run("UPDATE prospects SET state = 'in_call' WHERE campaign_id = :c")
    written = await write(world, person(B, external_id="1"), person(A, name="Ann"), update=True)
    (row,) = await stored(world)
    assert [problem.code for problem in written.problems] == ["prospect_in_call"]
    assert (row.phone, row.name, row.state) == (A, "Ann", "in_call")


@pytest.mark.parametrize(("attempts", "state"), [(1, "ready"), (4, "exhausted")])
async def test_a_new_phone_reopens_who_was_invalid_while_attempts_are_left(
    world: World, attempts: int, state: str
) -> None:
    await write(world, person(A, external_id="1"))
    await world.run("UPDATE prospects SET state = 'invalid', attempts = :n WHERE campaign_id = :c", n=attempts)
    await write(world, person(B, external_id="1"), update=True)
    assert (await stored(world))[0].state == state


@pytest.mark.parametrize("state", ["reached", "exhausted", "suppressed", "expired"])
async def test_an_update_never_reopens_who_is_done(world: World, state: str) -> None:
    await write(world, person(A, external_id="1"))
    await world.run("UPDATE prospects SET state = :state, next_due_at = NULL WHERE campaign_id = :c", state=state)
    await write(world, person(B, external_id="1", name="Ann"), update=True)
    (row,) = await stored(world)
    assert (row.state, row.name) == (state, "Ann")


async def test_rows_that_postgresql_cannot_store_are_refused_one_by_one(world: World) -> None:
    bad = [person(A, name="a\0b"), person(A, variables={"k": ["\ud800"]}), person(A, external_id="x" * 256)]
    written = await write(world, *bad, person(B))
    assert [problem.code for problem in written.problems] == [
        "text_not_storable",
        "text_not_storable",
        "external_id_too_long",
    ]
    assert [row.phone for row in await stored(world)] == [B]


@pytest.mark.parametrize("change", ["status = 'stopped'", "hidden_at = dialer_now()"])
async def test_nobody_is_added_to_a_campaign_that_is_over(world: World, change: str) -> None:
    await world.run(f"UPDATE campaigns SET {change} WHERE id = :c")
    with pytest.raises(CampaignClosed):
        await write(world, person(A))
    assert await stored(world) == []


async def test_another_workspaces_campaign_takes_nobody(world: World, database: Database) -> None:
    other = await make_world(database)
    async with database.transaction(other.workspace_id) as session:
        with pytest.raises(CampaignClosed):
            await write_prospects(
                session, workspace_id=other.workspace_id, campaign_id=world.campaign_id, prospects=[person(A)]
            )


async def test_batches_at_the_same_time_agree_who_is_new(world: World) -> None:
    batch = [person(f"+165055501{n:02}", external_id=str(n)) for n in range(100)]
    written = await asyncio.gather(*(write(world, *batch[start:], *batch[:start]) for start in (0, 30, 60)))
    assert sum(each.created for each in written) == 100
    assert sum(each.skipped for each in written) == 200
    assert await world.tally() == {"ready": 100}


async def test_one_contact_serves_all_campaigns_of_a_workspace(world: World, database: Database) -> None:
    sql = """INSERT INTO campaigns (workspace_id, agent_id, name, settings, max_concurrent)
             SELECT workspace_id, agent_id, 'Other', '{}', 1 FROM campaigns WHERE id = :c RETURNING id"""
    (other,) = await world.read(sql)
    await write(world, person(A))
    await write(World(database=database, workspace_id=world.workspace_id, campaign_id=other.id), person(A))
    assert len(await world.read("SELECT DISTINCT contact_id FROM prospects")) == 1


async def test_a_prospect_is_of_its_campaigns_workspace_and_of_no_other(database: Database, world: World) -> None:
    await write(world, person(A))
    other = await make_world(database)
    sql = "UPDATE prospects SET workspace_id = :other WHERE campaign_id = :campaign"
    async with database.transaction_over_all() as session:
        with pytest.raises(IntegrityError) as refused:
            await session.execute(text(sql), {"other": other.workspace_id, "campaign": world.campaign_id})
    assert violated(refused.value) == "fk_prospects_campaign_id"


async def test_a_campaign_with_people_cannot_be_deleted(database: Database, world: World) -> None:
    await write(world, person(A))
    async with database.transaction_over_all() as session:
        await session.execute(text("DELETE FROM setting_versions"))
        await session.execute(text("DELETE FROM tallies"))
        await session.execute(text("DELETE FROM lanes"))
        with pytest.raises(IntegrityError) as refused:
            await session.execute(text("DELETE FROM campaigns WHERE id = :id"), {"id": world.campaign_id})
    assert violated(refused.value) == "fk_prospects_campaign_id"


async def test_ids_of_new_people_are_fetched_where_a_row_repeats_them(world: World) -> None:
    async with world.database.transaction(world.workspace_id) as session:
        written = await write_prospects(
            session,
            workspace_id=world.workspace_id,
            campaign_id=world.campaign_id,
            prospects=[person(A), person(B), person(A)],
            name_new=False,
        )
    first, second = await stored(world)
    assert written.ids == {0: first.id, 1: second.id, 2: first.id}
    assert counts(written) == (2, 0, 1, 0)
