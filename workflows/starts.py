"""How each workflow is started and signalled: ids, queues, reuse policies and summaries, in one place."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.ports import CallToStart
from activities.sweep import Swept
from dialer.domain.call_results import CallEnded
from dialer.domain.restores import Mark
from workflows.batch import BatchInput, BatchWorkflow
from workflows.call import CallInput, CallWorkflow
from workflows.campaign import CampaignInput, CampaignWorkflow
from workflows.options import CONTROL_QUEUE
from workflows.prospect_import import ImportInput, ProspectImportWorkflow
from workflows.sweep import SweepWorkflow

WORKSPACE = SearchAttributeKey.for_keyword("WorkspaceId")
CAMPAIGN = SearchAttributeKey.for_keyword("CampaignId")
PROSPECT = SearchAttributeKey.for_keyword("ProspectId")
ATTEMPT = SearchAttributeKey.for_int("AttemptNumber")

CONCURRENT_STARTS = 20
SWEEP_ID = "sweep"


class WorkflowClient:
    """The door to Temporal for the API and for activities. What is gone or runs already is no error."""

    def __init__(self, client: Client, *, public_url: str | None = None, ui_url: str | None = None) -> None:
        self.client = client
        self._public_url = public_url
        self._ui_url = ui_url

    async def start_calls(self, calls: Sequence[CallToStart]) -> None:
        """Start ``call-{id}`` for each, some at a time."""
        slots = asyncio.Semaphore(CONCURRENT_STARTS)

        async def start(call: CallToStart) -> None:
            async with slots:
                await self._start_call(call)

        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(start(call))

    async def start_campaign(self, workspace_id: UUID, campaign_id: UUID, name: str) -> None:
        """Start ``campaign-{id}``; a completed campaign that is launched again starts the same id anew."""
        await self.client.start_workflow(
            CampaignWorkflow.run,
            CampaignInput(workspace_id=str(workspace_id), campaign_id=str(campaign_id)),
            id=campaign_workflow_id(campaign_id),
            task_queue=CONTROL_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=name,
            static_details=self._details(f"campaigns/{campaign_id}"),
            search_attributes=_attributes(workspace_id, campaign_id),
        )

    async def start_import(
        self, workspace_id: UUID, import_id: UUID, campaign_id: UUID, run: int = 1, *, anew: bool = False
    ) -> None:
        """Start ``import-{id}`` for a run of the import, or leave the open one alone.

        ``anew`` ends an open one instead: of an import that is retried it belongs to an earlier run, and may be about
        to close.
        """
        policies = WorkflowIDConflictPolicy
        await self.client.start_workflow(
            ProspectImportWorkflow.run,
            ImportInput(
                workspace_id=str(workspace_id), import_id=str(import_id), campaign_id=str(campaign_id), run=run
            ),
            id=import_workflow_id(import_id),
            task_queue=CONTROL_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=policies.TERMINATE_EXISTING if anew else policies.USE_EXISTING,
            static_summary="Prospects from a file",
            static_details=self._details(f"imports/{import_id}"),
            search_attributes=_attributes(workspace_id, campaign_id),
        )

    async def start_batch(self, workspace_id: UUID, batch_id: UUID, campaign_id: UUID, name: str) -> None:
        """Start ``batch-{id}``, also anew for one whose import is retried; its children get the same attributes."""
        await self.client.start_workflow(
            BatchWorkflow.run,
            BatchInput(workspace_id=str(workspace_id), batch_id=str(batch_id)),
            id=batch_workflow_id(batch_id),
            task_queue=CONTROL_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=name,
            static_details=self._details(f"batches/{batch_id}"),
            search_attributes=_attributes(workspace_id, campaign_id),
        )

    async def nudge_batch(self, batch_id: UUID) -> None:
        """Tell a batch that waits to look at its rows again."""
        await self._signal(batch_workflow_id(batch_id), "reschedule")

    async def nudge_campaign(self, campaign_id: UUID) -> None:
        """Tell an idle campaign that something has changed."""
        await self._signal(campaign_workflow_id(campaign_id), "nudge")

    async def call_ended(self, call_id: UUID, ended: CallEnded) -> None:
        """Tell the call's workflow how it ended."""
        await self._signal(call_workflow_id(call_id), "call_ended", ended.packed())

    async def cancel_import(self, import_id: UUID) -> None:
        """Ask a running import to stop; what it has written stays."""
        try:
            await self.client.get_workflow_handle(import_workflow_id(import_id)).cancel()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    async def ensure_sweep(self, every: timedelta) -> None:
        """Make the Schedule of the sweep, once for all workers."""
        try:
            await self.client.create_schedule(
                SWEEP_ID,
                Schedule(
                    action=ScheduleActionStartWorkflow(
                        SweepWorkflow.run, id=SWEEP_ID, task_queue=CONTROL_QUEUE, static_summary="Repair and watch"
                    ),
                    spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
                    policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=5)),
                ),
                trigger_immediately=True,
            )
        except ScheduleAlreadyRunningError:
            return

    async def last_mark(self) -> Mark:
        """How far the last sweep has seen the database come; nothing when Temporal remembers no sweep."""
        query = f"TemporalScheduledById = '{SWEEP_ID}' AND ExecutionStatus = 'Completed'"
        async for run in self.client.list_workflows(query, limit=1):  # the latest end comes first
            handle = self.client.get_workflow_handle(run.id, run_id=run.run_id, result_type=Swept)
            return (await handle.result(follow_runs=False)).seen
        return Mark()

    async def is_healthy(self) -> bool:
        """True when the Temporal server answers."""
        return await self.client.service_client.check_health(timeout=timedelta(seconds=2))

    def trace_url(self, workflow_id: str) -> str | None:
        """A deep link into the Temporal Web UI, or None when its address is not known."""
        return trace_url(self._ui_url, self.client.namespace, workflow_id)

    async def _start_call(self, call: CallToStart) -> None:
        pairs = _attributes(call.workspace_id, call.campaign_id, call.prospect_id, call.attempt)
        try:
            await self.client.start_workflow(
                CallWorkflow.run,
                CallInput(workspace_id=str(call.workspace_id), call_id=str(call.call_id)),
                id=call_workflow_id(call.call_id),
                task_queue=CONTROL_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=call.summary,
                static_details=self._details(f"calls/{call.call_id}"),
                search_attributes=pairs,
            )
        except WorkflowAlreadyStartedError:
            return

    def _details(self, path: str) -> str | None:
        base = self._public_url
        return None if base is None else f"[In the API]({base}/api/v1/{path})"

    async def _signal(self, workflow_id: str, name: str, *args: object) -> None:
        try:
            await self.client.get_workflow_handle(workflow_id).signal(name, args=list(args))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise


