import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from dialer.domain.person_phones import Line
from dialer.domain.prospect_rows import ProspectRow, RowError
from dialer.domain.states import ImportStatus
from dialer.store import imports
from dialer.store.database import Database
from dialer.store.drafts import Ahead
from dialer.store.import_chunks import Chunk, ChunkOutOfOrder, Place, record_chunk
from dialer.store.import_files import open_pieces
from dialer.store.imports import ImportConflict, ImportRecord
from dialer.store.prospect_writes import OnDuplicate, add_contacts, circumstances_of, open_campaign
from tests.store.worlds import World, make_world

A, B, C, D = "+16505550101", "+16505550102", "+16505550103", "+16505550104"
FILE = b"phone,name\n+16505550101,Ann\n"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=4)
    yield database
    await database.close()


@pytest.fixture
async def world(database: Database) -> World:
    return await make_world(database)


async def upload(world: World, *pieces: bytes, **options: Any) -> UUID:
    async with world.database.transaction(world.workspace_id) as session:
        import_id = await imports.create_import(
            session,
            workspace_id=world.workspace_id,
            campaign_id=world.campaign_id,
            filename="people.csv",
            options=options,
        )
        for position, data in enumerate(pieces or (FILE,)):
            await imports.append_piece(session, import_id, position, data)
        await imports.finish_upload(session, import_id)
    return import_id


async def begun(world: World, **options: Any) -> ImportRecord:
    import_id = await upload(world, **options)
    async with world.database.transaction(world.workspace_id) as session:
        shape = {"mapping": {"phone": "Mobile"}}
        record = await imports.begin(session, import_id, shape=shape, rows_total=4, next_offset=11, next_row=2)
    assert record is not None
    return record


def row(number: int, phone: str, **facts: Any) -> ProspectRow:
    given = {
        "extension": None,
        "external_id": None,
        "name": None,
        "variables": {},
        "zone_set": "America/Los_Angeles",
        "zone_source": "phone",
        "priority": 0,
    }
    return ProspectRow(row=number, phone=phone, **{**given, **facts})


def bad(number: int) -> RowError:
    return RowError(row=number, column="Mobile", value="n/a", code="phone_missing", message="m", suggestion="s")


def chunk(start: int, end: int, *rows: ProspectRow | RowError) -> Chunk:
    return Chunk(
        start=Place(offset=start, row=start),
        end=Place(offset=end, row=end),
        rows=[each for each in rows if isinstance(each, ProspectRow)],
        errors=[each for each in rows if isinstance(each, RowError)],
    )


async def drafted(world: World, given: Chunk, contacts: Mapping[str, str]) -> Chunk:
    """The chunk with a draft for the circumstances of now."""
    async with world.database.transaction(world.workspace_id) as session:
        campaign = await open_campaign(session, world.workspace_id, world.campaign_id)
        around = await circumstances_of(session, campaign, {row.phone for row in given.rows})
    return replace(given, ahead=Ahead(contacts=contacts, around=around, on_duplicate=OnDuplicate.SKIP))


async def record(world: World, order: ImportRecord, given: Chunk) -> ImportRecord:
    async with world.database.transaction(world.workspace_id) as session:
        return (await record_chunk(session, order, given)).record


async def change(world: World, function: Any, import_id: UUID, **arguments: Any) -> Any:
    async with world.database.transaction(world.workspace_id) as session:
        return await function(session, import_id, **arguments)


def counts(stored: ImportRecord) -> tuple[int, ...]:
    return stored.rows_read, stored.created, stored.updated, stored.skipped, stored.failed


async def test_a_file_is_read_back_from_any_byte_whatever_the_size_of_its_pieces(world: World) -> None:
    pieces = [b"a" * 10, b"b" * 300_000, b"c"]
    import_id = await upload(world, *pieces)
    whole = b"".join(pieces)
    for offset in (0, 9, 10, 11, 300_009, 300_010, 300_011):
        with open_pieces(world.database, world.workspace_id, import_id, offset) as stream:
            assert await asyncio.to_thread(stream.read) == whole[offset:]


