"""Files of prospects, on their way in and afterwards."""

import io
import json
from collections.abc import AsyncIterator
from uuid import UUID

from temporalio.client import WorkflowExecutionStatus

from dialer.store.prospect_writes import NewProspect, write_prospects
from tests.api.apis import Api, fields_of

CSV = b"phone,name\n+12025550123,Ada\n12,Bad\n"


def _file(content: bytes = CSV) -> dict[str, object]:
    return {"file": ("people.csv", io.BytesIO(content), "text/csv")}


async def test_an_upload_is_stored_in_pieces_and_read_by_a_workflow(api_with_temporal: Api):
    api = api_with_temporal
    campaign = await api.campaign()
    content = b"phone,name\n" + b"".join(b"+1202555%04d,somebody\n" % (n % 10_000) for n in range(150_000))
    form = {"mapping": '{"phone": "phone"}', "default_region": "US", "on_duplicate": "update", "encoding": ""}
    answer = await api.call(
        "POST", f"/campaigns/{campaign['id']}/prospects:upload", expect=202, files=_file(content), data=form
    )
    started = answer.json()
    assert answer.headers["location"] == f"/api/v1/imports/{started['import_id']}"
    described = await api.services.workflows.client.get_workflow_handle(started["workflow_id"]).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING
    pieces = await api.read("SELECT octet_length(data) AS n, data FROM import_pieces ORDER BY position")
    assert b"".join(bytes(piece.data) for piece in pieces) == content
    assert {piece.n for piece in pieces[:-1]} == {1 << 20}
    found = await api.get(f"/imports/{started['import_id']}")
    assert (found["status"], found["size_bytes"], found["filename"]) == ("running", len(content), "people.csv")
    (row,) = await api.read("SELECT options FROM imports")
    assert row.options["default_region"] == "US"
    assert row.options["on_duplicate"] == "update"
    assert [item["id"] for item in (await api.get("/imports"))["items"]] == [started["import_id"]]


async def test_a_keyed_upload_is_stored_once(api: Api):
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}/prospects:upload"
    headers = {"Idempotency-Key": "file-1"}
    first = await api.call("POST", path, expect=202, files=_file(), headers=headers)
    again = await api.call("POST", path, expect=202, files=_file(), headers=headers)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    await api.refused("POST", path, 422, files=_file(CSV + b"+12025550124,Eve\n"), headers=headers)
    await api.refused("POST", path, 422, files=_file(), data={"on_duplicate": "update"}, headers=headers)
    assert len(await api.read("SELECT 1 FROM imports")) == 1


async def test_a_refused_upload_leaves_nothing_behind(api: Api):
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}/prospects:upload"
    await api.refused("POST", path, 415, json={})
    await api.refused("POST", path, 415, content=b"")
    assert fields_of(await api.refused("POST", path, 422, files={"data": ("x.csv", io.BytesIO(CSV))})) == {"file"}
    for form, field in (
        ({"mapping": "phone"}, "mapping"),
        ({"mapping": '{"fone": "x"}'}, "mapping"),
        ({"on_duplicate": "merge"}, "on_duplicate"),
        ({"default_region": "usa"}, "default_region"),
        ({"default_region": "ZZ"}, "default_region"),
        ({"dry_run": "perhaps"}, "dry_run"),
        ({"encoding": "klingon"}, "encoding"),
        ({"colour": "red"}, "colour"),
    ):
        assert fields_of(await api.refused("POST", path, 422, files=_file(), data=form)) == {field}
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    torn = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nphone\n+1202555'
    await api.refused("POST", path, 400, content=torn, headers=headers)
    await api.refused("POST", path, 400, content=b"nonsense", headers=headers)
    await api.refused("POST", "/campaigns/nobody/prospects:upload", 404, files=_file())
    await api.read("UPDATE campaigns SET status = 'stopped' RETURNING 1")
    await api.refused("POST", path, 409, files=_file())
    assert await api.read("SELECT 1 FROM imports") == []
    assert await api.read("SELECT 1 FROM import_pieces") == []


async def test_a_file_over_a_gigabyte_is_refused_as_announced(api: Api):
    campaign = await api.campaign()
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(2 << 30)}

    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    path = f"/campaigns/{campaign['id']}/prospects:upload"
    problem = await api.refused("POST", path, 413, content=nothing(), headers=headers)
    assert problem["code"] == "too_large"


async def _failed_import(api: Api) -> str:
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}/prospects:upload"
    started = (await api.call("POST", path, expect=202, files=_file())).json()
    await api.read("UPDATE imports SET status = 'failed' RETURNING 1")
    return started["import_id"]


