"""What holds for every request: keys, scopes, problems, ids, rates, replays."""

import asyncio
import json

from sqlalchemy import text

from dialer.store.bootstrap import hash_key
from tests.api.apis import KEY, Api, fields_of


async def test_a_request_without_a_known_key_is_not_authenticated(api: Api):
    for headers in ({"X-API-Key": ""}, {"X-API-Key": "dk_wrong"}):
        problem = await api.refused("GET", "/me", 401, headers=headers)
        assert problem["code"] == "not_authenticated"
    answer = await api.call("POST", "/agents", expect=401, headers={"X-API-Key": "x"}, content=b"{")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_key_may_come_as_a_bearer_token(api: Api):
    headers = {"X-API-Key": "", "Authorization": f"Bearer {KEY}"}
    await api.call("GET", "/me", expect=200, headers=headers)


async def _key_with(api: Api, **columns: object) -> str:
    key = "dk_another"
    async with api.services.database.transaction(api.workspace_id) as session:
        sql = """INSERT INTO api_keys (workspace_id, name, key_hash, scopes, requests_per_minute)
                 VALUES (:w, 'x', :hash, :scopes, :rate)"""
        values = {"w": api.workspace_id, "hash": hash_key(key), "scopes": ["agents:read"], "rate": 100, **columns}
        await session.execute(text(sql), values)
    return key


async def test_a_key_without_the_scope_is_forbidden(api: Api):
    headers = {"X-API-Key": await _key_with(api)}
    await api.call("GET", "/agents", expect=200, headers=headers)
    problem = await api.refused("POST", "/agents", 403, headers=headers, json={"name": "x"})
    assert problem["code"] == "missing_scope"


async def test_the_requests_of_a_minute_are_counted_and_refused_when_used_up(api: Api):
    headers = {"X-API-Key": await _key_with(api, rate=2)}
    answers = [await api.call("GET", "/agents", headers=headers) for _ in range(5)]
    last = answers[-1]
    if last.status_code != 429:  # a minute began in between
        answers = [await api.call("GET", "/agents", headers=headers) for _ in range(5)]
        last = answers[-1]
    assert last.status_code == 429
    assert int(last.headers["retry-after"]) >= 1
    assert last.headers["x-ratelimit-limit"] == "2"
    assert last.headers["x-ratelimit-remaining"] == "0"
    assert int(last.headers["x-ratelimit-reset"]) % 60 == 0


async def test_another_workspaces_rows_do_not_exist(api: Api):
    campaign = await api.campaign()
    async with api.services.database.transaction_over_all() as session:
        sql = "INSERT INTO workspaces (name, slug) VALUES ('Other', 'other') RETURNING id"
        other = (await session.execute(text(sql))).scalar_one()
        sql = """INSERT INTO api_keys (workspace_id, name, key_hash, scopes)
                 SELECT :w, 'x', :hash, scopes FROM api_keys LIMIT 1"""
        await session.execute(text(sql), {"w": other, "hash": hash_key("dk_other")})
    headers = {"X-API-Key": "dk_other"}
    for method, path in (
        ("GET", f"/campaigns/{campaign['id']}"),
        ("GET", f"/campaigns/{campaign['id']}/status"),
        ("POST", f"/campaigns/{campaign['id']}/launch"),
        ("PATCH", f"/campaigns/{campaign['id']}"),
        ("DELETE", f"/agents/{campaign['agent_id']}"),
        ("GET", "/phone-numbers/+16505550150"),
    ):
        body = {"json": {}} if method == "PATCH" else {}
        await api.refused(method, path, 404, headers=headers, **body)
    assert (await api.get("/campaigns", headers=headers))["items"] == []


async def test_ids_that_are_none_are_not_found(api: Api):
    for path in ("/agents/x", "/campaigns/%00", "/campaigns/x y", "/calls/1", "/phone-numbers/12", "/imports/-"):
        await api.refused("GET", path, 404)
    await api.refused("GET", "/nothing", 404)
    await api.refused("PUT", "/agents", 405)