async def test_another_workspace_cannot_read_the_file(world: World, database: Database) -> None:
    import_id = await upload(world)
    other = await make_world(database)
    with open_pieces(database, other.workspace_id, import_id) as stream:
        assert stream.read() == b""


async def test_an_upload_with_a_gap_does_not_end_and_an_ended_one_takes_no_more(world: World) -> None:
    import_id = await upload(world)
    with pytest.raises(ImportConflict):
        await change(world, imports.append_piece, import_id, position=1, data=b"late")
    async with world.database.transaction(world.workspace_id) as session:
        torn = await imports.create_import(
            session, workspace_id=world.workspace_id, campaign_id=world.campaign_id, filename="f", options={}
        )
        await imports.append_piece(session, torn, 1, b"second piece")
        with pytest.raises(ImportConflict):
            await imports.finish_upload(session, torn)


async def test_a_chunk_counts_every_row_once(world: World) -> None:
    order = await begun(world)
    stored = await record(world, order, chunk(11, 50, row(2, A), row(3, A), bad(4), row(5, B)))
    assert counts(stored) == (4, 2, 0, 1, 1)
    assert (stored.next_offset, stored.next_row) == (50, 50)
    repeated, error = await world.read("SELECT * FROM import_errors ORDER BY row")
    assert (error.row, error.column, error.value, error.code) == (4, "Mobile", "n/a", "phone_missing")
    assert (repeated.row, repeated.code) == (3, "duplicate")
    assert "row 2" in repeated.message
    people = await world.read("SELECT import_id, import_row FROM prospects ORDER BY phone")
    assert [(each.import_id, each.import_row) for each in people] == [(order.id, 2), (order.id, 5)]


async def test_a_chunk_written_twice_changes_nothing_and_counts_once(world: World) -> None:
    order = await begun(world, on_duplicate="update")
    again = chunk(11, 50, row(2, A, name="Ann"), bad(3))
    first = await record(world, order, again)
    assert await record(world, order, again) == first
    assert counts(first) == (2, 1, 0, 0, 1)
    assert await world.tally() == {"ready": 1}


async def test_contacts_that_are_made_before_their_chunk_are_its_peoples(world: World) -> None:
    order = await begun(world)
    async with world.database.transaction(world.workspace_id) as session:
        await add_contacts(session, world.workspace_id, [A])
        contacts = await add_contacts(session, world.workspace_id, [A, B], named=True)
    assert set(contacts) == {A, B}
    given = chunk(11, 50, row(2, A), row(3, B, other_phones=(Line(C),)), row(4, D))
    assert counts(await record(world, order, await drafted(world, given, contacts))) == (3, 3, 0, 0, 0)
    sql = "SELECT p.phone, c.phone AS contact FROM prospects p JOIN contacts c ON c.id = p.contact_id ORDER BY 1"
    assert [tuple(each) for each in await world.read(sql)] == [(A, A), (B, B), (D, D)]
    assert [each.phone for each in await world.read("SELECT phone FROM prospect_phones")] == [C]
    assert len(await world.read("SELECT 1 FROM contacts")) == 4


MEANWHILE = {
    "nothing": "SELECT 1",
    "a prospect of the chunk is made": """
        WITH contact AS (INSERT INTO contacts (workspace_id, phone) VALUES (:workspace, :phone) RETURNING id)
        INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, state, next_due_at,
            zone_set)
        SELECT :workspace, :campaign, id, :phone, 'ready', now(), 'America/Los_Angeles' FROM contact""",
    "a phone is suppressed": "INSERT INTO suppressions (workspace_id, phone) VALUES (:workspace, :phone)",
    "all are called by one clock": """
        UPDATE campaigns SET settings = settings || '{"calling_hours": {"zone": "UTC", "windows": [
            {"days": ["mon"], "start": "00:00", "end": "24:00"}]}}' WHERE id = :campaign""",
}


