"""Whole files through reading and writing, chunk by chunk, on a real PostgreSQL."""

import csv
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialer import prospect_file
from dialer.domain.error_files import ErrorFile
from dialer.prospect_file import Position, ReadOptions
from dialer.store import import_errors, imports
from dialer.store.database import Database
from dialer.store.import_chunks import Chunk, Place, record_chunk
from dialer.store.imports import ImportRecord
from dialer.store.rehearsals import rehearsing
from tests.store.worlds import World, make_world

PHONES = [f"+1202555{n:04}" for n in range(100, 130)]


@pytest.fixture
async def world(module_database_url: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        database = Database(module_database_url, pool_size=4)
        stack.push_async_callback(database.close)
        yield await make_world(database)


async def begun(world: World, content: bytes, **options: Any) -> tuple[ImportRecord, list[Chunk]]:
    """An import of this file, and its chunks of a few rows."""
    reading = ReadOptions(chunk_rows=options.pop("chunk_rows", 3), default_region="US")
    shape = prospect_file.scan(io.BytesIO(content), reading)
    async with world.database.transaction(world.workspace_id) as session:
        import_id = await imports.create_import(
            session, workspace_id=world.workspace_id, campaign_id=world.campaign_id, filename="f", options=options
        )
        stored = {"columns": shape.columns, "mapping": shape.mapping, "delimiter": shape.delimiter}
        record = await imports.begin(
            session, import_id, shape=stored, rows_total=1, next_offset=shape.start.offset, next_row=shape.start.row
        )
    assert record is not None
    stream = io.BytesIO(content[shape.start.offset :])
    return record, list(_chunks(prospect_file.read_chunks(stream, shape, reading)))


def _chunks(found: Iterator[prospect_file.Chunk]) -> Iterator[Chunk]:
    for each in found:
        yield Chunk(
            start=_place(each.start), end=_place(each.end), rows=each.rows, errors=each.errors, cells=each.cells
        )


def _place(position: Position) -> Place:
    return Place(offset=position.offset, row=position.row)


async def imported(world: World, content: bytes, **options: Any) -> ImportRecord:
    """The file as an import, or as a dry run."""
    record, chunks = await begun(world, content, **options)
    if options.get("dry_run"):
        async with rehearsing(world.database, record) as rehearsal:
            await rehearsal.begin()
            for chunk in chunks:
                await rehearsal.record(chunk)
            return await rehearsal.finish()
    for chunk in chunks:
        async with world.database.transaction(world.workspace_id) as session:
            record = (await record_chunk(session, record, chunk)).record
    return record


def counts(record: ImportRecord) -> tuple[int, ...]:
    return record.created, record.updated, record.skipped, record.failed


async def people(world: World) -> list[Any]:
    return await world.read("SELECT * FROM prospects WHERE campaign_id = :c ORDER BY id")


async def errors(world: World, import_id: UUID) -> list[dict[str, Any]]:
    async with world.database.transaction(world.workspace_id) as session:
        return await import_errors.list_errors(session, import_id, 0, 1000)


async def error_file(world: World, record: ImportRecord) -> list[list[str]]:
    """The file of the import's errors, as rows of text."""
    assert record.shape is not None
    file = ErrorFile(record.shape["columns"], record.shape["delimiter"])
    return [file.header(), *(file.row(each) for each in await errors(world, record.id))]


def written(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8-sig")


# -- errors as a file ------------------------------------------------------------------------------------------------

WILD = (
    "phone,name,plan,external_id\n"
    f"{PHONES[0]},Ann,gold,1\n"
    "12,Bob,=SUM(A1),2\n"
    f"{PHONES[1]},Cid\n"
    f"{PHONES[2]},Dan,a,b,c,d\n"
    f'{PHONES[3]},"Eve\n'
    f"{PHONES[0]},@Fay,-1,7\n"
    f"nobody,{'x' * 40_000},long,9\n"
).encode()


async def test_the_file_of_errors_fails_again_in_the_same_way_as_long_as_nothing_is_corrected(world: World) -> None:
    first = await imported(world, WILD, on_duplicate="update")
    assert counts(first) == (1, 0, 0, 6)
    codes = [each["code"] for each in await errors(world, first.id)]
    rows = await error_file(world, first)
    for _ in range(2):
        again = await imported(world, written(rows), on_duplicate="update")
        assert counts(again) == (0, 0, 0, 6)
        found = [each["code"] for each in await errors(world, again.id)]
        assert found[:-1] == codes[:-1]  # the last row was too long to be kept
        assert [row[:4] for row in await error_file(world, again)] == [row[:4] for row in rows]
        rows = await error_file(world, again)


async def test_once_corrected_the_file_of_errors_brings_exactly_those_people(world: World) -> None:
    rows = await error_file(world, await imported(world, WILD, on_duplicate="update"))
    header, bob, cid, dan, eve, fay, long = rows
    assert header[:4] == ["phone", "name", "plan", "external_id"]
    assert bob[:4] == ["12", "Bob", "'=SUM(A1)", "2"]
    assert (cid[-1], dan[-1]) == ("2 fields missing", "c,d")
    assert fay[:4] == [PHONES[0], "'@Fay", "'-1", "7"]
    bob[0], fay[0] = PHONES[5], PHONES[4]
    for row in (cid, dan, eve):
        row[-1] = ""
    long[:4], long[-1] = [PHONES[6], "Gus", "", ""], ""
    done = await imported(world, written(rows), on_duplicate="update")
    assert counts(done) == (6, 0, 0, 0)
    found = {each.phone: each for each in await people(world) if each.import_id == done.id}
    assert set(found) == {PHONES[n] for n in (1, 2, 3, 4, 5, 6)}
    assert found[PHONES[5]].variables == {"plan": "=SUM(A1)"}
    assert (found[PHONES[4]].name, found[PHONES[4]].variables) == ("@Fay", {"plan": "-1"})
    assert all(name.startswith("import_") is False for each in found.values() for name in each.variables)


# -- repeats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["skip", "update"])
async def test_the_same_file_twice_changes_nothing_not_even_a_time(world: World, mode: str) -> None:
    content = ("phone,name,priority,plan\n" + "".join(f"{phone},P,3,gold\n" for phone in PHONES)).encode()
    await imported(world, content, on_duplicate=mode)
    before = await people(world)
    again = await imported(world, content, on_duplicate=mode)
    assert counts(again) == (0, 0, len(PHONES), 0)
    assert await people(world) == before


async def test_an_update_touches_only_those_of_whom_it_says_something_new(world: World) -> None:
    await imported(world, "phone,name\n{},Ann\n{},Bob\n".format(*PHONES).encode())
    before = {each.phone: each for each in await people(world)}
    again = await imported(world, "phone,name\n{},Ann\n{},Rob\n".format(*PHONES).encode(), on_duplicate="update")
    assert counts(again) == (0, 1, 1, 0)
    after = {each.phone: each for each in await people(world)}
    assert after[PHONES[0]] == before[PHONES[0]]
    assert (after[PHONES[1]].name, after[PHONES[1]].updated_at > before[PHONES[1]].updated_at) == ("Rob", True)


async def test_who_was_held_is_ready_after_the_same_file_once_their_campaign_goes_by_one_clock(world: World) -> None:
    content = b"phone\n+881612345678\n"
    await imported(world, content)
    hours = '{"calling_hours": {"windows": [{"days": ["mon"], "start": "09:00", "end": "17:00"}], "zone": "UTC"}}'
    await world.run("UPDATE campaigns SET settings = CAST(:s AS jsonb) WHERE id = :c", s=hours)
    assert counts(await imported(world, content, on_duplicate="skip")) == (0, 0, 1, 0)
    assert counts(await imported(world, content, on_duplicate="update")) == (0, 1, 0, 0)
    assert [each.state for each in await people(world)] == ["ready"]


async def test_only_the_first_thousand_repeated_rows_are_listed_and_all_are_counted(world: World) -> None:
    content = ("phone\n" + f"{PHONES[0]}\n" * 1500).encode()
    for options in ({}, {"dry_run": True}):
        done = await imported(world, content, chunk_rows=400, **options)
        assert done.rows_read == 1500
        found = await world.read("SELECT code FROM import_errors WHERE import_id = :i", i=done.id)
        assert len(found) == 1000
        assert await errors(world, done.id) == []


# -- any file --------------------------------------------------------------------------------------------------------

_CELL = st.sampled_from([*PHONES[:6], "", "12", "x", "'+1", '"', '"a', "=1", "Ann", "e-1", "e-2", "\x00", "ü", "a,b"])
_LINE = st.lists(_CELL, min_size=0, max_size=5).map(",".join)
_FILE = st.lists(_LINE, max_size=12).map(lambda lines: ("phone,external_id,name\n" + "\n".join(lines)).encode())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_FILE, st.sampled_from(["skip", "update"]), st.integers(1, 4))
async def test_every_row_of_any_file_is_counted_once_dry_or_not(
    world: World, content: bytes, mode: str, chunk_rows: int
) -> None:
    here = await make_world(world.database)
    try:
        dry = await imported(here, content, on_duplicate=mode, chunk_rows=chunk_rows, dry_run=True)
    except prospect_file.FileRefused:
        return
    assert await people(here) == []
    real = await imported(here, content, on_duplicate=mode, chunk_rows=chunk_rows)
    assert real.rows_read == sum(counts(real))
    assert counts(dry) == counts(real)
    assert len(await people(here)) == real.created
    told = [{**each, "message": ""} for each in await errors(here, real.id)]
    assert told == [{**each, "message": ""} for each in await errors(here, dry.id)]
    assert len(told) == real.failed
    before = await people(here)
    again = await imported(here, content, on_duplicate=mode, chunk_rows=chunk_rows)
    assert again.created == 0
    assert sum(counts(again)) == real.rows_read
    if mode == "skip":
        assert await people(here) == before