async def test_request_ids_are_echoed_and_trace_ids_taken_from_traceparent(api: Api):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"X-Request-ID": "mine-1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    answer = await api.call("GET", "/agents/x", expect=404, headers=headers)
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.json()["trace_id"] == trace
    answer = await api.call("GET", "/me", expect=200, headers={"X-Request-ID": "two\twords"})
    assert answer.headers["x-request-id"] != "two\twords"


async def test_bodies_that_are_no_json_are_refused(api: Api):
    await api.refused("POST", "/agents", 415, content=b"name=Ada", headers={"Content-Type": "text/plain"})
    await api.refused("POST", "/agents", 400, content=b"{", headers={"Content-Type": "application/json"})
    deep = b"[" * 100_000
    await api.refused("POST", "/agents", 400, content=deep, headers={"Content-Type": "application/json"})
    big = json.dumps({"name": "x" * 5_000_000}).encode()
    problem = await api.refused("POST", "/agents", 413, content=big, headers={"Content-Type": "application/json"})
    assert problem["code"] == "too_large"


async def test_a_wrong_field_is_named_and_nothing_is_made(api: Api):
    wrong: list[tuple[object, str]] = [
        ({}, "name"),
        ({"name": "x", "colour": "red"}, "colour"),
        ({"name": "x", "llm": {"temprature": 1}}, "llm.temprature"),
        ({"name": "x\0"}, "body"),
        ({"name": "x", "metadata": {"a": "b" * 20_000}}, "metadata"),
        ({"name": "x", "max_call_s": -1}, "max_call_s"),
        ([1], "body"),
    ]
    for body, field in wrong:
        assert fields_of(await api.refused("POST", "/agents", 422, json=body)) == {field}
    assert (await api.get("/agents"))["items"] == []


async def test_numbers_that_are_not_finite_are_refused(api: Api):
    content = b'{"name": "x", "metadata": {"n": NaN}}'
    await api.refused("POST", "/agents", 422, content=content, headers={"Content-Type": "application/json"})


async def test_a_keyed_request_is_answered_once(api: Api):
    headers = {"Idempotency-Key": "once"}
    first = await api.call("POST", "/agents", expect=201, json={"name": "Ada", "language": "it"}, headers=headers)
    again = await api.call("POST", "/agents", expect=201, json={"language": "it", "name": "Ada"}, headers=headers)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert "idempotent-replayed" not in first.headers
    problem = await api.refused("POST", "/agents", 422, json={"name": "Eve"}, headers=headers)
    assert problem["errors"][0]["code"] == "idempotency_key_reused"
    assert len((await api.get("/agents"))["items"]) == 1


async def test_two_keyed_requests_at_the_same_time_do_it_once(api: Api):
    headers = {"Idempotency-Key": "race"}
    answers = await asyncio.gather(
        *(api.call("POST", "/agents", json={"name": "Ada"}, headers=headers) for _ in range(5))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len((await api.get("/agents"))["items"]) == 1


async def test_a_refused_keyed_request_may_be_mended_under_the_same_key(api: Api):
    headers = {"Idempotency-Key": "mend"}
    await api.refused("POST", "/agents", 422, json={"name": ""}, headers=headers)
    await api.call("POST", "/agents", expect=201, json={"name": "Ada"}, headers=headers)


async def test_health_needs_no_key_and_readiness_names_what_is_missing(api: Api):
    for path in ("/health", "/liveness", "/version"):
        assert (await api.http.get(path, headers={"X-API-Key": ""})).status_code == 200
    answer = await api.http.get("/readiness")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": True, "temporal": False}
    await api.get("/agents")
    metrics = (await api.http.get("/metrics")).text
    assert 'dialer_http_requests_total{method="GET",route="/api/v1/agents",status="200"} 1' in metrics


async def test_what_calls_tell_among_results_is_for_who_may_read_calls(api: Api):
    campaign = await api.campaign()
    headers = {"X-API-Key": await _key_with(api, scopes=["campaigns:read"])}
    path = f"/campaigns/{campaign['id']}/results"
    await api.call("GET", path, expect=200, headers=headers)
    for accept in ("application/json", "text/csv"):
        given = {**headers, "Accept": accept}
        problem = await api.refused("GET", f"{path}?columns=name,notes", 403, headers=given)
        assert problem["code"] == "missing_scope"
