"""Runs a scenario once to count its doors, and then once for every door and every fault that fits it."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import text

from tests.faults.clocks import TestClock
from tests.faults.doors import Door, Doors, Fault, Interruption
from tests.faults.processes import Installation, Process, open_account
from tests.faults.promises import broken_promises
from tests.faults.scenarios import Scenario
from tests.faults.sites import Site, Stuck
from tests.faults.towns import Town, town
from tests.simulator.lines import ACCOUNT, TOKEN
from tests.store.lines import make_line


@dataclass
class Explorer:
    """One database and one town for all runs; each begins with both empty."""

    database_url: str
    town: Town
    clock: TestClock
    onlooker: Process
    runs: int = 0
    broken: list[str] = field(default_factory=list[str])

    @asynccontextmanager
    async def site(self, scenario: Scenario, doors: Doors, *, redelivers: bool = True) -> AsyncIterator[Site]:
        """The scenario's campaign, launched, and nobody called yet."""
        async with self.onlooker.database.transaction_over_all() as session:
            await session.execute(text("TRUNCATE workspaces CASCADE"))
        self.town.forget()
        its = Installation.made(self.database_url, self.town.doorstep.url, self.clock)
        world = await make_line(self.onlooker.database, people=len(scenario.phones), settings=scenario.settings)
        await open_account(self.onlooker, its, url=self.town.url, account_sid=ACCOUNT, secret=TOKEN)
        people = await world.read("SELECT phone FROM prospects WHERE campaign_id = :c ORDER BY phone")
        for person, behaviours in zip(people, scenario.phones, strict=True):
            self.town.script(person.phone, *behaviours)
        site = Site(
            its=its,
            town=self.town,
            doors=doors,
            world=world,
            redelivers=redelivers,
            withheld=scenario.withheld,
            hidden=scenario.hidden,
            call_workflows=scenario.call_workflows,
        )
        its.temporal.start_campaign(world.workspace_id, world.campaign_id)
        try:
            yield site
        finally:
            await site.close()

    async def count(self, scenario: Scenario) -> list[Door]:
        """The doors of a run in which nothing goes wrong, which also is what was expected of it."""
        doors = Doors()
        async with self.site(scenario, doors) as site:
            await scenario.play(site)
            broken = await broken_promises(site.world, self.town, hidden=scenario.hidden)
            calls = await site.world.read("SELECT disposition FROM calls WHERE campaign_id = :c AND state = 'ended'")
        assert broken == []
        assert {call.disposition for call in calls} <= scenario.expected, calls
        assert calls
        return doors.passed

    async def explore(self, scenario: Scenario, doors: Iterable[Door], faults: Iterable[Fault]) -> None:
        """Each fault at each door it fits; what it breaks is kept in ``broken``."""
        for door in doors:
            for fault in faults:
                if not fault.fits(door):
                    continue
                await self.one(scenario, door, fault)
                if fault is Fault.KILL and "receive" in door.where:
                    await self.one(scenario, door, fault, redelivers=False)

    async def one(
        self,
        scenario: Scenario,
        door: Door,
        fault: Fault | None,
        *,
        redelivers: bool = True,
        interruption: Interruption | None = None,
    ) -> None:
        """One run."""
        self.runs += 1
        doors = Doors(at=door, fault=fault, interruption=interruption)
        async with self.site(scenario, doors, redelivers=redelivers) as site:
            try:
                await scenario.play(site)
                broken = await broken_promises(site.world, self.town, hidden=scenario.hidden)
            except Stuck as stuck:
                broken = [str(stuck)]
            if not doors.happened:
                broken.append("the door was not passed")
        again = "" if redelivers else ", and the carrier does not repeat itself"
        self.broken += [f"{scenario.name}, {door}: {fault}{again}: {sentence}" for sentence in broken]


@asynccontextmanager
async def explorer(database_url: str) -> AsyncIterator[Explorer]:
    """A town for one test."""
    clock = TestClock()
    async with town(clock) as built:
        its = Installation.made(database_url, built.doorstep.url, clock)
        onlooker = Process(its, Doors())
        try:
            yield Explorer(database_url=database_url, town=built, clock=clock, onlooker=onlooker)
        finally:
            await onlooker.close()
