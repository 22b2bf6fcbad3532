"""What Temporal alone costs: ``python -m benchmarks.floor --address 127.0.0.1:7233``.

A bare workflow with the history of an attempt (an activity on another queue that does nothing, a timer, one signal, one
upsert of a search attribute, summaries) and an empty one, on a development server of its own or on one that runs. An
attempt of the product cannot be cheaper for the server than the first.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import PollerBehavior, PollerBehaviorAutoscaling, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from benchmarks import machine
from benchmarks.bare_workflows import OTHER_QUEUE, BareAttempt, Empty, place_nothing
from tests.fixtures_temporal import ATTRIBUTES, binary

QUEUE = "floor"
IDS = tuple(SearchAttributeKey.for_keyword(name) for name in ("WorkspaceId", "CampaignId", "ProspectId"))
ATTEMPT = SearchAttributeKey.for_int("AttemptNumber")
#: As long as what the product tells a call's workflow.
ENDED = ["ended", "human", "1 of 1", "n" * 36, *["2026-11-22T10:00:00.000000Z"] * 4, 1, "reached", None, "answered"]
TALK_S = 1.0
#: As the product's workers have it.
POLLING = PollerBehaviorAutoscaling(maximum=20)


def attributes() -> TypedSearchAttributes:
    """As a call's workflow has them from its start."""
    pairs: list[SearchAttributePair[Any]] = [SearchAttributePair(key, str(uuid4())) for key in IDS]
    return TypedSearchAttributes([*pairs, SearchAttributePair(ATTEMPT, 1)])


async def attempt(client: Client, workflow_id: str | None = None, *, talk_s: float = TALK_S) -> None:
    """One workflow of an attempt's shape, signalled ``talk_s`` after its start, when it has long waited."""
    ids = [str(uuid4()), str(uuid4())]
    handle = await client.start_workflow(
        BareAttempt.run,
        ids,
        id=workflow_id or f"floor-{ids[1]}",
        task_queue=QUEUE,
        static_summary="Spring sale · attempt 1 of 1",
        static_details=f"[In the API](http://127.0.0.1:8600/api/v1/calls/{ids[1]})",
        search_attributes=attributes(),
    )
    await asyncio.sleep(talk_s)
    await handle.signal(BareAttempt.call_ended, ENDED)
    await handle.result()


async def empty(client: Client) -> None:
    await client.execute_workflow(Empty.run, id=f"floor-empty-{uuid4()}", task_queue=QUEUE)


async def per_second(work: Callable[[], Awaitable[None]], count: int, *, at_once: int) -> float:
    """How many end a second when so many are always under way; from the first tenth to the last."""
    numbers, ends = iter(range(count)), list[float]()

    async def one_after_the_other() -> None:
        for _ in numbers:
            await work()
            ends.append(time.monotonic())

    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    tenth = count // 10
    return (count - 2 * tenth - 1) / (ends[count - tenth - 1] - ends[tenth])


def workers(
    client: Client,
    *,
    further: Sequence[type] = (),
    activities: Sequence[Callable[..., Any]] = (),
    polling: PollerBehavior = POLLING,
) -> list[Worker]:
    """With the product's settings, where they matter; ``further`` workflows and activities beside the floor's."""
    restrictions = SandboxRestrictions.default.with_passthrough_all_modules()
    control = Worker(
        client,
        task_queue=QUEUE,
        workflows=[BareAttempt, Empty, *further],
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        max_concurrent_workflow_tasks=8,
        max_cached_workflows=3000,
        workflow_task_poller_behavior=polling,
    )
    other = Worker(
        client,
        task_queue=OTHER_QUEUE,
        activities=[place_nothing, *activities],
        disable_eager_activity_execution=True,
        activity_task_poller_behavior=polling,
    )
    return [control, other]


async def measure(client: Client, count: int, *, at_once: int = 100) -> dict[str, float]:
    """Both figures, after a short warm-up."""
    async with AsyncExitStack() as stack:
        for worker in workers(client):
            await stack.enter_async_context(worker)
        await per_second(lambda: attempt(client, talk_s=0.1), 100, at_once=50)
        attempts = await per_second(lambda: attempt(client), count, at_once=at_once)
        empties = await per_second(lambda: empty(client), count, at_once=50)
    return {"attempts_per_second": round(attempts, 2), "empty_per_second": round(empties, 2)}


async def _run(asked: argparse.Namespace) -> dict[str, float]:
    if asked.address:
        return await measure(await Client.connect(asked.address, namespace=asked.namespace), asked.count)
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary("temporal"), search_attributes=list(ATTRIBUTES), dev_server_log_level="error"
    ) as server:
        return await measure(server.client, asked.count)


def main() -> None:
    parser = argparse.ArgumentParser(description="What Temporal alone costs.")
    parser.add_argument("--address", help="a server that runs; without it one is started")
    parser.add_argument("--namespace", default="default", help="of a server that runs")
    parser.add_argument("--count", type=int, default=800, help="workflows of each kind")
    machine.tell_and_leave(asyncio.run(_run(parser.parse_args())))


if __name__ == "__main__":
    main()
