"""Prospects, results and calls as files."""

import asyncio
import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.app import create_app
from dialer.store.bootstrap import hash_key
from tests.api.apis import KEY, Api, fields_of

ANN, BEN, EVE = "+12025550101", "+12025550102", "+12025550103"


async def people(api: Api, *items: dict[str, Any]) -> dict[str, Any]:
    """A campaign with these people."""
    campaign = await api.campaign()
    answer = await api.post(f"/campaigns/{campaign['id']}/prospects:upsert", {"items": list(items)}, expect=200)
    assert answer["created"] == len(items), answer
    return campaign


async def call_was_made(api: Api, phone: str, *, attempt: int = 1, notes: str | None = None) -> None:
    """An ended call, and the person as it left them."""
    await api.read(
        """INSERT INTO calls (workspace_id, campaign_id, prospect_id, contact_id, agent_id, to_phone, from_phone,
               attempt, state, disposition, outcome, dialed_at, answered_at, ended_at, talk_seconds, cost, notes)
           SELECT p.workspace_id, p.campaign_id, p.id, p.contact_id, c.agent_id, p.phone, '+16505550150', :attempt,
               'ended', 'human', 'goal', '2026-03-01T10:00:00Z', '2026-03-01T10:00:05Z', '2026-03-01T10:01:05Z', 60,
               0.0125, :notes
           FROM prospects p JOIN campaigns c ON c.id = p.campaign_id WHERE p.phone = :phone RETURNING 1""",
        phone=phone,
        attempt=attempt,
        notes=notes,
    )
    sql = """UPDATE prospects SET state = 'reached', attempts = :attempt, last_disposition = 'human',
             last_outcome = 'goal' WHERE phone = :phone RETURNING 1"""
    await api.read(sql, phone=phone, attempt=attempt)


def table(answer: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.content.splitlines()]


async def test_prospects_are_exported_as_csv(api: Api):
    campaign = await people(
        api,
        {"phone": ANN, "external_id": "crm-1", "name": "=Ann", "variables": {"plan": "gold", "n": 5}, "priority": 3},
        {"phone": BEN, "name": "Ben", "time_zone": "Europe/Rome"},
    )
    answer = await api.call("GET", f"/campaigns/{campaign['id']}/prospects:export", expect=200)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["x-export-rows"] == "2"
    name = f"prospects-of-campaign-{campaign['number']}.csv"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.content.startswith(b'\xef\xbb\xbf"phone",')
    ann, ben = table(answer)
    assert (ann["phone"], ann["name"], ann["plan"], ann["priority"]) == (ANN, "'=Ann", "gold", "3")
    assert (ann["time_zone"], ann["dialer_time_zone_source"]) == ("", "phone")
    assert (ben["time_zone"], ben["dialer_time_zones"]) == ("Europe/Rome", "Europe/Rome")
    assert (ann["dialer_variables"], ben["dialer_variables"]) == ('{"n":5}', "")
    assert (ben["dialer_state"], ben["dialer_attempts"]) == ("ready", "0")


async def test_an_export_takes_the_filters_of_its_list(api: Api):
    campaign = await people(api, {"phone": ANN, "name": "Ann"}, {"phone": BEN, "name": "Ben"}, {"phone": EVE})
    await call_was_made(api, BEN)
    for what in ("prospects", "results"):
        path = f"/campaigns/{campaign['id']}/{what}:export"
        for query, found in (
            ({"state": "reached"}, [BEN]),
            ({"last_disposition": "human"}, [BEN]),
            ({"search": "an"}, [ANN]),
            ({"search": "025550103"}, [EVE]),
            ({"created_before": "2020-01-01T00:00:00Z"}, []),
            ({"created_by": "nobody"}, []),
        ):
            answer = await api.call("GET", path, expect=200, params={"format": "jsonl", **query})
            assert [row["phone"] for row in lines(answer)] == found, query
            assert answer.headers["x-export-rows"] == str(len(found))
    for query, count in (({"disposition": "human"}, 1), ({"phone": ANN}, 0), ({"campaign_id": campaign["id"]}, 1)):
        answer = await api.call("GET", "/calls/export", expect=200, params={"format": "jsonl", **query})
        assert len(lines(answer)) == count


async def test_results_tell_of_the_last_call(api: Api):
    campaign = await people(api, {"phone": ANN, "variables": {"plan": "gold"}}, {"phone": BEN})
    await call_was_made(api, ANN, attempt=1, notes="no")
    await call_was_made(api, ANN, attempt=2, notes="=yes")
    path = f"/campaigns/{campaign['id']}/results:export"
    called, new = table(await api.call("GET", path, expect=200))
    expected = {
        "phone": ANN,
        "plan": "gold",
        "dialer_state": "reached",
        "dialer_attempts": "2",
        "dialer_last_disposition": "human",
        "dialer_last_outcome": "goal",
        "dialer_answered_at": "2026-03-01T10:00:05Z",
        "dialer_talk_seconds": "60",
        "dialer_notes": "'=yes",
    }
    assert expected.items() <= called.items()
    assert (new["dialer_state"], new["dialer_call_id"], new["dialer_notes"]) == ("ready", "", "")


