"""A dry run: the whole report, and nothing written."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from activities.imports import ImportProgress
from dialer.domain.states import CompletedReason
from dialer.store import imports
from dialer.store.control import complete
from dialer.store.rehearsals import Rehearsal
from tests.store.worlds import World
from tests.workflows.imports import FILE, PHONES, Nudged, counts, make_idle, start, stored, upload, workers

# Two people of the campaign, one of the file, one broken row, one suppressed, one nowhere, one contradiction.
WILD = f"""phone,name,external_id
{PHONES[0]},Known,
{PHONES[1]},Also known,
{PHONES[10]},New,n-1
{PHONES[10]},New again,n-1
not a number,Broken,
{PHONES[11]},Suppressed,
+881612345678,Nowhere,
{PHONES[12]},Other phone,n-1
+442079460123,London,l-1
too few
"""


async def imported(environment: WorkflowEnvironment, world: World, import_id: UUID, **settings: Any) -> ImportProgress:
    async with workers(environment, world.database, Nudged(), **settings):
        return await (await start(environment, world, import_id)).result()


async def people(world: World) -> list[Any]:
    return await world.read("SELECT * FROM prospects WHERE campaign_id = :c ORDER BY id")


async def errors(world: World, import_id: UUID) -> list[tuple[Any, ...]]:
    sql = 'SELECT row, "column", code, cells FROM import_errors WHERE import_id = :i ORDER BY row'
    return [tuple(each) for each in await world.read(sql, i=import_id)]


@pytest.mark.parametrize("mode", ["skip", "update"])
@pytest.mark.parametrize("chunk_rows", [1, 3, 100])
async def test_a_dry_run_foretells_what_the_import_then_does(
    environment: WorkflowEnvironment,
    world: World,
    mode: str,
    chunk_rows: int,
) -> None:
    await world.run(
        "INSERT INTO suppressions (workspace_id, phone) VALUES (:w, :p)", w=world.workspace_id, p=PHONES[11]
    )
    await imported(environment, world, await upload(world, f"phone,name\n{PHONES[0]},A\n{PHONES[1]},B\n"))
    before = await people(world)
    dry = await upload(world, WILD, dry_run=True, on_duplicate=mode)
    foretold = await imported(environment, world, dry, chunk_rows=chunk_rows)
    assert await people(world) == before
    assert (foretold.status, foretold.dry_run, foretold.rows_read) == ("completed", True, 10)
    real = await upload(world, WILD, on_duplicate=mode)
    done = await imported(environment, world, real, chunk_rows=chunk_rows)
    assert counts(foretold) == counts(done)
    assert [each[:3] for each in await errors(world, dry)] == [each[:3] for each in await errors(world, real)]
    report = (await stored(world, dry)).report
    assert report is not None
    created = await world.read("SELECT state, count(*) AS n FROM prospects WHERE import_id = :i GROUP BY 1", i=real)
    assert report["states"] == {each.state: each.n for each in created}
    sources = await world.read(
        "SELECT zone_source AS s, count(*) AS n FROM prospects WHERE import_id = :i GROUP BY 1", i=real
    )
    assert report["zones"]["by_source"] == {each.s: each.n for each in sources}


async def test_the_report_says_all_that_there_is_to_know(environment: WorkflowEnvironment, world: World) -> None:
    await world.run(
        "INSERT INTO suppressions (workspace_id, phone) VALUES (:w, :p)", w=world.workspace_id, p=PHONES[11]
    )
    await imported(environment, world, await upload(world, f"phone,name\n{PHONES[0]},A\n{PHONES[1]},B\n"))
    dry = await upload(world, WILD, dry_run=True)
    assert counts(await imported(environment, world, dry)) == (10, 4, 0, 4, 2)
    record = await stored(world, dry)
    report = record.report
    assert report is not None
    assert report["errors"] == {"phone_not_a_number": 1, "row_too_few_fields": 1}
    assert report["states"] == {"ready": 2, "suppressed": 1, "held": 1}
    assert report["duplicates"] == {"in_file": 2, "in_campaign": 2}
    assert report["zones"]["by_source"] == {"phone": 3, "none": 1}
    assert report["zones"]["without"] == 1
    assert {"time_zones": ["Europe/London"], "people": 1} in report["zones"]["sets"]
    calls = report["first_calls"]
    assert sum(hour["calls"] for hour in calls["hours"]) + calls["later"] == 2
    assert calls["calls_per_hour"] == 600


async def test_the_second_row_of_a_person_is_listed_with_the_first(
    environment: WorkflowEnvironment, world: World
) -> None:
    dry = await upload(world, f"phone\n{PHONES[0]}\n{PHONES[0]}\n", dry_run=True)
    await imported(environment, world, dry, chunk_rows=1)
    (repeated,) = await world.read("SELECT * FROM import_errors")
    assert (repeated.row, repeated.code) == (3, "duplicate")
    assert "row 2" in repeated.message


async def test_a_dry_run_begins_again_when_its_worker_dies_and_ends_the_same(
    environment: WorkflowEnvironment,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = await upload(world, FILE + WILD.partition("\n")[2].replace(",n-1", "").replace(",l-1", ""), dry_run=True)
    await imported(environment, world, whole)
    record = Rehearsal.record
    deaths = [30, 70]

    async def die_now_and_then(self: Rehearsal, chunk: Any) -> Any:
        after = await record(self, chunk)
        if deaths and after.rows_read >= deaths[0]:
            deaths.pop(0)
            raise ConnectionResetError("the process dies")
        return after

    monkeypatch.setattr(Rehearsal, "record", die_now_and_then)
    torn = await upload(world, FILE + WILD.partition("\n")[2].replace(",n-1", "").replace(",l-1", ""), dry_run=True)
    await imported(environment, world, torn)
    assert deaths == []
    first, second = await stored(world, whole), await stored(world, torn)
    assert counts(first) == counts(second)
    assert first.report is not None
    assert second.report is not None
    assert {**first.report, "first_calls": None} == {**second.report, "first_calls": None}
    assert await errors(world, whole) == await errors(world, torn)


async def test_a_dry_run_neither_wakes_its_campaign_nor_holds_it_back(
    environment: WorkflowEnvironment,
    world: World,
) -> None:
    await make_idle(world)
    dry = await upload(world, FILE, dry_run=True)
    workflows = Nudged()
    async with workers(environment, world.database, workflows):
        await (await start(environment, world, dry)).result()
    assert workflows.campaigns == []
    (campaign,) = await world.read("SELECT idle_until FROM campaigns WHERE id = :c")
    assert campaign.idle_until is not None
    await upload(world, FILE, dry_run=True)
    async with world.database.transaction(world.workspace_id) as session:
        assert await complete(session, world.campaign_id, CompletedReason.ALL_FINAL)


async def test_a_cancelled_dry_run_stops_and_its_record_can_be_deleted(
    environment: WorkflowEnvironment,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = Rehearsal.record
    judged, cancelled = asyncio.Event(), asyncio.Event()

    async def hold(self: Rehearsal, chunk: Any) -> Any:
        after = await record(self, chunk)
        judged.set()
        await cancelled.wait()
        return after

    monkeypatch.setattr(Rehearsal, "record", hold)
    dry = await upload(world, FILE, dry_run=True)
    async with workers(environment, world.database, Nudged()):
        handle = await start(environment, world, dry)
        await judged.wait()
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        cancelled.set()
    after = await stored(world, dry)
    assert (after.status, counts(after)) == ("cancelled", (10, 10, 0, 0, 0))
    async with world.database.transaction(world.workspace_id) as session:
        assert await imports.undo(session, dry) == 0
    assert await world.read("SELECT 1 FROM imports") == []


async def test_a_dry_run_makes_no_contacts(environment: WorkflowEnvironment, world: World) -> None:
    result = await imported(environment, world, await upload(world, dry_run=True))
    assert counts(result) == (100, 100, 0, 0, 0)
    assert await world.read("SELECT 1 FROM contacts") == []
