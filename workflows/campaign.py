"""A campaign's control: it decides when a dispatch leg runs, and never sees a message per call.

The row is the only truth. The API changes the row and sends ``nudge``; ``pause``, ``resume`` and ``stop`` sent from the
Temporal UI or CLI become the same compare-and-set on the version that was current when the signal came, and a race that
is lost is dropped.
"""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from activities.control import ControlActivities, ControlRequest
    from activities.dispatch import CampaignRef, DispatchActivities, Leg, LegEnd
    from dialer.domain.restores import Mark
    from workflows.options import CONTROL_CAMPAIGN, DISPATCH_LEG

ACTIONS = ("pause", "resume", "stop")


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignInput:
    """All that survives continue-as-new. ``seen``: how far the legs have seen the campaign come."""

    workspace_id: str
    campaign_id: str
    legs: int = 0
    seen: Mark = Mark()


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignView:
    """What the ``status`` query answers."""

    phase: str
    legs: int
    waiting_for: str
    idle_until: str | None


@workflow.defn(name="CampaignWorkflow")
class CampaignWorkflow:
    """``campaign-{id}``: legs, idle timers, and signals that change the row."""

    @workflow.init
    def __init__(self, campaign: CampaignInput) -> None:
        self._ref = CampaignRef(workspace_id=campaign.workspace_id, campaign_id=campaign.campaign_id)
        self._legs = campaign.legs
        self._seen = campaign.seen
        self._nudged = False
        self._asked: deque[tuple[str, bool]] = deque()
        self._controlling = False
        self._last = Leg(end=LegEnd.MORE, idle_s=0.0, waiting_for="starting", idle_until=None, claimed=0)
        self._phase = "starting"

    @workflow.run
    async def run(self, campaign: CampaignInput) -> CampaignView:
        controls = asyncio.create_task(self._serve_controls())
        while True:
            self._nudged = False
            self._phase = "dispatching"
            self._last = await self._run_leg()
            if self._last.end is LegEnd.FINISHED:
                await self._settled()
                if not self._nudged:
                    break
                # Launched again, perhaps: a new start finds this workflow still open.
                continue
            if self._last.end is LegEnd.IDLE:
                await self._idle()
            if workflow.info().is_continue_as_new_suggested():
                await self._settled()
                workflow.continue_as_new(
                    CampaignInput(
                        workspace_id=campaign.workspace_id,
                        campaign_id=campaign.campaign_id,
                        legs=self._legs,
                        seen=self._seen,
                    )
                )
        controls.cancel()
        self._phase = "finished"
        return self.status()

    @workflow.signal(dynamic=True)
    def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        """``nudge``, ``pause``, ``resume`` and ``stop``; an argument that cannot be read means the default."""
        if name in ACTIONS:
            self._asked.append((name, wants_hang_up(args)))
        self._nudged = True

    @workflow.query
    def status(self) -> CampaignView:
        """Where the workflow stands; the campaign's figures are in the API."""
        return CampaignView(
            phase=self._phase,
            legs=self._legs,
            waiting_for=self._last.waiting_for,
            idle_until=self._last.idle_until,
        )

    async def _run_leg(self) -> Leg:
        self._legs += 1
        workflow.set_current_details("Calling.")
        leg = await workflow.execute_activity_method(
            DispatchActivities.dispatch,
            replace(self._ref, seen=self._seen),
            summary=f"leg {self._legs}",
            **DISPATCH_LEG,
        )
        self._seen = self._seen.later(leg.seen)
        return leg

    async def _idle(self) -> None:
        """Wait until somebody may be called, or a signal; never for ever, since a signal may be lost."""
        until = self._last.idle_until
        what = f"{self._last.waiting_for} until {until}" if until else self._last.waiting_for
        self._phase = "idle"
        workflow.set_current_details(f"Waits for {what}.")
        try:
            await workflow.wait_condition(
                lambda: self._nudged,
                timeout=timedelta(seconds=self._last.idle_s),
                timeout_summary=what,
            )
        except TimeoutError:
            return

    async def _serve_controls(self) -> None:
        while True:
            await workflow.wait_condition(lambda: bool(self._asked))
            self._controlling = True
            action, hang_up = self._asked.popleft()
            version = await workflow.execute_activity_method(
                ControlActivities.read_control_version, self._ref, summary=f"before {action}", **CONTROL_CAMPAIGN
            )
            await workflow.execute_activity_method(
                ControlActivities.control_campaign,
                ControlRequest(campaign=self._ref, action=action, hang_up=hang_up, expected_version=version),
                summary=f"{action} by signal",
                **CONTROL_CAMPAIGN,
            )
            self._controlling = False
            self._nudged = True

    async def _settled(self) -> None:
        await workflow.wait_condition(lambda: not self._asked and not self._controlling)


def wants_hang_up(args: Sequence[RawValue]) -> bool:
    """``true``, ``{"hang_up": true}`` or ``{"calls": "hang_up"}``; anything else means that calls finish."""
    if not args:
        return False
    try:
        value: object = json.loads(args[0].payload.data)
    except (ValueError, RecursionError):
        return False
    return value is True or value == {"hang_up": True} or value == {"calls": "hang_up"}
