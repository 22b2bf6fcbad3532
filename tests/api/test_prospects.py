"""People in campaigns: added, upserted, mended, explained, suppressed."""

import json
from uuid import uuid4

from tests.api.apis import ALWAYS, PERSON, Api, fields_of

OTHER = "+12025550124"
LATER = "2036-12-01T08:00:00Z"


async def test_a_prospect_is_added_once(api: Api):
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}/prospects"
    body = {"phone": "(202) 555-0123", "country": "US", "name": "Ada", "external_id": "crm-1", "priority": 3}
    prospect = await api.post(path, body)
    assert prospect["phone"] == PERSON
    assert prospect["time_zones"] == ["America/New_York"]
    assert (prospect["state"], prospect["attempts"], prospect["priority"]) == ("ready", 0, 3)
    problem = await api.refused("POST", path, 409, json={"phone": PERSON})
    assert problem["prospect_id"] == prospect["id"]
    for body, field in (({"phone": "12"}, "phone"), ({"phone": OTHER, "time_zone": "EST"}, "time_zone"), ({}, "phone")):
        assert fields_of(await api.refused("POST", path, 422, json=body)) == {field}
    assert [item["id"] for item in (await api.get(path))["items"]] == [prospect["id"]]
    assert (await api.get(path, params={"search": "ada", "state": "ready"}))["items"]
    assert (await api.get(path, params={"state": "held"}))["items"] == []


async def test_an_upsert_writes_the_good_and_names_the_bad(api: Api):
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}/prospects:upsert"
    items = [
        {"external_id": "1", "phone": PERSON, "variables": {"plan": "silver"}},
        {"external_id": "2", "phone": "nonsense"},
        {"external_id": "3", "phone": OTHER, "colour": "red"},
        {"external_id": "4", "phone": OTHER},
    ]
    result = await api.post(path, {"items": items}, expect=200)
    assert (result["created"], result["updated"], result["failed"]) == (2, 0, 2)
    assert [(error["index"], error["field"]) for error in result["errors"]] == [(1, "phone"), (2, "colour")]
    items = [{"external_id": "1", "phone": PERSON, "variables": {"plan": "gold"}}]
    result = await api.post(path, {"items": items}, expect=200)
    assert (result["created"], result["updated"], result["failed"]) == (0, 1, 0)
    found = (await api.get(f"/campaigns/{campaign['id']}/prospects", params={"search": PERSON}))["items"]
    assert found[0]["variables"] == {"plan": "gold"}
    items = [{"phone": PERSON}] * 1001
    assert fields_of(await api.refused("POST", path, 422, json={"items": items})) == {"items"}


async def test_a_prospect_is_changed_and_removed_while_never_called(api: Api):
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}/prospects"
    first = await api.post(path, {"phone": PERSON, "external_id": "1", "variables": {"a": 1}})
    second = await api.post(path, {"phone": OTHER})
    body = {"phone": "+442079460123", "name": "Ada", "variables": {"b": 2}, "priority": 5, "external_id": None}
    changed = (await api.call("PATCH", f"/prospects/{first['id']}", expect=200, json=body)).json()
    assert changed["phone"] == "+442079460123"
    assert changed["time_zones"] == ["Europe/London"]
    assert (changed["variables"], changed["priority"], changed["external_id"]) == ({"a": 1, "b": 2}, 5, None)
    await api.refused("PATCH", f"/prospects/{second['id']}", 409, json={"phone": "+442079460123"})
    await api.refused("PATCH", f"/prospects/{uuid4()}", 404, json={"name": "x"})
    await api.call("DELETE", f"/prospects/{second['id']}", expect=204)
    await api.refused("GET", f"/prospects/{second['id']}", 404)
    (row,) = await api.read("SELECT sum(n) AS n FROM tallies WHERE kind = 'state' AND key = 'ready'")
    assert row.n == 1


async def test_people_without_a_time_zone_are_held_counted_and_listed_until_it_is_told(api: Api):
    nowhere = ["+881612345678", "+881612345679"]  # satellite phones tell no place
    campaign = await api.campaign(calling_hours={"windows": ALWAYS["windows"]})
    path = f"/campaigns/{campaign['id']}"
    items = [{"phone": phone} for phone in (PERSON, *nowhere)]
    await api.post(f"{path}/prospects:upsert", {"items": items}, expect=200)

    async def held() -> list[str]:
        found = await api.get(f"{path}/prospects", params={"state": "held", "time_zone_source": "none"})
        assert {each["held_reason"] for each in found["items"]} <= {"zone_unresolved"}
        return sorted(each["phone"] for each in found["items"])

    assert await held() == nowhere
    assert (await api.get(f"{path}/stats"))["prospects"] == {"ready": 1, "held": 2}
    await api.post(f"{path}/launch", expect=202)
    waiting = {each["reason"]: each["count"] for each in (await api.get(f"{path}/status"))["waiting"]}
    assert waiting["held"] == 2
    exported = await api.call("GET", f"{path}/prospects:export", params={"state": "held", "format": "jsonl"})
    assert sorted(json.loads(line)["phone"] for line in exported.text.splitlines()) == nowhere
    (first, _) = (await api.get(f"{path}/prospects", params={"state": "held", "sort": "phone"}))["items"]
    await api.call("PATCH", f"/prospects/{first['id']}", json={"time_zone": "Europe/Rome"}, expect=200)
    assert await held() == nowhere[1:]
    assert (await api.get(f"{path}/stats"))["prospects"] == {"ready": 2, "held": 1}


