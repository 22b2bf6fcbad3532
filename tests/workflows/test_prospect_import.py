import asyncio

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from activities.imports import no_values_in_failures
from dialer.store import imports
from tests.store.worlds import World
from tests.workflows.imports import FILE, PHONES, Nudged, counts, make_idle, start, stored, upload, workers
from workflows.prospect_import import ProspectImportWorkflow


async def test_a_file_becomes_prospects_and_its_campaign_is_woken(
    environment: WorkflowEnvironment, world: World
) -> None:
    await make_idle(world)
    workflows = Nudged()
    import_id = await upload(world, FILE + "not a number,X\n" + f"{PHONES[0]},again\n")
    async with workers(environment, world.database, workflows):
        handle = await start(environment, world, import_id)
        result = await handle.result()
        shown = await handle.query(ProspectImportWorkflow.progress)
    assert counts(result) == (102, 100, 0, 1, 1)
    assert result.status == "completed"
    assert shown == result
    assert await world.tally() == {"ready": 100}
    assert workflows.campaigns == [world.campaign_id]
    record = await stored(world, import_id)
    assert (record.rows_total, record.shape is not None) == (102, True)
    error, repeated = await world.read("SELECT * FROM import_errors ORDER BY row")
    assert (error.row, error.column, error.value) == (102, "Phone", "not a number")
    assert error.cells == ["not a number", "X"]
    assert (repeated.row, repeated.code, repeated.cells) == (103, "duplicate", [PHONES[0], "again"])


async def test_contacts_of_the_next_rows_are_made_while_these_are_written(
    environment: WorkflowEnvironment, world: World
) -> None:
    found: list[tuple[int, int]] = []

    async def look() -> None:
        # The first ten are written, and the campaign is woken; nobody reads on before this returns.
        sql = "SELECT (SELECT count(*) FROM prospects) AS people, (SELECT count(*) FROM contacts) AS contacts"
        while not found or found[-1][1] < 20:
            found.append(tuple((await world.read(sql))[0]))

    await make_idle(world)
    import_id = await upload(world)
    async with workers(environment, world.database, Nudged(before=look)):
        result = await (await start(environment, world, import_id)).result()
    assert found[-1] == (10, 20)
    assert counts(result) == (100, 100, 0, 0, 0)
    assert len(await world.read("SELECT 1 FROM contacts")) == 100


async def test_the_same_file_again_changes_nothing(environment: WorkflowEnvironment, world: World) -> None:
    async with workers(environment, world.database, Nudged()):
        await (await start(environment, world, await upload(world))).result()
        result = await (await start(environment, world, await upload(world))).result()
    assert counts(result) == (100, 0, 0, 100, 0)


async def test_an_update_takes_a_new_name_for_a_known_phone(environment: WorkflowEnvironment, world: World) -> None:
    async with workers(environment, world.database, Nudged()):
        await (await start(environment, world, await upload(world))).result()
        changed = f"phone;name\n{PHONES[0]};Zoë\n"
        result = await (await start(environment, world, await upload(world, changed, on_duplicate="update"))).result()
    assert counts(result) == (1, 0, 1, 0, 0)
    assert await world.read("SELECT 1 FROM prospects WHERE name = 'Zoë'")


async def test_suppressed_and_placeless_people_are_not_ready(environment: WorkflowEnvironment, world: World) -> None:
    sql = "INSERT INTO suppressions (workspace_id, phone) VALUES (:w, :phone)"
    await world.run(sql, w=world.workspace_id, phone=PHONES[0])
    nowhere = "+881612345678"  # a satellite phone tells no place
    async with workers(environment, world.database, Nudged()):
        await (await start(environment, world, await upload(world, f"{FILE}{nowhere},Nemo\n"))).result()
    assert await world.tally() == {"ready": 99, "suppressed": 1, "held": 1}


async def test_numbers_without_a_country_take_the_uploaders_region_before_the_workspaces(
    environment: WorkflowEnvironment, world: World
) -> None:
    await world.run("UPDATE workspaces SET default_region = 'US' WHERE id = :w", w=world.workspace_id)
    async with workers(environment, world.database, Nudged()):
        await (await start(environment, world, await upload(world, "phone\n6505550100\n"))).result()
        british = await upload(world, "phone\n020 7946 0123\n", default_region="GB")
        await (await start(environment, world, british)).result()
    people = await world.read("SELECT phone FROM prospects ORDER BY phone")
    assert [each.phone for each in people] == ["+16505550100", "+442079460123"]


