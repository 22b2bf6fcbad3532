"""Many campaigns at once over one account: ``python -m benchmarks.many_campaigns --minutes 10``.

Of ``--campaigns`` most are busy all the time, with weights 1, 2 and 3 in turn, and every fourth is idle: it runs, and
its one person may be called at another time of the day. For so many minutes the account's calls per second are the
limit. Told are the calls that each campaign began against its weight's share, the longest time that one waited for its
next call, and the state transitions per second that an idle one costs Temporal.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from temporalio.client import Client

from benchmarks.machine import tell_and_leave
from benchmarks.stacks import ask, running, script_all, violations
from tests.chaos.people import stored_phones
from tests.e2e.campaigns import Campaign, ok
from tests.fixtures_stack import Stack

WEIGHTS = (1, 2, 3)
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ALLOWED = (0.10, 2.0)
"""A campaign may be off its share by so much of it, or by so many calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """The busy campaigns with their weights, and the idle ones, by id."""

    busy: Mapping[str, int]
    idle: Sequence[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--per-second", type=float, default=12.0, help="calls per second of the account")
    options = parser.parse_args()
    with running() as stack:
        told = asyncio.run(measure(stack, options.campaigns, options.minutes * 60, options.per_second))
        told["violations"] = violations(stack)
    tell_and_leave(told)


async def measure(stack: Stack, campaigns: int, seconds: float, per_second: float) -> dict[str, Any]:
    """Make the campaigns, wait until all of them dial, and look at what they do for so many seconds."""
    town = _make(stack, campaigns, seconds, per_second)
    await _until_all_dial(stack, town)
    client = await Client.connect(stack.described["temporal_address"])
    before, began = await _transitions(client, town.idle), time.monotonic()
    start = datetime.now(UTC)
    while (left := began + seconds - time.monotonic()) > 0:
        _tell(f"{left:.0f} s to go")
        await asyncio.sleep(min(left, 5.0))
    end, lasted = datetime.now(UTC), time.monotonic() - began
    after = await _transitions(client, town.idle)
    costs = [(after[each] - before[each]) / lasted for each in town.idle]
    return {
        "campaigns": campaigns,
        "seconds": round(lasted),
        **_shares(stack, town, start, end),
        "idle_transitions_per_second": {"mean": round(statistics.mean(costs), 4), "most": round(max(costs), 4)},
    }


def _make(stack: Stack, campaigns: int, seconds: float, per_second: float) -> Town:
    ok(stack.api.patch("/workspace", json={"max_concurrent": 1000, "calls_per_second": 500}))
    account = ok(stack.api.get("/carrier-accounts"))["items"][0]
    limits = {"max_concurrent": 1000, "calls_per_second": per_second}
    ok(stack.api.patch(f"/carrier-accounts/{account['id']}", json=limits))
    ok(stack.simulator.put("/_sim/behaviour", json={"calls_per_second": 1000}))
    idle = campaigns // 4
    busy = campaigns - idle
    per_weight = 1.5 * per_second * (seconds + 120) / sum(WEIGHTS[n % 3] for n in range(busy))
    numbers = iter(stored_phones())
    weights: dict[str, int] = {}
    for n in range(busy):
        weight = WEIGHTS[n % 3]
        phones = [next(numbers) for _ in range(int(per_weight * weight) + 5)]
        script_all(stack, phones)
        weights[_campaign(stack, phones, weight)] = weight
        _tell(f"{n + 1} of {busy} busy campaigns made")
    soon = datetime.now(UTC) + timedelta(hours=8)
    closed = {"windows": [{"days": EVERY_DAY, "start": f"{soon:%H}:00", "end": f"{soon:%H}:30"}], "zone": "UTC"}
    sleeping = [_campaign(stack, [next(numbers)], 1, calling_hours=closed) for _ in range(idle)]
    for each in [*weights, *sleeping]:
        ok(stack.api.post(f"/campaigns/{each}/launch", json={}))
    return Town(busy=weights, idle=sleeping)


def _campaign(stack: Stack, phones: Sequence[str], weight: int, **fields: Any) -> str:
    pace = {"max_concurrent": 50, "calls_per_second": 50, "weight": weight}
    made = Campaign.make(stack, redial={"max_attempts": 1}, pace=pace, breaker=None, **fields)
    ok(made.post("prospects:upsert", {"items": [{"phone": phone} for phone in phones]}))
    return made.id


async def _until_all_dial(stack: Stack, town: Town) -> None:
    """Raises TimeoutError when some campaign has begun no call within five minutes: it starves."""
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    for _ in range(300):
        dialing = len(_begun(stack, long_ago, datetime.now(UTC)))
        _tell(f"{dialing} of {len(town.busy)} campaigns dial")
        if dialing == len(town.busy):
            return
        await asyncio.sleep(1)
    raise TimeoutError("not every campaign has begun a call")


def _begun(stack: Stack, start: datetime, end: datetime) -> dict[str, list[datetime]]:
    """When each campaign's calls were dialed in this time."""
    sql = """SELECT campaign_id, array_agg(dialed_at ORDER BY dialed_at) AS dialed FROM calls
             WHERE dialed_at >= %s AND dialed_at < %s GROUP BY 1"""
    return {str(row.campaign_id): row.dialed for row in ask(stack, sql, (start, end))}


def _shares(stack: Stack, town: Town, start: datetime, end: datetime) -> dict[str, Any]:
    begun = _begun(stack, start, end)
    total = sum(map(len, begun.values()))
    weights = sum(town.busy.values())
    share, most = ALLOWED
    off: list[tuple[float, float]] = []
    waits: list[float] = []
    lates: list[float] = []
    for each, weight in town.busy.items():
        dialed = begun.get(each, [])
        fair = total * weight / weights
        off.append((abs(len(dialed) - fair), max(share * fair, most)))
        edges = [start, *dialed, end]
        waits.append(max((b - a).total_seconds() for a, b in pairwise(edges)))
        lates.append(waits[-1] * fair / (end - start).total_seconds())
    return {
        "calls": total,
        "calls_per_second": round(total / (end - start).total_seconds(), 2),
        "busy": len(town.busy),
        "off_their_share": sum(found > allowed for found, allowed in off),
        "calls_off": {"mean": round(statistics.mean(found for found, _ in off), 2), "most": round(max(off)[0], 2)},
        "longest_wait_s": {"median": round(statistics.median(waits), 1), "most": round(max(waits), 1)},
        "longest_wait_of_fair_interval": {
            "median": round(statistics.median(lates), 2),
            "most": round(max(lates), 2),
        },
        "calls_of_idle_ones": sum(len(begun.get(each, [])) for each in town.idle),
    }


def _tell(doing: str) -> None:
    sys.stderr.write(f"\r{doing:<60}")
    sys.stderr.flush()


async def _transitions(client: Client, campaigns: Sequence[str]) -> dict[str, int]:
    described = await asyncio.gather(*(client.get_workflow_handle(f"campaign-{each}").describe() for each in campaigns))
    counts = [each.raw_description.workflow_execution_info.state_transition_count for each in described]
    return dict(zip(campaigns, counts, strict=True))


if __name__ == "__main__":
    main()
