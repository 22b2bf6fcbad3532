"""Campaigns that go on: kept open, launched again with new people, and with others first."""

from typing import Any
from uuid import UUID

from dialer.domain.states import CompletedReason
from dialer.store.control import complete
from tests.api.apis import Api
from tests.store.lines import claim_due
from tests.store.worlds import World

PHONES = ("+12025550101", "+12025550102", "+12025550103")
FAST = {"max_concurrent": 1, "calls_per_second": 1000}


async def _person(api: Api, path: str, phone: str, **facts: Any) -> str:
    return (await api.post(f"{path}/prospects", {"phone": phone, "time_zone": "America/New_York", **facts}))["id"]


def _world(api: Api, campaign: dict[str, Any]) -> World:
    return World(database=api.services.database, workspace_id=api.workspace_id, campaign_id=UUID(campaign["id"]))


async def test_a_campaign_that_is_kept_open_is_launched_with_nobody_and_calls_whoever_is_added(api_with_temporal: Api):
    api = api_with_temporal
    campaign = await api.campaign(keep_open=True, pace=FAST)
    path = f"/campaigns/{campaign['id']}"
    await api.post(f"{path}/launch", expect=202)
    assert (await api.get(f"{path}/status"))["status"] == "running"
    person = await _person(api, path, PHONES[0])
    assert [str(call.prospect_id) for call in (await claim_due(_world(api, campaign))).calls] == [person]


async def test_a_completed_campaign_takes_people_and_calls_them_after_another_launch(api_with_temporal: Api):
    api = api_with_temporal
    campaign = await api.campaign(pace=FAST)
    path = f"/campaigns/{campaign['id']}"
    old = await _person(api, path, PHONES[0])
    await api.post(f"{path}/launch", expect=202)
    await api.read(
        "UPDATE prospects SET state = 'reached', next_due_at = NULL WHERE id = :id RETURNING 1", id=UUID(old)
    )
    async with api.services.database.transaction(api.workspace_id) as session:
        assert await complete(session, UUID(campaign["id"]), CompletedReason.ALL_FINAL)
    assert (await api.refused("POST", f"{path}/launch", 422))["code"] == "cannot_launch"
    new = await _person(api, path, PHONES[1])
    shown = await api.get(path)
    assert (shown["status"], shown["completed_reason"]) == ("completed", "all_final")
    again = await api.post(f"{path}/launch", expect=202)
    assert (again["status"], again["workflow_id"]) == ("running", campaign["workflow_id"])
    shown = await api.get(path)
    assert (shown["completed_reason"], shown["completed_at"]) == (None, None)
    assert [str(call.prospect_id) for call in (await claim_due(_world(api, campaign))).calls] == [new]


async def test_a_priority_that_is_changed_while_the_campaign_runs_counts_from_the_next_claim(api_with_temporal: Api):
    api = api_with_temporal
    campaign = await api.campaign(pace=FAST)
    path = f"/campaigns/{campaign['id']}"
    first, second, third = [await _person(api, path, phone) for phone in PHONES]
    await api.call("PATCH", f"/prospects/{second}", json={"priority": 3}, expect=200)
    await api.post(f"{path}/launch", expect=202)
    await api.call("PATCH", f"/prospects/{third}", json={"priority": 1000}, expect=200)
    await api.call("PATCH", f"/prospects/{first}", json={"priority": -1000}, expect=200)
    order: list[str] = []
    for _ in PHONES:
        (call,) = (await claim_due(_world(api, campaign))).calls
        order.append(str(call.prospect_id))
        sql = (
            "UPDATE calls SET state = 'ended', disposition = 'busy', ended_at = dialer_now() WHERE id = :id RETURNING 1"
        )
        await api.read(sql, id=call.call_id)
    assert order == [third, second, first]
    assert (await api.get(f"/prospects/{third}"))["priority"] == 1000
