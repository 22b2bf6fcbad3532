"""Workflows that an older version has begun, read from Temporal."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowExecutionStatus

TASK_FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
TASK_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
#: News came while the task was being worked on; the task is done again at once. Happens to every workflow.
HARMLESS = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One run of a workflow. ``tasks`` says when its workflow tasks were done, ``failures`` why some were not."""

    workflow_id: str
    run_id: str
    kind: str
    status: WorkflowExecutionStatus | None
    tasks: Sequence[datetime]
    failures: Sequence[str]


def read_open(address: str) -> frozenset[tuple[str, str]]:
    """Workflow id and run id of everything that runs."""

    async def read() -> frozenset[tuple[str, str]]:
        client = await Client.connect(address)
        running = client.list_workflows("ExecutionStatus = 'Running'")
        return frozenset([(found.id, found.run_id) async for found in running])

    return asyncio.run(read())


def read_all(address: str) -> list[Execution]:
    """Every run that Temporal remembers, with its history."""

    async def read() -> list[Execution]:
        client = await Client.connect(address)
        return [
            await _execution(client, found.id, found.run_id, found.workflow_type, found.status)
            async for found in client.list_workflows("")
        ]

    return asyncio.run(read())


async def _execution(
    client: Client, workflow_id: str, run_id: str, kind: str, status: WorkflowExecutionStatus | None
) -> Execution:
    history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
    failed = [each.workflow_task_failed_event_attributes for each in history.events if each.event_type == TASK_FAILED]
    return Execution(
        workflow_id=workflow_id,
        run_id=run_id,
        kind=kind,
        status=status,
        tasks=[each.event_time.ToDatetime(tzinfo=UTC) for each in history.events if each.event_type == TASK_COMPLETED],
        failures=[
            f"{WorkflowTaskFailedCause.Name(each.cause)}: {each.failure.message}"
            for each in failed
            if each.cause != HARMLESS
        ],
    )
