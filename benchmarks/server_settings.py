"""What a Temporal server's settings cost: ``python -m benchmarks.server_settings --address 127.0.0.1:7233 --pid …``.

The bare workflow of ``benchmarks/floor.py`` on a server that runs already (``benchmarks/cluster.md``), with different
numbers of pollers in turn, round by round: workflows a second, the processor time of the server for each of them, and
the memory that it holds afterwards. Shards, partitions and caches are the server's own, so they are told by whoever
started it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from statistics import median
from typing import Any

from temporalio.client import Client
from temporalio.worker import PollerBehavior, PollerBehaviorSimpleMaximum

from benchmarks import machine
from benchmarks.floor import POLLING, attempt, per_second, workers
from benchmarks.stacks import cpu_of, mib_of

#: The product's own, which grows with the work.
AUTO = "auto"


async def measure(
    client: Client, pids: Mapping[str, int], pollers: Sequence[str], *, count: int, rounds: int
) -> dict[str, Any]:
    """Medians over the rounds for each number of pollers."""
    seen: dict[str, list[dict[str, float]]] = {each: [] for each in pollers}
    for number in range(rounds):
        for each in pollers:
            _tell(f"round {number + 1} of {rounds}, pollers: {each}")
            seen[each].append(await _once(client, pids, _polling(each), count))
    _tell("")
    return {each: {name: round(median(one[name] for one in ran), 1) for name in ran[0]} for each, ran in seen.items()}


async def _once(client: Client, pids: Mapping[str, int], polling: PollerBehavior, count: int) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        for worker in workers(client, polling=polling):
            await stack.enter_async_context(worker)
        await per_second(lambda: attempt(client, talk_s=0.1), 100, at_once=50)
        before = {part: cpu_of(pid) for part, pid in pids.items()}
        attempts = await per_second(lambda: attempt(client), count, at_once=100)
        spent = {f"{part}_ms": (cpu_of(pid) - before[part]) / count * 1000 for part, pid in pids.items()}
    held = {f"{part}_mib": mib_of([pid]) for part, pid in pids.items()}
    return {"attempts_per_second": attempts, **spent, **held}


def _polling(name: str) -> PollerBehavior:
    return POLLING if name == AUTO else PollerBehaviorSimpleMaximum(int(name))


def _tell(doing: str) -> None:
    sys.stderr.write(f"\r{doing:<60}")


async def _run(asked: argparse.Namespace) -> dict[str, Any]:
    client = await Client.connect(asked.address, namespace=asked.namespace)
    pids = {part: int(pid) for part, _, pid in (each.partition("=") for each in asked.pid)}
    return await measure(client, pids, asked.pollers, count=asked.count, rounds=asked.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description="What a Temporal server's settings cost.")
    parser.add_argument("--address", required=True)
    parser.add_argument("--namespace", default="dialer")
    parser.add_argument("--pid", nargs="+", default=[], metavar="PART=PID", help="processes of that server")
    parser.add_argument("--pollers", nargs="+", default=[AUTO], help=f"numbers of them, or {AUTO}")
    parser.add_argument("--count", type=int, default=400, help="workflows of a round")
    parser.add_argument("--rounds", type=int, default=3)
    machine.tell_and_leave(asyncio.run(_run(parser.parse_args())))


if __name__ == "__main__":
    main()
