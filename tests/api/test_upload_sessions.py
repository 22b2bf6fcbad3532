"""A file that comes in several requests: announced, sent from where it stopped, read once."""

import asyncio
from datetime import timedelta

from temporalio.client import WorkflowExecutionStatus

from api.operations.resumable import MAX_OPEN, MIN_APPEND
from dialer.store import imports
from tests.api.apis import Api, fields_of

MEGABYTE = 1 << 20
CONTENT = b"phone,name\n" + b"".join(b"+1202555%04d,somebody\n" % (n % 10_000) for n in range(150_000))


async def _announced(api: Api, size: int = len(CONTENT), **options: object) -> str:
    """The path of a new upload."""
    campaign = await api.campaign()
    body = {"filename": "people.csv", "size_bytes": size, **options}
    answer = await api.call("POST", f"/campaigns/{campaign['id']}/imports", expect=201, json=body)
    assert answer.headers["location"] == answer.json()["upload_url"]
    return f"/imports/{answer.json()['import_id']}/upload"


async def _sent(api: Api, path: str, offset: int, data: bytes) -> int:
    """How much is stored after these bytes."""
    answer = await api.call("PATCH", path, expect=200, content=data, headers={"Upload-Offset": str(offset)})
    assert answer.headers["upload-offset"] == str(answer.json()["offset"])
    return answer.json()["offset"]


async def _stored(api: Api) -> bytes:
    return b"".join(bytes(p.data) for p in await api.read("SELECT data FROM import_pieces ORDER BY position"))


async def _refused(api: Api, path: str, offset: int, data: bytes, status: int = 409) -> dict[str, object]:
    return await api.refused("PATCH", path, status, content=data, headers={"Upload-Offset": str(offset)})


async def test_a_file_in_several_requests_is_stored_whole_and_read_once(api_with_temporal: Api):
    api = api_with_temporal
    path = await _announced(api, mapping={"phone": "phone"}, default_region="US", on_duplicate="update")
    offset = 0
    for end in (MEGABYTE + 7, 2 * MEGABYTE, len(CONTENT)):
        answer = await api.call("HEAD", path, expect=204)
        assert answer.headers["upload-offset"] == str(offset)
        assert answer.headers["upload-complete"] == "?0"
        offset = await _sent(api, path, offset, CONTENT[offset:end])
        assert offset == end
    assert await _stored(api) == CONTENT
    answer = await api.call("HEAD", path, expect=204)
    assert (answer.headers["upload-complete"], answer.headers["upload-length"]) == ("?1", str(len(CONTENT)))
    started = await api.get(path)
    described = await api.services.workflows.client.get_workflow_handle(started["workflow_id"]).describe()
    assert described.status is WorkflowExecutionStatus.RUNNING
    (row,) = await api.read("SELECT options, size_bytes, started_at FROM imports")
    assert row.options["on_duplicate"] == "update"
    assert row.options["mapping"] == {"phone": "phone"}
    assert (row.size_bytes, row.started_at is None) == (len(CONTENT), False)


async def test_what_was_sent_already_is_refused_with_the_place_to_go_on(api: Api):
    path = await _announced(api)
    first = CONTENT[:MEGABYTE]
    await _sent(api, path, 0, first)
    problem = await _refused(api, path, 0, first)
    assert (problem["code"], problem["upload_offset"]) == ("offset_mismatch", MEGABYTE)
    problem = await _refused(api, path, MEGABYTE + 1, first)
    assert (problem["code"], problem["upload_offset"]) == ("offset_mismatch", MEGABYTE)
    assert await _stored(api) == first
    await _sent(api, path, MEGABYTE, CONTENT[MEGABYTE:])
    assert await _sent(api, path, len(CONTENT), b"") == len(CONTENT)
    assert (await _refused(api, path, MEGABYTE, CONTENT[MEGABYTE:]))["code"] == "upload_complete"
    assert await _stored(api) == CONTENT


async def test_two_senders_of_one_file_store_it_once(api: Api):
    path = await _announced(api)

    async def send() -> None:
        offset = 0
        while offset < len(CONTENT):
            data = CONTENT[offset : offset + 2 * MEGABYTE]
            answer = await api.call("PATCH", path, content=data, headers={"Upload-Offset": str(offset)})
            assert answer.status_code in (200, 409), answer.text
            offset = answer.json()["offset" if answer.status_code == 200 else "upload_offset"]

    await asyncio.gather(*(send() for _ in range(4)))
    assert await _stored(api) == CONTENT
    assert len(await api.read("SELECT 1 FROM imports WHERE started_at IS NOT NULL")) == 1


