"""Batches over HTTP: one request makes them, and they are read, moved and cancelled. No worker runs here."""

import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import WorkflowExecutionStatus

from dialer.store import control
from dialer.store.prospect_writes import NewProspect, write_prospects
from tests.api.apis import ALWAYS, CALLER, Api, fields_of

CSV = b"phone,name\n+12025550123,Ada\n+12025550124,Grace\n"
LATER = "2036-12-01T09:00:00Z"
#: In which every test's batch would run, so that nothing here depends on when it is run.
RULES = {"calling_hours": ALWAYS, "pace": {"max_concurrent": 3}}


def soon(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def form(api: Api, **fields: str) -> dict[str, str]:
    agent = (await api.agent())["id"]
    return {"agent_id": agent, "caller_numbers": CALLER, "rules": json.dumps(RULES), **fields}


def file(content: bytes = CSV, name: str = "people.csv") -> dict[str, Any]:
    return {"file": (name, io.BytesIO(content), "text/csv")}


async def batch(api: Api, **fields: str) -> dict[str, Any]:
    answer = await api.call("POST", "/batches", expect=201, data=await form(api, **fields), files=file())
    return answer.json()


async def imported(api: Api, made: dict[str, Any]) -> None:
    """What the import's workflow would do."""
    async with api.services.database.transaction(api.workspace_id) as session:
        await write_prospects(
            session,
            workspace_id=api.workspace_id,
            campaign_id=made["campaign_id"],
            prospects=[NewProspect(phone="+12025550123", zone_set="UTC", zone_source="explicit")],
        )
    await api.read(
        "UPDATE imports SET status = 'completed', rows_total = 2 WHERE id = :i RETURNING 1", i=made["import_id"]
    )


async def launched(api: Api, made: dict[str, Any]) -> None:
    async with api.services.database.transaction(api.workspace_id) as session:
        await control.launch(session, made["campaign_id"])


async def test_one_request_makes_a_batch_with_its_import_and_its_campaign(api_with_temporal: Api):
    api = api_with_temporal
    given = await form(api, name="Spring", scheduled_at=soon(days=2), metadata='{"by": "us"}', default_region="US")
    content = CSV + b"+12025550125,of a file that is larger than other requests may be\n" * 80_000
    answer = await api.call("POST", "/batches", expect=201, data=given, files=file(content))
    made = answer.json()
    assert answer.headers["location"] == f"/api/v1/batches/{made['id']}"
    assert (made["name"], made["status"], made["filename"]) == ("Spring", "importing", "people.csv")
    assert (made["metadata"], made["progress"], made["error"]) == ({"by": "us"}, 0.0, None)
    assert made == await api.get(f"/batches/{made['id']}")
    described = await api.services.workflows.client.get_workflow_handle(made["workflow_id"]).describe()
    assert (described.status, described.id) == (WorkflowExecutionStatus.RUNNING, f"batch-{made['id']}")
    assert made["trace_url"].endswith(f"/workflows/batch-{made['id']}")
    campaign = await api.get(f"/campaigns/{made['campaign_id']}")
    assert (campaign["batch_id"], campaign["name"], campaign["status"]) == (made["id"], "Spring", "draft")
    assert (campaign["caller_numbers"], campaign["pace"]["max_concurrent"]) == ([CALLER], 3)
    (stored,) = await api.read("SELECT filename, options, size_bytes FROM imports")
    assert (stored.options["default_region"], stored.size_bytes) == ("US", len(content))


async def test_campaigns_of_batches_are_listed_only_on_request(api: Api):
    made, plain = await batch(api), await api.campaign()
    assert [each["id"] for each in (await api.get("/campaigns"))["items"]] == [plain["id"]]
    both = (await api.get("/campaigns", params={"include": "batches"}))["items"]
    assert {each["id"] for each in both} == {plain["id"], made["campaign_id"]}
    await api.refused("GET", "/campaigns", 422, params={"include": "everything"})


async def test_a_batchs_campaign_is_dialed_once_whatever_is_asked_later(api: Api):
    path = f"/campaigns/{(await batch(api))['campaign_id']}"
    recurring = {"schedule": {"time_zone": "Europe/Rome", "recurrence": {"cron": ["0 9 * * mon"]}}}
    for change, field in (({"keep_open": True}, "keep_open"), (recurring, "schedule.recurrence")):
        problem = await api.refused("PATCH", path, 422, json=change)
        assert fields_of(problem) == {field}
    assert (await api.get(path))["settings_version"] == 1


async def test_fields_may_come_behind_the_file_and_rules_as_fields_of_their_own(api: Api):
    parts = [("rules", (None, '{"pace": {"max_concurrent": 7}}')), *file().items()]
    for name, value in {**await form(api), "rules": "", "record": "true"}.items():
        if value:
            parts.append((name, (None, value)))  # a part without a file name is a field
    made = (await api.call("POST", "/batches", expect=201, files=parts)).json()
    campaign = await api.get(f"/campaigns/{made['campaign_id']}")
    assert (campaign["pace"]["max_concurrent"], campaign["record"]) == (7, True)
    assert made["scheduled_at"] is None
    assert made["name"].startswith("Batch of 20")


async def test_a_refused_batch_names_the_field_and_leaves_nothing_behind(api: Api):
    right = await form(api)
    for wrong, field in (
        ({"agent_id": ""}, "agent_id"),
        ({"agent_id": "0199a1b2-0000-7000-8000-000000000001"}, "agent_id"),
        ({"caller_numbers": "+16505550199"}, "caller_numbers[0]"),
        ({"caller_numbers": f"{CALLER},12"}, "caller_numbers[1]"),
        ({"rules": '{"pace": {"max_concurrent": 0}}'}, "pace.max_concurrent"),
        ({"rules": "[1]"}, "rules"),
        ({"pace": "{"}, "pace"),
        ({"pace": "{}"}, "pace"),
        ({"redial": '{"max_attempts": 99}'}, "redial.max_attempts"),
        ({"colour": "red"}, "colour"),
        ({"dry_run": "true"}, "dry_run"),
        ({"mapping": '{"fone": "x"}'}, "mapping"),
        ({"scheduled_at": "tomorrow"}, "scheduled_at"),
        ({"scheduled_at": "2020-01-01T09:00:00Z"}, "scheduled_at"),
        ({"scheduled_at": "2099-01-01T09:00:00Z"}, "scheduled_at"),
        ({"schedule": json.dumps({"start_at": LATER})}, "schedule.start_at"),
        ({"rules": '{"keep_open": true}'}, "keep_open"),
        ({"scheduled_at": soon(days=2), "schedule": json.dumps({"end_at": soon(days=1)})}, "scheduled_at"),
    ):
        for behind in (False, True):
            fields = [(name, (None, value)) for name, value in {**right, **wrong}.items()]
            parts = [*file().items(), *fields] if behind else [*fields, *file().items()]
            assert fields_of(await api.refused("POST", "/batches", 422, files=parts)) == {field}, (wrong, behind)
    assert fields_of(await api.refused("POST", "/batches", 422, files={"agent_id": (None, "x")})) == {"file"}
    await api.refused("POST", "/batches", 415, json={})
    assert (await api.get("/batches"))["items"] == []
    assert (await api.get("/campaigns", params={"include": "batches"}))["items"] == []
    assert await api.read("SELECT 1 FROM imports") == []


async def test_a_keyed_request_makes_one_batch(api: Api):
    given, headers = await form(api), {"Idempotency-Key": "batch-1"}
    first = await api.call("POST", "/batches", expect=201, data=given, files=file(), headers=headers)
    again = await api.call("POST", "/batches", expect=201, data=given, files=file(), headers=headers)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    await api.refused("POST", "/batches", 422, data=given, files=file(CSV + b"12,Eve\n"), headers=headers)
    assert len((await api.get("/batches"))["items"]) == 1


async def test_a_batch_is_moved_until_it_runs(api: Api):
    made = await batch(api, scheduled_at=soon(days=2))
    path = f"/batches/{made['id']}"
    moved = (await api.call("PATCH", path, expect=200, json={"scheduled_at": soon(days=3)})).json()
    assert moved["scheduled_at"] > made["scheduled_at"]
    await imported(api, made)
    assert (await api.get(path))["status"] == "scheduled"
    for wrong in ("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "soon"):
        assert fields_of(await api.refused("PATCH", path, 422, json={"scheduled_at": wrong})) == {"scheduled_at"}
    past = soon(minutes=-5)
    assert (await api.call("PATCH", path, expect=200, json={"scheduled_at": past})).json()["scheduled_at"] == past
    assert (await api.call("PATCH", path, expect=200, json={"scheduled_at": None})).json()["scheduled_at"] is None
    await launched(api, made)
    problem = await api.refused("PATCH", path, 409, json={"scheduled_at": None})
    assert (problem["code"], problem["current_status"]) == ("wrong_status", "running")
    assert (await api.call("PATCH", path, expect=200, json={"metadata": {"a": 1}})).json()["metadata"] == {"a": 1}
    await api.refused("PATCH", "/batches/0199a1b2-0000-7000-8000-000000000001", 404, json={"scheduled_at": None})


async def test_what_people_do_with_its_campaign_shows_in_the_batch(api: Api):
    made = await batch(api)
    path, campaign = f"/batches/{made['id']}", f"/campaigns/{made['campaign_id']}"
    await imported(api, made)
    await launched(api, made)
    running = await api.get(path)
    assert (running["status"], running["progress"]) == ("running", 0.0)
    assert (running["counts"]["prospects_total"], running["counts"]["rows_total"]) == (1, 2)
    await api.post(f"{campaign}/pause", expect=200)
    paused = await api.get(path)
    assert (paused["status"], paused["paused_reason"]) == ("paused", "user")
    await api.post(f"{campaign}/resume", expect=200)
    await api.read("UPDATE prospects SET state = 'reached' RETURNING 1")
    assert (await api.get(path))["progress"] == 1.0
    await api.read("UPDATE campaigns SET status = 'completed' WHERE id = :c RETURNING 1", c=made["campaign_id"])
    done = await api.get(path)
    assert (done["status"], done["counts"]["prospects_done"]) == ("completed", 1)
    problem = await api.refused("DELETE", path, 409)
    assert problem["current_status"] == "completed"


async def test_a_batch_is_cancelled_while_it_is_imported_waits_or_runs(api: Api):
    importing, waiting, running = [await batch(api, scheduled_at=soon(days=1)) for _ in range(3)]
    for made in (waiting, running):
        await imported(api, made)
    await launched(api, running)
    for made in (importing, waiting, running):
        for _ in range(2):  # once more changes nothing
            answer = await api.call("DELETE", f"/batches/{made['id']}", expect=200, params={"calls": "hang_up"})
            assert (answer.json()["status"], answer.json()["calls_in_flight"]) == ("cancelled", 0)
        assert (await api.get(f"/campaigns/{made['campaign_id']}"))["status"] == "stopped"
    stored = await api.read("SELECT status FROM imports ORDER BY created_at")
    assert [row.status for row in stored] == ["cancelled", "completed", "completed"]
    await api.refused("PATCH", f"/batches/{waiting['id']}", 409, json={"scheduled_at": None})
    await api.refused("POST", f"/campaigns/{waiting['campaign_id']}/launch", 409)
    await api.refused("DELETE", f"/batches/{waiting['id']}", 422, params={"calls": "shout"})


async def test_a_batch_is_cancelled_while_its_file_arrives(api: Api):
    edge = "edge-of-the-parts"
    fields = "".join(
        f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (await form(api)).items()
    )
    head = f'{fields}--{edge}\r\nContent-Disposition: form-data; name="file"; filename="p.csv"\r\n\r\n'

    async def body() -> AsyncIterator[bytes]:
        yield head.encode() + CSV
        (made,) = (await api.get("/batches"))["items"]
        assert (made["status"], made["trace_url"]) == ("importing", None)
        await api.refused("POST", f"/campaigns/{made['campaign_id']}/launch", 404)
        assert (await api.call("DELETE", f"/batches/{made['id']}", expect=200)).json()["status"] == "cancelled"
        yield b"+12025550125,Eve\n" + f"\r\n--{edge}--\r\n".encode()

    headers = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    problem = await api.refused("POST", "/batches", 409, content=body(), headers=headers)
    assert problem["code"] == "cancelled"
    (left,) = (await api.get("/batches"))["items"]
    assert left["status"] == "cancelled"


async def test_a_failed_import_is_why_a_batch_failed(api: Api):
    made = await batch(api)
    error = {"code": "file_empty", "message": "The file is empty", "suggestion": None, "column": None}
    sql = "UPDATE imports SET status = 'failed', error = CAST(:error AS jsonb) RETURNING 1"
    await api.read(sql, error=json.dumps(error))
    failed = await api.get(f"/batches/{made['id']}")
    assert (failed["status"], failed["error"]) == ("failed", error)
    assert (await api.refused("DELETE", f"/batches/{made['id']}", 409))["current_status"] == "failed"
    await api.call("POST", f"/imports/{made['import_id']}/retry", expect=202)
    assert (await api.get(f"/batches/{made['id']}"))["status"] == "importing"
    await api.call("DELETE", f"/imports/{made['import_id']}", expect=204)
    undone = await api.get(f"/batches/{made['id']}")
    assert (undone["status"], undone["error"]["code"], undone["import_id"]) == ("failed", "import_deleted", None)


async def test_batches_are_listed_page_by_page_and_filtered(api: Api):
    made = [await batch(api, name=f"Wave {n}", scheduled_at=soon(days=3 - n)) for n in range(3)]
    await imported(api, made[0])
    ids = [each["id"] for each in made]
    first = await api.get("/batches", params={"limit": 2, "sort": "scheduled_at"})
    rest = await api.get("/batches", params={"limit": 2, "sort": "scheduled_at", "cursor": first["next_cursor"]})
    assert [each["id"] for each in first["items"] + rest["items"]] == ids[::-1]
    for query, expected in (
        ({"status": "scheduled"}, ids[:1]),
        ({"status": "importing"}, ids[:0:-1]),
        ({"search": "wave 1"}, ids[1:2]),
        ({"search": "people.CSV", "sort": "created_at"}, ids),
        ({"agent_id": made[2]["agent_id"]}, ids[2:]),
        ({"created_after": made[1]["created_at"]}, ids[2:]),
    ):
        assert [each["id"] for each in (await api.get("/batches", params=query))["items"]] == expected, query
    await api.refused("GET", "/batches", 422, params={"status": "sleeping"})


async def test_calls_are_found_by_their_batch(api: Api):
    made, other = await batch(api), await batch(api)
    for each in (made, other):
        await imported(api, each)
        sql = """INSERT INTO calls (workspace_id, campaign_id, prospect_id, attempt, state)
                 SELECT workspace_id, campaign_id, id, 1, 'deferred' FROM prospects
                 WHERE campaign_id = :c RETURNING 1"""
        await api.read(sql, c=each["campaign_id"])
    (call,) = (await api.get("/calls", params={"batch_id": made["id"]}))["items"]
    assert call["campaign_id"] == made["campaign_id"]
