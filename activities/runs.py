"""Beginning a run of a recurring campaign: its row first, then the workflow that dials."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from temporalio import activity

from activities.ports import Workflows
from dialer.domain.runs import RunOutcome
from dialer.store.database import Database
from dialer.store.run_starts import begin_run, requeue_for_run
from dialer.store.waking import wake


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRun:
    """Which campaign, and when its run was due (RFC 3339)."""

    workspace_id: str
    campaign_id: str
    due_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunRun:
    """What became of it, and why it did not start; ``workflow_id`` is what dials now."""

    outcome: str
    reason: str | None
    due_at: str
    workflow_id: str | None


class RunActivities:
    """On the ``control`` queue."""

    def __init__(self, database: Database, workflows: Workflows) -> None:
        self._database = database
        self._workflows = workflows

    @activity.defn
    async def begin_run(self, due: DueRun) -> BegunRun:
        """Start the run, or note why not. Tried again, it finds what it has done."""
        return await self.begin(UUID(due.workspace_id), UUID(due.campaign_id), datetime.fromisoformat(due.due_at))

    async def begin(self, workspace_id: UUID, campaign_id: UUID, due_at: datetime) -> BegunRun:
        """As ``begin_run``, also for the sweep."""
        await requeue_for_run(self._database, workspace_id, campaign_id, due_at)
        async with self._database.transaction(workspace_id) as session:
            begun = await begin_run(session, campaign_id, due_at)
        starts = begun.verdict.outcome is RunOutcome.RUNNING and begun.name is not None
        if begun.name is not None:
            # Not started either: a last run that was skipped or missed may complete the campaign.
            await self._workflows.start_campaign(workspace_id, campaign_id, begun.name)
            async with self._database.transaction(workspace_id) as session:
                await wake(session, campaign_id)
            await self._workflows.nudge_campaign(campaign_id)
        return BegunRun(
            outcome=begun.verdict.outcome.value,
            reason=None if begun.verdict.reason is None else begun.verdict.reason.value,
            due_at=due_at.isoformat(),
            workflow_id=f"campaign-{campaign_id}" if starts else None,
        )