async def test_calls_are_exported_in_every_format(api: Api):
    parquet = pytest.importorskip("pyarrow.parquet")
    await people(api, {"phone": ANN, "external_id": "crm-1", "name": "Ann"})
    await call_was_made(api, ANN, notes="well")
    (shown,) = (await api.get("/calls"))["items"]
    (read,) = table(await api.call("GET", "/calls/export", expect=200))
    assert (read["id"], read["to"], read["name"], read["cost"]) == (shown["id"], ANN, "Ann", "0.0125")
    answer = await api.call("GET", "/calls/export", expect=200, params={"format": "jsonl"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    (line,) = lines(answer)
    assert {name: shown[name] for name in line.keys() & shown.keys()}.items() <= line.items()
    answer = await api.call("GET", "/calls/export", expect=200, params={"format": "parquet"})
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    (row,) = parquet.ParquetFile(io.BytesIO(answer.content)).read().to_pylist()
    assert (row["id"], row["talk_seconds"]) == (shown["id"], 60)
    assert row["dialed_at"] == datetime(2026, 3, 1, 10, tzinfo=UTC)


async def test_a_forgotten_call_tells_no_name(api: Api):
    await people(api, {"phone": ANN, "external_id": "crm-1", "name": "Ann"})
    await call_was_made(api, ANN, notes="well")
    (shown,) = (await api.get("/calls"))["items"]
    await api.call("DELETE", f"/calls/{shown['id']}", expect=204)
    (line,) = lines(await api.call("GET", "/calls/export", expect=200, params={"format": "jsonl"}))
    assert {line[name] for name in ("name", "external_id", "from", "to", "notes")} == {None}


async def test_an_export_of_nothing_is_a_file_with_a_header(api: Api):
    campaign = await api.campaign()
    answer = await api.call("GET", f"/campaigns/{campaign['id']}/prospects:export", expect=200)
    assert answer.content.startswith(b'\xef\xbb\xbf"phone"')
    assert table(answer) == []


async def test_what_cannot_be_exported_is_refused(api: Api):
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}/prospects:export"
    assert fields_of(await api.refused("GET", path, 422, params={"format": "xls"})) == {"format"}
    assert fields_of(await api.refused("GET", path, 422, params={"state": "asleep"})) == {"state"}
    assert fields_of(await api.refused("GET", "/calls/export", 422, params={"phone": "nonsense"})) == {"phone"}
    for what in ("prospects", "results"):
        await api.refused("GET", f"/campaigns/nobody/{what}:export", 404)
        await api.refused("GET", f"/campaigns/{campaign['id']}/{what}:export", 401, headers={"X-API-Key": "wrong"})
    await api.refused("GET", "/calls/export", 401, headers={"X-API-Key": "wrong"})


async def test_another_workspace_and_a_key_without_the_scope_get_nothing(api: Api):
    campaign = await people(api, {"phone": ANN})
    await call_was_made(api, ANN)
    async with api.services.database.transaction_over_all() as session:
        sql = "INSERT INTO workspaces (name, slug) VALUES ('Other', 'other') RETURNING id"
        other = (await session.execute(text(sql))).scalar_one()
        sql = "INSERT INTO api_keys (workspace_id, name, key_hash, scopes) VALUES (:w, 'x', :hash, :scopes)"
        for key, workspace_id, scopes in (
            ("dk_other", other, ["prospects:read", "campaigns:read", "calls:read"]),
            ("dk_agents", api.workspace_id, ["agents:read"]),
        ):
            await session.execute(text(sql), {"w": workspace_id, "hash": hash_key(key), "scopes": scopes})
    for path in (f"/campaigns/{campaign['id']}/prospects:export", f"/campaigns/{campaign['id']}/results:export"):
        await api.refused("GET", path, 404, headers={"X-API-Key": "dk_other"})
        await api.refused("GET", path, 403, headers={"X-API-Key": "dk_agents"})
    await api.refused("GET", "/calls/export", 403, headers={"X-API-Key": "dk_agents"})
    assert table(await api.call("GET", "/calls/export", expect=200, headers={"X-API-Key": "dk_other"})) == []


@pytest.mark.parametrize("tells", ["by failing to send", "by a message"])
async def test_a_client_that_goes_away_frees_the_connection(api: Api, tells: str):
    campaign = await api.campaign()
    await api.read(
        """WITH people AS (INSERT INTO contacts (workspace_id, phone) SELECT :w, '+999' || n
               FROM generate_series(1, 6000) AS n RETURNING id, phone)
           INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, next_due_at)
           SELECT :w, :c, id, phone, now() FROM people RETURNING 1""",
        w=api.workspace_id,
        c=campaign["id"],
    )
    sent: list[Any] = []
    asked: list[bool] = []
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if asked:
            await gone.wait()
            return {"type": "http.disconnect"}
        asked.append(True)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) == 4:
            gone.set()
            if tells == "by failing to send":
                raise OSError("the connection is closed")
            await asyncio.Event().wait()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4" if tells == "by failing to send" else "2.3"},
        "method": "GET",
        "path": f"/api/v1/campaigns/{campaign['id']}/prospects:export",
        "query_string": b"",
        "headers": [(b"x-api-key", KEY.encode())],
    }
    await asyncio.wait_for(create_app(api.services)(scope, receive, send), 60)
    assert len(sent) == 4, "the head of the answer, that of the file, and two pieces"
    pool: Any = api.services.database.engine.pool
    for _ in range(3000):
        if pool.checkedout() == 0:
            break
        await asyncio.sleep(0.01)
    assert pool.checkedout() == 0
    assert (await api.call("GET", "/me")).status_code == 200
