"""One workspace with two campaigns that call the same people, and everything that can be done to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from activities.dial import CallRef, DialActivities
from activities.dispatch import CampaignRef, DispatchActivities
from activities.sweep import SweepActivities, SweepRequest
from activities.wakeups import Wakeups
from api.operations.prospects import delete_prospect
from api.operations.services import Services
from dialer.carriers.base import CallNotFound, CarrierError
from dialer.domain.actors import Actor as Principal
from dialer.domain.carrier_events import CarrierEvent
from dialer.domain.judging.judge import judge
from dialer.domain.judging.verdicts import Tolerances, Verdict
from dialer.domain.person_phones import Line
from dialer.domain.timing import Timing
from dialer.store import campaign_rows, control
from dialer.store.callbacks import apply_event, dedupe_key
from dialer.store.campaign_ends import reopen_held
from dialer.store.database import rows
from dialer.store.dialing import mark_hang_up_sent
from dialer.store.evidence import read_evidence
from dialer.store.locks import hold_campaign
from dialer.store.prospect_edits import edit_prospect
from dialer.store.prospect_writes import NewProspect, OnDuplicate, write_prospects
from dialer.store.suppressing import suppress, unsuppress
from tests.activities.recorders import OneCarrier, Recorder, run
from tests.model.carriers import ImaginaryCarrier
from tests.model.promises import Limits, Promises
from tests.model.stages import Stage

#: One round per leg, and turns that come at once: no test waits for a real clock.
TIMING = Timing(leg_s=0, turn_lead_s=0.0)
PATIENT = Tolerances(timing=TIMING, clock_s=0.0, late_s=1e7, end_s=1e7, slack_s=1e7)
PHONES = tuple(f"+1415555010{number}" for number in range(5))
#: The second phone of one of them, and in time perhaps somebody else's first.
SHARED = PHONES[4]
CALLER = "+16505550150"
FAST = 100_000.0
PLENTY = 10


def settings(
    *, concurrent: int = 2, attempts: int = 2, closes: str = "24:00", asynchronously: bool = False
) -> dict[str, Any]:
    """A campaign's rules. The model's day begins at 19:40."""
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    again = {key: ["PT1M", "PT1M"] for key in ("no_answer", "busy", "canceled", "unknown", "failed", "short_hangup")}
    return {
        "calling_hours": {"windows": [{"days": days, "start": "00:00", "end": closes}], "zone": "UTC"},
        "pace": {"max_concurrent": concurrent, "calls_per_second": FAST, "weight": 1.0},
        "redial": {"max_attempts": attempts, "delays": again},
        "ring_timeout_s": 25,
        "max_call_s": 60,
        "answering_machine": "detect_async" if asynchronously else "detect",
    }


@dataclass(kw_only=True)
class ModelWorld:
    """The rooms of the product, wired to a stage and to an imaginary carrier."""

    stage: Stage
    carrier: ImaginaryCarrier
    workflows: Recorder
    promises: Promises
    workspace_id: UUID
    campaigns: tuple[UUID, ...]
    number_id: UUID

    @property
    def carriers(self) -> OneCarrier:
        return OneCarrier(carrier=self.carrier)

    # -- what moves calls ------------------------------------------------------------------------------------------

    async def dispatch(self, campaign_id: UUID) -> None:
        """One round of a leg."""
        legs = DispatchActivities(self.stage, self.workflows, Wakeups(self.stage.url), timing=TIMING)
        await run(legs.dispatch, CampaignRef(workspace_id=str(self.workspace_id), campaign_id=str(campaign_id)))

    async def place(self, call_id: UUID) -> None:
        await run(self._dial.place_call, self._reference(call_id))

    async def reconcile(self, call_id: UUID) -> None:
        await run(self._dial.reconcile_call, self._reference(call_id))

    async def deliver(self, event: CarrierEvent) -> None:
        """What the API does with a report, once it has proved the signature."""
        assert event.call_id is not None
        async with self.stage.transaction_over_all() as session:
            applied = await apply_event(
                session, event.call_id, event, payload={}, dedupe=dedupe_key(event), timing=TIMING
            )
        if applied.hang_up is None:
            return
        try:
            await self.carrier.hang_up(applied.hang_up, answered=None)
        except (CallNotFound, CarrierError):
            return
        async with self.stage.transaction(self.workspace_id) as session:
            await mark_hang_up_sent(session, event.call_id, applied.hang_up)

    async def sweep(self) -> None:
        sweeper = SweepActivities(self.stage, self.carriers, self.workflows, timing=TIMING, watch=False)
        await run(sweeper.sweep, SweepRequest(high_water=0))

    @property
    def _dial(self) -> DialActivities:
        url = "http://127.0.0.1:1"
        return DialActivities(self.stage, self.carriers, self.workflows, timing=TIMING, public_url=url)

    def _reference(self, call_id: UUID) -> CallRef:
        return CallRef(workspace_id=str(self.workspace_id), call_id=str(call_id))

    async def verdict(self) -> Verdict:
        """What the product's own judge says of it all. The clock here leaps, so it may be patient and not precise."""
        engine = self.stage.engine.execution_options(isolation_level="REPEATABLE READ")
        async with AsyncSession(engine) as session, session.begin():
            # Not read-only as the product's: reading the model's clock moves it.
            sql = "SELECT set_config('dialer.workspace', '*', true), set_config('dialer.clock_offset', :offset, true)"
            await session.execute(text(sql), {"offset": str(self.stage.offset)})
            evidence = await read_evidence(session)
        return judge(evidence.with_carrier(self.carrier.ledger()), PATIENT)

    # -- what people do --------------------------------------------------------------------------------------------

    async def pause(self, campaign_id: UUID, *, hang_up: bool) -> None:
        async with self.stage.transaction(self.workspace_id) as session:
            await control.pause(session, campaign_id, hang_up=hang_up)

    async def resume(self, campaign_id: UUID) -> None:
        async with self.stage.transaction(self.workspace_id) as session:
            await control.resume(session, campaign_id)

    async def stop(self, campaign_id: UUID, *, hang_up: bool) -> None:
        async with self.stage.transaction(self.workspace_id) as session:
            await control.stop(session, campaign_id, hang_up=hang_up)

    async def launch(self, campaign_id: UUID) -> None:
        async with self.stage.transaction(self.workspace_id) as session:
            await control.launch(session, campaign_id)

    async def edit(self, campaign_id: UUID, changed: Mapping[str, Any]) -> None:
        """What the API does with a patch of everything that decides about calls."""
        async with self.stage.transaction(self.workspace_id) as session:
            await hold_campaign(session, campaign_id)
            row = await campaign_rows.find(session, campaign_id, lock=True)
            assert row is not None
            await campaign_rows.change(
                session,
                campaign_id,
                name=row["name"],
                slug=row["slug"],
                agent_id=row["agent_id"],
                settings=changed,
                metadata=row["metadata"],
                new_version=True,
            )
            await reopen_held(session, campaign_id)

    async def lift_limits(self) -> None:
        """Room for everybody at once, at any time of day."""
        self.promises.limits = Limits(workspace=PLENTY, account=PLENTY, number=PLENTY)
        async with self.stage.transaction(self.workspace_id) as session:
            for table in ("workspaces", "carrier_accounts", "phone_numbers"):
                await rows(session, f"UPDATE {table} SET max_concurrent = {PLENTY} RETURNING 1")
        for campaign_id in self.campaigns:
            await self.edit(campaign_id, settings(concurrent=PLENTY))

    async def suppress(self, phone: str, campaign_id: UUID | None) -> None:
        async with self.stage.transaction(self.workspace_id) as session:
            await suppress(session, self.workspace_id, phone, campaign_id=campaign_id)

    async def lift(self, suppression_id: UUID) -> None:
        async with self.stage.transaction(self.workspace_id) as session:
            await unsuppress(session, suppression_id)

    async def add(self, campaign_id: UUID, phones: list[str]) -> None:
        people = [
            NewProspect(
                phone=phone,
                other_phones=(Line(SHARED),) if phone == PHONES[2] else None,
                zone_set="America/Los_Angeles",
                zone_source="phone",
            )
            for phone in phones
        ]
        async with self.stage.transaction(self.workspace_id) as session:
            await write_prospects(
                session,
                workspace_id=self.workspace_id,
                campaign_id=campaign_id,
                prospects=people,
                on_duplicate=OnDuplicate.UPDATE,
            )

    async def change_phone(self, prospect_id: UUID, campaign_id: UUID, phone: str) -> None:
        async with self.stage.transaction(self.workspace_id) as session:
            await edit_prospect(session, prospect_id, campaign_id, {"phone": phone})

    async def delete(self, prospect_id: UUID) -> None:
        services = cast("Services", SimpleNamespace(database=self.stage))
        await delete_prospect(services, Principal(workspace_id=self.workspace_id, principal="key:model"), prospect_id)


