"""Files that no import could read: the request that would make their batch is refused, and nothing of it is left."""

import codecs
import io
import json
import zipfile
from typing import Any

import pytest

from tests.api.apis import ALWAYS, CALLER, Api

ROW = b"+12025550123,Ada\n"
LONG = ROW * (3 * 2**20 // len(ROW))


async def post(api: Api, content: bytes, status: int, **fields: str) -> dict[str, Any]:
    agent = (await api.agent())["id"]
    given = {"agent_id": agent, "caller_numbers": CALLER, "rules": json.dumps({"calling_hours": ALWAYS}), **fields}
    files = {"file": ("people.csv", io.BytesIO(content), "text/csv")}
    return (await api.call("POST", "/batches", expect=status, data=given, files=files)).json()


def archive() -> bytes:
    """No spreadsheet, which only the whole of it tells."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as parts:
        parts.writestr("people.csv", b"phone\n" + ROW)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "options", "field", "code"),
    [
        (b"", {}, "file", "file_empty"),
        (b"\r\n \r\n", {}, "file", "file_empty"),
        (b"phone,name\n", {}, "file", "file_no_rows"),
        (b"%PDF-1.7\n1 0 obj\n", {}, "file", "file_is_binary"),
        (b"\x89PNG\r\n\x1a\n" + bytes(2 * 2**20), {}, "file", "file_is_binary"),
        (b"<html><table><tr><td>phone</td></tr></table></html>", {}, "file", "file_is_markup"),
        (b"phone,name\n+12025550123,\x1b$B;3ED\x1b(B\n", {}, "file", "encoding_stateful"),
        (b"city,name\nRome,Ada\n", {}, "file", "header_no_phone"),
        (b"city,name\n" + LONG, {}, "file", "header_no_phone"),
        ("city,name\nRome,Zoë\n".encode("cp1252"), {}, "file", "header_no_phone"),
        ("città,name\nRome,Ada\n".encode("cp1252"), {"encoding": "cp1252"}, "file", "header_no_phone"),
        ("città,name\n".encode() + LONG, {}, "file", "header_no_phone"),
        (codecs.BOM_UTF16_LE + "città;name\n".encode("utf-16-le") * 60_000, {}, "file", "header_no_phone"),
        (ROW * 2, {}, "file", "header_missing"),
        (b"phone,Phone\n" + ROW, {}, "file", "header_duplicate"),
        (b"phone,name\n" + ROW, {"mapping": '{"phone": "Handy"}'}, "mapping", "mapping_unknown_column"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_with_its_field_and_leaves_nothing_behind(
    api: Api, content: bytes, options: dict[str, str], field: str, code: str
):
    problem = await post(api, content, 422, **options)
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [(field, code)]
    assert (await api.get("/batches"))["items"] == []
    assert (await api.get("/campaigns", params={"include": "batches"}))["items"] == []
    for table in ("batches", "imports", "import_pieces", "prospects"):
        assert await api.read(f"SELECT 1 FROM {table}") == [], table


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"phone,name\nnobody,Ada\n", {}),  # bad rows are the import's to tell
        (archive(), {}),
        (b"city,Handy\n" + b"Rome,+12025550123\n" * 100_000, {"mapping": '{"phone": "Handy"}'}),
        ("téléphone,name\n".encode("cp1252") + LONG, {}),
        ("città,name\n".encode("cp1252") + LONG, {}),  # its encoding is told by all of it
        ("телефон;имя\n+12025550123;Ада\n".encode("cp1251"), {}),
        (("phone,name\n" + "+12025550123,Zoë\n" * 90_000).encode(), {}),
    ],
)
async def test_what_its_beginning_does_not_tell_is_left_to_the_import(
    api: Api, content: bytes, options: dict[str, str]
):
    assert (await post(api, content, 201, **options))["status"] == "importing"


async def test_a_refused_file_frees_the_key_for_the_right_one(api: Api):
    agent = (await api.agent())["id"]
    given = {"agent_id": agent, "caller_numbers": CALLER, "rules": json.dumps({"calling_hours": ALWAYS})}
    for content, status in ((b"name\nAda\n", 422), (b"phone,name\n" + ROW, 201)):
        files = {"file": ("people.csv", io.BytesIO(content), "text/csv")}
        headers = {"Idempotency-Key": "mended"}
        await api.call("POST", "/batches", expect=status, data=given, files=files, headers=headers)
