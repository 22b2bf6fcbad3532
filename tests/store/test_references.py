"""Prospects and contacts refer to what exists, as with foreign keys, though it is looked at once per statement."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from dialer.store.database import Database, violated
from tests.store.worlds import World, make_world

PHONE = "+16505550101"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=4)
    yield database
    await database.close()


@pytest.fixture
async def world(database: Database) -> World:
    return await make_world(database)


async def add(world: World, *, campaign: UUID | None = None, import_id: UUID | None = None) -> None:
    async with world.database.transaction_over_all() as session:
        sql = """
            WITH contact AS (
                INSERT INTO contacts (workspace_id, phone) VALUES (:w, :phone)
                ON CONFLICT (workspace_id, phone) DO UPDATE SET phone = excluded.phone RETURNING id)
            INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, state, import_id)
            SELECT :w, :campaign, id, :phone, 'held', :import_id FROM contact"""
        parameters: dict[str, Any] = {"w": world.workspace_id, "phone": PHONE, "import_id": import_id}
        await session.execute(text(sql), {**parameters, "campaign": campaign or world.campaign_id})


async def refused(world: World, sql: str, **parameters: Any) -> str | None:
    """The constraint that a statement breaks."""
    with pytest.raises(IntegrityError) as error:
        async with world.database.transaction_over_all() as session:
            await session.execute(text(sql), parameters)
    return violated(error.value)


async def test_a_prospect_needs_a_campaign_and_an_import_that_exist(world: World) -> None:
    with pytest.raises(IntegrityError) as campaignless:
        await add(world, campaign=uuid4())
    assert violated(campaignless.value) == "fk_prospects_campaign_id"
    with pytest.raises(IntegrityError) as importless:
        await add(world, import_id=uuid4())
    assert violated(importless.value) == "fk_prospects_import_id"


async def test_a_prospect_is_of_its_campaigns_workspace(world: World) -> None:
    other = await make_world(world.database)
    with pytest.raises(IntegrityError) as stranger:
        await add(world, campaign=other.campaign_id)
    assert violated(stranger.value) == "fk_prospects_campaign_id"


async def test_a_contact_needs_a_workspace_that_exists(world: World) -> None:
    sql = "INSERT INTO contacts (workspace_id, phone) VALUES (:w, :phone)"
    assert await refused(world, sql, w=uuid4(), phone=PHONE) == "fk_contacts_workspace_id"


async def test_what_prospects_refer_to_is_not_deleted(world: World) -> None:
    sql = "INSERT INTO imports (workspace_id, campaign_id, filename, options) VALUES (:w, :c, 'f', '{}') RETURNING id"
    made = await world.read(sql, w=world.workspace_id)
    import_id = made[0].id
    await add(world, import_id=import_id)
    assert await refused(world, "DELETE FROM imports WHERE id = :id", id=import_id) == "fk_prospects_import_id"
    await world.run("UPDATE prospects SET import_id = NULL WHERE campaign_id = :c")
    await world.run("DELETE FROM imports WHERE id = :id", id=import_id)
    await world.run("DELETE FROM tallies WHERE campaign_id = :c")  # they refer to it too
    sql = "DELETE FROM campaigns WHERE id = :id"
    assert await refused(world, sql, id=world.campaign_id) == "fk_prospects_campaign_id"
    await world.run("DELETE FROM prospects WHERE campaign_id = :c")
    await world.run("DELETE FROM tallies WHERE campaign_id = :c")
    await world.run("DELETE FROM campaigns WHERE id = :c")


async def test_a_prospect_stays_in_its_campaign(world: World) -> None:
    await add(world)
    other = await make_world(world.database)
    await refused(world, "UPDATE prospects SET campaign_id = :other", other=other.campaign_id)


async def test_a_campaign_is_not_deleted_under_prospects_that_are_being_added(world: World) -> None:
    async with world.database.transaction_over_all() as adding:
        sql = """
            WITH contact AS (INSERT INTO contacts (workspace_id, phone) VALUES (:w, :phone) RETURNING id)
            INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, state)
            SELECT :w, :c, id, :phone, 'held' FROM contact"""
        await adding.execute(text(sql), {"w": world.workspace_id, "c": world.campaign_id, "phone": PHONE})
        held = await world.read("SELECT id FROM campaigns WHERE id = :c FOR UPDATE SKIP LOCKED")
        assert held == []
