"""An uploaded workbook becomes CSV once; from there on its import is like any other."""

import io
from typing import Any
from uuid import UUID

import openpyxl
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.imports import ImportActivities, ImportRef
from dialer.store import imports
from dialer.store.database import Database
from dialer.store.import_files import open_pieces, replace_pieces
from tests.store.worlds import World, make_world

PEOPLE = [
    ["Phone", "Name", "Since"],
    [442079460123, "Zoé", None],
    ["not a number", "Bob", None],
    [],
    [442079460124, "Ann\nLee", None],
]


class NobodyWaits:
    async def nudge_campaign(self, campaign_id: UUID) -> None:
        raise AssertionError("the campaign is not idle")


@pytest.fixture
async def world(database: Database) -> World:
    return await make_world(database, status="running")


def workbook(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book["Sheet"].append(row)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


async def upload(world: World, data: bytes) -> ImportRef:
    async with world.database.transaction(world.workspace_id) as session:
        import_id = await imports.create_import(
            session,
            workspace_id=world.workspace_id,
            campaign_id=world.campaign_id,
            filename="people.xlsx",
            options={"default_region": "GB"},
        )
        for position in range(0, len(data), 1000):
            await imports.append_piece(session, import_id, position // 1000, data[position : position + 1000])
        await imports.finish_upload(session, import_id)
    return ImportRef(workspace_id=str(world.workspace_id), import_id=str(import_id), campaign_id=str(world.campaign_id))


def stored_bytes(world: World, ref: ImportRef) -> bytes:
    with open_pieces(world.database, world.workspace_id, UUID(ref.import_id)) as stream:
        return stream.read()


async def run(world: World, activity: str, ref: ImportRef) -> Any:
    activities = ImportActivities(world.database, NobodyWaits(), chunk_rows=1)  # type: ignore[arg-type]
    return await ActivityEnvironment().run(getattr(activities, activity), ref)


async def test_a_workbook_is_imported_with_the_row_numbers_that_it_shows(world: World) -> None:
    ref = await upload(world, workbook(PEOPLE))
    await run(world, "scan_file", ref)
    progress = await run(world, "write_rows", ref)
    assert (progress.rows_read, progress.created, progress.failed) == (3, 2, 1)
    found = await world.read("SELECT name FROM prospects ORDER BY name")
    assert [person.name for person in found] == ["Ann\nLee", "Zoé"]
    errors = await world.read('SELECT "row", "column", value, code FROM import_errors')
    assert [tuple(error) for error in errors] == [(3, "Phone", "not a number", "phone_not_a_number")]


async def test_a_workbook_converted_by_a_worker_that_died_is_read_the_same_by_the_next(world: World) -> None:
    ref = await upload(world, workbook(PEOPLE))
    await run(world, "scan_file", ref)
    converted = stored_bytes(world, ref)
    shape = (await world.read("SELECT shape FROM imports"))[0].shape
    await world.run("UPDATE imports SET shape = NULL, rows_total = NULL, next_offset = NULL, next_row = NULL")
    await run(world, "scan_file", ref)
    assert stored_bytes(world, ref) == converted
    assert (await world.read("SELECT shape FROM imports"))[0].shape == shape


async def test_a_file_that_somebody_else_has_looked_through_is_not_replaced(world: World) -> None:
    ref = await upload(world, workbook(PEOPLE))
    await run(world, "scan_file", ref)
    converted = stored_bytes(world, ref)
    assert not replace_pieces(world.database, world.workspace_id, UUID(ref.import_id), io.BytesIO(b"phone\n"))
    assert stored_bytes(world, ref) == converted


async def test_a_table_of_many_pieces_is_stored_whole(world: World) -> None:
    ref = await upload(world, b"PK")
    data = bytes(range(256)) * 10_000
    assert replace_pieces(world.database, world.workspace_id, UUID(ref.import_id), io.BytesIO(data))
    assert stored_bytes(world, ref) == data


async def test_a_broken_workbook_fails_the_import_and_keeps_its_bytes(world: World) -> None:
    data = workbook(PEOPLE)[:-400]
    ref = await upload(world, data)
    with pytest.raises(ApplicationError) as failed:
        await run(world, "scan_file", ref)
    assert failed.value.type == "spreadsheet_broken"
    assert stored_bytes(world, ref) == data
    assert (await world.read("SELECT status FROM imports"))[0].status == "failed"
