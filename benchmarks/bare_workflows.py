"""Workflows that cost Temporal what an attempt costs it, or nothing much, and do nothing."""

from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy, SearchAttributeKey

OTHER_QUEUE = "floor-other"
DISPOSITION = SearchAttributeKey.for_keyword("Disposition")


@activity.defn(name="place_nothing")
async def place_nothing(ids: list[str]) -> float:
    del ids
    return 400.0


@activity.defn(name="place_and_leave")
async def place_and_leave(ids: list[str]) -> list[Any]:
    """Somebody else completes it."""
    del ids
    activity.raise_complete_async()


# As a call's workflow.
@workflow.defn(name="BareAttempt", sandboxed=False)
class BareAttempt:
    """The commands of a call's workflow, and nothing of what they are for."""

    def __init__(self) -> None:
        self._ended: list[Any] | None = None

    @workflow.run
    async def run(self, ids: list[str]) -> list[Any]:
        wait_s = await workflow.execute_activity(
            place_nothing,
            ids,
            task_queue=OTHER_QUEUE,
            start_to_close_timeout=timedelta(seconds=20),
            retry_policy=RetryPolicy(maximum_attempts=1),
            summary="ring once",
        )
        await workflow.wait_condition(
            lambda: self._ended is not None, timeout=timedelta(seconds=wait_s), timeout_summary="over by then"
        )
        workflow.upsert_search_attributes([DISPOSITION.value_set("human")])
        return self._ended or []

    @workflow.signal(name="call_ended")
    def call_ended(self, ended: list[Any]) -> None:
        self._ended = ended


@workflow.defn(name="CompletedByCallback", sandboxed=False)
class CompletedByCallback:
    """One activity from the call's start to its end."""

    @workflow.run
    async def run(self, ids: list[str]) -> list[Any]:
        ended = await workflow.execute_activity(
            place_and_leave,
            ids,
            task_queue=OTHER_QUEUE,
            start_to_close_timeout=timedelta(seconds=400),
            retry_policy=RetryPolicy(maximum_attempts=1),
            summary="ring once",
        )
        workflow.upsert_search_attributes([DISPOSITION.value_set("human")])
        return ended


@workflow.defn(name="Empty", sandboxed=False)
class Empty:
    """Starts and ends."""

    @workflow.run
    async def run(self) -> None:
        return
