"""Faults between us and the carrier: raised at the simulator for a while, then lowered; it counts what really happens.

Callbacks for other calls are made here, signed as the carrier signs them.
"""

import asyncio
import base64
import hmac
import random
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha1
from typing import Any
from uuid import UUID, uuid4

from tests.chaos.clients import Clients
from tests.chaos.database import Watcher
from tests.chaos.homes import ChaosHome
from tests.chaos.journal import Journal
from tests.chaos.people import Everybody
from tests.chaos.plan import Incident, Kind, RunPlan

CALLBACK_PATH = "/carriers/twilio/status"
STORMS: Mapping[Kind, tuple[str, ...]] = {
    Kind.THROTTLE: ("throttled",),
    Kind.ERROR_BEFORE: ("error_before_accept",),
    Kind.ERROR_AFTER: ("error_after_accept",),
    Kind.SLOW_ANSWER: ("slow_answer",),
    Kind.BAD_CALLBACKS: ("lost_callback", "late_callback", "duplicate_callback", "reordered_callback"),
}
_SHARE = {"lost_callback": 0.4}
"""Of a storm's strength: every lost callback holds a slot until the call is looked up."""


class CarrierFaults:
    """What goes wrong at one simulator."""

    def __init__(self, clients: Clients, journal: Journal, plan: RunPlan) -> None:
        self._clients = clients
        self._journal = journal
        self._plan = plan
        self._raging: list[dict[str, float]] = []

    async def begin(self, people: Everybody) -> None:
        """The town, the phones that report no end, and the faults that are always there."""
        behaviour: dict[str, Any] = {
            "seed": self._plan.seed,
            "mix": dict(self._plan.mix),
            "late_callback_s": self._plan.late_callback_s,
            "calls_per_second": 50,
            "time_scale": self._plan.time_scale,
        }
        await self._clients.simulator("PUT", "/_sim/behaviour", json=behaviour)
        for phone in people.silent:
            body = {"behaviour": {"kind": "human", "talk_s": 60, "lose_callbacks": ["completed"]}}
            await self._clients.simulator("PUT", f"/_sim/phones/{phone}", json=body)
        await self._apply()

    async def storm(self, incident: Incident) -> None:
        """Raise some faults, wait, lower them again."""
        raised = {name: incident.amount * _SHARE.get(name, 1.0) for name in STORMS[incident.kind]}
        self._raging.append(raised)
        try:
            await self._apply()
            self._journal.note(incident.kind, lasts_s=incident.lasts_s, raised=raised)
            await asyncio.sleep(incident.lasts_s)
        finally:
            self._raging.remove(raised)
            await self._apply()

    async def calm(self) -> None:
        """Nothing goes wrong any more."""
        none = dict.fromkeys((name for names in STORMS.values() for name in names), 0.0)
        await self._clients.simulator("PUT", "/_sim/behaviour", json={"faults": none})

    async def note_counts(self) -> dict[str, Any]:
        """Count each fault that has really happened."""
        stats = await self._clients.simulator("GET", "/_sim/stats")
        for name in ("lost", "late", "duplicated", "reordered"):
            self._journal.note(f"callback {name}", faults=stats[f"callbacks_{name}"])
        for name, happened in stats["mishaps"].items():
            self._journal.note(f"create: {name}", faults=happened)
        return stats

    async def _apply(self) -> None:
        faults = dict.fromkeys((name for names in STORMS.values() for name in names), 0.0)
        for raised in (dict(self._plan.callback_faults), *self._raging):
            for name, chance in raised.items():
                faults[name] = max(faults[name], chance)
        await self._clients.simulator("PUT", "/_sim/behaviour", json={"faults": faults})


class Forger:
    """Posts callbacks that the carrier's secret has signed and that belong to no call, or to another one."""

    def __init__(self, home: ChaosHome, clients: Clients, journal: Journal, watcher: Watcher) -> None:
        self._home = home
        self._clients = clients
        self._journal = journal
        self._watcher = watcher

    async def forge(self, incident: Incident) -> None:
        dice = random.Random(incident.dice)
        for _ in range(round(incident.amount)):
            calls = await self._watcher.some_calls()
            if len(calls) < 2:
                return
            live = [call for call in calls if call[2]]
            victim, other = dice.choice(live or calls), dice.choice(calls)
            how = dice.choice(("another call's id", "unknown call", "unknown carrier id", "wrong signature"))
            if how == "another call's id" and victim[0] != other[0]:
                await self._post(how, victim[0], other[1])
            elif how == "unknown call":
                await self._post(how, uuid4(), victim[1])
            elif how == "unknown carrier id":
                await self._post(how, victim[0], "CA" + f"{dice.getrandbits(128):032x}")
            elif how == "wrong signature":
                await self._post(how, victim[0], victim[1], secret="0" * 32)

    async def _post(self, how: str, call_id: UUID, carrier_call_id: str, *, secret: str | None = None) -> None:
        path = f"{CALLBACK_PATH}?call_id={call_id}"
        form = {
            "AccountSid": self._home.secrets["simulator_account_sid"],
            "CallSid": carrier_call_id,
            "CallStatus": "completed",
            "CallDuration": "61",
            "SequenceNumber": "3",
        }
        signature = _signed(
            secret or self._home.secrets["simulator_auth_token"], f"{self._home.api_url}/api/v1{path}", form
        )
        with suppress(TimeoutError):
            answer = await self._clients.callback(path, form, signature)
            if answer is not None:
                self._journal.note(
                    f"callback: {how}", faults=1, answer=answer, call_id=str(call_id), carrier_call_id=carrier_call_id
                )


def _signed(secret: str, url: str, form: Mapping[str, str]) -> str:
    """https://www.twilio.com/docs/usage/webhooks/webhooks-security"""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), sha1).digest()).decode()
