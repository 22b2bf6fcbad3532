"""The campaigns of one run, made and followed through the API as a client would."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dialer.domain.dispositions import RULES
from tests.chaos.clients import Clients, good
from tests.chaos.people import CALLERS, Everybody, as_csv, stored_csv
from tests.chaos.plan import RunPlan

EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ALL_DAY: Mapping[str, Any] = {"windows": [{"days": EVERY_DAY, "start": "00:00", "end": "24:00"}], "zone": "prospect"}
MAX_ATTEMPTS = 3
RING_TIMEOUT_S = 20
MAX_CALL_S = 10
"""Short, since a call whose end is never reported holds its slot for ring and talk limits in real seconds, while
phones ring and people talk for virtual ones, which are shorter by the time scale."""
DONE = frozenset({"completed", "stopped"})


@dataclass(slots=True, kw_only=True)
class Scenery:
    """What a run has made. ``hours`` are the first campaign's; the second one calls all day."""

    account_id: str
    main: str
    second: str
    stored: str
    hours: Mapping[str, Any]
    paused: dict[str, int] = field(default_factory=dict[str, int])
    """How many pauses are in force at this moment, by campaign."""
    imports: list[str] = field(default_factory=list[str])

    def campaign(self, *, second: bool) -> str:
        return self.second if second else self.main

    @property
    def campaigns(self) -> tuple[str, str]:
        return (self.main, self.second)


def redial(delays: list[str]) -> dict[str, Any]:
    """Every end after which the product would call again does so soon."""
    kinds = [kind.value for kind, rule in RULES.items() if rule.default_delays]
    return {"max_attempts": MAX_ATTEMPTS, "delays": dict.fromkeys(kinds, delays)}


async def set_up(clients: Clients, plan: RunPlan, people: Everybody) -> Scenery:
    """Limits, three campaigns and the people of the first file; nobody is called yet."""
    first_hours = ALL_DAY if plan.scene is None else plan.scene.hours
    agent = await clients.post("/agents", {"name": "Ann", "first_message": "Hello {{name|there}}!"})
    account = (await clients.get("/carrier-accounts"))["items"][0]
    at_once, per_second = plan.limits.account
    await clients.patch(
        f"/carrier-accounts/{account['id']}", {"max_concurrent": at_once, "calls_per_second": per_second}
    )
    if plan.limits.number is not None:
        await _limit_number(clients, CALLERS[0], *plan.limits.number)

    async def make(name: str, callers: tuple[str, ...], limits: tuple[int, float], hours: Mapping[str, Any]) -> str:
        body = {
            "name": name,
            "agent_id": agent["id"],
            "caller_numbers": list(callers),
            "calling_hours": dict(hours),
            "redial": redial(["PT2S", "PT3S", "PT4S"]),
            "pace": {"max_concurrent": limits[0], "calls_per_second": limits[1]},
            # The storms would pause it for a person to look at, and nobody looks (tests/activities/test_breakers.py).
            "breaker": None,
            "ring_timeout_s": RING_TIMEOUT_S,
            "max_call_s": MAX_CALL_S,
        }
        return (await clients.post("/campaigns", body))["id"]

    scenery = Scenery(
        account_id=account["id"],
        main=await make("First", CALLERS[:2], plan.limits.main, first_hours),
        second=await make("Second", (CALLERS[0], CALLERS[2]), plan.limits.second, ALL_DAY),
        stored=await make("Never launched", CALLERS[:1], (1, 1.0), ALL_DAY),
        hours=first_hours,
    )
    for campaign, who in ((scenery.main, people.at_start), (scenery.second, people.second)):
        await until_imported(clients, await upload(clients, scenery, campaign, as_csv(who)))
    return scenery


async def upload(clients: Clients, scenery: Scenery, campaign: str, file: bytes) -> str:
    """The import's id. Uploaded again when nobody answers: people who are there already are skipped."""
    path = f"/campaigns/{campaign}/prospects:upload"
    answer = await clients.ask("POST", path, files={"file": ("people.csv", file, "text/csv")})
    import_id = good(answer)["import_id"]
    scenery.imports.append(import_id)
    return import_id


async def upload_stored(clients: Clients, scenery: Scenery, rows: int) -> str:
    return await upload(clients, scenery, scenery.stored, stored_csv(rows))


async def until_imported(clients: Clients, import_id: str, *, seconds: float = 120) -> dict[str, Any]:
    """The import once it has ended. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while (found := await clients.get(f"/imports/{import_id}"))["status"] == "running":
        if time.monotonic() > deadline:
            raise TimeoutError(f"import {import_id} still runs after {seconds:.0f} s: {found}")
        await asyncio.sleep(0.1)
    return found


async def discard_broken_uploads(clients: Clients, scenery: Scenery) -> list[str]:
    """Delete imports whose upload never ended, as their client would: the file was sent again. Their ids.

    A campaign waits for them, for a day if nobody does this, since a file may take its time to arrive.
    """
    found = (await clients.get("/imports", status="running", limit=100))["items"]
    broken = [each["id"] for each in found if each["started_at"] is None and each["id"] not in scenery.imports]
    for import_id in broken:
        await clients.ask("DELETE", f"/imports/{import_id}")
    return broken


async def launch(clients: Clients, campaign: str) -> None:
    answer = await clients.ask("POST", f"/campaigns/{campaign}/launch", json={})
    if answer.status_code != 409:  # an earlier request did it, whose answer got lost
        good(answer)


async def status(clients: Clients, campaign: str) -> dict[str, Any]:
    return await clients.get(f"/campaigns/{campaign}/status")


async def _limit_number(clients: Clients, phone: str, at_once: int, per_second: float) -> None:
    numbers = (await clients.get("/phone-numbers", limit=100))["items"]
    number = next(each for each in numbers if each["phone"] == phone)
    await clients.patch(f"/phone-numbers/{number['id']}", {"max_concurrent": at_once, "calls_per_second": per_second})
