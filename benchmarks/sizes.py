"""What the number of people costs whoever asks: ``python -m benchmarks.sizes --prospects 1000 100000 1000000``.

One PostgreSQL with the settings of the embedded stack, one database per size, and the API in this process. Everything
is asked of every size in turn, round by round, so that whatever else the machine does falls on all of them; told are
p50 and p99 of all rounds together, and their ratio to the smallest size.

Fsync and synchronous commit are as in production; only the filling goes without (``benchmarks/filling.py``). The claim
is rolled back, so that every one of them finds the same people.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from cryptography.fernet import Fernet
from sqlalchemy.exc import DBAPIError
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from api.app import create_app, services_over
from api.operations.services import Services
from benchmarks import machine
from benchmarks.blocks import blocks_of
from benchmarks.filling import OTHERS, Place, fill, settle, tally
from benchmarks.samples import Samples, by_sizes, table
from dialer.domain.campaign_rules import rules_from_json
from dialer.settings import Settings
from dialer.store import migrate, sweeps
from dialer.store.bootstrap import ensure_workspace
from dialer.store.campaign_rows import campaign_row
from dialer.store.claims import claim, database_now
from dialer.store.database import Database, rows
from dialer.store.tally_checks import wrong_tallies
from dialer.store.waiting import due_lanes, next_call_at, open_lanes, what_now
from tests.fixtures_postgres import TestPostgres, running_postgres

KEY = "dk_for-benchmarks-only"
CLAIMED = 100
#: A look that takes longer than this is asked for fewer times.
PATIENCE_S = 1.5

Look = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """A database of one size, and what is asked of it by name."""

    people: int
    admin_url: str
    database: Database
    looks: Mapping[str, Look]
    filled_s: float
    bytes: int


async def prepare(stack: AsyncExitStack, server: TestPostgres, people: int) -> Sized:
    """A database with so many people, and everything that is asked of it."""
    name = server.create()
    migrate.upgrade(server.url(name))
    settings = _settings(server.url(name))
    client = await Client.connect("127.0.0.1:1", data_converter=pydantic_data_converter, lazy=True)
    services = await stack.enter_async_context(services_over(settings, client))
    async with services.database.transaction_over_all() as session:
        workspace_id, _ = await ensure_workspace(session, settings)
        await rows(session, "UPDATE api_keys SET requests_per_minute = 1000000000 RETURNING 1")
        for table in ("workspaces", "carrier_accounts"):
            await rows(session, f"UPDATE {table} SET max_concurrent = 1000, calls_per_second = 1000 RETURNING 1")
    transport = httpx.ASGITransport(create_app(services))
    http = await stack.enter_async_context(
        httpx.AsyncClient(transport=transport, base_url="http://dialer.example/api/v1", headers={"X-API-Key": KEY})
    )
    place = Place(workspace_id=workspace_id, campaign_ids=await _campaigns(services, http, workspace_id))
    began = time.monotonic()
    await asyncio.to_thread(fill, server.admin_url(name), place, people)
    await tally(services.database, place)
    await asyncio.to_thread(settle, server.admin_url(name))
    filled_s = time.monotonic() - began
    async with services.database.transaction_over_all() as session:
        size = (await rows(session, "SELECT pg_database_size(current_database()) AS n"))[0].n
    looks = {**await _requests(http, services, place), **_inside(services, place)}
    return Sized(
        people=people,
        admin_url=server.admin_url(name),
        database=services.database,
        looks=looks,
        filled_s=filled_s,
        bytes=size,
    )


def _settings(url: str) -> Settings:
    return Settings.model_validate(
        {
            "database_url": url,
            "public_url": "http://dialer.example",
            "temporal_ui_url": "http://temporal.example",
            "twilio_account_sid": "AC" + "5" * 32,
            "twilio_auth_token": "a-token-for-benchmarks",
            "twilio_base_url": "http://127.0.0.1:9",
            "secret_key": Fernet.generate_key().decode(),
            "api_key": KEY,
        }
    )


async def _campaigns(services: Services, http: httpx.AsyncClient, workspace_id: UUID) -> list[UUID]:
    """Running ones, the first with the pace that a claim of a hundred needs."""
    agent = await http.post("/agents", json={"name": "Ada", "first_message": "Hi {{name|there}}"})
    async with services.database.transaction(workspace_id) as session:
        found = await rows(session, "SELECT phone FROM phone_numbers ORDER BY phone")
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    document = {
        "agent_id": agent.json()["id"],
        "caller_numbers": [row.phone for row in found],
        "calling_hours": {"windows": [{"days": days, "start": "08:00", "end": "20:00"}], "zone": "prospect"},
        "pace": {"max_concurrent": 500, "calls_per_second": CLAIMED},
        "display_columns": ["name", "phone", "state", "call.disposition", "call.talk_seconds", "variables.company"],
    }
    made: list[UUID] = []
    for n in range(1 + OTHERS):
        answer = await http.post("/campaigns", json={"name": f"Campaign {n}", **document})
        answer.raise_for_status()
        made.append(UUID(answer.json()["id"]))
    async with services.database.transaction(workspace_id) as session:
        sql = "UPDATE campaigns SET status = 'running', launched_at = dialer_now() RETURNING 1"
        await rows(session, sql)
    return made


async def _requests(http: httpx.AsyncClient, services: Services, place: Place) -> dict[str, Look]:
    """What clients ask for of the large campaign; where few match, pages no longer than the smallest size fills."""
    campaign = f"/campaigns/{place.campaign_ids[0]}"
    of_campaign = f"/calls?campaign_id={place.campaign_ids[0]}"
    person = await _middle(services, place, "prospects")
    called = await _middle(services, place, "calls")
    asked = {
        "status": f"{campaign}/status",
        "campaigns": "/campaigns",
        "prospects": f"{campaign}/prospects?limit=100",
        "prospects, in the middle": f"{campaign}/prospects?limit=100&cursor={person}",
        **{
            f"prospects, {state}": f"{campaign}/prospects?limit=5&state={state}"
            for state in ("ready", "in_call", "reached", "held")
        },
        "prospects, by disposition": f"{campaign}/prospects?limit=5&last_disposition=unreachable",
        "prospects, by name": f"{campaign}/prospects?limit=100&sort=name",
        "results": f"{campaign}/results?limit=100",
        "results, by outcome": f"{campaign}/results?limit=5&outcome=dnc_requested",
        "calls": "/calls?limit=100",
        "calls, by disposition": "/calls?limit=5&disposition=unreachable",
        "calls, live": "/calls/live",
        "calls of a campaign": f"{of_campaign}&limit=100",
        "calls of a campaign, in the middle": f"{of_campaign}&limit=100&cursor={called}",
        "calls of a campaign, by disposition": f"{of_campaign}&limit=5&disposition=unreachable",
        "calls of a campaign, by outcome": f"{of_campaign}&limit=5&outcome=dnc_requested",
        "stats": f"{campaign}/stats",
        "stats, by hour": f"{campaign}/stats?by=hour",
        "stats, one day of Kolkata": f"{campaign}/stats?by=hour&time_zone=Asia/Kolkata&{_day()}",
        "stats of a disposition": f"{campaign}/stats/dispositions/unreachable",
        "stats of a disposition, one day": f"{campaign}/stats/dispositions/unreachable?{_day()}",
    }
    return {name: _get(http, path) for name, path in asked.items()}


def _day() -> str:
    start = int(time.time()) // 86_400 * 86_400 - 20 * 86_400
    told = [time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(start + day * 86_400)) for day in (0, 1)]
    return f"from={told[0]}&to={told[1]}"


def _get(http: httpx.AsyncClient, path: str) -> Look:
    async def look() -> None:
        answer = await http.get(path)
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code} {answer.text}")

    return look


async def _middle(services: Services, place: Place, table: str) -> str:
    """The cursor of the page that begins in the middle of the large campaign's people or calls."""
    sql = f"""SELECT CAST(created_at AS text) AS at, CAST(id AS text) AS id FROM {table}
              WHERE campaign_id = :id AND created_at < (SELECT min(created_at) + (max(created_at) - min(created_at)) / 2
                  FROM {table} WHERE campaign_id = :id)
              ORDER BY created_at DESC, id DESC LIMIT 1"""
    async with services.database.transaction(place.workspace_id) as session:
        row = (await rows(session, sql, {"id": place.campaign_ids[0]}))[0]
    return base64.urlsafe_b64encode(json.dumps(["-created_at", row.at, row.id]).encode()).rstrip(b"=").decode()


