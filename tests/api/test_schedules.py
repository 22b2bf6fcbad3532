"""Recurring campaigns over HTTP, with a Temporal that does not answer: the row is the truth meanwhile."""

from typing import Any

import pytest

from tests.api.apis import Api, fields_of

DAILY: dict[str, Any] = {"time_zone": "Europe/Rome", "recurrence": {"calendars": [{"at": ["09:00"]}]}}


def with_recurrence(**recurrence: Any) -> dict[str, Any]:
    return {"schedule": {"time_zone": "Europe/Rome", "recurrence": recurrence}}


async def test_a_recurrence_is_kept_in_one_spelling_with_its_defaults(api: Api) -> None:
    made = await api.campaign(**with_recurrence(cron=["0  9 * * MON-FRI"]))
    assert made["schedule"]["recurrence"] == {
        "cron": ["0 9 * * MON-FRI"],
        "calendars": [],
        "dial": "new",
        "catch_up": "PT1H",
    }


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        (with_recurrence(cron=["0 9 30 2 *"]), "schedule.recurrence", "never_fires"),
        (with_recurrence(cron=["*/5 * * * *"]), "schedule.recurrence", "too_often"),
        (with_recurrence(), "schedule.recurrence", "empty"),
        (with_recurrence(cron=["0 25 * * *"]), "schedule.recurrence.cron[0]", "invalid_cron"),
        (with_recurrence(calendars=[{"at": ["24:00"]}]), "schedule.recurrence.calendars[0].at[0]", None),
        (with_recurrence(calendars=[{"at": []}]), "schedule.recurrence.calendars[0].at", None),
        (with_recurrence(cron=["0 9 * * *"], catch_up="P8D"), "schedule.recurrence.catch_up", "out_of_range"),
        (with_recurrence(cron=["0 9 * * *"], dial="all"), "schedule.recurrence.dial", None),
        ({"schedule": {"recurrence": {"cron": ["0 9 * * *"]}}}, "schedule.time_zone", "missing"),
        ({"schedule": {**DAILY, "time_zone": "Europe/Atlantis"}}, "schedule.time_zone", "unknown_time_zone"),
        ({"schedule": {**DAILY, "end_at": "2020-01-01T00:00:00Z"}}, "schedule.end_at", "in_the_past"),
        ({"schedule": DAILY, "keep_open": True}, "keep_open", "recurs"),
    ],
)
async def test_a_schedule_that_cannot_work_is_refused_by_its_field(
    api: Api, fields: dict[str, Any], field: str, code: str | None
) -> None:
    agent = await api.agent()
    document = {"name": "Spring sale", "agent_id": agent["id"], **fields}
    problem = await api.refused("POST", "/campaigns", 422, json=document)
    assert fields_of(problem) == {field}
    assert code is None or problem["errors"][0]["code"] == code
    assert await api.read("SELECT id FROM campaigns") == []


async def test_a_campaign_without_anybody_may_be_launched_and_waits_for_its_first_run(api: Api) -> None:
    made = await api.campaign(schedule=DAILY)
    launched = await api.post(f"/campaigns/{made['id']}/launch", expect=202)
    assert launched["status"] == "scheduled"
    found = await api.get(f"/campaigns/{made['id']}/schedule")
    assert [found["status"], found["temporal"], found["runs"]] == ["scheduled", "unknown", []]
    assert found["schedule_url"] == f"http://temporal.example/namespaces/default/schedules/campaign-{made['id']}"
    assert len(found["coming"]) == 10
    assert all(run["local_time"][11:19] == "09:00:00" for run in found["coming"])
    status = await api.get(f"/campaigns/{made['id']}/status")
    assert status["next_call_at"] == found["coming"][0]["due_at"]


async def test_launching_again_runs_at_once_and_is_among_the_runs(api: Api) -> None:
    made = await api.campaign(schedule=DAILY)
    for expected in ("scheduled", "running"):
        assert (await api.post(f"/campaigns/{made['id']}/launch", expect=202))["status"] == expected
    runs = (await api.get(f"/campaigns/{made['id']}/schedule"))["runs"]
    assert [(run["trigger"], run["outcome"], run["calls"]) for run in runs] == [("launch", "running", 0)]
    await api.post(f"/campaigns/{made['id']}/stop", expect=200)
    found = await api.get(f"/campaigns/{made['id']}/schedule")
    assert ([run["outcome"] for run in found["runs"]], found["coming"], found["schedule_id"]) == (["stopped"], [], None)


async def test_a_campaign_that_waits_for_its_run_cannot_lose_it(api: Api) -> None:
    made = await api.campaign(schedule=DAILY)
    await api.post(f"/campaigns/{made['id']}/launch", expect=202)
    change = {"schedule": {"recurrence": None}}
    problem = await api.refused("PATCH", f"/campaigns/{made['id']}", 422, json=change)
    assert fields_of(problem) == {"schedule.recurrence"}
    await api.post(f"/campaigns/{made['id']}/pause", expect=200)
    changed = (await api.call("PATCH", f"/campaigns/{made['id']}", expect=200, json=change)).json()
    assert changed["schedule"]["recurrence"] is None


async def test_a_patch_changes_one_part_of_a_recurrence(api: Api) -> None:
    made = await api.campaign(schedule=DAILY)
    change = {"schedule": {"recurrence": {"catch_up": "PT2H"}}}
    changed = (await api.call("PATCH", f"/campaigns/{made['id']}", expect=200, json=change)).json()
    assert changed["schedule"]["recurrence"]["catch_up"] == "PT2H"
    assert changed["schedule"]["recurrence"]["calendars"][0]["at"] == ["09:00"]


async def test_a_launch_while_it_waits_calls_the_unreached_again_unless_it_is_refused(api: Api) -> None:
    made = await api.campaign(schedule={**DAILY, "recurrence": {**DAILY["recurrence"], "dial": "not_reached"}})
    path = f"/campaigns/{made['id']}"
    await api.post(f"{path}/prospects", {"phone": "+12025550123", "time_zone": "America/New_York"})
    await api.read("UPDATE prospects SET state = 'exhausted', next_due_at = NULL, attempts = 4 RETURNING id")
    await api.post(f"{path}/launch", expect=202)
    await api.read("UPDATE agents SET active = false RETURNING id")
    await api.refused("POST", f"{path}/launch", 422)
    assert await states(api, path) == ["exhausted"]
    await api.read("UPDATE agents SET active = true RETURNING id")
    assert (await api.post(f"{path}/launch", expect=202))["status"] == "running"
    assert await states(api, path) == ["ready"]


async def states(api: Api, path: str) -> list[str]:
    return [person["state"] for person in (await api.get(f"{path}/prospects"))["items"]]


@pytest.mark.parametrize("start_at", [None, "2026-01-01T00:00:00Z"])
async def test_somebody_who_waits_is_called_at_the_next_run(api: Api, start_at: str | None) -> None:
    monthly = {"time_zone": "Europe/Rome", "start_at": start_at, "recurrence": {"cron": ["0 9 1 * *"]}}
    made = await api.campaign(schedule=monthly)
    path = f"/campaigns/{made['id']}"
    person = await api.post(f"{path}/prospects", {"phone": "+12025550123"})
    await api.post(f"{path}/launch", expect=202)
    coming = (await api.get(f"{path}/schedule"))["coming"][0]["due_at"]
    explained = await api.get(f"/prospects/{person['id']}/explain")
    assert (explained["blocked_by"], explained["next_eligible_at"]) == ("status", coming)
    assert explained["gates"][0]["next_eligible_at"] == coming
