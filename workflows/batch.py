"""A file that is dialed once, at a given time: import it, wait, run its campaign.

The rows are the only truth: the workflow asks what comes next, does it, and asks again. So it may be started anew at
any point, and finds its import or its campaign already under way. The API changes the rows and sends ``reschedule``
without a word, which means: look again.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.batches import BatchActivities, BatchPlan, BatchRef, BatchRequest, BatchStep
    from workflows.campaign import CampaignInput, CampaignWorkflow, wants_hang_up
    from workflows.options import CONTROL_BATCH, CONTROL_QUEUE
    from workflows.prospect_import import ImportInput, ProspectImportWorkflow

#: Between two looks at a child that somebody else has started, at first and at most.
LOOK_S = 5.0
LONGEST_LOOK_S = 60.0

ACTIONS = {"cancel": "cancel", "stop": "cancel", "pause": "pause", "resume": "resume"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchInput:
    """Ids only: activities read the rest."""

    workspace_id: str
    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """What the ``status`` query answers, and the result."""

    status: str
    step: str
    scheduled_at: str | None
    import_id: str
    campaign_id: str


@workflow.defn(name="BatchWorkflow")
class BatchWorkflow:
    """``batch-{id}``. Cancelling it cancels the import and stops the campaign."""

    @workflow.init
    def __init__(self, order: BatchInput) -> None:
        self._ref = BatchRef(workspace_id=order.workspace_id, batch_id=order.batch_id)
        self._plan = BatchPlan(step=BatchStep.UPLOAD, status="starting")
        self._nudged = False
        self._asked: deque[BatchRequest] = deque()
        self._controlling = False
        self._look_s = LOOK_S

    @workflow.run
    async def run(self, order: BatchInput) -> BatchView:
        controls = asyncio.create_task(self._serve_controls())
        try:
            await self._carry_out(order)
        except (ActivityError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                await self._control(BatchRequest(batch=self._ref, action="cancel"))
            raise
        controls.cancel()
        if self._plan.error_code is not None:
            # Its import's or its launch's reason; details are in the API.
            raise ApplicationError(self._plan.error_message or "", type=self._plan.error_code, non_retryable=True)
        return self.status()

    @workflow.signal(dynamic=True)
    def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        """``reschedule``, ``cancel``, ``pause``, ``resume`` and ``stop``; what cannot be read means: look again."""
        if name in ACTIONS:
            self._asked.append(BatchRequest(batch=self._ref, action=ACTIONS[name], hang_up=wants_hang_up(args)))
        elif name == "reschedule" and (wanted := wanted_time(args)) is not None:
            self._asked.append(BatchRequest(batch=self._ref, action="reschedule", scheduled_at=wanted))
        self._nudged = True

    @workflow.query
    def status(self) -> BatchView:
        """Where the batch stood when the workflow last looked; its figures are in the API."""
        return BatchView(
            status=self._plan.status,
            step=self._plan.step.value,
            scheduled_at=self._plan.scheduled_at,
            import_id=self._plan.import_id,
            campaign_id=self._plan.campaign_id,
        )

    async def _carry_out(self, order: BatchInput) -> None:
        while True:
            self._nudged = False
            launching = self._plan.step is BatchStep.LAUNCH
            self._plan = await (self._launch() if launching else self._look())
            match self._plan.step:
                case BatchStep.UPLOAD:
                    await self._wait(self._plan.wait_s, "the file to arrive")
                case BatchStep.IMPORT:
                    await self._import()
                case BatchStep.WAIT:
                    await self._wait(self._plan.wait_s, f"{self._plan.scheduled_at}")
                case BatchStep.LAUNCH:
                    if launching:
                        await self._wait(LOOK_S, "the campaign, which could not be launched")
                case BatchStep.DIAL:
                    await self._dial()
                case BatchStep.OVER:
                    await self._settled()
                    if not self._nudged:
                        return
            if workflow.info().is_continue_as_new_suggested():
                await self._settled()
                workflow.continue_as_new(order)

    # -- the steps -----------------------------------------------------------------------------------------------------

    async def _look(self) -> BatchPlan:
        return await workflow.execute_activity_method(
            BatchActivities.read_batch, self._ref, summary="what comes next", **CONTROL_BATCH
        )

    async def _launch(self) -> BatchPlan:
        workflow.set_current_details("Launching the campaign.")
        return await workflow.execute_activity_method(
            BatchActivities.launch_batch, self._ref, summary="launch", **CONTROL_BATCH
        )

    async def _import(self) -> None:
        workflow.set_current_details(f"Importing the file: `import-{self._plan.import_id}`.")
        order = ImportInput(
            workspace_id=self._ref.workspace_id,
            import_id=self._plan.import_id,
            campaign_id=self._plan.campaign_id,
            run=self._plan.import_run,
        )
        await self._child(ProspectImportWorkflow.run, order, f"import-{self._plan.import_id}", "Prospects from a file")

    async def _dial(self) -> None:
        workflow.set_current_details(f"Dialing: `campaign-{self._plan.campaign_id}`.")
        order = CampaignInput(workspace_id=self._ref.workspace_id, campaign_id=self._plan.campaign_id)
        await self._child(CampaignWorkflow.run, order, f"campaign-{self._plan.campaign_id}", self._plan.name)

    async def _child(self, run: Callable[..., Any], order: object, child_id: str, summary: str) -> None:
        """Run it to its end, or wait for a while when somebody else has started it; how it ended is in the rows."""
        try:
            await workflow.execute_child_workflow(
                run,
                order,
                id=child_id,
                task_queue=CONTROL_QUEUE,
                parent_close_policy=ParentClosePolicy.ABANDON,
                # Whoever cancels the batch cancels its children by their rows.
                cancellation_type=ChildWorkflowCancellationType.ABANDON,
                search_attributes=workflow.info().typed_search_attributes,
                static_summary=summary,
            )
            self._look_s = LOOK_S
            return
        except WorkflowAlreadyStartedError:
            what = f"{child_id}, which somebody else has started"
        except ChildWorkflowError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError from None  # the batch is cancelled, not only its child
            what = f"{child_id} to be looked at again"
        await self._wait(self._look_s, what)
        self._look_s = min(self._look_s * 2, LONGEST_LOOK_S)

    async def _wait(self, seconds: float, what: str) -> None:
        workflow.set_current_details(f"Waits for {what}.")
        try:
            await workflow.wait_condition(
                lambda: self._nudged,
                timeout=timedelta(seconds=seconds),
                timeout_summary=f"{self._plan.status}: {what}",
            )
        except TimeoutError:
            return

    # -- what people ask for -------------------------------------------------------------------------------------------

    async def _serve_controls(self) -> None:
        while True:
            await workflow.wait_condition(lambda: bool(self._asked))
            self._controlling = True
            await self._control(self._asked.popleft())
            self._controlling = False
            self._nudged = True

    async def _control(self, request: BatchRequest) -> None:
        await workflow.execute_activity_method(
            BatchActivities.control_batch, request, summary=f"{request.action} by signal", **CONTROL_BATCH
        )

    async def _settled(self) -> None:
        await workflow.wait_condition(lambda: not self._asked and not self._controlling)


def wanted_time(args: Sequence[RawValue]) -> str | None:
    """``"2036-12-01T09:00:00Z"`` or ``{"scheduled_at": "…"}``; None for anything else."""
    if not args:
        return None
    try:
        value: object = json.loads(args[0].payload.data)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict):
        value = cast("dict[str, object]", value).get("scheduled_at")
    return value if isinstance(value, str) and len(value) <= 40 else None
