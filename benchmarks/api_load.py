"""Requests per second and p99 of one API process: ``python -m benchmarks.api_load``.

PostgreSQL, a Temporal development server and one API process; the requests come from a process of their own
(``benchmarks/load.py``). Callbacks are signed and genuine, four for each call, and the last one ends it, decides the
prospect, wakes the campaign and signals a workflow. What the sender reaches against a server that does nothing is told
beside, so that it is seen that the sender is not the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

from temporalio.testing import WorkflowEnvironment

from benchmarks import machine
from benchmarks.import_rows import postgres_cpu_s
from dialer.stack.ports import free_port
from dialer.store import migrate
from dialer.store.database import Database, rows
from tests.fixtures_postgres import TestPostgres, running_postgres
from tests.fixtures_temporal import ATTRIBUTES, binary
from tests.hostile.ground import ApiProcess, running_api
from tests.hostile.live_calls import make_live_calls, settings_for

#: At first everything is slower: connections open, statements are prepared.
WARM_UP_CALLS = 50


def load(port: int, order: dict[str, Any], *, lines: int) -> dict[str, Any]:
    """What a sender of its own got for this order."""
    command = [sys.executable, "-m", "benchmarks.load", "--port", str(port), "--lines", str(lines)]
    ran = subprocess.run(command, input=json.dumps(order) + "\n", capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def told(api: ApiProcess, server: TestPostgres, order: dict[str, Any], *, lines: int) -> dict[str, Any]:
    """The sender's figures, and the processor time of API and PostgreSQL for each request."""
    api_cpu, postgres_cpu = api.cpu_seconds, postgres_cpu_s(server)
    figures = load(api.port, order, lines=lines)
    count = sum(figures["statuses"].values())
    figures["api_cpu_ms"] = round((api.cpu_seconds - api_cpu) / count * 1000, 3)
    figures["postgres_cpu_ms"] = round((postgres_cpu_s(server) - postgres_cpu) / count * 1000, 3)
    return figures


def sender_ceiling(count: int, lines: int) -> float:
    """Callbacks per second that the sender sends to nobody in particular."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "benchmarks.load", "--port", str(port), "--echo"])
    ids = [str(UUID(int=number + 1)) for number in range(count)]
    try:
        for _ in range(100):
            try:
                return load(port, {"kind": "callbacks", "ids": ids}, lines=lines)["per_second"]
            except subprocess.CalledProcessError:
                continue  # it does not listen yet
    finally:
        server.terminate()
        server.wait(10)
    raise SystemExit("the server that answers with nothing does not listen")


async def prepare(database: Database, url: str, count: int) -> tuple[str, list[str]]:
    """A running campaign with so many calls in flight, and a key that may ask without end."""
    calls = await make_live_calls(database, settings_for(url), count)
    async with database.transaction(calls.workspace_id) as session:
        await rows(session, "UPDATE api_keys SET requests_per_minute = 100000000 RETURNING 1")
    return str(calls.campaign_id), [str(call_id) for call_id in calls.ids]


async def measure(server: TestPostgres, asked: argparse.Namespace, home: Path) -> dict[str, Any]:
    url = server.url(server.create())
    await asyncio.to_thread(migrate.upgrade, url)
    figures: dict[str, Any] = {"load_before": machine.load(), "lines": asked.lines}
    database = Database(url)
    try:
        async with await WorkflowEnvironment.start_local(
            dev_server_existing_path=binary("temporal"),
            search_attributes=list(ATTRIBUTES),
            dev_server_log_level="error",
        ) as temporal:
            address = temporal.client.service_client.config.target_host
            with running_api(settings_for(url), home, address) as api:
                campaign, ids = await prepare(database, url, WARM_UP_CALLS + asked.calls)
                orders: dict[str, dict[str, Any]] = {
                    "warm_up": {"kind": "callbacks", "ids": ids[:WARM_UP_CALLS]},
                    "callbacks": {"kind": "callbacks", "ids": ids[WARM_UP_CALLS:]},
                    "status": {"kind": "status", "campaign": campaign, "count": asked.statuses},
                    "upsert_of_1000": {"kind": "upsert", "campaign": campaign, "count": asked.upserts},
                }
                for name, order in orders.items():
                    lines = 2 if order["kind"] == "upsert" else asked.lines
                    figures[name] = await asyncio.to_thread(told, api, server, order, lines=lines)
    finally:
        await database.close()
    figures["callbacks"]["sender_ceiling"] = sender_ceiling(asked.calls, asked.lines)
    del figures["warm_up"]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Requests per second of one API process.")
    parser.add_argument("--calls", type=int, default=1500, help="calls with four callbacks each")
    parser.add_argument("--statuses", type=int, default=4000)
    parser.add_argument("--upserts", type=int, default=30)
    parser.add_argument("--lines", type=int, default=16, help="connections that ask at once")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dialer-bench-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        with running_postgres(home, throw_away=False) as server:
            figures = asyncio.run(measure(server, asked, home))
    machine.tell_and_leave(figures)


if __name__ == "__main__":
    main()
