"""Somebody pauses the campaign, or suppresses the person, while a process stands at any door on the way to the dial.

What the API has answered must hold from that moment on, whatever had been claimed, started or half committed by then.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from api.operations import campaign_control, suppressions
from api.operations.services import Services
from api.schemas.campaigns import LiveCalls
from api.schemas.prospects import SuppressionIn
from dialer.domain.actors import Actor
from tests.faults.clocks import TestClock
from tests.faults.doors import Door, Doors
from tests.faults.exploring import Explorer, explorer
from tests.faults.processes import Process
from tests.faults.promises import broken_promises
from tests.faults.scenarios import BUSY, HUMAN, Scenario
from tests.faults.sites import Site

PHONE = "+14155550100"
TWICE = Scenario(name="busy, and called again", phones=((BUSY, HUMAN),), expected=frozenset({"busy", "human"}))


@dataclass
class Visitor:
    """Somebody at the API: asks for one thing, in a process of its own, while another process stands still."""

    site: Site
    ask: Callable[[Services, Actor, Site], Awaitable[int | None]]
    #: How many calls the carrier had accepted when the answer came, and how many might still be under way.
    dialed: int | None = None
    undecided: int | None = None
    _asking: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    async def come(self) -> None:
        """Ask; returns once the answer is there, or can only come when the other process goes on."""
        task = asyncio.create_task(self._ask())
        self._asking.append(task)
        async with asyncio.timeout(10):
            while not task.done() and not await self._waits():  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def leave(self) -> None:
        """With the answer."""
        await asyncio.gather(*self._asking)

    async def _ask(self) -> None:
        process = Process("visitor", self.site.its, Doors())
        actor = Actor(workspace_id=self.site.world.workspace_id, principal="key:test")
        self.undecided = await self.ask(process.services, actor, self.site)
        self.dialed = len(self.site.town.ledger())
        await process.close()

    async def _waits(self) -> bool:
        """For a lock, or for a call whose fate is not known: only the other process can end that."""
        sql = """SELECT EXISTS (SELECT 1 FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock')
                 OR (EXISTS (SELECT 1 FROM campaigns WHERE id = :c AND status = 'paused')
                     OR EXISTS (SELECT 1 FROM suppressions WHERE phone = :phone))
                 AND EXISTS (SELECT 1 FROM calls WHERE campaign_id = :c AND state IN ('dialing', 'unknown')) AS yes"""
        return (await self.site.world.read(sql, phone=PHONE))[0].yes


async def pause(services: Services, actor: Actor, site: Site) -> int | None:
    answer = await campaign_control.pause_campaign(services, actor, str(site.world.campaign_id), LiveCalls())
    return answer.undecided


async def suppress(services: Services, actor: Actor, site: Site) -> int | None:
    entry, _ = await suppressions.add_suppression(services, actor, SuppressionIn(phone=PHONE))
    return entry.undecided


async def doors_before_the_answer(its: Explorer) -> list[Door]:
    """Every line once, from the first claim to the saved answer of the first call."""
    passages = await its.count(TWICE)
    first: dict[tuple[str, str, bool], Door] = {}
    for passage in passages:
        first.setdefault(passage.door.key, passage.door)
        if "save" in passage.door.where.lower() and passage.door.after:
            break
    return list(first.values())


@pytest.mark.parametrize("ask", [pause, suppress])
async def test_what_the_api_has_answered_holds_from_then_on(
    module_database_url: str, clock: TestClock, ask: Callable[[Services, Actor, Site], Awaitable[int | None]]
) -> None:
    broken: list[str] = []
    async with explorer(module_database_url, clock, set()) as its:
        for door in await doors_before_the_answer(its):
            broken += [f"{door}: {sentence}" for sentence in await interrupted(its, door, ask)]
            its.runs += 1
    assert its.runs > 10
    assert broken == []


async def interrupted(
    its: Explorer, door: Door, ask: Callable[[Services, Actor, Site], Awaitable[int | None]]
) -> list[str]:
    """One run; what is wrong afterwards."""
    doors = Doors(at=door)
    async with its.site(TWICE, doors) as site:
        visitor = Visitor(site=site, ask=ask)
        doors.interruption = visitor.come
        await settle(site)
        await visitor.leave()
        await settle(site)
        dialed_since = len(its.town.ledger()) - (visitor.dialed or 0)
        wrong = [f"{dialed_since} calls were dialed after the answer"] if dialed_since else []
        wrong += ["the door was not passed"] if not doors.happened else []
        wrong += [f"{visitor.undecided} calls were undecided"] if visitor.undecided else []
        if ask is pause:
            await resume(site)
        await site.run_on()
        return wrong + await broken_promises(site.world, its.town)


async def settle(site: Site) -> None:
    """Whatever happens by itself within ten minutes, with a sweep."""
    while await site.step():
        pass
    site.its.clock.let_pass(600)
    await site.sweep()
    while await site.step():
        pass


async def resume(site: Site) -> None:
    process = Process("visitor", site.its, Doors())
    actor = Actor(workspace_id=site.world.workspace_id, principal="key:test")
    await campaign_control.resume_campaign(process.services, actor, str(site.world.campaign_id))
    await process.close()