async def make_model_world(stage: Stage, tight: str, size: int, *, asynchronously: bool) -> ModelWorld:
    """Two running campaigns with four people each, the same, one of them with two phones.

    The limit called ``tight`` allows ``size`` calls.
    """
    await stage.begin_example()
    limits = replace_limit(Limits(workspace=PLENTY, account=PLENTY, number=PLENTY), tight, size)
    rules = settings(concurrent=size if tight == "campaign" else PLENTY, asynchronously=asynchronously)
    account_sid = f"AC{uuid4().hex}"
    async with stage.transaction_over_all() as session:
        made = (
            await rows(
                session,
                _WORLD,
                {
                    "slug": uuid4().hex,
                    "workspace": limits.workspace,
                    "account": limits.account,
                    "number": limits.number,
                    "rate": FAST,
                    "sid": account_sid,
                    "caller": CALLER,
                    "settings": json.dumps(rules),
                },
            )
        )[0]
    carrier = ImaginaryCarrier(
        clock=lambda: stage.now, stop=stage.point, leaving=_nobody_looks, account_sid=account_sid
    )
    promises = Promises(stage=stage, carrier=carrier, workspace_id=made.workspace_id, limits=limits, timing=TIMING)
    carrier.leaving = promises.leaving
    world = ModelWorld(
        stage=stage,
        carrier=carrier,
        workflows=Recorder(),
        promises=promises,
        workspace_id=made.workspace_id,
        campaigns=tuple(made.campaigns),
        number_id=made.number_id,
    )
    # One begins with whom the other calls last, so that they do not only get in each other's way.
    for campaign_id, phones in zip(world.campaigns, (PHONES[:4], PHONES[3::-1]), strict=True):
        await world.add(campaign_id, list(phones))
    stage.after_commit = promises.look
    await promises.look()
    return world


