"""How long a file takes from its upload to its last prospect: ``python -m benchmarks.import_rows --rows 1000000``.

A PostgreSQL of its own, set up as in production, and one process that runs the activities of an import as the bulk
worker does. The file is made while it is uploaded; its numbers exist in the numbering plan, so that they are judged
in earnest, and go into the draft campaign of a database that is thrown away.

What is told is processor time per row, of the worker and of PostgreSQL: that stays the same beside other programs.
Seconds and rows per second need a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psutil
from temporalio.testing import ActivityEnvironment

from activities.imports import SWITCH_S, ImportActivities, ImportProgress, ImportRef
from activities.ports import Workflows
from dialer.store import imports, migrate
from dialer.store.database import Database
from dialer.store.imports import PIECE_BYTES
from tests.fixtures_postgres import TestPostgres, running_postgres
from tests.store.worlds import World, make_world

#: Area codes with one zone and with two, from each coast.
AREA_CODES = (
    *("212", "213", "305", "312", "404", "415", "512", "602", "617", "702"),
    *("713", "718", "801", "808", "812", "850", "907", "916", "928", "541"),
)
FIRST_NAMES = ["Ada", "Ben", "Chloé", "Dan", "Eve", "Finn", "Gina", "Hugo", "Ines", "Jack", "Kim", "Lea"]
HEADER = "phone,external_id,first_name,last_name,company,amount"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What one process did: seconds by the clock, processor seconds, and the most memory in KiB."""

    scan_s: float
    write_s: float
    cpu_s: float
    peak_kib: int
    start_kib: int
    progress: ImportProgress


# -- the file --------------------------------------------------------------------------------------------------------


