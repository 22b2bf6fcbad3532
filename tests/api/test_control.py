"""Launch, pause, resume and stop, over a Temporal server on which nobody works."""

import asyncio

from temporalio.client import WorkflowExecutionStatus

from tests.api.apis import CALLER, PERSON, Api, fields_of

_UNDECIDED_CALL = """
    INSERT INTO calls (workspace_id, campaign_id, state, carrier_account_id, from_phone, to_phone)
    SELECT c.workspace_id, c.id, 'dialing', a.id, '+16505550150', '+12025550123'
    FROM campaigns c, carrier_accounts a RETURNING id"""


async def _ready(api: Api, **fields: object) -> str:
    """The path of a campaign with one person to call."""
    campaign = await api.campaign(**fields)
    path = f"/campaigns/{campaign['id']}"
    await api.post(f"{path}/prospects", {"phone": PERSON})
    return path


async def test_a_launched_campaign_runs_as_a_workflow(api_with_temporal: Api):
    api = api_with_temporal
    path = await _ready(api)
    launched = await api.post(f"{path}/launch", expect=202)
    assert launched["status"] == "running"
    assert launched["workflow_id"] == f"campaign-{path.rpartition('/')[2]}"
    assert launched["trace_url"].endswith(launched["workflow_id"])
    described = await api.services.workflows.client.get_workflow_handle(launched["workflow_id"]).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING
    problem = await api.refused("POST", f"{path}/launch", 409)
    assert problem["current_status"] == "running"
    status = await api.get(f"{path}/status")
    assert (status["status"], status["prospects_total"], status["prospects_done"]) == ("running", 1, 0)


async def test_a_launch_before_its_start_is_scheduled_and_the_next_one_starts_it(api_with_temporal: Api):
    api = api_with_temporal
    path = await _ready(api, schedule={"start_at": "2036-12-01T08:00:00Z"})
    assert (await api.post(f"{path}/launch", expect=202))["status"] == "scheduled"
    status = await api.get(f"{path}/status")
    assert status["next_call_at"] == "2036-12-01T08:00:00Z"
    assert status["waiting_for"]
    assert (await api.post(f"{path}/launch", expect=202))["status"] == "running"


async def test_a_completed_campaign_with_a_new_start_waits_for_it(api_with_temporal: Api):
    api = api_with_temporal
    path = await _ready(api)
    for expected in ("scheduled", "running"):
        await api.read("UPDATE campaigns SET status = 'completed', completed_reason = 'all_final' RETURNING 1")
        start_at = "2036-12-01T08:00:00Z" if expected == "scheduled" else None
        await api.call("PATCH", path, expect=200, json={"schedule": {"start_at": start_at}})
        assert (await api.post(f"{path}/launch", expect=202))["status"] == expected
    await api.call("PATCH", path, expect=200, json={"schedule": {"start_at": "2036-12-01T08:00:00Z"}})
    await api.post(f"{path}/pause", expect=200)
    assert (await api.post(f"{path}/resume", expect=200))["status"] == "scheduled"
    assert (await api.post(f"{path}/launch", expect=202))["status"] == "running"


async def test_pause_resume_and_stop_are_idempotent(api_with_temporal: Api):
    api = api_with_temporal
    path = await _ready(api)
    assert (await api.refused("POST", f"{path}/pause", 409))["current_status"] == "draft"
    await api.post(f"{path}/launch", expect=202)
    for _ in range(2):
        paused = await api.post(f"{path}/pause", {"calls": "hang_up"}, expect=200)
        assert paused == {"status": "paused", "calls_in_flight": 0, "undecided": None}
    assert (await api.get(path))["paused_reason"] == "user"
    assert (await api.refused("POST", f"{path}/launch", 409))["current_status"] == "paused"
    for _ in range(2):
        assert (await api.post(f"{path}/resume", expect=200))["status"] == "running"
    for _ in range(2):
        assert (await api.post(f"{path}/stop", expect=200))["status"] == "stopped"
    assert (await api.refused("POST", f"{path}/resume", 409))["current_status"] == "stopped"
    problem = await api.refused("POST", f"{path}/prospects", 409, json={"phone": "+12025550124"})
    assert problem["current_status"] == "stopped"
    assert fields_of(await api.refused("POST", f"{path}/stop", 422, json={"calls": "drop"})) == {"calls"}


async def test_a_pause_answers_202_while_a_call_is_undecided_and_200_once_it_is(api_with_temporal: Api):
    api = api_with_temporal
    path = await _ready(api)
    await api.post(f"{path}/launch", expect=202)
    await api.read(_UNDECIDED_CALL)
    answer = await api.call("POST", f"{path}/pause", expect=202)
    assert answer.json() == {"status": "paused", "calls_in_flight": 1, "undecided": 1}
    asked = asyncio.create_task(api.call("POST", f"{path}/pause"))
    await api.read("UPDATE calls SET carrier_call_id = 'CA1', state = 'accepted' RETURNING 1")
    answer = await asked
    assert answer.status_code == 200
    assert answer.json()["calls_in_flight"] == 1


