"""An hour of calls: ``python -m benchmarks.long_run --calls 50000 --minutes 60``.

The embedded stack calls a town in which half pick up, a quarter is busy and a quarter is not there; who is not reached
is called again after five minutes, up to three times. Twice a minute the memory of every process, the size of the
databases and the calls so far are looked at. At the end the campaign is stopped, the tallies are compared with the rows
that they count, and ``dialer verify`` judges the whole. A leg lasts four seconds instead of ten, so that the campaign's
history is long enough to continue as a new one within the hour.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from temporalio.client import Client

from benchmarks import machine, stacks
from dialer.store.database import Database
from dialer.store.tally_checks import wrong_tallies
from tests.chaos.people import stored_phones
from tests.e2e.campaigns import Campaign, ok
from tests.fixtures_stack import Stack

LOOK_S = 30.0
LEG_S = "4"
#: Virtual seconds of the town are so many real ones: people talk for one second to five.
TIME_SCALE = 0.05
MIX = {"human": 0.5, "busy": 0.25, "no_answer": 0.25}
REDIAL = {"max_attempts": 3, "delays": {"busy": ["PT5M", "PT5M"], "no_answer": ["PT5M", "PT5M"]}}
#: People for each call: each is called 1.75 times, those first who were not called yet.
PEOPLE_PER_CALL = 0.6
_ROWS = """
    SELECT (SELECT count(*) FROM calls WHERE campaign_id = %(campaign)s) AS attempts,
        (SELECT count(*) FROM calls WHERE campaign_id = %(campaign)s AND dialed_at IS NOT NULL) AS dialed,
        (SELECT count(*) FROM calls WHERE campaign_id = %(campaign)s AND attempt > 1) AS redials,
        pg_database_size(current_database()) AS bytes"""


def measure(calls: int, minutes: float) -> dict[str, Any]:
    with stacks.running(DIALER_TIMING_LEG_S=LEG_S) as stack:
        stacks.unlimited(stack)
        town: dict[str, Any] = {"time_scale": TIME_SCALE, "mix": dict.fromkeys(_kinds(stack), 0.0) | MIX}
        ok(stack.simulator.put("/_sim/behaviour", json=town))
        numbers = stored_phones()[: round(calls * PEOPLE_PER_CALL)]
        pace = calls / (minutes * 60)
        campaign = stacks.campaign(stack, numbers, at_once=500, per_second=round(pace, 2), redial=REDIAL)
        told: dict[str, Any] = {"load_before": machine.load(), "people": len(numbers), "pace": round(pace, 2)}
        before = _look(stack, campaign, 0.0)
        ok(campaign.post("launch"))
        series, began = [before], time.monotonic()
        while series[-1]["dialed"] < calls and (minute := (time.monotonic() - began) / 60) < minutes:
            series.append(_look(stack, campaign, minute))
            _tell(f"minute {minute:.0f}: {series[-1]['dialed']} calls")
            time.sleep(LOOK_S)
        ok(campaign.post("stop", {"calls": "finish"}))
        campaign.until_status("stopped", seconds=120)
        time.sleep(10)  # the last calls end
        series.append(_look(stack, campaign, (time.monotonic() - began) / 60))
        told |= _summary(series)
        told |= asyncio.run(_afterwards(stack, campaign))
        told["violations"] = stacks.violations(stack)
        told["series"] = series
    return told


def _kinds(stack: Stack) -> Sequence[str]:
    return list(ok(stack.simulator.get("/_sim/behaviour"))["mix"])


def _look(stack: Stack, campaign: Campaign, minute: float) -> dict[str, Any]:
    (found,) = stacks.ask(stack, _ROWS, {"campaign": campaign.id})
    return {
        "minute": round(minute, 2),
        "attempts": found.attempts,
        "dialed": found.dialed,
        "redials": found.redials,
        "postgres_bytes": found.bytes,
        "temporal_bytes": sum(file.stat().st_size for file in stack.home.glob("temporal.db*")),
        "memory_mib": {part: stacks.mib_of(stack.pids(part)) for part in stacks.PARTS},
    }


def _summary(series: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Calls a second, memory at a sixth of the time, in the middle and at the end, bytes of disk for an attempt."""
    first, last, running = series[0], series[-1], series[1:-1]
    sixth, middle, end = running[len(running) // 6], running[len(running) // 2], running[-1]
    seconds = (end["minute"] - running[0]["minute"]) * 60
    attempts = last["attempts"] - first["attempts"]
    return {
        "minutes": end["minute"],
        **{name: last[name] for name in ("attempts", "dialed", "redials")},
        "calls_per_second": round((end["dialed"] - running[0]["dialed"]) / seconds, 2),
        "memory_mib": {
            part: [look["memory_mib"][part] for look in (first, sixth, middle, end)] for part in first["memory_mib"]
        },
        "bytes_per_attempt": {
            part: round((last[f"{part}_bytes"] - first[f"{part}_bytes"]) / attempts)
            for part in ("postgres", "temporal")
        },
    }


async def _afterwards(stack: Stack, campaign: Campaign) -> dict[str, Any]:
    """Tallies that differ from the rows, and the runs of the campaign's workflow with the events of each."""
    described = stack.described
    database = Database(described["database_url"], pool_size=1)
    try:
        async with database.transaction_over_all() as session:
            wrong = await wrong_tallies(session, UUID(campaign.id))
    finally:
        await database.close()
    client = await Client.connect(described["temporal_address"])
    runs = [run async for run in client.list_workflows(f"WorkflowId = 'campaign-{campaign.id}'")]
    return {"wrong_tallies": wrong, "runs": sorted([run.history_length, str(run.status)] for run in runs)}


def _tell(doing: str) -> None:
    sys.stderr.write(f"\r{doing:<60}")
    sys.stderr.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--report", type=Path, help="a file for the figures, as JSON")
    options = parser.parse_args()
    figures = measure(options.calls, options.minutes)
    report = {
        "benchmark": "long_run",
        "command": f"python -m benchmarks.long_run --calls {options.calls} --minutes {options.minutes:g}",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine.describe(),
        "figures": figures,
    }
    if options.report is not None:
        options.report.write_text(json.dumps(report, indent=1) + "\n")
    sys.stdout.write(json.dumps({name: told for name, told in figures.items() if name != "series"}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
