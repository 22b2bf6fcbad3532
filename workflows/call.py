"""One call attempt: the thing that people open in the Temporal Web UI.

Place the call at most once, wait until it has ended, show how. The database decides everything; a lost signal costs
freshness only, since the timer looks the call up. The shape is measured: at most 17 history events, 18 when the timer
is cancelled.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RawValue, SearchAttributeKey
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.dial import CallRef, DialActivities, PlacedCall
    from dialer.domain.call_results import CallEnded
    from workflows.options import PLACE_CALL, RECONCILE_CALL

DISPOSITION = SearchAttributeKey.for_keyword("Disposition")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInput:
    """Ids only: activities read the rest."""

    workspace_id: str
    call_id: str


# There are as many of it as calls: the sandbox would be a tenth of a worker's time. Tests replay it inside the sandbox.
@workflow.defn(name="CallWorkflow", sandboxed=False)
class CallWorkflow:
    """``call-{call_id}``: place, wait, show."""

    @workflow.init
    def __init__(self, call: CallInput) -> None:
        self._call = CallRef(workspace_id=call.workspace_id, call_id=call.call_id)
        self._ended: CallEnded | None = None
        self._look = False

    @workflow.run
    async def run(self, call: CallInput) -> CallEnded:
        placed = await self._place()
        ended = placed.ended or self._ended
        if ended is None:
            ended = await self._wait(placed.wait_s)
        workflow.upsert_search_attributes([DISPOSITION.value_set(ended.disposition or ended.state)])
        return ended

    @workflow.signal(dynamic=True)
    def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        """``call_ended`` with its result; anything else, or a result that cannot be read, means: look now."""
        self._ended = self._ended or _read_ended(name, args)
        self._look = True

    async def _place(self) -> PlacedCall:
        try:
            return await workflow.execute_activity_method(
                DialActivities.place_call, self._call, summary="ring once", **PLACE_CALL
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            # The worker died, or the request's fate is unknown: the carrier knows.
            return PlacedCall(wait_s=0.0)

    async def _wait(self, wait_s: float) -> CallEnded:
        if wait_s > 0 and not self._look:
            try:
                await workflow.wait_condition(
                    lambda: self._look,
                    timeout=timedelta(seconds=wait_s),
                    timeout_summary="over by then",
                )
            except TimeoutError:
                self._look = True
        if self._ended is not None:
            return self._ended
        return await workflow.execute_activity_method(
            DialActivities.reconcile_call, self._call, summary="ask the carrier until decided", **RECONCILE_CALL
        )


def _read_ended(name: str, args: Sequence[RawValue]) -> CallEnded | None:
    if name != "call_ended" or not args:
        return None
    try:
        return CallEnded.unpacked(json.loads(args[0].payload.data))
    except (ValueError, TypeError, RecursionError):
        return None