async def test_a_time_zone_makes_a_held_person_callable(api: Api):
    campaign = await api.campaign(calling_hours={**ALWAYS, "zone": "prospect"})
    prospect = await api.post(f"/campaigns/{campaign['id']}/prospects", {"phone": "+881612345678"})
    assert prospect["state"] == "held"
    body = {"time_zone": "europe/rome"}
    changed = (await api.call("PATCH", f"/prospects/{prospect['id']}", expect=200, json=body)).json()
    assert (changed["state"], changed["time_zones"]) == ("ready", ["Europe/Rome"])


async def test_explain_names_every_gate_and_the_one_that_blocks(api: Api):
    campaign = await api.campaign()
    prospect = await api.post(f"/campaigns/{campaign['id']}/prospects", {"phone": PERSON})
    path = f"/prospects/{prospect['id']}/explain"
    explained = await api.get(path)
    assert explained["blocked_by"] == "status"
    names = [gate["name"] for gate in explained["gates"]]
    assert names == ["status", "window", "zone", "suppression", "caps", "pace", "budget", "attempts"]
    assert all({"pass", "why"} <= gate.keys() for gate in explained["gates"])
    await api.read("UPDATE campaigns SET status = 'running' RETURNING 1")
    explained = await api.get(path)
    assert explained["callable"] is True
    assert explained["next_eligible_at"] is not None
    await api.call("PATCH", f"/campaigns/{campaign['id']}", expect=200, json={"schedule": {"start_at": LATER}})
    assert (await api.get(path))["next_eligible_at"] < LATER, "it has begun"
    await api.read("UPDATE prospects SET next_due_at = dialer_now() + interval '1 hour' RETURNING 1")
    explained = await api.get(path)
    assert (explained["callable"], explained["blocked_by"]) == (False, "status")
    assert explained["next_eligible_at"] is not None
    await api.post("/suppressions", {"phone": PERSON})
    explained = await api.get(path)
    assert [gate["name"] for gate in explained["gates"] if not gate["pass"]] == ["status", "suppression"]
    assert explained["next_eligible_at"] is None


async def test_a_suppressed_phone_is_never_ready(api: Api):
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}/prospects"
    prospect = await api.post(path, {"phone": PERSON})
    entry = await api.post("/suppressions", {"phone": "+1 202 555 0123", "reason": "asked"})
    assert entry["phone"] == PERSON
    assert (await api.get(f"/prospects/{prospect['id']}"))["state"] == "suppressed"
    again = await api.post("/suppressions", {"phone": PERSON}, expect=200)
    assert again["id"] == entry["id"]
    check = await api.get("/suppressions/check", params={"phone": PERSON})
    assert (check["suppressed"], len(check["entries"])) == (True, 1)
    assert (await api.get("/suppressions"))["items"][0]["id"] == entry["id"]
    await api.post("/suppressions", {"phone": OTHER, "campaign_id": campaign["id"]})
    check = await api.get("/suppressions/check", params={"phone": OTHER})
    assert check["suppressed"] is False
    query = {"phone": OTHER, "campaign_id": campaign["id"]}
    assert (await api.get("/suppressions/check", params=query))["suppressed"] is True
    assert (await api.post(path, {"phone": OTHER}))["state"] == "suppressed"
    await api.call("DELETE", f"/suppressions/{entry['id']}", expect=204)
    await api.call("DELETE", "/suppressions", expect=204, params=query)
    await api.refused("DELETE", "/suppressions", 404, params=query)
    body = {"phone": OTHER, "campaign_id": str(uuid4())}
    assert fields_of(await api.refused("POST", "/suppressions", 422, json=body)) == {"campaign_id"}
    assert fields_of(await api.refused("POST", "/suppressions", 422, json={"phone": "x"})) == {"phone"}


async def test_an_opt_out_answers_202_while_a_call_to_the_phone_is_undecided(api: Api):
    campaign = await api.campaign()
    await api.post(f"/campaigns/{campaign['id']}/prospects", {"phone": PERSON})
    sql = """
        INSERT INTO calls (workspace_id, campaign_id, prospect_id, contact_id, state, carrier_account_id, from_phone,
            to_phone)
        SELECT p.workspace_id, p.campaign_id, p.id, p.contact_id, 'dialing', a.id, '+16505550150', p.phone
        FROM prospects p, carrier_accounts a RETURNING id"""
    await api.read(sql)
    entry = await api.post("/suppressions", {"phone": PERSON}, expect=202)
    assert entry["undecided"] == 1


async def test_another_time_zone_wakes_a_campaign_that_waits(api: Api):
    campaign = await api.campaign(calling_hours={**ALWAYS, "zone": "prospect"})
    prospect = await api.post(f"/campaigns/{campaign['id']}/prospects", {"phone": PERSON})

    async def sleeps_after(change: dict[str, object]) -> bool:
        await api.read("UPDATE campaigns SET idle_until = dialer_now() + interval '1 hour' RETURNING 1")
        await api.call("PATCH", f"/prospects/{prospect['id']}", expect=200, json=change)
        return (await api.read("SELECT idle_until FROM campaigns"))[0].idle_until is not None

    assert not await sleeps_after({"time_zone": "Europe/Rome"})
    assert not await sleeps_after({"priority": 5})
    assert await sleeps_after({"name": "Ada", "time_zone": "Europe/Rome", "priority": 5})
