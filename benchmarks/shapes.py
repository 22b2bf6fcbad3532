"""What cheaper shapes of an attempt would give: ``python -m benchmarks.shapes --address 127.0.0.1:7233``.

Three shapes that do nothing, by turns on one server, so that what else the machine does falls on all of them: the one
that a call has (an activity places it, a signal ends it), one activity that its callback completes, and an activity
without a workflow that its callback completes. Told are the attempts a second, and with ``--pid`` the server's
processor time for each. ``docs/decisions/0025-the-shape-of-an-attempt.md`` says what follows.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.service import RPCError, RPCStatusCode

from benchmarks import machine
from benchmarks.bare_workflows import OTHER_QUEUE, CompletedByCallback, place_and_leave
from benchmarks.floor import ENDED, QUEUE, TALK_S, attempt, attributes, per_second, workers
from benchmarks.stacks import cpu_of

Attempt = Callable[[Client], Awaitable[None]]
#: While an activity has not begun, it cannot be completed.
_AGAIN_S = 0.2


async def one_activity(client: Client) -> None:
    """A workflow with one activity, which the callback completes; what became of the call is told in its result."""
    workflow_id = f"shape-{uuid4()}"
    handle = await client.start_workflow(
        CompletedByCallback.run,
        [str(uuid4()), str(uuid4())],
        id=workflow_id,
        task_queue=QUEUE,
        static_summary="Spring sale · attempt 1 of 1",
        search_attributes=attributes(),
    )
    await asyncio.sleep(TALK_S)
    placed = client.get_async_activity_handle(workflow_id=workflow_id, run_id=None, activity_id="1")
    await _complete(placed.complete)
    await handle.result()


async def no_workflow(client: Client) -> None:
    """An activity by itself, which the callback completes: it is listed, and has no history."""
    activity_id = f"shape-{uuid4()}"
    handle = await client.start_activity(
        place_and_leave,
        [str(uuid4()), str(uuid4())],
        id=activity_id,
        task_queue=OTHER_QUEUE,
        start_to_close_timeout=timedelta(seconds=400),
        retry_policy=RetryPolicy(maximum_attempts=1),
        summary="ring once",
        search_attributes=attributes(),
    )
    await asyncio.sleep(TALK_S)
    placed = client.get_async_activity_handle(activity_id=activity_id, run_id=handle.run_id)
    await _complete(placed.complete)
    await handle.result()


async def _complete(complete: Callable[[Any], Awaitable[None]]) -> None:
    """As the callback would: until it is accepted."""
    while True:
        try:
            await complete(ENDED)
        except RPCError as error:
            if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION):
                raise
            await asyncio.sleep(_AGAIN_S)
        else:
            return


SHAPES: Mapping[str, Attempt] = {"signal": attempt, "one_activity": one_activity, "no_workflow": no_workflow}


async def measure(client: Client, *, rounds: int, count: int, at_once: int, pids: Sequence[int]) -> dict[str, Any]:
    """Each shape ``count`` times, ``rounds`` times by turns."""
    told: dict[str, list[tuple[float, float]]] = {name: [] for name in SHAPES}
    async with AsyncExitStack() as stack:
        for worker in workers(client, further=[CompletedByCallback], activities=[place_and_leave]):
            await stack.enter_async_context(worker)
        for shape in SHAPES.values():
            await per_second(lambda shape=shape: shape(client), 100, at_once=min(50, at_once))
        for _ in range(rounds):
            for name, shape in SHAPES.items():
                before = sum(map(cpu_of, pids))
                rate = await per_second(lambda shape=shape: shape(client), count, at_once=at_once)
                told[name].append((rate, (sum(map(cpu_of, pids)) - before) / count * 1000))
    return {name: _figures(found) for name, found in told.items()}


def _figures(found: Sequence[tuple[float, float]]) -> dict[str, Any]:
    rates = [round(rate, 1) for rate, _ in found]
    cpu = [round(ms, 1) for _, ms in found]
    return {"per_second": statistics.median(rates), "each": rates, "server_cpu_ms": statistics.median(cpu)}


async def _run(asked: argparse.Namespace) -> dict[str, Any]:
    client = await Client.connect(asked.address, namespace=asked.namespace)
    return await measure(client, rounds=asked.rounds, count=asked.count, at_once=asked.at_once, pids=asked.pid)


def main() -> None:
    parser = argparse.ArgumentParser(description="What cheaper shapes of an attempt would give.")
    parser.add_argument("--address", required=True, help="a Temporal server that runs")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=400, help="attempts of each shape and round")
    parser.add_argument("--at-once", type=int, default=200, help="attempts under way")
    parser.add_argument("--pid", type=int, nargs="*", default=[], help="processes of that server")
    machine.tell_and_leave(asyncio.run(_run(parser.parse_args())))


if __name__ == "__main__":
    main()
