"""One run: a stack, its campaigns, what the plan does to them, the end, and the verdict."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from tests.chaos import campaigns, checks, evidence, figures
from tests.chaos.campaigns import ALL_DAY, DONE, Scenery
from tests.chaos.carrier import STORMS, CarrierFaults, Forger
from tests.chaos.clients import Clients, Unanswered
from tests.chaos.controls import Controls
from tests.chaos.database import Watcher
from tests.chaos.dispatchers import leg_pid, second_leg
from tests.chaos.homes import ChaosHome, remove_home, running_home
from tests.chaos.journal import Journal
from tests.chaos.judging import judge
from tests.chaos.people import Everybody, everybody
from tests.chaos.plan import DURATION_S, Incident, Kind, RunPlan, make_plan
from tests.chaos.processes import FROZEN, VICTIMS, Processes

FAULTS_END_S = DURATION_S + 180.0
"""Longer than the last incident lasts, also when the API is waited for."""
ENDS_S = 900.0
"""On a machine that does much else; a campaign in which nothing happens for ``STILL_S`` is given up before."""
STILL_S = 90.0
SETTLES_S = 60.0
LOOK_S = 0.5
"""Between two looks at the campaigns: while the API answers them it hears of no call."""
ANSWERS = ("pause answered", "stop answered", "suppress answered")
Teller = Callable[[str], None]


class Run:
    """Everything that one run shares."""

    def __init__(self, plan: RunPlan, home: ChaosHome, clients: Clients, tell: Teller) -> None:
        self.plan = plan
        self.home = home
        self.clients = clients
        self.tell = tell
        self.journal = Journal()
        self.people: Everybody = everybody(plan)
        self.watcher = Watcher(home, self.journal)
        self.processes = Processes(home, self.journal)
        self.carrier = CarrierFaults(clients, self.journal, plan)
        self.forger = Forger(home, clients, self.journal, self.watcher)
        self.ledger: list[dict[str, Any]] = []

    async def live_through(self) -> tuple[Scenery, list[str]]:
        """From the first file to the end of the campaigns. What did not end in time is told in words."""
        self.tell("setting up")
        await self.carrier.begin(self.people)
        scenery = await campaigns.set_up(self.clients, self.plan, self.people)
        watching = asyncio.create_task(self.watcher.watch())
        try:
            for campaign in scenery.campaigns:
                await campaigns.launch(self.clients, campaign)
            await self._suffer(scenery)
            await self._make_peace(scenery)
            return scenery, await self._await_end(scenery)
        finally:
            self.processes.thaw()
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await self.watcher.close()

    async def _suffer(self, scenery: Scenery) -> None:
        verbs = self._verbs(scenery)
        began = time.monotonic()
        self.journal.note("launched")
        left = len(self.plan.incidents)

        async def happen(incident: Incident) -> None:
            nonlocal left
            await asyncio.sleep(max(began + incident.at_s - time.monotonic(), 0.0))
            try:
                await verbs[incident.kind](incident)
            except Unanswered as error:
                self.journal.note("unanswered", incident=incident.kind, why=str(error))
            left -= 1
            self.tell(f"{left} incidents to come")

        async with asyncio.timeout(FAULTS_END_S), asyncio.TaskGroup() as group:
            for incident in self.plan.incidents:
                group.create_task(happen(incident))

    def _verbs(self, scenery: Scenery) -> dict[Kind, Callable[[Incident], Coroutine[Any, Any, None]]]:
        verbs: dict[Kind, Callable[[Incident], Coroutine[Any, Any, None]]] = dict(self._controls(scenery).verbs())
        verbs |= dict.fromkeys(VICTIMS, self.processes.end)
        verbs |= dict.fromkeys(FROZEN, self.processes.freeze)
        verbs |= dict.fromkeys(STORMS, self.carrier.storm)
        verbs[Kind.KILL_WORKER] = partial(self._kill_worker, scenery)
        verbs[Kind.TWO_DISPATCHERS] = partial(self._freeze_leg, scenery)
        verbs[Kind.SECOND_LEG] = partial(self._second_leg, scenery)
        verbs[Kind.CUT_CONNECTIONS] = self.watcher.cut
        verbs[Kind.FORGE] = self.forger.forge
        return verbs

    async def _kill_worker(self, scenery: Scenery, incident: Incident) -> None:
        """Half of the time the worker that runs the campaign's leg: the other one has to notice."""
        rather = await leg_pid(self.home, scenery.main) if incident.dice % 2 else None
        await self.processes.end(incident, rather=rather)

    async def _freeze_leg(self, scenery: Scenery, incident: Incident) -> None:
        await self.processes.freeze(incident, rather=await leg_pid(self.home, scenery.main))

    async def _second_leg(self, scenery: Scenery, incident: Incident) -> None:
        await second_leg(self.home, self.clients, self.journal, scenery.campaign(second=incident.second))

    async def _make_peace(self, scenery: Scenery) -> None:
        """No more faults; hours for everybody, and a stop if the plan wants it."""
        self.tell("no more faults")
        await self.carrier.calm()
        self.journal.note("peace")
        for import_id in await campaigns.discard_broken_uploads(self.clients, scenery):
            self.journal.note("broken upload deleted", import_id=import_id)
        if self.plan.stop_share is not None:
            await self._await_imports(scenery)
            await self._await_share(scenery, self.plan.stop_share)
            await self._controls(scenery).control(scenery.main, "stop")
        if self.plan.scene is not None:
            change = {"calling_hours": dict(ALL_DAY)}
            answer = await self.clients.ask("PATCH", f"/campaigns/{scenery.main}", json=change)
            self.journal.note("open for everybody", status=answer.status_code)

    async def _await_share(self, scenery: Scenery, share: float) -> None:
        deadline = time.monotonic() + ENDS_S
        while time.monotonic() < deadline:
            found = await campaigns.status(self.clients, scenery.main)
            self.tell(f"{found['progress']:.0%} done, stops at {share:.0%}")
            if found["progress"] >= share:
                return
            await asyncio.sleep(LOOK_S)

    def _controls(self, scenery: Scenery) -> Controls:
        return Controls(
            self.home,
            self.clients,
            self.journal,
            self.watcher,
            self.processes,
            self.plan,
            scenery,
            self.people,
        )

    async def _await_end(self, scenery: Scenery) -> list[str]:
        deadline, moved, before = time.monotonic() + ENDS_S, time.monotonic(), None
        stuck: list[str] = []
        while time.monotonic() < min(deadline, moved + STILL_S):
            try:
                found = [await campaigns.status(self.clients, campaign) for campaign in scenery.campaigns]
            except Unanswered as error:
                stuck = [f"stuck: {error}"]  # no news: as if the campaigns stood still
                continue
            if before != (before := [(each["prospects_done"], each["calls_total"]) for each in found]):
                moved = time.monotonic()
            done = sum(each["prospects_done"] for each in found)
            total = sum(each["prospects_total"] for each in found)
            self.tell(
                f"{done} of {total} people done, {sum(each['calls_in_flight'] for each in found)} calls in flight"
            )
            stuck = [
                f"stuck: campaign {campaign} is {each['status']} and waits for {each['waiting_for']}: {each}"
                for campaign, each in zip(scenery.campaigns, found, strict=True)
                if each["status"] not in DONE or each["calls_in_flight"]
            ]
            if not stuck:
                break
            await asyncio.sleep(LOOK_S)
        stuck += await self._await_imports(scenery)
        return stuck

    async def _await_imports(self, scenery: Scenery) -> list[str]:
        stuck: list[str] = []
        for import_id in scenery.imports:
            try:
                found = await campaigns.until_imported(self.clients, import_id, seconds=SETTLES_S)
            except TimeoutError as error:
                stuck.append(f"stuck: {error}")
            else:
                if found["status"] != "completed":
                    stuck.append(f"import {import_id} is {found['status']}: {found['error']}")
        return stuck


