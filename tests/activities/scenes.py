"""A campaign whose calls are placed by the real SDK at a real simulator on loopback."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from activities.dial import CallRef, DialActivities, PlacedCall
from dialer.carriers.http import HttpLimits
from dialer.carriers.twilio import TwilioCarrier, TwilioCredentials
from dialer.domain.call_results import CallEnded
from dialer.domain.timing import Timing
from dialer.store.database import Database
from tests.activities.recorders import OneCarrier, Recorder, run
from tests.simulator.lines import ACCOUNT, TOKEN, Line
from tests.simulator.lines import line as simulator
from tests.store.lines import call_row, claim_one, make_line, prospect_row
from tests.store.worlds import World

PATIENT = HttpLimits(total_s=8, connect_s=3)
IMPATIENT = HttpLimits(total_s=0.5, connect_s=0.4)
TIMING = Timing()
#: Whatever is not decided at the first look is given up.
NO_PATIENCE = Timing(grace_s=0, undecided_s=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Somebody to call, and a town in which they live. Callbacks go to a customer who only listens."""

    line: World
    town: Line
    workflows: Recorder
    carriers: OneCarrier

    def dial(self, timing: Timing = TIMING, **changes: Any) -> DialActivities:
        settings = {"public_url": self.town.customer.url, **changes}
        return DialActivities(self.line.database, self.carriers, self.workflows, timing=timing, **settings)

    async def claim(self) -> UUID:
        return (await claim_one(self.line)).call_id

    async def phone(self, call_id: UUID) -> str:
        return (await call_row(self.line, call_id)).to_phone

    async def claim_at(self, **behaviour: Any) -> UUID:
        """A claimed call to a phone that behaves so."""
        call_id = await self.claim()
        await self.town.script(await self.phone(call_id), **behaviour)
        return call_id

    async def place(self, call_id: UUID, timing: Timing = TIMING, **changes: Any) -> PlacedCall:
        return await run(self.dial(timing, **changes).place_call, self.reference(call_id))

    async def reconcile(self, call_id: UUID, timing: Timing = TIMING) -> CallEnded:
        return await run(self.dial(timing).reconcile_call, self.reference(call_id))

    def reference(self, call_id: UUID) -> CallRef:
        return CallRef(workspace_id=str(self.line.workspace_id), call_id=str(call_id))

    async def ledger(self) -> list[dict[str, Any]]:
        """What the carrier knows: every call that it has accepted."""
        return (await self.town.get("/_sim/calls"))["items"]

    async def call(self, call_id: UUID) -> Any:
        return await call_row(self.line, call_id)

    async def prospect(self, call_id: UUID) -> Any:
        return await prospect_row(self.line, (await call_row(self.line, call_id)).prospect_id)

    async def campaign(self) -> Any:
        return (await self.line.read("SELECT * FROM campaigns WHERE id = :c"))[0]

    async def fall_asleep(self) -> None:
        """No leg runs: whoever makes somebody callable has to nudge."""
        await self.line.run("UPDATE campaigns SET idle_until = dialer_now() + interval '1 hour' WHERE id = :c")


@asynccontextmanager
async def scene(
    database: Database,
    workflows: Recorder,
    *,
    people: int = 1,
    settings: Mapping[str, Any] | None = None,
    limits: HttpLimits = PATIENT,
    **behaviour: Any,
) -> AsyncIterator[Scene]:
    """A campaign with these settings and a fast town; ``behaviour`` turns the town's knobs."""
    async with simulator(**behaviour) as town:
        credentials = TwilioCredentials.of_auth_token(ACCOUNT, TOKEN)
        carrier = TwilioCarrier(credentials, base_url=town.url, limits=limits, environment={})
        try:
            yield Scene(
                line=await make_line(database, people=people, settings=settings),
                town=town,
                workflows=workflows,
                carriers=OneCarrier(carrier=carrier),
            )
        finally:
            await carrier.close()