@pytest.mark.parametrize(
    ("content", "code", "column"),
    [
        (b"", "file_empty", None),
        (b"name,city\nAnn,Rome\n", "header_no_phone", "phone"),
        (b"phone,Name,name\n+16505550100,a,b\n", "header_duplicate", "Name"),
        (b"PK\x03\x04" + bytes(200), "spreadsheet_broken", None),
    ],
)
async def test_a_file_that_cannot_be_read_fails_the_import_and_writes_nothing(
    environment: WorkflowEnvironment, world: World, content: bytes, code: str, column: str | None
) -> None:
    import_id = await upload(world, content)
    async with workers(environment, world.database, Nudged()):
        with pytest.raises(WorkflowFailureError) as failure:
            await (await start(environment, world, import_id)).result()
    cause = failure.value.cause.__cause__
    assert isinstance(cause, ApplicationError)
    assert cause.type == code
    record = await stored(world, import_id)
    assert record.error is not None
    assert (record.status, record.error["code"], record.error["column"]) == ("failed", code, column)
    assert await world.read("SELECT 1 FROM prospects") == []


async def test_a_worker_that_dies_after_a_commit_loses_and_doubles_nothing(
    environment: WorkflowEnvironment, world: World
) -> None:
    deaths: list[int] = []

    async def die() -> None:
        if len(deaths) < 3:
            deaths.append((await stored(world, import_id)).rows_read)
            await make_idle(world)  # so that the next chunk wants a nudge as well
            raise ConnectionResetError("the process dies between two chunks")

    await make_idle(world)
    import_id = await upload(world, FILE + "not a number,X\n")
    async with workers(environment, world.database, Nudged(before=die)):
        result = await (await start(environment, world, import_id)).result()
    assert deaths == [10, 20, 30]
    assert counts(result) == (101, 100, 0, 0, 1)
    assert len(await world.read("SELECT 1 FROM prospects")) == 100


async def test_legs_end_between_chunks_and_go_on_from_there(environment: WorkflowEnvironment, world: World) -> None:
    import_id = await upload(world)
    async with workers(environment, world.database, Nudged(), leg_s=0, chunk_rows=30):
        handle = await start(environment, world, import_id)
        result = await handle.result()
    assert counts(result) == (100, 100, 0, 0, 0)
    names = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert names == ["scan_file", *["write_rows"] * 5, "finish_import"]


async def test_a_cancelled_import_keeps_what_is_written_and_writes_no_more(
    environment: WorkflowEnvironment, world: World
) -> None:
    written, cancelled = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        written.set()
        await cancelled.wait()

    await make_idle(world)
    import_id = await upload(world)
    async with workers(environment, world.database, Nudged(before=hold)):
        handle = await start(environment, world, import_id)
        await written.wait()
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        cancelled.set()
    record = await stored(world, import_id)
    assert (record.status, counts(record)) == ("cancelled", (10, 10, 0, 0, 0))
    assert len(await world.read("SELECT 1 FROM prospects")) == 10


async def test_a_cancelled_import_goes_on_when_it_is_retried(environment: WorkflowEnvironment, world: World) -> None:
    import_id = await upload(world)

    async def stop() -> None:
        async with world.database.transaction(world.workspace_id) as session:
            await imports.cancel(session, import_id)

    await make_idle(world)
    async with workers(environment, world.database, Nudged(before=stop)):
        first = await (await start(environment, world, import_id)).result()
        assert (first.status, first.rows_read) == ("cancelled", 10)
        async with world.database.transaction(world.workspace_id) as session:
            await imports.retry(session, import_id)
        result = await (await start(environment, world, import_id)).result()
    assert (result.status, counts(result)) == ("completed", (100, 100, 0, 0, 0))


async def test_a_campaign_stopped_meanwhile_fails_the_import_with_the_reason(
    environment: WorkflowEnvironment, world: World
) -> None:
    async def stop() -> None:
        await world.run("UPDATE campaigns SET status = 'stopped' WHERE id = :c")

    await make_idle(world)
    import_id = await upload(world)
    async with workers(environment, world.database, Nudged(before=stop)):
        with pytest.raises(WorkflowFailureError):
            await (await start(environment, world, import_id)).result()
    record = await stored(world, import_id)
    assert record.error is not None
    assert (record.status, record.error["code"], record.rows_read) == ("failed", "campaign_closed", 10)


async def test_no_personal_data_is_in_the_workflows_history(environment: WorkflowEnvironment, world: World) -> None:
    import_id = await upload(world, FILE + "650555,Xaver\n")
    async with workers(environment, world.database, Nudged()):
        handle = await start(environment, world, import_id)
        await handle.result()
    history = (await handle.fetch_history()).to_json()
    assert "650555" not in history
    assert "Xaver" not in history


async def test_a_failure_of_the_database_tells_temporal_nothing_of_the_rows(world: World) -> None:
    twice = "INSERT INTO contacts (workspace_id, phone) VALUES (:w, :phone), (:w, :phone)"
    with pytest.raises(ApplicationError) as failure, no_values_in_failures():
        await world.run(twice, w=world.workspace_id, phone=PHONES[0])
    assert str(failure.value) == "DatabaseFailure: PostgreSQL: UniqueViolation"
    assert failure.value.__cause__ is None