async def test_a_pause_that_a_resume_overtakes_is_not_answered_with_200(api_with_temporal: Api):
    api = api_with_temporal
    path = await _ready(api)
    await api.post(f"{path}/launch", expect=202)
    await api.read(_UNDECIDED_CALL)
    asked = asyncio.create_task(api.call("POST", f"{path}/pause"))
    async with asyncio.timeout(20):
        while (await api.get(path))["status"] != "paused":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await api.post(f"{path}/resume", expect=200)
    await api.read("UPDATE calls SET carrier_call_id = 'CA1', state = 'accepted' RETURNING 1")
    answer = await asked
    assert (answer.status_code, answer.json()["current_status"]) == (409, "running")


async def test_a_launch_that_cannot_work_says_why(api: Api):
    campaign = await api.campaign(caller_numbers=[])
    path = f"/campaigns/{campaign['id']}"
    problem = await api.refused("POST", f"{path}/launch", 422)
    assert {error["code"] for error in problem["errors"]} == {"no_caller_number", "no_prospects"}
    await api.call("PATCH", path, expect=200, json={"caller_numbers": [CALLER]})
    await api.post(f"{path}/prospects", {"phone": PERSON, "time_zone": "Europe/Rome"})
    await api.call("PATCH", f"/agents/{campaign['agent_id']}", expect=200, json={"active": False})
    problem = await api.refused("POST", f"{path}/launch", 422)
    assert [error["code"] for error in problem["errors"]] == ["agent_inactive"]
    await api.call("PATCH", f"/agents/{campaign['agent_id']}", expect=200, json={"active": True})
    # Sunday and Monday morning in Rome; the window is Monday evening.
    hours = {"windows": [{"days": ["mon"], "start": "18:00", "end": "20:00"}], "zone": "prospect"}
    schedule = {"start_at": "2036-06-08T00:00:00Z", "end_at": "2036-06-09T18:00:00Z"}
    body = {"calling_hours": hours, "schedule": schedule}
    await api.call("PATCH", path, expect=200, json=body)
    schedule = {"start_at": "2036-06-08T00:00:00Z", "end_at": "2036-06-09T11:00:00Z"}
    await api.call("PATCH", path, expect=200, json={"schedule": schedule})
    problem = await api.refused("POST", f"{path}/launch", 422)
    assert [error["code"] for error in problem["errors"]] == ["never_opens"]
    assert (await api.get(path))["status"] == "draft"


async def test_a_launch_survives_a_temporal_that_does_not_answer(api: Api):
    path = await _ready(api)
    launched = await api.post(f"{path}/launch", expect=202)
    assert launched["status"] == "running"  # the sweep starts the workflow later


async def test_the_status_is_public_only_when_the_campaign_says_so(api: Api):
    path = await _ready(api)
    stranger = {"X-API-Key": ""}
    await api.refused("GET", f"{path}/status", 401, headers={"X-API-Key": "dk_wrong"})
    del api.http.headers["X-API-Key"]
    await api.refused("GET", f"{path}/status", 401)
    await api.refused("GET", f"{path}/stats", 401)
    api.http.headers["X-API-Key"] = "dk_for-tests-only"
    await api.call("PATCH", path, expect=200, json={"public_status": True})
    del api.http.headers["X-API-Key"]
    answer = await api.call("GET", f"{path}/status", expect=200)
    assert PERSON not in answer.text
    await api.refused("GET", path, 401, headers=stranger)


async def test_stats_and_results_come_from_what_is_counted(api: Api):
    path = await _ready(api, display_columns=["name", "phone", "plan", "disposition"])
    await api.post(f"{path}/prospects", {"phone": "+12025550124", "name": "Ada", "variables": {"plan": "gold"}})
    stats = await api.get(f"{path}/stats")
    assert stats["prospects"] == {"ready": 2}
    assert stats["attempts"] == {"0": 2}
    assert stats["calls_total"] == 0
    results = await api.get(f"{path}/results", params={"limit": 1})
    assert [column["name"] for column in results["display_columns"]] == ["name", "phone", "plan", "disposition"]
    rest = await api.get(f"{path}/results", params={"cursor": results["next_cursor"]})
    rows = results["rows"] + rest["rows"]
    assert [row["phone"] for row in rows] == [PERSON, "+12025550124"]
    assert rows[1]["plan"] == "gold"
    answer = await api.call("GET", f"{path}/results", expect=200, headers={"Accept": "text/csv"})
    assert answer.text.splitlines() == ["Name,Phone,Plan,Disposition", f",{PERSON},,", "Ada,+12025550124,gold,"]


async def test_a_file_of_results_has_no_cell_that_a_spreadsheet_would_calculate(api: Api):
    path = await _ready(api, display_columns=["phone", "plan", "balance"])
    variables = {"plan": "=1", "balance": -5}
    await api.post(f"{path}/prospects", {"phone": "+12025550124", "variables": variables})
    await api.post(f"{path}/prospects", {"phone": "+12025550125", "variables": {"plan": "+1", "balance": "@x"}})
    answer = await api.call("GET", f"{path}/results", expect=200, headers={"Accept": "text/csv"})
    assert answer.text.splitlines()[2:] == ["+12025550124,'=1,-5", "+12025550125,'+1,'@x"]