@pytest.mark.parametrize("meanwhile", MEANWHILE)
async def test_a_draft_that_holds_no_longer_is_not_written(world: World, meanwhile: str) -> None:
    order = await begun(world)
    draft = await drafted(world, chunk(11, 50, row(2, A), row(3, B), row(4, C, zone_set=None)), {})
    async with world.database.transaction(world.workspace_id) as session:
        given = {"workspace": world.workspace_id, "campaign": world.campaign_id, "phone": A}
        sql = MEANWHILE[meanwhile]
        await session.execute(text(sql), {name: value for name, value in given.items() if f":{name}" in sql})
    states = {
        "nothing": (3, 0, ["ready", "ready", "held"]),
        "a prospect of the chunk is made": (2, 1, ["ready", "ready", "held"]),
        "a phone is suppressed": (3, 0, ["suppressed", "ready", "held"]),
        "all are called by one clock": (3, 0, ["ready", "ready", "ready"]),
    }
    created, skipped, expected = states[meanwhile]
    assert counts(await record(world, order, draft)) == (3, created, 0, skipped, 0)
    assert [each.state for each in await world.read("SELECT state FROM prospects ORDER BY phone")] == expected


async def test_two_workers_on_the_same_chunk_write_it_once(world: World) -> None:
    order = await begun(world)
    given = chunk(11, 50, *(row(n, f"+165055501{n:02}") for n in range(2, 60)))
    await asyncio.gather(*(record(world, order, given) for _ in range(4)))
    stored = await change(world, imports.read_import, order.id)
    assert counts(stored) == (58, 58, 0, 0, 0)


async def test_a_chunk_is_refused_before_the_one_in_front_of_it(world: World) -> None:
    order = await begun(world)
    with pytest.raises(ChunkOutOfOrder):
        await record(world, order, chunk(50, 90, row(7, B)))
    assert await world.read("SELECT 1 FROM prospects") == []


async def test_a_row_that_contradicts_the_campaign_is_an_error_under_the_files_own_header(world: World) -> None:
    order = await begun(world, on_duplicate="update")
    given = chunk(11, 50, row(2, A, external_id="1"), row(3, A, external_id="2"))
    assert counts(await record(world, order, given)) == (2, 1, 0, 0, 1)
    (error,) = await world.read("SELECT * FROM import_errors")
    assert (error.row, error.column, error.value, error.code) == (3, "Mobile", A, "phone_taken")


async def test_a_file_dials_higher_priorities_first(world: World) -> None:
    order = await begun(world)
    await record(world, order, chunk(11, 50, row(2, A), row(3, B, priority=2), row(4, C, priority=-2)))
    people = await world.read("SELECT phone FROM prospects ORDER BY priority")
    assert [each.phone for each in people] == [B, A, C]


@pytest.mark.parametrize("end", [imports.cancel, imports.finish])
async def test_an_import_that_has_ended_writes_no_more(world: World, end: Any) -> None:
    order = await begun(world)
    assert await change(world, end, order.id)
    assert not await change(world, end, order.id)
    with pytest.raises(ImportConflict):
        await record(world, order, chunk(11, 50, row(2, A)))
    assert await world.read("SELECT 1 FROM prospects") == []


async def test_a_failed_import_says_why_and_goes_on_from_where_it_stopped(world: World) -> None:
    order = await begun(world)
    await record(world, order, chunk(11, 50, row(2, A)))
    await change(world, imports.fail, order.id, code="campaign_closed", message="m", column=None)
    failed = await change(world, imports.read_import, order.id)
    assert (failed.status, failed.error["code"]) == (ImportStatus.FAILED, "campaign_closed")
    retried = await change(world, imports.retry, order.id)
    assert (retried.status, retried.error, retried.next_offset) == (ImportStatus.RUNNING, None, 50)
    assert counts(await record(world, order, chunk(50, 90, row(3, B)))) == (2, 2, 0, 0, 0)


