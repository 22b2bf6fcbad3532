"""How many callbacks one API process takes, and how genuine ones fare among twice as much junk.

    python -m tests.hostile.flood                       the ceiling, then a minute of junk at twice its rate
    python -m tests.hostile.flood --seconds 0           the ceiling alone

Starts PostgreSQL, a Temporal development server and the API for itself; everything is on this machine. The floods
come from processes of their own, bounded in rate, time and connections.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from temporalio.testing import WorkflowEnvironment

from dialer.settings import Settings
from dialer.store import migrate
from dialer.store.database import Database, rows
from tests.fixtures_postgres import running_postgres
from tests.fixtures_temporal import ATTRIBUTES, binary
from tests.hostile.ground import ApiProcess, running_api
from tests.hostile.live_calls import LiveCalls, make_live_calls, settings_for
from tests.hostile.streams import Sent, offer
from tests.hostile.wire import REPORTS, callback, report

COHORT = 50
SAMPLE_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Flooded:
    """What a flood did: the genuine stream, the junk's figures, and the API's memory before and at most."""

    genuine: Sent
    junk: dict[str, Any]
    memory_before: int
    memory_peak: int
    cpu_share: float


def genuine(ids: Sequence[UUID]) -> list[bytes]:
    """Every report of every call, some calls at a time, each call's in order."""
    cohorts = [ids[start : start + COHORT] for start in range(0, len(ids), COHORT)]
    return [
        callback(call_id, report(call_id, number))
        for cohort in cohorts
        for number in range(len(REPORTS))
        for call_id in cohort
    ]


async def flood(
    api: ApiProcess, requests: Sequence[bytes], genuine_rate: float, junk_rate: float, ids: Sequence[UUID]
) -> Flooded:
    """Offer the genuine requests at their rate, and junk beside them until the last one is answered."""
    seconds = len(requests) / genuine_rate
    sender = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.hostile.streams", "--port", str(api.port)),
        *("--rate", str(junk_rate), "--seconds", str(seconds)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    before, peak, began = api.memory, api.memory, api.cpu_seconds
    ended = asyncio.Event()

    async def watch() -> None:
        nonlocal peak
        while not ended.is_set():
            peak = max(peak, api.memory)
            await asyncio.sleep(SAMPLE_S)

    watching = asyncio.create_task(watch())
    told = asyncio.create_task(sender.communicate("\n".join(map(str, ids)).encode()))
    try:
        sent = await offer(api.port, lambda number: requests[number], len(requests), genuine_rate)
        output, _ = await asyncio.wait_for(told, seconds + 60)
    finally:
        ended.set()
        await watching
        if sender.returncode is None:
            sender.kill()
            await sender.wait()
    return Flooded(
        genuine=sent,
        junk=json.loads(output),
        memory_before=before,
        memory_peak=peak,
        cpu_share=(api.cpu_seconds - began) / sent.seconds,
    )


async def applied(database: Database, calls: LiveCalls) -> dict[str, int]:
    """Calls by disposition, and the number of recorded events."""
    async with database.transaction(calls.workspace_id) as session:
        sql = "SELECT coalesce(disposition, state) AS key, count(*) AS n FROM calls GROUP BY 1"
        found = {row.key: row.n for row in await rows(session, sql)}
        found["events"] = (await rows(session, "SELECT count(*) AS n FROM call_events"))[0].n
    return found


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def _measure(api: ApiProcess, ids: Sequence[UUID]) -> float:
    """Callbacks per second when one follows the other without a pause, on 32 connections."""
    requests = genuine(ids)
    began = api.cpu_seconds
    sent = await offer(api.port, lambda number: requests[number], len(requests), None, lines=32)
    cpu = (api.cpu_seconds - began) / len(requests)
    _say(
        f"ceiling: {sent.rate:.0f} callbacks/s ({len(requests)} in {sent.seconds:.1f} s, {dict(sent.statuses)}); "
        f"{cpu * 1000:.2f} ms of the API's CPU each; p50 {sent.wait(0.5) * 1000:.0f} ms, "
        f"p99 {sent.wait(0.99) * 1000:.0f} ms"
    )
    return sent.rate


async def _run(asked: argparse.Namespace, settings: Settings, temporal: str, home: Path) -> None:
    database = Database(settings.database_url)
    try:
        with running_api(settings, home, temporal) as api:
            _say(f"the API is process {api.process.pid}")
            warm_up = 100
            flooded = int(asked.seconds * asked.genuine) // len(REPORTS) if asked.seconds else 0
            calls = await make_live_calls(database, settings, warm_up + asked.calls + flooded)
            ids = calls.ids
            await offer(api.port, lambda n: callback(ids[n], report(ids[n], 0)), warm_up, None)
            ceiling = await _measure(api, ids[warm_up : warm_up + asked.calls])
            if flooded:
                junk_rate = asked.junk or 2 * ceiling
                requests = genuine(ids[warm_up + asked.calls :])
                done = await flood(api, requests, asked.genuine, junk_rate, ids)
                _report(done, junk_rate, asked.genuine)
            _say(f"in the database: {await applied(database, calls)}")
    finally:
        await database.close()


def _report(done: Flooded, junk_rate: float, genuine_rate: float) -> None:
    sent = done.genuine
    _say(
        f"flood: junk offered at {junk_rate:.0f}/s, answered {done.junk['rate']:.0f}/s {done.junk['statuses']}, "
        f"p99 {done.junk['p99'] * 1000:.0f} ms"
    )
    _say(
        f"genuine at {genuine_rate:.0f}/s for {sent.seconds:.0f} s: {dict(sent.statuses)}, p50 "
        f"{sent.wait(0.5) * 1000:.0f} ms, p99 {sent.wait(0.99) * 1000:.0f} ms, longest {max(sent.waits) * 1000:.0f} ms"
    )
    _say(
        f"the API: {done.cpu_share * 100:.0f} % of a core; memory {done.memory_before / 1e6:.0f} MB before, at most "
        f"{done.memory_peak / 1e6:.0f} MB"
    )


async def _with_temporal(asked: argparse.Namespace, url: str, home: Path) -> None:
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary("temporal"), search_attributes=list(ATTRIBUTES), dev_server_log_level="error"
    ) as temporal:
        await _run(asked, settings_for(url), temporal.client.service_client.config.target_host, home)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the API's callbacks and flood them.")
    parser.add_argument("--calls", type=int, default=500, help="calls whose callbacks measure the ceiling")
    parser.add_argument("--seconds", type=float, default=60, help="how long to flood; 0 for not at all")
    parser.add_argument("--genuine", type=float, default=50, help="genuine callbacks per second during the flood")
    parser.add_argument("--junk", type=float, help="junk per second; twice the ceiling when not given")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_postgres(Path(folder)) as server:
        url = server.url(server.create())
        migrate.upgrade(url)
        asyncio.run(_with_temporal(asked, url, Path(folder)))
    sys.stdout.flush()
    os._exit(0)  # the Temporal SDK can crash while an interpreter shuts down


if __name__ == "__main__":
    main()