def trace_url(ui_url: str | None, namespace: str, workflow_id: str) -> str | None:
    """A deep link into the Temporal Web UI, or None when its address is not known."""
    return None if ui_url is None else f"{ui_url}/namespaces/{quote(namespace)}/workflows/{quote(workflow_id)}"


def campaign_workflow_id(campaign_id: UUID) -> str:
    return f"campaign-{campaign_id}"


def call_workflow_id(call_id: UUID) -> str:
    return f"call-{call_id}"


def batch_workflow_id(batch_id: UUID) -> str:
    return f"batch-{batch_id}"


def import_workflow_id(import_id: UUID) -> str:
    return f"import-{import_id}"


def _attributes(
    workspace_id: UUID, campaign_id: UUID | None, prospect_id: UUID | None = None, attempt: int | None = None
) -> TypedSearchAttributes:
    pairs: list[SearchAttributePair[Any]] = [SearchAttributePair(WORKSPACE, str(workspace_id))]
    if campaign_id is not None:
        pairs.append(SearchAttributePair(CAMPAIGN, str(campaign_id)))
    if prospect_id is not None:
        pairs.append(SearchAttributePair(PROSPECT, str(prospect_id)))
    if attempt is not None:
        pairs.append(SearchAttributePair(ATTEMPT, attempt))
    return TypedSearchAttributes(pairs)
