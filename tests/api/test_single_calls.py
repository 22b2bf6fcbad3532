"""One call now, on a clock that stands at a Wednesday noon in New York."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from temporalio.client import WorkflowExecutionStatus

from api.app import create_app
from tests.api.apis import CALLER, PERSON, Api
from tests.api.conftest import PUBLIC_URL

NOON = datetime(2036, 6, 4, 16, 0, tzinfo=UTC)


@pytest.fixture
def clock_offset() -> timedelta:
    return NOON - datetime.now(UTC)


async def test_a_single_call_is_claimed_and_runs_as_a_workflow(api_with_temporal: Api):
    api = api_with_temporal
    agent = await api.agent()
    body = {"agent_id": agent["id"], "from": CALLER, "to": PERSON, "variables": {"name": "Ada"}}
    started = await api.post("/calls", body, expect=202, headers={"Idempotency-Key": "ring"})
    described = await api.services.workflows.client.get_workflow_handle(started["workflow_id"]).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING
    call = await api.get(f"/calls/{started['call_id']}")
    assert (call["state"], call["from"], call["to"], call["campaign_id"]) == ("claimed", CALLER, PERSON, None)
    again = await api.post("/calls", body, expect=202, headers={"Idempotency-Key": "ring"})
    assert again["call_id"] == started["call_id"]
    problem = await api.refused("POST", "/calls", 409, json=body)
    assert [gate["name"] for gate in problem["gates"] if not gate["pass"]] == ["status"]


async def test_a_call_that_temporal_cannot_start_is_not_dialed(api: Api):
    agent = await api.agent()
    body = {"agent_id": agent["id"], "from": CALLER, "to": PERSON}
    problem = await api.refused("POST", "/calls", 503, json=body)
    assert problem["code"] == "unavailable"
    (call,) = await api.read("SELECT state, deferred_reason FROM calls")
    assert (call.state, call.deferred_reason) == ("deferred", "not_started"), "nor will it be, when Temporal is back"


async def test_nothing_is_dialed_with_the_real_carrier_and_no_public_address(api: Api):
    agent, campaign = await api.agent(), await api.campaign(keep_open=True)
    changed = {"twilio_base_url": None, "public_url": "http://127.0.0.1:8600"}
    real = replace(api.services, settings=api.services.settings.model_copy(update=changed))
    transport = httpx.ASGITransport(create_app(real))
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=api.http.headers) as http:
        body = {"agent_id": agent["id"], "from": CALLER, "to": PERSON}
        call = await http.post("/api/v1/calls", json=body)
        launch = await http.post(f"/api/v1/campaigns/{campaign['id']}/launch")
    for refused in (call, launch):
        assert refused.status_code == 422
        assert [error["code"] for error in refused.json()["errors"]] == ["no_public_url"]
    assert await api.read("SELECT 1 FROM calls") == []
