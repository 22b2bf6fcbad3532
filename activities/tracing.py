"""A span around every activity, in the trace of its call where it is about one."""

from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from dialer.tracing import Tracing, call_of_workflow


class Traced(Interceptor):
    """Nothing is added to a workflow's history: the trace id of an attempt is its call's id."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Traced(super().intercept_activity(next), self._tracing)


class _Traced(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, tracing: Tracing) -> None:  # noqa: A002
        super().__init__(next)
        self._tracing = tracing

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        info = activity.info()
        workflow_id = info.workflow_id or ""
        attributes = {
            "temporal.workflow_id": workflow_id,
            "temporal.run_id": info.workflow_run_id or "",
            "temporal.task_queue": info.task_queue,
            "temporal.attempt": info.attempt,
        }
        with self._tracing.span(info.activity_type, attributes, call_id=call_of_workflow(workflow_id)):
            return await super().execute_activity(input)