async def test_bad_rows_are_listed_and_given_as_a_file(api: Api):
    import_id = await _failed_import(api)
    sql = """
        INSERT INTO import_errors (workspace_id, import_id, row, "column", value, code, message, suggestion, cells)
        SELECT workspace_id, id, n, 'phone', '=1+1', CASE n WHEN 5 THEN 'duplicate' ELSE 'phone_invalid' END,
            'No such number', 'Check it', '["=1+1", "Ada"]'
        FROM imports, generate_series(2, 5) AS n RETURNING 1"""
    await api.read(sql)
    shape = '{"columns": ["phone", "name"], "delimiter": ";"}'
    await api.read("UPDATE imports SET shape = CAST(:shape AS jsonb) RETURNING 1", shape=shape)
    page = await api.get(f"/imports/{import_id}/errors", params={"limit": 2})
    rest = await api.get(f"/imports/{import_id}/errors", params={"limit": 2, "cursor": page["next_cursor"]})
    assert [item["row"] for item in page["items"] + rest["items"]] == [2, 3, 4]
    assert rest["next_cursor"] is None
    assert set(page["items"][0]) == {"row", "column", "value", "code", "message", "suggestion"}
    everything = await api.get(f"/imports/{import_id}/errors", params={"include": "skipped"})
    assert [item["code"] for item in everything["items"]] == ["phone_invalid"] * 3 + ["duplicate"]
    answer = await api.call("GET", f"/imports/{import_id}/errors", expect=200, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert lines[0] == (
        "phone;name;import_row;import_column;import_value;import_code;import_message;import_suggestion;import_extra"
    )
    assert lines[1] == "'=1+1;Ada;2;phone;'=1+1;phone_invalid;No such number;Check it;"
    assert len(lines) == 4


async def test_a_running_import_is_cancelled_and_goes_on_when_retried(api: Api):
    import_id = await _failed_import(api)
    await api.refused("POST", f"/imports/{import_id}/cancel", 409)
    await api.post(f"/imports/{import_id}/retry", expect=202)
    for _ in range(2):
        cancelled = await api.post(f"/imports/{import_id}/cancel", expect=200)
        assert cancelled["status"] == "cancelled"
    await api.post(f"/imports/{import_id}/retry", expect=202)
    assert (await api.get(f"/imports/{import_id}"))["status"] == "running"


async def test_an_import_of_which_somebody_was_called_is_cancelled_and_not_undone(api: Api):
    import_id = await _failed_import(api)
    await api.post(f"/imports/{import_id}/retry", expect=202)
    campaign_id = (await api.get(f"/imports/{import_id}"))["campaign_id"]
    async with api.services.database.transaction(api.workspace_id) as session:
        await write_prospects(
            session,
            workspace_id=api.workspace_id,
            campaign_id=UUID(campaign_id),
            prospects=[NewProspect(phone="+12025550123")],
            import_id=UUID(import_id),
        )
    await api.read("UPDATE prospects SET attempts = 1, state = 'reached' RETURNING 1")
    problem = await api.refused("DELETE", f"/imports/{import_id}", 409)
    assert (problem["code"], problem["current_status"]) == ("prospects_called", "cancelled")
    assert (await api.get(f"/imports/{import_id}"))["status"] == "cancelled"


async def test_a_dry_run_says_so_and_shows_its_report(api: Api):
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}/prospects:upload"
    started = (await api.call("POST", path, expect=202, files=_file(), data={"dry_run": "true"})).json()
    found = await api.get(f"/imports/{started['import_id']}")
    assert (found["dry_run"], found["report"]) == (True, None)
    report = {
        "errors": {"phone_too_short": 1},
        "states": {"ready": 1},
        "zones": {
            "by_source": {"phone": 1},
            "sets": [{"time_zones": ["America/New_York"], "people": 1}],
            "in_other_sets": 0,
            "without": 0,
        },
        "duplicates": {"in_file": 0, "in_campaign": 0},
        "first_calls": {
            "starts_at": "2026-11-23T14:00:00Z",
            "assumed_call_s": 60,
            "calls_per_hour": 600,
            "hours": [{"hour": "2026-11-23T14:00:00Z", "calls": 1}],
            "later": 0,
        },
    }
    sql = "UPDATE imports SET status = 'completed', report = CAST(:report AS jsonb) RETURNING 1"
    await api.read(sql, report=json.dumps(report))
    assert (await api.get(f"/imports/{started['import_id']}"))["report"] == report
    await api.call("DELETE", f"/imports/{started['import_id']}", expect=204)


async def test_an_import_is_retried_and_undone(api: Api):
    import_id = await _failed_import(api)
    again = await api.post(f"/imports/{import_id}/retry", expect=202)
    assert again["import_id"] == import_id
    assert (await api.get(f"/imports/{import_id}"))["status"] == "running"
    problem = await api.refused("POST", f"/imports/{import_id}/retry", 409)
    assert problem["current_status"] == "running"
    await api.call("DELETE", f"/imports/{import_id}", expect=204)
    await api.refused("GET", f"/imports/{import_id}", 404)
    assert await api.read("SELECT 1 FROM import_pieces") == []
