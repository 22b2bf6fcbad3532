"""An import whose worker dies, or loses its database, at any step: no row is lost, none is counted twice."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from activities.imports import ImportRef
from dialer.store import imports
from dialer.store.tally_checks import wrong_tallies
from tests.faults.clocks import TestClock
from tests.faults.doors import Door, Doors, Fault
from tests.faults.processes import Installation, Process
from tests.faults.sites import Site
from tests.faults.towns import Doorstep, Town
from tests.store.lines import make_line
from workflows.prospect_import import END_IMPORT, READ_FILE

FILE = "phone,name\n" + "".join(f"+1415555{number:04d},Person {number}\n" for number in range(150, 157))
#: A row that cannot be read, and a person who is in the file twice.
ROWS = FILE + "nobody,Broken\n+14155550150,Again\n"


@dataclass
class Imports:
    its: Installation
    onlooker: Process
    runs: int = 0

    async def run(self, doors: Doors) -> list[str]:
        """One import from its upload to its end; what is wrong with it."""
        self.runs += 1
        world = await make_line(self.onlooker.database, people=0)
        async with self.onlooker.database.transaction(world.workspace_id) as session:
            import_id = await imports.create_import(
                session,
                workspace_id=world.workspace_id,
                campaign_id=world.campaign_id,
                filename="people.csv",
                options={},
            )
            await imports.append_piece(session, import_id, 0, ROWS.encode())
            await imports.finish_upload(session, import_id)
        await world.run("UPDATE campaigns SET idle_until = dialer_now() + interval '1 hour' WHERE id = :c")
        self.its.temporal.start_campaign(world.workspace_id, world.campaign_id)
        self.its.temporal.campaigns[world.campaign_id].nudged = False
        town: Town | None = None
        site = Site(its=self.its, town=town, doors=doors, world=world)  # type: ignore[arg-type]
        try:
            await self._workflow(site, import_id)
            if not self.its.temporal.campaigns[world.campaign_id].nudged:
                # The nudge was lost with the process: then the sweep sees a campaign that need not sleep.
                self.its.clock.let_pass(60)
                await site.sweep()
            nudged = self.its.temporal.campaigns[world.campaign_id].nudged
            return [*(await self._wrong(site, import_id)), *([] if nudged else ["the campaign was not woken"])]
        finally:
            await site.close()

    async def _workflow(self, site: Site, import_id: UUID) -> None:
        """What ProspectImportWorkflow does."""
        world = site.world
        ref = ImportRef(
            workspace_id=str(world.workspace_id), import_id=str(import_id), campaign_id=str(world.campaign_id)
        )
        progress = await site.activity(READ_FILE, lambda process: process.imports.scan_file, ref)
        while progress.status == "running" and not progress.at_end:
            progress = await site.activity(READ_FILE, lambda process: process.imports.write_rows, ref)
        await site.activity(END_IMPORT, lambda process: process.imports.finish_import, ref)

    async def _wrong(self, site: Site, import_id: UUID) -> list[str]:
        world = site.world
        async with self.onlooker.database.transaction(world.workspace_id) as session:
            record = await imports.read_import(session, import_id)
            tallies = await wrong_tallies(session, world.campaign_id)
        people = await world.read("SELECT phone FROM prospects WHERE campaign_id = :c")
        errors = await world.read(
            "SELECT row FROM import_errors WHERE import_id = :i AND code <> 'duplicate'", i=import_id
        )
        assert record is not None
        seen = (record.status, record.rows_read, record.created, record.failed + record.skipped, record.rows_total)
        checks = (
            ("the import", seen, ("completed", 9, 7, 2, 9)),
            ("the people", len(people), 7),
            ("the complaints", len(errors), record.failed),
            ("the tallies", tallies, {}),
        )
        return [f"{what}: {found}, not {right}" for what, found, right in checks if found != right]


@pytest.fixture
async def its(module_database_url: str) -> AsyncIterator[Imports]:
    installation = Installation.made(module_database_url, Doorstep(url="http://dialer.example").url, TestClock())
    yield Imports(its=installation, onlooker=Process("onlooker", installation, Doors()))
    await installation.close()


async def look() -> tuple[str, str]:
    return "", ""


async def doors_of(its: Imports) -> list[tuple[Door, Fault]]:
    """Each door with the faults that make a difference there: a commit of nothing is confirmed or not, all the same."""
    doors = Doors(look=look)
    assert await its.run(doors) == []
    return [
        (door, fault)
        for door in doors.passed
        for fault in Fault
        if fault.fits(door) and not (fault is Fault.UNCONFIRMED and door in doors.empty)
    ]


async def test_an_import_goes_on_from_its_place_whichever_door_its_worker_dies_at(its: Imports) -> None:
    broken: list[str] = []
    for door, fault in await doors_of(its):
        if fault is Fault.KILL and not door.after:
            continue  # What dies before a door leaves what the process leaves that died after the one before it.
        doors = Doors(at=door, fault=fault)
        broken += [f"{door}: {fault}: {sentence}" for sentence in await its.run(doors)]
        broken += [] if doors.happened else [f"{door}: was not passed"]
    assert its.runs > 30
    assert broken == []
