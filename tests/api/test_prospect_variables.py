"""What an agent says about people, checked before anybody is called."""

from typing import Any

from tests.api.apis import PERSON, Api, fields_of

OTHER = "+12025550124"
THIRD = "+12025550125"
TEXT = "Hi {{name}}, your {{ Plan }} ends {{when|soon}}."


async def _campaign(api: Api, *people: dict[str, Any], **agent: Any) -> str:
    """The path of a campaign with these people."""
    made = await api.agent(**{"first_message": TEXT, **agent})
    campaign = await api.campaign(agent_id=made["id"])
    path = f"/campaigns/{campaign['id']}"
    if people:
        await api.post(f"{path}/prospects:upsert", {"items": list(people)}, expect=200)
    return path


async def test_a_launch_is_refused_while_people_lack_what_the_agent_says(api: Api):
    path = await _campaign(
        api,
        {"phone": PERSON, "name": "Ada", "variables": {"PLAN": "gold"}},
        {"phone": OTHER, "name": " ", "variables": {"plan": "  "}},
        {"phone": THIRD, "variables": {"Name": "Eve", "other": 1}},
    )
    problem = await api.refused("POST", f"{path}/launch", 422)
    assert problem["code"] == "cannot_launch"
    assert {error["code"] for error in problem["errors"]} == {"missing_variables"}
    assert fields_of(problem) == {"prospects.variables.name", "prospects.variables.Plan"}
    assert {each["name"]: each["people"] for each in problem["missing_variables"]} == {"name": 1, "Plan": 2}
    assert (await api.get(f"{path}/status"))["status"] == "draft"
    body = {"ignore_missing_variables": True}
    assert (await api.post(f"{path}/launch", body, expect=202))["status"] == "running"


async def test_a_launch_goes_ahead_once_everybody_has_what_is_said(api: Api):
    path = await _campaign(api, {"phone": PERSON, "name": "Ada"})
    await api.refused("POST", f"{path}/launch", 422)
    (person,) = (await api.get(f"{path}/prospects"))["items"]
    await api.call("PATCH", f"/prospects/{person['id']}", expect=200, json={"variables": {"plan": 3}})
    assert (await api.post(f"{path}/launch", expect=202))["status"] == "running"


async def test_people_who_will_not_be_called_need_no_variables(api: Api):
    path = await _campaign(api, {"phone": PERSON, "name": "Ada", "variables": {"plan": "gold"}}, {"phone": OTHER})
    await api.post("/suppressions", {"phone": OTHER})
    await api.post(f"{path}/launch", expect=202)


async def test_what_newcomers_of_a_running_campaign_lack_is_told(api: Api):
    path = await _campaign(api, {"phone": PERSON, "name": "Ada", "variables": {"plan": "gold"}})
    await api.post(f"{path}/launch", expect=202)
    answer = await api.post(f"{path}/prospects:upsert", {"items": [{"phone": OTHER, "name": "Eve"}]}, expect=200)
    assert answer["missing_variables"] == [{"name": "Plan", "people": 1, "at_least": False}]
    answer = await api.post(f"{path}/prospects:upsert", {"items": [{"phone": PERSON}]}, expect=200)
    assert answer["missing_variables"] == []
    found = await api.get(f"{path}/variables")
    assert found == {"needed": ["name", "Plan"], "missing": [{"name": "Plan", "people": 1, "at_least": False}]}


async def test_what_is_spoken_counts_and_neither_what_has_a_default_nor_the_prompt(api: Api):
    path = await _campaign(
        api, {"phone": PERSON}, first_message="Hi {{name|there}} at {{phone}}", system_prompt="Offer {{ product }}."
    )
    found = await api.get(f"{path}/variables")
    assert found == {"needed": ["phone"], "missing": []}
    voicemail = {"action": "leave_message", "message": "{{name|Hello}}, call {{shop}}."}
    await api.call("PATCH", path, expect=200, json={"voicemail": voicemail})
    found = await api.get(f"{path}/variables")
    assert found["needed"] == ["phone", "shop"]
    assert [each["name"] for each in found["missing"]] == ["shop"]
    assert (await api.refused("POST", f"{path}/launch", 422))["missing_variables"][0]["name"] == "shop"
    await api.call("PATCH", path, expect=200, json={"voicemail": {"action": "hang_up"}})
    assert (await api.get(f"{path}/variables"))["needed"] == ["phone"]
    assert (await api.get(f"{(await _campaign(api, first_message='Hello'))}/variables"))["needed"] == []


async def test_many_who_lack_a_variable_are_counted_up_to_a_cap(api: Api):
    path = await _campaign(api, {"phone": PERSON, "name": "Ada", "variables": {"plan": "gold"}})
    sql = """
        WITH people AS (INSERT INTO contacts (workspace_id, phone)
            SELECT workspace_id, '+1999' || n FROM campaigns, generate_series(1000000, 1010100) AS n
            RETURNING id, workspace_id, phone)
        INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, name, zone_set, zone_source, next_due_at)
        SELECT p.workspace_id, c.id, p.id, p.phone, 'Bo', 'UTC', 'explicit', dialer_now()
        FROM people p, campaigns c RETURNING 1"""
    await api.read(sql)
    (lacking,) = (await api.get(f"{path}/variables"))["missing"]
    assert lacking == {"name": "Plan", "people": 10_000, "at_least": True}
    problem = await api.refused("POST", f"{path}/launch", 422)
    assert "at least 10,000 people have no {{Plan}}" in problem["detail"]


async def test_people_are_found_by_what_is_known_of_them(api: Api):
    path = await _campaign(
        api,
        {"phone": PERSON, "name": "Zoe", "external_id": "crm-1", "time_zone": "America/New_York"},
        {"phone": OTHER, "name": "Ada", "external_id": "crm-2", "other_phones": [THIRD]},
    )
    await api.read("UPDATE prospects SET last_disposition = 'busy' WHERE external_id = 'crm-1' RETURNING 1")

    async def found(**query: str) -> list[str]:
        return [item["external_id"] for item in (await api.get(f"{path}/prospects", params=query))["items"]]

    assert await found(phone=PERSON) == ["crm-1"]
    assert await found(phone=THIRD) == ["crm-2"]
    assert await found(phone="+1 (202) 555-0124") == ["crm-2"]
    assert await found(external_id="crm-2") == ["crm-2"]
    assert await found(time_zone_source="explicit") == ["crm-1"]
    assert await found(last_disposition="busy") == ["crm-1"]
    assert await found(search="zO") == ["crm-1"]
    assert await found(state="held") == []
    assert await found(created_after="2099-01-01T00:00:00Z") == []
    assert await found(sort="name") == ["crm-2", "crm-1"]
    assert await found(sort="-name", limit="1") == ["crm-1"]
    assert fields_of(await api.refused("GET", f"{path}/prospects", 422, params={"phone": "12"})) == {"phone"}
    assert fields_of(await api.refused("GET", f"{path}/prospects", 422, params={"sort": "colour"})) == {"sort"}


async def test_somebody_in_a_call_is_not_removed(api: Api):
    path = await _campaign(api, {"phone": PERSON})
    await api.read("UPDATE prospects SET state = 'in_call', next_due_at = NULL RETURNING 1")
    (person,) = (await api.get(f"{path}/prospects"))["items"]
    problem = await api.refused("DELETE", f"/prospects/{person['id']}", 409)
    assert (problem["code"], problem["current_status"]) == ("prospect_in_call", "in_call")
