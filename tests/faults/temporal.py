"""What the Temporal server would remember and do next, played by the test one step at a time.

Only what the product relies on: a workflow id is started once, a signal to a workflow that is gone is lost, and an
activity is tried again as ``workflows/options.py`` says.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from activities.ports import CallToStart
from dialer.domain.call_results import CallEnded


@dataclass
class CallRun:
    """A CallWorkflow: placed once, then waiting for ``call_ended`` or its timer, then closed."""

    workspace_id: UUID
    call_id: UUID
    placed: bool = False
    looks_at: datetime | None = None
    tries: int = 0
    signalled: CallEnded | None = None
    result: CallEnded | None = None

    @property
    def is_open(self) -> bool:
        return self.result is None


@dataclass
class CampaignRun:
    """A CampaignWorkflow: between two legs it waits for a nudge or its timer."""

    workspace_id: UUID
    campaign_id: UUID
    nudged: bool = True
    idle_until: datetime | None = None
    finished: bool = False


@dataclass
class TemporalServer:
    """Survives every process."""

    calls: dict[UUID, CallRun] = field(default_factory=dict[UUID, CallRun])
    campaigns: dict[UUID, CampaignRun] = field(default_factory=dict[UUID, CampaignRun])
    imports: list[UUID] = field(default_factory=list[UUID])

    def start_call(self, call: CallToStart) -> None:
        """REJECT_DUPLICATE: one that has run is not run again."""
        self.calls.setdefault(call.call_id, CallRun(workspace_id=call.workspace_id, call_id=call.call_id))

    def start_campaign(self, workspace_id: UUID, campaign_id: UUID) -> None:
        """ALLOW_DUPLICATE: one that runs is left alone, one that has finished begins anew."""
        known = self.campaigns.get(campaign_id)
        if known is None or known.finished:
            self.campaigns[campaign_id] = CampaignRun(workspace_id=workspace_id, campaign_id=campaign_id)

    def start_import(self, import_id: UUID) -> None:
        if import_id not in self.imports:
            self.imports.append(import_id)

    def nudge(self, campaign_id: UUID) -> None:
        run = self.campaigns.get(campaign_id)
        if run is not None and not run.finished:
            run.nudged = True

    def call_ended(self, call_id: UUID, ended: CallEnded) -> None:
        run = self.calls.get(call_id)
        if run is not None and run.is_open:
            run.signalled = run.signalled or ended
