"""Runs a scenario once to count its doors, and then once for every door and every fault that fits it."""

import os
from collections.abc import AsyncIterator, Hashable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from tests.faults.clocks import TestClock
from tests.faults.doors import Door, Doors, Fault, Interruption
from tests.faults.judged import judged
from tests.faults.processes import Installation, Process, lead_to
from tests.faults.promises import broken_promises
from tests.faults.scenarios import Scenario
from tests.faults.sites import Site, Stuck
from tests.faults.temporal import TemporalServer
from tests.faults.towns import Town, town
from tests.store.lines import make_line

#: A fault, where it happened, and what the world looked like.
Tried = tuple[Hashable, ...]
#: ``FAULTS_EVERY=1`` tries also what looks as if it had been tried before, which takes several times as long.
EVERY = bool(os.environ.get("FAULTS_EVERY"))
#: The lines that record what became of a call do something else for each kind of end.
RECORDING = ("_save", "_in_its_workspace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A door, what the world looks like there in full and in outline, and whose it is.

    ``receiving``: a callback waits for its answer. ``sweeping``: a sweep is under way. ``empty``: a transaction ends
    that has written nothing.
    """

    door: Door
    whole: str
    outline: str
    receiving: bool
    sweeping: bool
    empty: bool


@dataclass
class Explorer:
    """One database and one town for all runs; each has a workspace, people and a carrier account of its own."""

    town: Town
    its: Installation
    onlooker: Process
    tried: set[Tried]
    doors: int = 0
    runs: int = 0
    broken: list[str] = field(default_factory=list[str])
    #: Doors that were not passed again: a sweep looks at several calls at once, in no order.
    missed: list[Door] = field(default_factory=list[Door])

    @asynccontextmanager
    async def site(self, scenario: Scenario, doors: Doors, *, redelivers: bool = True) -> AsyncIterator[Site]:
        """The scenario's campaign, launched, and nobody called yet."""
        account_sid = self.town.open_account()
        self.town.simulated.behave({"time_scale": scenario.time_scale})
        its = replace(self.its, temporal=TemporalServer())
        world = await make_line(self.onlooker.database, people=len(scenario.phones), settings=scenario.settings)
        await lead_to(self.town, world, its, account_sid)
        for number, behaviours in enumerate(scenario.phones, start=100):
            self.town.script(f"+1415555{number:04d}", *behaviours)
        site = Site(
            its=its,
            town=self.town,
            doors=doors,
            world=world,
            redelivers=redelivers,
            withheld=scenario.withheld,
            hidden=scenario.hidden,
            asleep=scenario.asleep,
            call_workflows=scenario.call_workflows,
        )
        if scenario.launched:
            its.temporal.start_campaign(world.workspace_id, world.campaign_id)
        try:
            yield site
        finally:
            await site.close()

    async def count(self, scenario: Scenario) -> list[Passage]:
        """The doors of a run in which nothing goes wrong, each with what the world looks like there."""
        doors = Doors()
        async with self.site(scenario, doors) as site:
            doors.look = site.sight
            await scenario.play(site)
            broken = await self.broken_at(site, scenario)
            calls = await site.world.read("SELECT disposition FROM calls WHERE campaign_id = :c AND state = 'ended'")
        assert broken == []
        assert {call.disposition for call in calls} == scenario.expected
        return [
            Passage(
                door=door,
                whole=whole,
                outline=outline,
                receiving=door in site.receiving,
                sweeping=door in site.sweeping,
                empty=door in doors.empty,
            )
            for door, (whole, outline) in zip(doors.passed, doors.sights, strict=True)
        ]

    def worth_trying(self, passage: Passage, among: Iterable[Fault] = Fault) -> list[Fault]:
        """The faults that fit a door, except those that were tried already where all looked just so."""
        faults: list[Fault] = []
        for fault in among:
            # To a process that dies it is all one in which line it dies; one that goes on goes on from there.
            records = any(part in passage.door.where for part in RECORDING)
            place = (passage.door.key, passage.outline if records else "")
            if fault is Fault.KILL:
                place = (passage.whole,)
            tried = (fault, *place) in self.tried
            # A commit of nothing is the same whether it was applied or not.
            idle = fault is Fault.UNCONFIRMED and passage.empty
            if fault.fits(passage.door) and (EVERY or not (tried or idle)):
                self.tried.add((fault, *place))
                faults.append(fault)
        return faults

    async def explore(self, scenario: Scenario, *, only_sweeps: bool = False) -> None:
        """Each fault at each door it fits; what it breaks is kept in ``broken``."""
        for passage in await self.count(scenario):
            if only_sweeps and not passage.sweeping:
                continue
            self.doors += 1
            for fault in self.worth_trying(passage, scenario.faults):
                await self.one(scenario, passage.door, fault)
                if fault is Fault.KILL and passage.receiving:
                    await self.one(scenario, passage.door, fault, redelivers=False)

    async def broken_at(self, site: Site, scenario: Scenario) -> list[str]:
        """What is wrong when all is over, to us and to the judge."""
        seen = await broken_promises(site.world, self.town, hidden=scenario.hidden)
        return [*seen, *(await judged(site)), *(await scenario.also(site))]

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
                broken = await self.broken_at(site, scenario)
            except Stuck as stuck:
                broken = [str(stuck)]
        self.missed += [] if doors.happened else [door]
        again = "" if redelivers else ", and the carrier does not repeat itself"
        self.broken += [f"{scenario.name}, {door}: {fault}{again}: {sentence}" for sentence in broken]


@asynccontextmanager
async def explorer(database_url: str, clock: TestClock, tried: set[Tried]) -> AsyncIterator[Explorer]:
    """A town for one test. ``clock`` never goes back in one database."""
    async with town(clock) as built:
        its = Installation.made(database_url, built.doorstep.url, clock)
        try:
            yield Explorer(town=built, its=its, onlooker=Process("onlooker", its, Doors()), tried=tried)
        finally:
            await its.close()
