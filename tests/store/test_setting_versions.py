"""Every version of a campaign's settings is kept once, whole, and counted; and a new pace is not held up by an old."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.setting_changes import Difference, differences
from dialer.store import setting_versions
from dialer.store.database import Database, rows
from dialer.store.gates import GateClosed
from dialer.store.turns import another_turn, change_rate
from tests.store.lines import claim_due, claim_one, finish, gate, make_line, prospect_row
from tests.store.worlds import World

BUMP = "UPDATE campaigns SET settings_version = settings_version + 1"


@pytest.fixture
async def line(database_url: str) -> AsyncIterator[World]:
    database = Database(database_url, pool_size=6)
    yield await make_line(database)
    await database.close()


async def versions(line: World) -> list[Any]:
    return await line.read("SELECT * FROM setting_versions WHERE campaign_id = :c ORDER BY version")


async def test_a_campaign_begins_with_a_version_and_each_new_one_is_kept_whole(line: World) -> None:
    (first,) = await versions(line)
    (campaign,) = await line.read("SELECT * FROM campaigns WHERE id = :c")
    assert (first.version, first.name, first.agent_id) == (1, campaign.name, campaign.agent_id)
    assert first.settings == campaign.settings
    await line.run("UPDATE campaigns SET idle_until = dialer_now() WHERE id = :c")
    await line.run(f"{BUMP}, name = 'Summer sale', settings = settings || '{{\"ring_timeout_s\": 11}}' WHERE id = :c")
    _, second = await versions(line)
    assert (second.version, second.name, second.caller_numbers) == (2, "Summer sale", ["+16505550150"])
    assert second.settings == {**campaign.settings, "ring_timeout_s": 11}


async def test_who_made_a_version_is_kept_and_the_trigger_does_not_write_it_again(line: World) -> None:
    async with line.database.transaction(line.workspace_id) as session:
        await rows(session, f"{BUMP} WHERE id = :c RETURNING 1", {"c": line.campaign_id})
        await setting_versions.note(session, line.campaign_id, created_by="key:ann", restored_from=1)
    _, second = await versions(line)
    assert (second.version, second.created_by, second.restored_from) == (2, "key:ann", 1)


async def test_calls_are_counted_under_the_version_that_dialed_them(line: World) -> None:
    call = await claim_one(line)
    await gate(line, call.call_id)
    await finish(line, call.call_id, CarrierStatus.BUSY)
    async with line.database.transaction(line.workspace_id) as session:
        found = await setting_versions.find(session, line.campaign_id, 1)
    assert found is not None
    assert found["calls"] == 1
    assert await line.tally("version") == {"1": 1}


async def test_who_was_claimed_before_an_edit_is_due_again_at_once(line: World) -> None:
    call = await claim_one(line)
    await line.run(f"{BUMP} WHERE id = :c")
    assert await gate(line, call.call_id) == GateClosed(reason="settings_changed", touched=True)
    (row,) = await line.read(
        "SELECT next_due_at <= dialer_now() AS due FROM prospects WHERE id = :p", p=call.prospect_id
    )
    assert row.due
    assert (await prospect_row(line, call.prospect_id)).state == "ready"
    assert call.prospect_id in {each.prospect_id for each in (await claim_due(line)).calls}


SLOW, QUICK = 0.01, 100.0
_PACED = "UPDATE campaigns SET settings = jsonb_set(settings, '{pace,calls_per_second}', '%s')"


async def edit_pace(line: World, before: float, after: float) -> None:
    """What an edit does to the pace, in one transaction."""
    async with line.database.transaction(line.workspace_id) as session:
        bump = f"{_PACED % after}, settings_version = settings_version + 1 WHERE id = :c RETURNING 1"
        await rows(session, bump, {"c": line.campaign_id})
        await change_rate(session, line.campaign_id, before, after)


async def wait_s(line: World, call_id: Any) -> float:
    async with line.database.transaction(line.workspace_id) as session:
        await rows(session, "UPDATE calls SET state = 'dialing' WHERE id = :id RETURNING 1", {"id": call_id})
        turn = await another_turn(session, call_id, within_s=1000)
    assert turn is not None
    return turn.wait_s


async def test_a_pace_that_was_slow_holds_nobody_up_once_it_is_quick(line: World) -> None:
    calls = [call.call_id for call in (await claim_due(line)).calls]
    await edit_pace(line, 1000.0, SLOW)
    await wait_s(line, calls[0])
    assert await wait_s(line, calls[1]) > 90  # a hundred seconds after the turn before
    await edit_pace(line, SLOW, QUICK)
    assert await wait_s(line, calls[2]) < 101  # not a hundred more: the last turn, and a hundredth of a second
    (row,) = await line.read(
        "SELECT EXTRACT(epoch FROM next_at - dialer_now()) AS s FROM pace WHERE scope = 'campaign'"
    )
    assert 90 < row.s < 101


async def test_a_turn_that_waited_for_an_edit_is_taken_at_the_new_pace(line: World) -> None:
    calls = [call.call_id for call in (await claim_due(line)).calls]
    await edit_pace(line, 1000.0, SLOW)
    await wait_s(line, calls[0])
    async with line.database.transaction(line.workspace_id) as session:
        bump = f"{_PACED % QUICK}, settings_version = settings_version + 1 WHERE id = :c RETURNING 1"
        await rows(session, bump, {"c": line.campaign_id})
        await change_rate(session, line.campaign_id, SLOW, QUICK)
        taking = asyncio.create_task(wait_s(line, calls[1]))
        waiting = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while (await line.read(waiting))[0].n == 0:
            pass  # the other takes its turn meanwhile, and waits for the pace row
    await taking
    assert await wait_s(line, calls[2]) < 1, "the turn before was spaced by the pace that it had read first"


def test_differences_are_named_by_path_and_lists_are_one_value() -> None:
    pace = {"max_concurrent": 5, "weight": 1}
    empty: list[int] = []
    before: dict[str, Any] = {"name": "A", "pace": pace, "numbers": [1, 2], "gone": 1, "same": {"x": empty}}
    after: dict[str, Any] = {"name": "B", "pace": {**pace, "max_concurrent": 7}, "numbers": [2], "same": {"x": empty}}
    after["new"] = {"a": 1}
    assert differences(before, after) == [
        Difference(field="name", old="A", new="B"),
        Difference(field="pace.max_concurrent", old=5, new=7),
        Difference(field="numbers", old=[1, 2], new=[2]),
        Difference(field="new", old=None, new={"a": 1}),
        Difference(field="gone", old=1, new=None),
    ]
    assert differences(before, before) == []