def lines(rows: int, *, national: bool) -> Iterator[str]:
    """The header and ``rows`` people, each with a number of its own."""
    yield HEADER + "\n"
    for n in range(rows):
        area = AREA_CODES[n % len(AREA_CODES)]
        # 7,919 is prime to 8,000,000: a walk through all local numbers from 200-0000 on that looks like no order.
        local = (n // len(AREA_CODES)) * 7919 % 8_000_000 + 2_000_000
        exchange, last = divmod(local, 10_000)
        phone = f"({area}) {exchange}-{last:04}" if national else f"+1{area}{exchange}{last:04}"
        yield f"{phone},crm-{n},{FIRST_NAMES[n % 12]},Person {n % 5000},Company {n % 900},{n % 1000}.50\n"


def pieces(rows: int, *, national: bool) -> Iterator[bytes]:
    """The file in pieces as an upload stores them."""
    held = bytearray()
    for line in lines(rows, national=national):
        held += line.encode()
        if len(held) >= PIECE_BYTES:
            yield bytes(held[:PIECE_BYTES])
            del held[:PIECE_BYTES]
    if held:
        yield bytes(held)


async def upload(database_url: str, rows: int, *, national: bool) -> ImportRef:
    """A new workspace with a draft campaign, and the file in it."""
    database = Database(database_url, pool_size=2)
    try:
        world = await make_world(database, settings='{"default_region": "US"}')
        import_id = await _store(world, pieces(rows, national=national))
    finally:
        await database.close()
    return ImportRef(workspace_id=str(world.workspace_id), import_id=str(import_id), campaign_id=str(world.campaign_id))


async def _store(world: World, file: Iterator[bytes]) -> UUID:
    async with world.database.transaction(world.workspace_id) as session:
        import_id = await imports.create_import(
            session,
            workspace_id=world.workspace_id,
            campaign_id=world.campaign_id,
            filename="people.csv",
            options={"default_region": "US"},
        )
    for position, piece in enumerate(file):
        async with world.database.transaction(world.workspace_id) as session:
            await imports.append_piece(session, import_id, position, piece)
    async with world.database.transaction(world.workspace_id) as session:
        await imports.finish_upload(session, import_id)
    return import_id


# -- the worker's process ----------------------------------------------------------------------------------------------


class _NobodyElse:
    """Other workflows, of which there are none."""

    def __getattr__(self, name: str) -> Callable[..., object]:
        async def nothing(*args: object, **kwargs: object) -> None:
            del args, kwargs

        return nothing


async def work(ref: ImportRef) -> Worked:
    """Run the activities of one import, one after the other, as their workflow orders them."""
    database = Database(os.environ["DIALER_DATABASE_URL"])
    activities = ImportActivities(database, cast(Workflows, _NobodyElse()))
    environment = ActivityEnvironment()
    sys.setswitchinterval(SWITCH_S)
    start_kib, began_cpu, began = _peak_kib(), _cpu_s(), time.monotonic()
    try:
        await environment.run(activities.scan_file, ref)
        scanned = time.monotonic()
        progress = ImportProgress()
        while progress.status == "running" and not progress.at_end:
            progress = await environment.run(activities.write_rows, ref)
        progress = await environment.run(activities.finish_import, ref)
    finally:
        await database.close()
    return Worked(
        scan_s=scanned - began,
        write_s=time.monotonic() - scanned,
        cpu_s=_cpu_s() - began_cpu,
        peak_kib=_peak_kib(),
        start_kib=start_kib,
        progress=progress,
    )


def _cpu_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def _peak_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


# -- the measurement -------------------------------------------------------------------------------------------------


def measure(rows: int, *, national: bool, durable: bool) -> dict[str, object]:
    """Import ``rows`` rows into a new database and say what it took."""
    with (
        tempfile.TemporaryDirectory(prefix="import-rows-") as home,
        running_postgres(Path(home), throw_away=not durable) as server,
    ):
        url = server.url(server.create())
        migrate.upgrade(url)
        ref = asyncio.run(upload(url, rows, national=national))
        before = postgres_cpu_s(server)
        began = time.monotonic()
        worked = _run_worker(url, ref)
        seconds = time.monotonic() - began
        spent = postgres_cpu_s(server) - before
    progress = worked.progress
    if progress.rows_read != rows or progress.status != "completed":
        raise SystemExit(f"not all rows were read: {progress}")
    import_s = worked.scan_s + worked.write_s
    return {
        "rows": rows,
        "created": progress.created,
        "skipped": progress.skipped,
        "failed": progress.failed,
        "seconds": round(import_s, 2),
        "seconds_with_start": round(seconds, 2),
        "scan_seconds": round(worked.scan_s, 2),
        "rows_per_second": round(rows / import_s),
        "worker_us_per_row": round(worked.cpu_s / rows * 1e6, 1),
        "postgres_us_per_row": round(spent / rows * 1e6, 1),
        "worker_peak_mib": round(worked.peak_kib / 1024),
        "worker_idle_mib": round(worked.start_kib / 1024),
    }


def _run_worker(url: str, ref: ImportRef) -> Worked:
    command = [sys.executable, "-m", "benchmarks.import_rows", "--work", json.dumps(asdict(ref))]
    done = subprocess.run(command, env={**os.environ, "DIALER_DATABASE_URL": url}, stdout=subprocess.PIPE, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    told["progress"] = ImportProgress(**told["progress"])
    return Worked(**told)


def postgres_cpu_s(server: TestPostgres) -> float:
    """Processor seconds of the server and all its processes, those that have ended too."""
    main = next(p for p in psutil.process_iter() if _serves(p, server))
    living = sum(map(_spent_s, main.children()))
    own = main.cpu_times()
    return living + own.user + own.system + own.children_user + own.children_system


def _spent_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0  # its time is its parent's now
    return times.user + times.system


def _serves(process: psutil.Process, server: TestPostgres) -> bool:
    try:
        return f"--port={server.port}" in process.cmdline() and process.name() == "postgres"
    except psutil.Error:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000], help="sizes of files, one import each")
    parser.add_argument("--national", action="store_true", help="numbers as (212) 200-0000 instead of +12122000000")
    parser.add_argument(
        "--volatile", action="store_true", help="PostgreSQL that does not wait for the disk, as in tests"
    )
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work is not None:
        gc.freeze()  # as a worker does
        worked = asyncio.run(work(ImportRef(**json.loads(options.work))))
        sys.stdout.write(json.dumps(asdict(worked)))
        sys.stdout.flush()
        os._exit(0)
    told = {rows: measure(rows, national=options.national, durable=not options.volatile) for rows in options.rows}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