async def run_seed(
    seed: int, *, tell: Teller = lambda _: None, keep: bool = False, brisk: bool = False
) -> dict[str, Any]:
    """One run and its result; the home of one that went wrong (or with ``keep``) is left with its evidence."""
    plan = make_plan(seed, brisk=brisk)
    began = time.monotonic()
    tell("starting a stack")
    kept = False
    path = None
    try:
        async with running_home(plan.scene) as home, Clients(home) as clients:
            path = home.path
            run = Run(plan, home, clients, tell)
            started = time.monotonic()
            scenery, stuck = await run.live_through()
            lived = time.monotonic()
            result = await _result(run, scenery, stuck)
            result["seconds"] = {
                "start": round(started - began, 1),
                "run": round(lived - started, 1),
                "judge": round(time.monotonic() - lived, 1),
            }
            if result["violations"] or keep:
                kept = True
                result["evidence"] = str(evidence.write_evidence(home, run.journal, run.ledger, result))
        return result
    finally:
        if path is not None and not kept:
            remove_home(path)


async def _result(run: Run, scenery: Scenery, stuck: list[str]) -> dict[str, Any]:
    run.tell("judging")
    plan, home, journal = run.plan, run.home, run.journal
    stats = await run.carrier.note_counts()
    run.ledger = (await run.clients.simulator("GET", "/_sim/calls"))["items"]
    calls = evidence.read_calls(home)
    prospects = evidence.read_prospects(home)
    offset_s = home.offset.total_seconds()
    seen = checks.violations(
        plan, journal, scenery, run.ledger, calls, prospects, evidence.count_stored(home), offset_s
    )
    verdict = await judge(home, run.ledger)
    creates = [(evidence.moment(row["created_at"]) or 0.0) - offset_s for row in run.ledger]
    ended = [call for call in calls if call["state"] == "ended"]
    return {
        "seed": plan.seed,
        "scene": plan.scene.name if plan.scene else None,
        "stopped": plan.stop_share is not None,
        "faults": journal.faults(),
        "faults_total": sum(journal.faults().values()),
        "carrier_calls": len(run.ledger),
        "calls_per_second": round(len(creates) / max(max(creates) - min(creates), 1.0), 1) if creates else 0.0,
        "deferred": sum(call["state"] == "deferred" for call in calls),
        "unknown": sum(call["disposition"] == "unknown" for call in ended),
        "late": sum(call["late_at"] is not None for call in calls),
        "recoveries": figures.recoveries(journal, run.watcher.looks, creates),
        "lost_callbacks": figures.lost_callbacks(calls, frozenset(run.people.silent)),
        "undecided_answers": sum(note.facts["status"] == 202 for note in journal.notes(*ANSWERS)),
        "unanswered": [dict(note.facts) for note in journal.notes("unanswered")],
        "peaks": {name: stats[name] for name in ("peak_concurrency", "peak_creates_per_second")},
        "judge": verdict.as_json(),
        "violations": [*stuck, *seen, *verdict.violations],
        "plan": [asdict(incident) for incident in plan.incidents],
    }
