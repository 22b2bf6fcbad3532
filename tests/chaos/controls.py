"""What people do while a campaign runs: pause, resume, edit, stop, opt out, add a file. Each answer's time is kept."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos import campaigns
from tests.chaos.campaigns import Scenery
from tests.chaos.clients import Clients
from tests.chaos.database import Watcher
from tests.chaos.homes import ChaosHome
from tests.chaos.journal import Journal
from tests.chaos.people import Everybody, as_csv
from tests.chaos.plan import Incident, Kind, RunPlan
from tests.chaos.processes import Processes

POLL_S = 0.02


class Controls:
    """Asks the API as clients do. ``notes`` say when something was asked, and when and how it was answered."""

    def __init__(
        self,
        home: ChaosHome,
        clients: Clients,
        journal: Journal,
        watcher: Watcher,
        processes: Processes,
        plan: RunPlan,
        scenery: Scenery,
        people: Everybody,
    ) -> None:
        self._home = home
        self._clients = clients
        self._journal = journal
        self._watcher = watcher
        self._processes = processes
        self._plan = plan
        self._scenery = scenery
        self._people = people

    def verbs(self) -> Mapping[Kind, Callable[[Incident], Coroutine[Any, Any, None]]]:
        """What to do for each kind that is a person's doing."""
        return {
            Kind.PAUSE: self.pause_for_a_while,
            Kind.EDIT_PACE: self.edit_pace,
            Kind.EDIT_HOURS: self.close_for_a_while,
            Kind.EDIT_REDIAL: self.edit_redial,
            Kind.SUPPRESS: self.suppress,
            Kind.IMPORT: self.add_people,
            Kind.KILL_IMPORT: self.kill_import,
        }

    async def pause_for_a_while(self, incident: Incident) -> None:
        """Two pauses may overlap: the campaign goes on when the last one is over."""
        campaign = self._scenery.campaign(second=incident.second)
        paused = self._scenery.paused
        paused[campaign] = paused.get(campaign, 0) + 1
        try:
            await self.control(campaign, "pause")
            await asyncio.sleep(incident.lasts_s)
        finally:
            paused[campaign] -= 1
            if paused[campaign] == 0:
                await self.control(campaign, "resume")

    async def control(self, campaign: str, action: str) -> None:
        """Pause, resume or stop."""
        asked = self._journal.note(f"{action} asked", campaign=campaign)
        body = {} if action == "resume" else {"calls": "hang_up" if self._plan.hang_up else "finish"}
        answer = await self._clients.ask("POST", f"/campaigns/{campaign}/{action}", json=body)
        fault = 0 if action == "resume" else 1
        facts: dict[str, Any] = {
            "campaign": campaign,
            "asked": asked.at,
            "status": answer.status_code,
            "body": answer.text[:300],
        }
        self._journal.note(f"{action} answered", faults=fault, **facts)

    async def edit_pace(self, incident: Incident) -> None:
        second = incident.second
        at_once, per_second = self._plan.limits.second if second else self._plan.limits.main
        pace = {
            "max_concurrent": max(5, round(at_once * incident.amount)),
            "calls_per_second": per_second * incident.amount,
        }
        await self._edit(incident, {"pace": pace})

    async def edit_redial(self, incident: Incident) -> None:
        delays = random.Random(incident.dice).choice((["PT1S", "PT2S"], ["PT3S", "PT3S", "PT3S", "PT3S"]))
        await self._edit(incident, {"redial": campaigns.redial(delays)})

    async def close_for_a_while(self, incident: Incident) -> None:
        """Calling hours that are over everywhere, and after a while what they were."""
        later = datetime.now(UTC) + self._home.offset + timedelta(hours=6)
        window = {"days": campaigns.EVERY_DAY, "start": f"{later:%H:00}", "end": f"{later:%H:30}"}
        await self._edit(incident, {"calling_hours": {"windows": [window], "zone": "UTC"}})
        await asyncio.sleep(incident.lasts_s)
        before = campaigns.ALL_DAY if incident.second else self._scenery.hours
        await self._edit(incident, {"calling_hours": dict(before)}, faults=0)

    async def suppress(self, incident: Incident) -> None:
        """Some who are in a call right now, and some who are not."""
        dice = random.Random(incident.dice)
        campaign = self._scenery.campaign(second=incident.second)
        in_call = await self._watcher.phones(campaign, ("in_call",), 20)
        ready = await self._watcher.phones(campaign, ("ready",), 50)
        wanted = max(1, round(incident.amount / 2))
        chosen = dice.sample(in_call, min(wanted, len(in_call))) + dice.sample(ready, min(wanted, len(ready)))
        await asyncio.gather(*(self._suppress(phone) for phone in chosen))

    async def add_people(self, incident: Incident) -> None:
        """The rest of the first campaign's people, in one file with those who are there already."""
        file = as_csv([*self._people.at_start, *self._people.added])
        import_id = await campaigns.upload(self._clients, self._scenery, self._scenery.main, file)
        self._journal.note(incident.kind, import_id=import_id)

    async def kill_import(self, incident: Incident) -> None:
        """Upload a large file for a campaign that is never launched, and kill its reader at about 60 %."""
        rows = self._plan.people.stored
        import_id = await campaigns.upload_stored(self._clients, self._scenery, rows)
        read = 0
        while read < 0.55 * rows:
            await asyncio.sleep(POLL_S)
            read = await self._watcher.rows_read(import_id) or read
        await self._processes.kill_bulk(incident.kind, rows_read=read, of=rows)

    async def _edit(self, incident: Incident, change: Mapping[str, Any], *, faults: int = 1) -> None:
        campaign = self._scenery.campaign(second=incident.second)
        answer = await self._clients.ask("PATCH", f"/campaigns/{campaign}", json=change)
        self._journal.note(incident.kind, faults=faults, campaign=campaign, status=answer.status_code, change=change)

    async def _suppress(self, phone: str) -> None:
        self._journal.note("suppress asked", phone=phone)
        answer = await self._clients.ask("POST", "/suppressions", json={"phone": phone, "reason": "asked on the phone"})
        self._journal.note("suppress answered", faults=1, phone=phone, status=answer.status_code)
