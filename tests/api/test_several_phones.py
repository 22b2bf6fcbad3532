"""People with several phones: added, changed, found, explained."""

from tests.api.apis import PERSON, Api, fields_of

SECOND, THIRD = "+12025550124", "+14155550125"


async def test_a_prospect_has_several_phones_in_order(api: Api):
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}/prospects"
    body = {"phone": PERSON, "other_phones": ["+1 (202) 555-0124 x12", PERSON, THIRD]}
    prospect = await api.post(path, body)
    assert (prospect["phone"], prospect["other_phones"]) == (PERSON, [f"{SECOND} x12", THIRD])
    assert prospect["next_phone"] == PERSON
    assert prospect["time_zones"] == ["America/Los_Angeles", "America/New_York"]
    problem = await api.refused("POST", path, 409, json={"phone": SECOND})
    assert problem["prospect_id"] == prospect["id"]
    assert [item["id"] for item in (await api.get(path, params={"search": "5550125"}))["items"]] == [prospect["id"]]
    refused = await api.refused("POST", path, 422, json={"phone": "+12025550199", "other_phones": [SECOND, "12"]})
    assert fields_of(refused) == {"other_phones.1"}
    refused = await api.refused("POST", path, 422, json={"phone": PERSON, "other_phones": [SECOND] * 5})
    assert fields_of(refused) == {"other_phones"}


async def test_phones_are_changed_and_nobody_elses_is_taken(api: Api):
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}/prospects"
    first = await api.post(path, {"phone": PERSON, "other_phones": [SECOND]})
    other = await api.post(path, {"phone": THIRD})
    for body in ({"other_phones": [SECOND]}, {"phone": SECOND}, {"phone": PERSON}):
        problem = await api.refused("PATCH", f"/prospects/{other['id']}", 409, json=body)
        assert problem["code"] == "prospect_exists"
    changed = (await api.call("PATCH", f"/prospects/{first['id']}", expect=200, json={"other_phones": []})).json()
    assert (changed["other_phones"], changed["time_zones"]) == ([], ["America/New_York"])
    changed = (await api.call("PATCH", f"/prospects/{other['id']}", expect=200, json={"other_phones": [SECOND]})).json()
    assert changed["other_phones"] == [SECOND]
    assert changed["time_zones"] == ["America/Los_Angeles", "America/New_York"]
    result = await api.post(
        f"{path}:upsert", {"items": [{"phone": SECOND, "name": "Ada"}, {"phone": PERSON}]}, expect=200
    )
    assert (result["created"], result["failed"]) == (0, 0)
    found = (await api.get(path, params={"search": "ada"}))["items"]
    assert [(item["id"], item["phone"], item["other_phones"]) for item in found] == [(other["id"], THIRD, [SECOND])]


async def test_explain_says_which_phone_is_next_and_an_opt_out_of_any_blocks(api: Api):
    campaign = await api.campaign()
    prospect = await api.post(f"/campaigns/{campaign['id']}/prospects", {"phone": PERSON, "other_phones": [SECOND]})
    await api.read("UPDATE campaigns SET status = 'running' RETURNING 1")
    await api.read("UPDATE prospects SET phone_at = 1 RETURNING 1")
    explained = await api.get(f"/prospects/{prospect['id']}/explain")
    assert explained["gates"][0]["why"] == "due now in a running campaign, on phone 2 of 2"
    assert (await api.get(f"/prospects/{prospect['id']}"))["next_phone"] == SECOND
    await api.post("/suppressions", {"phone": SECOND})
    explained = await api.get(f"/prospects/{prospect['id']}/explain")
    assert [gate["name"] for gate in explained["gates"] if not gate["pass"]] == ["status", "suppression"]
    await api.call("DELETE", f"/prospects/{prospect['id']}", expect=204)
    assert await api.read("SELECT 1 FROM prospect_phones") == []