def replace_limit(limits: Limits, tight: str, size: int) -> Limits:
    return limits if tight == "campaign" else replace(limits, **{tight: size})


async def _nobody_looks(_: Any) -> None:
    return


_WORLD = """
    WITH workspace AS (
        INSERT INTO workspaces (name, slug, max_concurrent, calls_per_second)
        VALUES ('Model', :slug, :workspace, :rate) RETURNING id
    ), agent AS (
        INSERT INTO agents (workspace_id, name) SELECT id, 'Ann' FROM workspace RETURNING id
    ), account AS (
        INSERT INTO carrier_accounts (workspace_id, label, account_sid, secret, max_concurrent, calls_per_second)
        SELECT id, 'Test', :sid, '', :account, :rate FROM workspace RETURNING id
    ), number AS (
        INSERT INTO phone_numbers (workspace_id, phone, carrier_account_id, max_concurrent)
        SELECT workspace.id, :caller, account.id, :number FROM workspace, account RETURNING id
    ), campaign AS (
        INSERT INTO campaigns (workspace_id, agent_id, name, settings, max_concurrent, status)
        SELECT workspace.id, agent.id, 'Campaign ' || i, CAST(:settings AS jsonb), 10, 'running'
        FROM workspace, agent, generate_series(1, 2) AS i RETURNING id
    ), numbers AS (
        INSERT INTO campaign_numbers (workspace_id, campaign_id, phone_number_id, position)
        SELECT workspace.id, campaign.id, number.id, 1 FROM workspace, campaign, number RETURNING 1
    )
    SELECT workspace.id AS workspace_id, number.id AS number_id, array(SELECT id FROM campaign ORDER BY id) AS campaigns
    FROM workspace, number, (SELECT count(*) FROM numbers) AS n"""
