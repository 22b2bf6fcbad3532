"""Edits of campaigns: what is refused, what each does to what is under way, the versions, and the way back."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from tests.api.apis import ALWAYS, CALLER, PERSON, Api, fields_of

OTHER_CALLER = "+16505550151"
#: A campaign with somebody in a call, somebody claimed and somebody who waits for a redial.
UNDER_WAY = """
    WITH c AS (SELECT c.*, n.id AS caller_id FROM campaigns c, phone_numbers n WHERE c.id = :c AND n.phone = :caller),
    people AS (
        INSERT INTO contacts (workspace_id, phone)
        SELECT workspace_id, '+1202555012' || i FROM c, generate_series(4, 6) i RETURNING id, workspace_id, phone
    ), known AS (
        INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, state, next_due_at, attempts)
        SELECT p.workspace_id, :c, p.id, p.phone, CASE WHEN p.phone < '+12025550126' THEN 'in_call' ELSE 'ready' END,
            dialer_now() + interval '1 hour', 2 FROM people p
        RETURNING id, contact_id, phone, state, phone = '+12025550124' AS talking
    )
    INSERT INTO calls (workspace_id, campaign_id, prospect_id, contact_id, to_phone, from_phone, phone_number_id,
        attempt, settings_version, claimed_at, state, dialed_at, carrier_call_id)
    SELECT c.workspace_id, c.id, k.id, k.contact_id, k.phone, :caller, c.caller_id, 3, c.settings_version,
        dialer_now(), CASE WHEN k.talking THEN 'in_progress' ELSE 'claimed' END,
        CASE WHEN k.talking THEN dialer_now() END, CASE WHEN k.talking THEN 'CA1' END
    FROM known k, c WHERE k.state = 'in_call' RETURNING id"""


async def patched(api: Api, campaign: dict[str, Any], **body: Any) -> dict[str, Any]:
    return (await api.call("PATCH", f"/campaigns/{campaign['id']}", expect=200, json=body)).json()


async def versions(api: Api, campaign: dict[str, Any]) -> list[dict[str, Any]]:
    return (await api.get(f"/campaigns/{campaign['id']}/versions"))["items"]


async def run(api: Api, campaign: dict[str, Any]) -> None:
    """As if it had been launched."""
    await api.read("UPDATE campaigns SET status = 'running' WHERE id = :c RETURNING 1", c=campaign["id"])


def effects_of(answer: dict[str, Any]) -> dict[str, int]:
    return {effect["code"]: effect["count"] for effect in answer["effects"]}


async def test_an_edit_that_says_what_people_lack_tells_how_many(api: Api):
    campaign = await api.campaign()
    people = [{"phone": "+12025550100", "variables": {"plan": "gold"}}, {"phone": "+12025550101"}]
    await api.post(f"/campaigns/{campaign['id']}/prospects:upsert", {"items": people}, expect=200)
    other = await api.agent(first_message="About your {{plan}} plan, {{name|there}}")
    assert "missing_variables" not in effects_of(
        await patched(api, campaign, agent_id=other["id"])
    )  # a launch will say
    await run(api, campaign)
    message = {"action": "leave_message", "message": "Your {{plan}} plan ends in {{month}}"}
    answer = await patched(api, campaign, voicemail=message)
    lacking = {each["message"]: each["count"] for each in answer["effects"] if each["code"] == "missing_variables"}
    assert lacking == {
        "1 person has no value for {{plan}}, which is said to them": 1,
        "2 people have no value for {{month}}, which is said to them": 2,
    }
    assert effects_of(await patched(api, campaign, pace={"max_concurrent": 3})) == {}


async def test_every_version_says_who_made_it_and_what_changed(api: Api):
    campaign = await api.campaign(pace={"max_concurrent": 5})
    await patched(api, campaign, pace={"max_concurrent": 7}, caller_numbers=[OTHER_CALLER, CALLER])
    await patched(api, campaign, redial={"delays": {"busy": ["PT5M"]}}, name="Summer sale")
    third, second, first = await versions(api, campaign)
    me = campaign["created_by"]
    assert [(v["version"], v["created_by"], v["current"]) for v in (first, second, third)] == [
        (1, me, False),
        (2, me, False),
        (3, me, True),
    ]
    assert first["changes"] == []
    assert second["changes"] == [
        {"field": "caller_numbers", "old": [CALLER], "new": [OTHER_CALLER, CALLER]},
        {"field": "pace.max_concurrent", "old": 5, "new": 7},
    ]
    assert third["changes"] == [
        {"field": "name", "old": "Spring sale", "new": "Summer sale"},
        {"field": "redial.delays.busy", "old": None, "new": ["PT5M"]},
    ]
    whole = await api.get(f"/campaigns/{campaign['id']}/versions/1")
    assert whole["settings"]["pace"]["max_concurrent"] == 5
    assert (whole["settings"]["agent_id"], whole["settings"]["caller_numbers"]) == (campaign["agent_id"], [CALLER])
    page = await api.get(f"/campaigns/{campaign['id']}/versions", params={"limit": 2})
    rest = await api.get(f"/campaigns/{campaign['id']}/versions", params={"limit": 2, "cursor": page["next_cursor"]})
    assert [v["version"] for v in [*page["items"], *rest["items"]]] == [3, 2, 1]


async def test_a_version_is_a_document_that_a_patch_takes(api: Api):
    campaign = await api.campaign()
    whole = await api.get(f"/campaigns/{campaign['id']}/versions/1")
    answer = await patched(api, campaign, **whole["settings"])
    assert (answer["settings_version"], answer["effects"]) == (1, [])


async def test_a_restore_is_a_new_version_with_all_of_the_old_one(api: Api):
    campaign = await api.campaign(pace={"max_concurrent": 5}, redial={"delays": {"busy": ["PT1H"]}}, slug="spring")
    other = await api.agent(name="Ben")
    changes = {"agent_id": other["id"], "caller_numbers": [OTHER_CALLER], "name": "Summer sale", "ring_timeout_s": 11}
    await patched(api, campaign, **changes, redial={"delays": {"fax": []}}, metadata={"team": "b"})
    path = f"/campaigns/{campaign['id']}/versions/1/restore"
    key = {"Idempotency-Key": str(uuid4())}
    restored = await api.post(path, expect=200, headers=key)
    assert await api.post(path, expect=200, headers=key) == restored
    same = {"agent_id", "caller_numbers", "name", "ring_timeout_s", "redial", "pace", "slug"}
    assert {name: restored[name] for name in same} == {name: campaign[name] for name in same}
    assert (restored["settings_version"], restored["metadata"]) == (3, {"team": "b"})
    newest = (await versions(api, campaign))[0]
    assert (newest["version"], newest["restored_from"]) == (3, 1)
    again = await api.post(path, expect=200)
    assert again["settings_version"] == 3, "what is in force already needs no version"


async def test_a_restore_gives_what_was_unknown_then_its_default(api: Api):
    campaign = await api.campaign()
    await api.read("UPDATE setting_versions SET settings = settings - 'voicemail' - 'breaker' RETURNING 1")
    await patched(api, campaign, voicemail={"action": "leave_message", "message": "Hello."})
    restored = await api.post(f"/campaigns/{campaign['id']}/versions/1/restore", expect=200)
    assert (restored["voicemail"]["action"], restored["voicemail"]["message"]) == ("hang_up", None)


async def test_a_restore_is_refused_naming_everything_that_cannot_be_given_today(api: Api):
    end = api.services.now() + timedelta(days=1)
    gone = await api.post(
        "/phone-numbers",
        {"phone": "+16505550177", "carrier_account_id": (await api.get("/carrier-accounts"))["items"][0]["id"]},
    )
    campaign = await api.campaign(caller_numbers=[CALLER, gone["phone"]], schedule={"end_at": end.isoformat()})
    other = await api.agent(name="Ben")
    await patched(api, campaign, agent_id=other["id"], caller_numbers=[CALLER], schedule={"end_at": None})
    await api.call("DELETE", f"/agents/{campaign['agent_id']}", expect=204)
    await api.call("DELETE", f"/phone-numbers/{gone['phone']}", expect=204)
    past = "UPDATE setting_versions SET settings = jsonb_set(settings, '{schedule,end_at}', '\"2020-01-01T00:00:00Z\"')"
    await api.read(f"{past} WHERE version = 1 RETURNING 1")
    problem = await api.refused("POST", f"/campaigns/{campaign['id']}/versions/1/restore", 422)
    assert fields_of(problem) == {"agent_id", "schedule.end_at", "caller_numbers[1]"}
    assert (await api.get(f"/campaigns/{campaign['id']}"))["settings_version"] == 2
    await api.refused("POST", f"/campaigns/{campaign['id']}/versions/9/restore", 404)
    await api.refused("GET", f"/campaigns/{campaign['id']}/versions/9", 404)
    await api.refused("GET", f"/campaigns/{campaign['id']}/versions/x", 422)


async def test_a_start_that_has_passed_is_restored_unless_people_would_be_called_at_once(api: Api):
    campaign = await api.campaign(schedule={"start_at": "2036-12-01T08:00:00Z"})
    await patched(api, campaign, schedule={"start_at": "2036-12-02T08:00:00Z"})
    past = "jsonb_set(settings, '{schedule,start_at}', '\"2020-01-01T00:00:00Z\"')"
    await api.read(f"UPDATE setting_versions SET settings = {past} WHERE version = 1 RETURNING 1")
    restore = f"/campaigns/{campaign['id']}/versions/1/restore"
    await api.read("UPDATE campaigns SET status = 'scheduled' RETURNING 1")
    assert fields_of(await api.refused("POST", restore, 422)) == {"schedule.start_at"}
    await run(api, campaign)
    assert (await api.post(restore, expect=200))["schedule"]["start_at"] == "2020-01-01T00:00:00Z"


async def test_a_version_from_before_agents_were_kept_is_read_and_restores_the_rules_alone(api: Api):
    campaign = await api.campaign(ring_timeout_s=20)
    await patched(api, campaign, ring_timeout_s=30, caller_numbers=[OTHER_CALLER])
    await api.read(
        "UPDATE setting_versions SET name = NULL, agent_id = NULL, caller_numbers = NULL WHERE version = 1 RETURNING 1"
    )
    second, _ = await versions(api, campaign)
    assert [change["field"] for change in second["changes"]] == ["ring_timeout_s"]
    restored = await api.post(f"/campaigns/{campaign['id']}/versions/1/restore", expect=200)
    assert (restored["ring_timeout_s"], restored["caller_numbers"]) == (20, [OTHER_CALLER])


async def test_of_two_editors_the_second_is_told(api: Api):
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}"
    await api.call("PATCH", path, expect=200, json={"ring_timeout_s": 20}, headers={"If-Match": '"1"'})
    for arguments in (
        {"json": {"ring_timeout_s": 30, "expected_version": 1}},
        {"json": {"ring_timeout_s": 30}, "headers": {"If-Match": '"1", W/"7"'}},
        {"json": {"ring_timeout_s": 30, "expected_version": 2}, "headers": {"If-Match": "1"}},
    ):
        problem = await api.refused("PATCH", path, 409, **arguments)
        assert (problem["code"], problem["current_version"], problem["current_status"]) == (
            "version_changed",
            2,
            "draft",
        )
    problem = await api.refused("POST", f"{path}/versions/1/restore", 409, json={"expected_version": 1})
    assert problem["current_version"] == 2
    wrong = await api.refused("PATCH", path, 422, json={"ring_timeout_s": 30}, headers={"If-Match": "abc"})
    assert fields_of(wrong) == {"If-Match"}
    assert (await api.get(path))["ring_timeout_s"] == 20
    await api.call("PATCH", path, expect=200, json={"ring_timeout_s": 30}, headers={"If-Match": "*"})


async def test_an_edit_says_what_becomes_of_calls_and_people(api: Api):
    campaign = await api.campaign(
        caller_numbers=[CALLER, OTHER_CALLER], pace={"max_concurrent": 5}, redial={"max_attempts": 4}
    )
    await run(api, campaign)
    await api.read(UNDER_WAY, c=campaign["id"], caller=CALLER)
    slower = await patched(api, campaign, pace={"calls_per_second": 0.5})
    assert effects_of(slower) == {"claimed_again": 1}
    answer = await patched(
        api,
        campaign,
        caller_numbers=[OTHER_CALLER],
        max_call_s=60,
        redial={"max_attempts": 2, "delays": {"busy": ["PT1M"]}},
    )
    assert effects_of(answer) == {
        "calls_in_flight": 1,
        "claimed_again": 1,
        "numbers_removed": 1,
        "attempts_spent": 1,
        "redial_times_kept": 1,
    }
    told = {effect["code"]: effect["message"] for effect in answer["effects"]}
    assert told["calls_in_flight"] == "1 call in flight keeps what it was dialed with: caller_numbers, max_call_s"
    under_the_first = (await api.get("/calls", params={"settings_version": 1}))["items"]
    (talking,) = [call for call in under_the_first if call["state"] == "in_progress"]
    assert (talking["from"], talking["settings_version"]) == (CALLER, 1)
    assert (await api.get("/calls", params={"settings_version": 2}))["items"] == []
    full = await patched(api, campaign, pace={"max_concurrent": 1})
    assert effects_of(full) == {"claimed_again": 1}, "one of one is not too many"


async def test_an_edit_that_would_leave_a_running_campaign_nothing_to_do_is_refused(api: Api):
    campaign = await api.campaign(calling_hours={**ALWAYS, "zone": "prospect"})
    await api.post(f"/campaigns/{campaign['id']}/prospects", {"phone": PERSON})
    await run(api, campaign)
    inactive = await api.agent(active=False)
    soon = (api.services.now() + timedelta(hours=1)).isoformat()
    later = api.services.now() + timedelta(days=3)
    window = {"days": [f"{later:%a}".lower()], "start": "11:00", "end": "12:00"}
    refused: list[tuple[dict[str, Any], str]] = [
        ({"caller_numbers": []}, "caller_numbers"),
        ({"caller_numbers": None}, "caller_numbers"),
        ({"agent_id": inactive["id"]}, "agent_id"),
        ({"schedule": {"end_at": "2020-01-01T00:00:00Z"}}, "schedule.end_at"),
        ({"schedule": {"end_at": soon}, "calling_hours": {"windows": [window]}}, "calling_hours.windows"),
    ]
    for body, field in refused:
        problem = await api.refused("PATCH", f"/campaigns/{campaign['id']}", 422, json=body)
        assert fields_of(problem) == {field}, body
    assert len(await versions(api, campaign)) == 1


async def test_hours_that_are_shut_now_are_said_with_the_next_opening(api: Api):
    campaign = await api.campaign()
    await api.post(f"/campaigns/{campaign['id']}/prospects", {"phone": PERSON})
    await run(api, campaign)
    later = api.services.now() + timedelta(days=3)
    window = {"days": [f"{later:%a}".lower()], "start": "22:00", "end": "02:00"}
    answer = await patched(api, campaign, calling_hours={"windows": [window]}, schedule={"start_at": later.isoformat()})
    assert effects_of(answer).keys() == {"nobody_now", "has_begun"}
    assert f"{later:%Y-%m-%d}T22:00:00Z" in answer["effects"][-1]["message"]
