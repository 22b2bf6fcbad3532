"""The history of what was in force: one row per change, and none for anything else."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from dialer.domain.states import PausedReason
from dialer.store import control
from dialer.store.database import Database
from dialer.store.suppressing import suppress, unsuppress
from tests.store.lines import claim_one, gate, make_line
from tests.store.worlds import World


@pytest.fixture
async def line(database_url: str) -> AsyncIterator[World]:
    database = Database(database_url, pool_size=4)
    yield await make_line(database)
    await database.close()


async def history(line: World, subject: str, subject_id: UUID) -> list[Any]:
    sql = "SELECT facts, settled_at FROM changes WHERE subject = :subject AND subject_id = :id ORDER BY at, id"
    return await line.read(sql, subject=subject, id=subject_id)


async def test_each_change_of_a_campaigns_status_is_noted_once(line: World) -> None:
    before = len(await history(line, "campaign", line.campaign_id))
    async with line.database.transaction(line.workspace_id) as session:
        await control.pause(session, line.campaign_id, reason=PausedReason.USER)
        await control.pause(session, line.campaign_id)  # already so: nothing to note
    async with line.database.transaction(line.workspace_id) as session:
        await control.mark_settled(session, line.campaign_id)
    async with line.database.transaction(line.workspace_id) as session:
        await control.resume(session, line.campaign_id)
    noted = (await history(line, "campaign", line.campaign_id))[before:]
    assert [row.facts["status"] for row in noted] == ["paused", "running"]
    assert [row.facts["paused_reason"] for row in noted] == ["user", None]
    assert [row.settled_at is not None for row in noted] == [True, False]


async def test_new_settings_are_noted_and_what_a_leg_writes_is_not(line: World) -> None:
    before = len(await history(line, "campaign", line.campaign_id))
    await line.run("UPDATE campaigns SET idle_until = dialer_now(), wants_until = dialer_now() WHERE id = :c")
    assert len(await history(line, "campaign", line.campaign_id)) == before
    await line.run(
        """UPDATE campaigns SET settings = settings || '{"ring_timeout_s": 11}', settings_version = settings_version + 1
           WHERE id = :c"""
    )
    newest = (await history(line, "campaign", line.campaign_id))[-1].facts
    (row,) = await line.read("SELECT settings, settings_version FROM campaigns WHERE id = :c")
    assert (newest["settings"], newest["settings_version"]) == (row.settings, row.settings_version)


async def test_limits_of_workspace_account_and_number_are_noted(line: World) -> None:
    (call,) = await line.read(
        """SELECT n.id AS phone_number, n.carrier_account_id AS carrier_account, n.workspace_id AS workspace
           FROM phone_numbers n JOIN campaign_numbers m ON m.phone_number_id = n.id WHERE m.campaign_id = :c"""
    )
    tables = {"workspace": "workspaces", "carrier_account": "carrier_accounts", "phone_number": "phone_numbers"}
    for subject, table in tables.items():
        subject_id = getattr(call, subject)
        before = len(await history(line, subject, subject_id))
        await line.run(f"UPDATE {table} SET metadata = '{{}}' WHERE id = :id", id=subject_id)
        assert len(await history(line, subject, subject_id)) == before
        await line.run(f"UPDATE {table} SET max_concurrent = 7, calls_per_second = 3 WHERE id = :id", id=subject_id)
        (*_, newest) = await history(line, subject, subject_id)
        assert (newest.facts["max_concurrent"], newest.facts["calls_per_second"]) == (7, 3)


async def test_an_opt_out_and_its_lifting_are_noted(line: World) -> None:
    async with line.database.transaction(line.workspace_id) as session:
        entry, _ = await suppress(session, line.workspace_id, "+12025550123")
        await suppress(session, line.workspace_id, "+12025550123")  # already so
    async with line.database.transaction(line.workspace_id) as session:
        await unsuppress(session, entry.id)
    noted = await history(line, "suppression", entry.id)
    assert [row.facts for row in noted] == [{"phone": "+12025550123", "campaign_id": None}, None]


async def test_a_call_keeps_the_zones_under_which_its_gate_was_passed(line: World) -> None:
    call = await claim_one(line)
    await gate(line, call.call_id)
    await line.run("UPDATE prospects SET zone_set = 'Europe/Rome' WHERE id = :id", id=call.prospect_id)
    (row,) = await line.read("SELECT zone_set FROM calls WHERE id = :id", id=call.call_id)
    assert row.zone_set
    assert row.zone_set != "Europe/Rome"