async def test_an_upload_that_was_given_up_goes_on_while_its_bytes_are_kept(api: Api):
    path = await _announced(api)
    await _sent(api, path, 0, CONTENT[:MEGABYTE])
    wait = imports.UPLOAD_PATIENCE + timedelta(minutes=1)
    for table in ("imports", "import_pieces"):
        await api.read(f"UPDATE {table} SET created_at = created_at - CAST(:wait AS interval) RETURNING 1", wait=wait)
    async with api.services.database.transaction_over_all() as session:
        assert await imports.fail_abandoned_uploads(session) == 1
    found = await api.get(path.removesuffix("/upload"))
    assert (found["status"], found["error"]["code"]) == ("failed", "upload_incomplete")
    await _sent(api, path, MEGABYTE, CONTENT[MEGABYTE : 2 * MEGABYTE])
    found = await api.get(path.removesuffix("/upload"))
    assert (found["status"], found["error"]) == ("running", None)
    async with api.services.database.transaction_over_all() as session:
        assert await imports.fail_abandoned_uploads(session) == 0
    await api.read("UPDATE imports SET status = 'failed', error = '{\"code\": \"upload_incomplete\"}' RETURNING 1")
    await api.read("DELETE FROM import_pieces WHERE position = 0 RETURNING 1")
    assert (await _refused(api, path, 2 * MEGABYTE, CONTENT[2 * MEGABYTE :]))["code"] == "upload_expired"


async def test_bytes_that_do_not_belong_to_the_file_are_refused(api: Api):
    path = await _announced(api, size=2 * MEGABYTE)
    assert fields_of(await _refused(api, path, 0, b"x" * (MIN_APPEND - 1), 422)) == {"body"}
    await _sent(api, path, 0, b"x" * MEGABYTE)
    assert fields_of(await _refused(api, path, MEGABYTE, b"x" * (MEGABYTE + 1), 422)) == {"body"}
    await api.refused("PATCH", path, 422, content=b"x")
    headers = {"Upload-Offset": "0", "Content-Type": "application/json"}
    await api.refused("PATCH", path, 415, content=b"{}", headers=headers)
    await api.refused("PATCH", path, 422, content=b"x", headers={"Upload-Offset": "-1"})
    await api.call("DELETE", path.removesuffix("/upload"), expect=204)
    await api.refused("GET", path, 404)
    await _refused(api, path, MEGABYTE, b"x", 404)


async def test_an_upload_that_cannot_end_well_is_refused_at_once(api: Api):
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}/imports"
    good = {"filename": "people.csv", "size_bytes": 10}
    for wrong, field in (
        ({"size_bytes": 0}, "size_bytes"),
        ({"size_bytes": (1 << 30) + 1}, "size_bytes"),
        ({"mapping": {"fone": "x"}}, "mapping"),
        ({"default_region": "usa"}, "default_region"),
        ({"colour": "red"}, "colour"),
    ):
        assert fields_of(await api.refused("POST", path, 422, json={**good, **wrong})) == {field}
    await api.refused("POST", "/campaigns/nobody/imports", 404, json=good)
    for _ in range(MAX_OPEN):
        await api.post(path, good)
    assert (await api.refused("POST", path, 409, json=good))["code"] == "too_many_uploads"
    await api.read("UPDATE campaigns SET status = 'stopped' RETURNING 1")
    assert (await api.refused("POST", path, 409, json=good))["current_status"] == "stopped"


async def test_an_announcement_with_a_key_is_made_once(api: Api):
    campaign = await api.campaign()
    body = {"filename": "people.csv", "size_bytes": 10}
    path, headers = f"/campaigns/{campaign['id']}/imports", {"Idempotency-Key": "upload-1"}
    first = await api.post(path, body, headers=headers)
    assert await api.post(path, body, headers=headers) == first
    (row,) = await api.read("SELECT options FROM imports")
    assert row.options["upload_length"] == 10


async def test_a_file_that_came_in_one_request_has_no_upload_to_go_on_with(api: Api):
    campaign = await api.campaign()
    files = {"file": ("people.csv", b"phone\n+12025550123\n", "text/csv")}
    answer = await api.call("POST", f"/campaigns/{campaign['id']}/prospects:upload", expect=202, files=files)
    await api.refused("GET", f"/imports/{answer.json()['import_id']}/upload", 404)
