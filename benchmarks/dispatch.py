"""Calls per second of the embedded stack, and what one attempt costs: ``python -m benchmarks.dispatch``.

PostgreSQL, Temporal, a worker, the API and the simulator as processes on this machine. Everybody called is there, picks
up at once and talks for a second; the carrier sends all its callbacks. First nothing limits the campaign; then another
one has a cap at half of what it could fill. The floor (``benchmarks/floor.py``) is taken on the same server in the same
run, and whatever happened is judged by ``dialer verify``. With ``--address`` all this is on a Temporal server that runs
already (``benchmarks/cluster.md``).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from benchmarks import machine, stacks
from benchmarks.stacks import Cluster
from tests.e2e.campaigns import Campaign, ok, until
from tests.fixtures_stack import Stack

#: Above what two cores can do: the pace is no limit.
PER_SECOND = 40.0
AT_ONCE = 1000
#: How long a call lasts at the carrier.
RING_S, TALK_S = 0.3, 1.0
_HELD = """
    SELECT (SELECT count(*) FROM calls WHERE campaign_id = %(campaign)s AND state NOT IN ('ended', 'deferred')) AS live,
        (SELECT count(*) FROM prospects WHERE campaign_id = %(campaign)s AND state = 'ready') AS due"""


def measure(*, calls: int, capped_calls: int, floor_count: int, workers: int, cluster: Cluster) -> dict[str, Any]:
    """One run on a new stack."""
    with stacks.running(workers=workers, **cluster.environment) as stack:
        stacks.unlimited(stack)
        numbers = stacks.phones(max(calls, capped_calls))
        stacks.script_all(stack, numbers, ring_s=RING_S, talk_s=TALK_S)
        told: dict[str, Any] = {"load_before": machine.load(), "calls": calls, "workers": workers}
        told |= open_throttle(stack, numbers[:calls], cluster)
        floor = floor_of(stack, floor_count, cluster)
        told["floor"] = floor
        told["ratio_to_floor"] = round(told["calls_per_second"] / floor["attempts_per_second"], 3)
        if capped_calls:
            cap = max(round(told["calls_per_second"] * (RING_S + TALK_S) / 2), 1)
            told["capped"] = capped(stack, numbers[:capped_calls], cap)
        told["violations"] = stacks.violations(stack)
    return told


def open_throttle(stack: Stack, numbers: Sequence[str], cluster: Cluster) -> dict[str, Any]:
    """Nothing limits: how many a second, and the processor time of each part per attempt."""
    campaign = stacks.campaign(stack, numbers, at_once=AT_ONCE, per_second=PER_SECOND)
    before, began = stacks.cpu_seconds(stack, cluster), time.monotonic()
    run_to_the_end(campaign, len(numbers))
    seconds = time.monotonic() - began
    after = stacks.cpu_seconds(stack, cluster)
    spent = {part: round((after[part] - before[part]) / len(numbers) * 1000, 2) for part in after}
    rows = call_rows(stack, campaign)
    dialed = [row.dialed_at for row in rows if row.dialed_at is not None]
    return {
        "seconds": round(seconds, 1),
        "calls_per_second": round(stacks.sustained(sorted(dialed)), 2),
        "cpu_ms_per_attempt": {**spent, "all": round(sum(spent.values()), 2)},
        "cores_used": round(sum(after[part] - before[part] for part in after) / seconds, 2),
        "deferred": dict(Counter(row.deferred_reason for row in rows if row.state == "deferred")),
    }


def run_to_the_end(campaign: Campaign, people: int) -> None:
    ok(campaign.post("launch"))

    def done() -> bool:
        return campaign.status()["status"] == "completed"

    # As often as somebody who looks on asks: each answer costs as much as a tenth of an attempt.
    until(done, seconds=60 + people, every_s=1.0, what="the end of the campaign")


def call_rows(stack: Stack, campaign: Campaign) -> list[Any]:
    sql = """SELECT state, deferred_reason, claimed_at, dialed_at, ended_at FROM calls
             WHERE campaign_id = %s ORDER BY claimed_at"""
    return stacks.ask(stack, sql, [campaign.id])


def capped(stack: Stack, numbers: Sequence[str], cap: int) -> dict[str, Any]:
    """Slots held as a share of the cap, from when it was reached until nobody was due any more.

    Looked at twenty times a second, since rows have the end that the carrier reports, in whole seconds.
    """
    campaign = stacks.campaign(stack, numbers, at_once=cap, per_second=PER_SECOND)
    ok(campaign.post("launch"))
    held: list[int] = []

    def nobody_is_due() -> bool:
        (seen,) = stacks.ask(stack, _HELD, {"campaign": campaign.id})
        if held or seen.live >= cap:
            held.append(seen.live)
        return seen.due == 0

    until(nobody_is_due, seconds=60 + len(numbers), what="the last claim")
    campaign.until_status("completed", seconds=120)
    at_carrier = campaign.at_carrier()
    lasted = [datetime.fromisoformat(c["ended_at"]) - datetime.fromisoformat(c["created_at"]) for c in at_carrier]
    return {
        "cap": cap,
        "calls": len(at_carrier),
        "looks": len(held),
        "share_of_cap": round(sum(held) / len(held) / cap, 3) if held else 0.0,
        "seconds_at_carrier": round(sum(each.total_seconds() for each in lasted) / len(lasted), 2),
    }


def floor_of(stack: Stack, count: int, cluster: Cluster) -> Mapping[str, float]:
    """In a process of its own, while nobody is called."""
    command = [sys.executable, "-m", "benchmarks.floor", "--address", stack.described["temporal_address"]]
    command += ["--namespace", cluster.namespace, "--count", str(count)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description="Calls per second of the embedded stack.")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--capped-calls", type=int, default=600, help="calls of the campaign with a cap; 0 for none")
    parser.add_argument("--floor-count", type=int, default=600)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--address", default="", help="a Temporal server that runs already")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--pid", nargs="*", default=[], metavar="PART=PID", help="processes of that server")
    asked = parser.parse_args()
    pids = {part: int(pid) for part, _, pid in (each.partition("=") for each in asked.pid)}
    told = measure(
        calls=asked.calls,
        capped_calls=asked.capped_calls,
        floor_count=asked.floor_count,
        workers=asked.workers,
        cluster=Cluster(address=asked.address, namespace=asked.namespace, pids=pids),
    )
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