async def test_nothing_is_retried_while_it_runs_or_without_its_file(world: World) -> None:
    order = await begun(world)
    with pytest.raises(ImportConflict):
        await change(world, imports.retry, order.id)
    await change(world, imports.cancel, order.id)
    await world.run("DELETE FROM import_pieces")
    with pytest.raises(ImportConflict):
        await change(world, imports.retry, order.id)


async def test_undo_removes_the_import_and_whom_it_created(world: World) -> None:
    order = await begun(world)
    await record(world, order, chunk(11, 50, row(2, A), row(3, B), bad(4)))
    with pytest.raises(ImportConflict):
        await change(world, imports.undo, order.id)
    await change(world, imports.finish, order.id)
    assert await change(world, imports.undo, order.id) == 2
    for table in ("prospects", "imports", "import_errors", "import_pieces"):
        assert await world.read(f"SELECT 1 FROM {table}") == []
    assert await world.tally() == {}


@pytest.mark.parametrize("fact", ["state = 'in_call'", "attempts = 1, state = 'reached'"])
async def test_undo_refuses_once_somebody_was_called(world: World, fact: str) -> None:
    order = await begun(world)
    await record(world, order, chunk(11, 50, row(2, A), row(3, B)))
    await change(world, imports.finish, order.id)
    await world.run(f"UPDATE prospects SET {fact} WHERE phone = :phone", phone=A)
    with pytest.raises(ImportConflict, match="prospects_called"):
        await change(world, imports.undo, order.id)
    assert len(await world.read("SELECT 1 FROM prospects")) == 2


async def test_a_claim_that_was_never_dialed_does_not_prevent_undo(world: World) -> None:
    order = await begun(world)
    await record(world, order, chunk(11, 50, row(2, A)))
    await change(world, imports.finish, order.id)
    sql = """INSERT INTO calls (workspace_id, campaign_id, prospect_id, state)
             SELECT workspace_id, campaign_id, id, 'deferred' FROM prospects"""
    await world.run(sql)
    assert await change(world, imports.undo, order.id) == 1
    (call,) = await world.read("SELECT prospect_id FROM calls")
    assert call.prospect_id is None


async def test_files_are_deleted_after_seven_days_unless_somebody_reads_them(world: World) -> None:
    running, ended = await upload(world), await upload(world)
    await change(world, imports.cancel, ended)
    async with world.database.transaction_over_all() as session:
        assert await imports.delete_old_pieces(session) == 0
    await world.run("UPDATE import_pieces SET created_at = created_at - interval '8 days'")
    async with world.database.transaction_over_all() as session:
        assert await imports.delete_old_pieces(session) == 1
    assert [each.import_id for each in await world.read("SELECT import_id FROM import_pieces")] == [running]


async def test_an_upload_of_which_no_more_comes_fails_and_one_that_goes_on_does_not(world: World) -> None:
    async with world.database.transaction(world.workspace_id) as session:
        torn, slow = [
            await imports.create_import(
                session, workspace_id=world.workspace_id, campaign_id=world.campaign_id, filename="f", options={}
            )
            for _ in range(2)
        ]
        await imports.append_piece(session, torn, 0, b"phone\n")
    await world.run("UPDATE imports SET created_at = created_at - interval '16 minutes'")
    await world.run("UPDATE import_pieces SET created_at = created_at - interval '16 minutes'")
    async with world.database.transaction(world.workspace_id) as session:
        await imports.append_piece(session, slow, 0, b"phone\n")
    async with world.database.transaction_over_all() as session:
        assert await imports.fail_abandoned_uploads(session) == 1
    assert (await change(world, imports.read_import, slow)).status == "running"
    failed = await change(world, imports.read_import, torn)
    assert failed.error["code"] == "upload_incomplete"
