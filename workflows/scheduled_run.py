"""One firing of a campaign's Schedule: it asks the campaign's row to begin a run, and says what became of it.

Short, since the campaign's own workflow dials and its row knows when the run is over. So firings never wait for each
other, and one that comes during a run is seen here with its reason.
"""

from dataclasses import dataclass

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from activities.runs import BegunRun, DueRun, RunActivities
    from workflows.options import CONTROL_CAMPAIGN

DUE_AT = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledRun:
    """Ids only. ``paused``: whether the campaign was paused when its Schedule was last written."""

    workspace_id: str
    campaign_id: str
    paused: bool = False


@workflow.defn(name="ScheduledRunWorkflow")
class ScheduledRunWorkflow:
    """``campaign-{id}-run-{time}``, as Temporal names what a Schedule starts."""

    @workflow.run
    async def run(self, order: ScheduledRun) -> BegunRun:
        info = workflow.info()
        due_at = info.typed_search_attributes.get(DUE_AT) or info.start_time
        begun = await workflow.execute_activity_method(
            RunActivities.begin_run,
            DueRun(workspace_id=order.workspace_id, campaign_id=order.campaign_id, due_at=due_at.isoformat()),
            summary="begin the run",
            **CONTROL_CAMPAIGN,
        )
        workflow.set_current_details(f"{begun.outcome}: {begun.reason}" if begun.reason else begun.outcome)
        return begun
