"""Campaigns as documents: what is refused, what is kept, what a change does."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from tests.api.apis import ALWAYS, CALLER, PERSON, Api, fields_of

WINDOW = {"days": ["mon"], "start": "09:00", "end": "10:00"}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"agent_id": str(uuid4())}, "agent_id"),
    ({"agent_id": "x"}, "agent_id"),
    ({"caller_numbers": ["+16505550199"]}, "caller_numbers[0]"),
    ({"caller_numbers": [CALLER, CALLER]}, "caller_numbers[1]"),
    ({"caller_numbers": ["12"]}, "caller_numbers[0]"),
    ({"calling_hours": {"windows": []}}, "calling_hours.windows"),
    ({"calling_hours": {"windows": [{**WINDOW, "days": []}]}}, "calling_hours.windows[0].days"),
    ({"calling_hours": {"windows": [{**WINDOW, "end": "09:00"}]}}, "calling_hours.windows[0]"),
    ({"calling_hours": {"windows": [{**WINDOW, "start": "9:00"}]}}, "calling_hours.windows[0].start"),
    ({"calling_hours": {"windows": [{**WINDOW, "end": "24:01"}]}}, "calling_hours.windows[0].end"),
    ({"calling_hours": {"zone": "Mars/Base"}}, "calling_hours.zone"),
    ({"calling_hours": {"zone": "EST"}}, "calling_hours.zone"),
    ({"calling_hours": {"holidays": "XX"}}, "calling_hours.holidays"),
    ({"schedule": {"end_at": "2020-01-01T00:00:00Z"}}, "schedule.end_at"),
    ({"schedule": {"start_at": "2020-01-01T00:00:00Z"}}, "schedule.start_at"),
    ({"schedule": {"start_at": "2020-01-01T00:00:00Z", "time_zone": "Europe/Rome"}}, "schedule.start_at"),
    ({"schedule": {"start_at": "2036-02-01T00:00:00Z", "end_at": "2036-01-01T00:00:00Z"}}, "schedule"),
    ({"schedule": {"start_at": "2036-02-01T00:00:00"}}, "schedule.start_at"),
    ({"schedule": {"time_zone": "Nowhere"}}, "schedule.time_zone"),
    ({"schedule": {"recurrence": "0 9 * * 1"}}, "schedule.recurrence"),
    ({"approval": "required"}, "approval"),
    ({"purpose": "inbound"}, "purpose"),
    ({"pace": {"calls_per_second": -1}}, "pace.calls_per_second"),
    ({"pace": {"max_concurrent": 0}}, "pace.max_concurrent"),
    ({"pace": {"weight": 0}}, "pace.weight"),
    ({"pace": {"speed": 3}}, "pace.speed"),
    ({"redial": {"delays": {"busy": ["15 minutes"]}}}, "redial.delays.busy[0]"),
    ({"redial": {"delays": {"busy": ["P1Y"]}}}, "redial.delays.busy[0]"),
    ({"redial": {"delays": {"sleepy": ["PT1H"]}}}, "redial"),
    ({"redial": {"delays": {"dnc_requested": ["PT1H"]}}}, "redial.delays"),
    ({"redial": {"max_attempts": 0}}, "redial.max_attempts"),
    ({"ring_timeout_s": 0}, "ring_timeout_s"),
    ({"max_call_s": 10**9}, "max_call_s"),
    ({"answering_machine": "maybe"}, "answering_machine"),
    ({"extraction_schema": {"type": "array"}}, "extraction_schema"),
    ({"slug": "options"}, "slug"),
    ({"slug": "Not A Slug"}, "slug"),
    ({"slug": "0199a1b2-0000-7000-8000-000000000001"}, "slug"),
    ({"name": ""}, "name"),
    ({"number": 3}, "number"),
]


async def test_a_campaign_is_made_with_the_defaults_that_options_shows(api: Api):
    agent = await api.agent()
    body = {"name": "Spring sale", "agent_id": agent["id"], "slug": "spring"}
    answer = await api.call("POST", "/campaigns", expect=201, json=body)
    campaign = answer.json()
    assert answer.headers["location"] == f"/api/v1/campaigns/{campaign['id']}"
    options = await api.get("/campaigns/options")
    for name in ("calling_hours", "pace", "ring_timeout_s", "max_call_s", "answering_machine", "purpose"):
        assert campaign[name] == options["defaults"][name], name
    assert campaign["calling_hours"]["windows"] == [
        {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "20:00"}
    ]
    assert options["defaults"]["redial"]["delays"]["unknown"] == ["PT1M"]
    assert campaign["status"] == "draft"
    assert (await api.get("/campaigns/spring"))["id"] == campaign["id"]


async def test_the_document_of_the_contract_is_accepted(api: Api):
    agent = await api.agent()
    body = {
        "name": "Spring sale",
        "agent_id": agent["id"],
        "caller_numbers": [CALLER],
        "purpose": "cold_calling",
        "schedule": {
            "start_at": "2036-12-01T08:00:00Z",
            "end_at": "2036-12-20T20:00:00Z",
            "time_zone": "Europe/Rome",
            "recurrence": None,
        },
        "calling_hours": {
            "windows": [{"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "20:00"}],
            "holidays": "US",
            "zone": "prospect",
        },
        "redial": {
            "max_attempts": 4,
            "delays": {"busy": ["PT15M", "PT1H"], "no_answer": ["PT4H", "P1D"], "voicemail": ["P1D"]},
        },
        "pace": {"max_concurrent": 50, "calls_per_second": 5, "weight": 1},
        "ring_timeout_s": 25,
        "max_call_s": 300,
        "answering_machine": "detect",
        "approval": "none",
        "keep_open": False,
        "public_status": False,
        "call_language_mode": "auto",
        "output_language": "same_as_call",
        "extraction_schema": {"type": "object", "properties": {"interested": {"type": "boolean", "required": True}}},
        "display_columns": ["name", "phone", "disposition", "interested"],
    }
    campaign = await api.post("/campaigns", body)
    assert campaign["schedule"]["start_at"] == "2036-12-01T08:00:00Z"
    assert campaign["redial"] == {**body["redial"], "other_daypart": False}
    assert campaign["extraction_schema"]["required"] == ["interested"]
    assert campaign["extraction_schema"]["properties"] == {"interested": {"type": "boolean"}}
    (row,) = await api.read("SELECT max_concurrent, weight FROM campaigns")
    assert (row.max_concurrent, row.weight) == (50, 1)


async def test_bad_input_is_refused_naming_the_field_and_changes_nothing(api: Api):
    agent = await api.agent()
    for changes, field in REFUSED:
        body = {"name": "Spring sale", "agent_id": agent["id"], **changes}
        problem = await api.refused("POST", "/campaigns", 422, json=body)
        assert field in fields_of(problem), changes
    assert (await api.get("/campaigns"))["items"] == []


async def test_windows_that_open_nowhere_before_the_end_are_refused(api: Api):
    agent = await api.agent()
    body = {
        "name": "x",
        "agent_id": agent["id"],
        "calling_hours": {"windows": [WINDOW]},
        # a Tuesday to a Thursday
        "schedule": {"start_at": "2036-01-01T12:00:00Z", "end_at": "2036-01-03T12:00:00Z"},
    }
    problem = await api.refused("POST", "/campaigns", 422, json=body)
    assert fields_of(problem) == {"calling_hours.windows"}


async def test_an_inactive_agent_is_refused(api: Api):
    agent = await api.agent(active=False)
    problem = await api.refused("POST", "/campaigns", 422, json={"name": "x", "agent_id": agent["id"]})
    assert problem["errors"][0]["code"] == "agent_inactive"


async def test_caller_numbers_default_to_those_of_the_agent(api: Api):
    agent = await api.agent()
    await api.call("PATCH", f"/phone-numbers/{CALLER}", expect=200, json={"agent_id": agent["id"]})
    campaign = await api.post("/campaigns", {"name": "x", "agent_id": agent["id"]})
    assert campaign["caller_numbers"] == [CALLER]


async def test_a_slug_is_unique_in_its_workspace(api: Api):
    campaign = await api.campaign(slug="spring")
    body = {"name": "x", "agent_id": campaign["agent_id"], "slug": "spring"}
    assert (await api.refused("POST", "/campaigns", 409, json=body))["code"] == "slug_taken"
    other = await api.campaign(agent_id=campaign["agent_id"])
    await api.refused("PATCH", f"/campaigns/{other['id']}", 409, json={"slug": "spring"})
    await api.call("DELETE", "/campaigns/spring", expect=204)
    await api.call("PATCH", f"/campaigns/{other['id']}", expect=200, json={"slug": "spring"})


async def test_a_patch_merges_and_makes_a_new_settings_version_unless_it_only_labels(api: Api):
    campaign = await api.campaign(pace={"max_concurrent": 5, "calls_per_second": 2})
    path = f"/campaigns/{campaign['id']}"
    changed = (await api.call("PATCH", path, expect=200, json={"pace": {"max_concurrent": 7}})).json()
    assert changed["pace"] == {"max_concurrent": 7, "calls_per_second": 2.0, "weight": 1.0}
    assert changed["settings_version"] == campaign["settings_version"] + 1
    renamed = (await api.call("PATCH", path, expect=200, json={"name": "Summer"})).json()
    assert renamed["settings_version"] == changed["settings_version"] + 1
    labeled = (await api.call("PATCH", path, expect=200, json={"slug": "summer", "metadata": {"a": 1}})).json()
    assert labeled["settings_version"] == renamed["settings_version"]
    delays = {"redial": {"delays": {"busy": ["PT5M"]}}}
    await api.call("PATCH", path, expect=200, json=delays)
    again = (await api.call("PATCH", path, expect=200, json={"redial": {"delays": {"fax": []}}})).json()
    assert again["redial"]["delays"] == {"busy": ["PT5M"], "fax": []}
    for body, field in (
        ({"pace": {"max_concurrent": -1}}, "pace.max_concurrent"),
        ({"schedule": {"end_at": "2020-01-01T00:00:00Z"}}, "schedule.end_at"),
        ({"schedule": {"start_at": "2020-01-01T00:00:00Z"}}, "schedule.start_at"),
        ({"caller_numbers": ["+16505550199"]}, "caller_numbers[0]"),
        ({"status": "running"}, "status"),
        ({"agent_id": str(uuid4())}, "agent_id"),
    ):
        assert fields_of(await api.refused("PATCH", path, 422, json=body)) == {field}
    assert (await api.get(path))["settings_version"] == again["settings_version"]


async def test_a_fixed_zone_frees_those_who_are_held_for_want_of_one(api: Api):
    campaign = await api.campaign(calling_hours={**ALWAYS, "zone": "prospect"})
    satellite = "+881612345678"
    prospect = await api.post(f"/campaigns/{campaign['id']}/prospects", {"phone": satellite})
    assert (prospect["state"], prospect["held_reason"]) == ("held", "zone_unresolved")
    await api.call("PATCH", f"/campaigns/{campaign['id']}", expect=200, json={"calling_hours": {"zone": "UTC"}})
    assert (await api.get(f"/prospects/{prospect['id']}"))["state"] == "ready"
    await api.call("PATCH", f"/campaigns/{campaign['id']}", expect=200, json={"calling_hours": {"zone": "prospect"}})
    assert (await api.get(f"/prospects/{prospect['id']}"))["state"] == "held"


async def test_settings_that_the_version_before_did_not_know_read_as_their_defaults(api: Api):
    made = await api.campaign(redial={"max_attempts": 2})
    older = "settings #- '{redial,other_daypart}' #- '{pace,weight}'"
    await api.read(f"UPDATE campaigns SET settings = {older} WHERE id = :c RETURNING 1", c=made["id"])
    read = (await api.call("GET", f"/campaigns/{made['id']}", expect=200)).json()
    assert (read["redial"], read["pace"]) == (made["redial"], made["pace"])


async def test_a_clone_has_the_rules_and_nobody_in_it(api: Api):
    campaign = await api.campaign(ring_timeout_s=40, slug="spring")
    await api.post(f"/campaigns/{campaign['id']}/prospects", {"phone": PERSON})
    copy = await api.post("/campaigns/spring/clone")
    assert (copy["name"], copy["ring_timeout_s"], copy["slug"]) == ("Spring sale (copy)", 40, None)
    assert copy["caller_numbers"] == [CALLER]
    assert (await api.get(f"/campaigns/{copy['id']}/prospects"))["items"] == []


async def test_a_start_that_has_passed_stays_where_it_is_and_is_not_given_anew(api: Api):
    just_now = api.services.now() - timedelta(minutes=5)
    campaign = await api.campaign(schedule={"start_at": just_now.isoformat(), "end_at": "2036-12-01T08:00:00Z"})
    path = f"/campaigns/{campaign['id']}"
    long_ago = "settings = jsonb_set(settings, '{schedule,start_at}', '\"2020-01-01T09:00:00Z\"')"
    await api.read(f"UPDATE campaigns SET {long_ago} RETURNING 1")
    schedule = {"start_at": "2020-01-01T10:00:00+01:00", "end_at": "2036-12-02T08:00:00Z"}
    kept = (await api.call("PATCH", path, expect=200, json={"schedule": schedule})).json()
    assert kept["schedule"]["end_at"] == "2036-12-02T08:00:00Z"
    schedule["start_at"] = "2020-01-01T10:00:00Z"
    problem = await api.refused("PATCH", path, 422, json={"schedule": schedule})
    assert [(each["field"], each["code"]) for each in problem["errors"]] == [("schedule.start_at", "in_the_past")]
    copied = (await api.post(f"{path}/clone"))["schedule"]
    assert (copied["start_at"], copied["end_at"]) == (None, "2036-12-02T08:00:00Z")


async def test_an_agent_in_use_is_archived_only_after_its_live_campaigns(api: Api):
    campaign = await api.campaign()
    await api.read("UPDATE campaigns SET status = 'running' RETURNING 1")
    problem = await api.refused("DELETE", f"/agents/{campaign['agent_id']}", 409)
    assert problem["campaigns"][0]["id"] == campaign["id"]
    await api.refused("DELETE", f"/phone-numbers/{CALLER}", 409)
    problem = await api.refused("DELETE", f"/campaigns/{campaign['id']}", 409)
    assert problem["current_status"] == "running"
    await api.read("UPDATE campaigns SET status = 'stopped' RETURNING 1")
    await api.call("DELETE", f"/agents/{campaign['agent_id']}", expect=204)
    await api.call("DELETE", f"/campaigns/{campaign['id']}", expect=204)
    await api.refused("GET", f"/campaigns/{campaign['id']}", 404)
    await api.refused("GET", f"/campaigns/{campaign['id']}/status", 404)


async def test_lists_of_campaigns_are_filtered(api: Api):
    first = await api.campaign(name="Alpha")
    await api.campaign(name="Beta")
    found = await api.get("/campaigns", params={"search": "alp"})
    assert [item["id"] for item in found["items"]] == [first["id"]]
    assert (await api.get("/campaigns", params={"search": "%"}))["items"] == []
    assert len((await api.get("/campaigns", params={"status": "draft"}))["items"]) == 2
    assert (await api.get("/campaigns", params={"agent_id": str(uuid4())}))["items"] == []
    assert fields_of(await api.refused("GET", "/campaigns", 422, params={"status": "asleep"})) == {"status"}