class _Back(Exception):
    """Undo what the transaction has done."""


def _inside(services: Services, place: Place) -> dict[str, Look]:
    """What legs and sweeps ask for, of the large campaign."""
    database, timing = services.database, services.settings.timing
    campaign_id = place.campaign_ids[0]

    async def claim_hundred() -> None:
        try:
            async with database.transaction(place.workspace_id) as session:
                campaign = await campaign_row(session, campaign_id)
                rules = rules_from_json(campaign.settings)
                now = await database_now(session)
                lanes = open_lanes(await due_lanes(session, campaign_id), rules, now, timing)
                found = await claim(session, campaign, rules, lanes, now, timing)
                if len(found.calls) < CLAIMED:
                    raise SystemExit(f"only {len(found.calls)} were claimed: {found.blocked}")
                raise _Back
        except _Back:
            return

    async def next_due() -> None:
        async with database.transaction(place.workspace_id) as session:
            campaign = await campaign_row(session, campaign_id)
            rules = rules_from_json(campaign.settings)
            next_call_at(await due_lanes(session, campaign_id), rules, await database_now(session), timing)

    async def repairs() -> None:
        async with database.transaction_over_all() as session:
            await sweeps.expired_claims(session, timing.claim_expiry_s)
            await sweeps.free_orphans(session)
            found = await sweeps.open_campaigns(session)
            await sweeps.open_imports(session)
        async with database.transaction(place.workspace_id) as session:
            for row in found:
                await what_now(session, row, rules_from_json(row.settings), row.now, timing)

    async def watch() -> None:
        async with database.transaction_over_all() as session:
            await sweeps.mark_not_ringing(session, timing.ring_after_s)
            await sweeps.waiting_at_carrier(session)
            await sweeps.to_hang_up(session)
            await sweeps.overdue(session)

    async def tallies() -> None:
        async with database.transaction(place.workspace_id) as session:
            await wrong_tallies(session, campaign_id)

    return {
        f"claim of {CLAIMED}": claim_hundred,
        "next due": next_due,
        "sweep, repairs of 21 campaigns": repairs,
        "sweep, one look at live calls": watch,
        "sweep, tallies of one campaign": tallies,
    }


# -- the measurement ---------------------------------------------------------------------------------------------------


async def measure(sizes: Sequence[int], rounds: int, repetitions: int, only: str | None) -> dict[str, Any]:
    """Fill a database per size, then ask each in turn."""
    with (
        tempfile.TemporaryDirectory(prefix="sizes-") as home,
        running_postgres(Path(home), throw_away=False) as server,
    ):
        async with AsyncExitStack() as stack:
            made: list[Sized] = []
            for people in sizes:
                made.append(await prepare(stack, server, people))
                _say(f"{people:,} people in {made[-1].filled_s:.0f} s, {made[-1].bytes / 1e9:.2f} GB")
            names = [name for name in made[0].looks if only is None or only in name]
            samples = {name: {one.people: Samples() for one in made} for name in names}
            for turn in range(rounds):
                for one in made:
                    await asyncio.to_thread(settle, one.admin_url)
                for name in names:
                    for one in made:
                        samples[name][one.people].rounds.append(await _round(name, one, repetitions))
                _say(f"round {turn + 1} of {rounds}")
            for name in names:
                for one in made:
                    samples[name][one.people].blocks = await _blocks(name, one)
    return {
        "rounds": rounds,
        "repetitions": repetitions,
        "databases": {one.people: {"bytes": one.bytes, "filled_seconds": round(one.filled_s, 1)} for one in made},
        "looks": {name: by_sizes(by_size) for name, by_size in samples.items()},
    }


async def _round(name: str, one: Sized, repetitions: int) -> list[float]:
    """Milliseconds of each repetition, fewer when the look is slow; the first two are not counted."""
    look, taken = one.looks[name], list[float]()
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        for n in range(repetitions + 2):
            start = time.perf_counter()
            await look()
            end = time.perf_counter()
            if n >= 2 or end - start > PATIENCE_S / 3:
                taken.append((end - start) * 1000)
            if end - began > PATIENCE_S and taken:
                break
    except DBAPIError as error:
        _say(f"{name} at {one.people:,}: {type(error.orig).__name__}")
        taken.append((time.perf_counter() - start) * 1000)  # pyright: ignore[reportPossiblyUnboundVariable]
    finally:
        gc.enable()
    return taken


async def _blocks(name: str, one: Sized) -> int:
    try:
        return await blocks_of(one.database, one.admin_url, one.looks[name])
    except DBAPIError:
        return 0  # it takes longer than a statement may


def _say(words: str) -> None:
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prospects", type=int, nargs="+", default=[1_000, 100_000], help="sizes of databases")
    parser.add_argument("--rounds", type=int, default=5, help="how often every size is asked in turn")
    parser.add_argument("--repetitions", type=int, default=100, help="of each look in one round, at most")
    parser.add_argument("--only", help="looks whose name contains this")
    parser.add_argument("--report", type=Path, help="a file for the figures, as JSON")
    options = parser.parse_args()
    figures = asyncio.run(measure(sorted(options.prospects), options.rounds, options.repetitions, options.only))
    report = {
        "benchmark": "sizes",
        "command": "python -m benchmarks.sizes --prospects " + " ".join(map(str, sorted(options.prospects))),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine.describe(),
        "load": machine.load(),
        "figures": figures,
    }
    if options.report is not None:
        options.report.write_text(json.dumps(report, indent=1) + "\n")
    sys.stdout.write(table(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
