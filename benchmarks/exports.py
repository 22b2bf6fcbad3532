"""How much memory an export takes: ``python -m benchmarks.exports --calls 10000 1000000``.

One database and one API process for each size; ``GET /calls/export`` is read as it comes, in all three formats. Told
are rows a second, and the API's memory before and at its most.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.machine import tell_and_leave
from benchmarks.sizes import KEY, prepare
from tests.fixtures_postgres import TestPostgres, running_postgres
from tests.hostile.ground import ApiProcess, running_api
from tests.hostile.live_calls import settings_for

FORMATS = ("csv", "jsonl", "parquet")
#: Of so many people, as ``benchmarks/filling.py`` makes them, somebody was called once.
PEOPLE_PER_CALL = 1 / 0.744
_LOOK_S = 0.05


async def measure(server: TestPostgres, calls: int, home: Path) -> dict[str, Any]:
    """One size."""
    async with AsyncExitStack() as stack:
        made = await prepare(stack, server, round(calls * PEOPLE_PER_CALL))
        url = made.database.url
        with running_api(settings_for(url), home) as api:
            return {name: await asyncio.to_thread(exported, api, name) for name in FORMATS}


def exported(api: ApiProcess, form: str) -> dict[str, Any]:
    """One file."""
    before, began, size = api.memory, time.monotonic(), 0
    url = f"http://127.0.0.1:{api.port}/api/v1/calls/export"
    with (
        watched(api) as most,
        httpx.stream(
            "GET", url, params={"format": form}, headers={"X-API-Key": KEY}, timeout=600, trust_env=False
        ) as answer,
    ):
        if answer.status_code != 200:
            raise SystemExit(answer.read().decode())
        rows = int(answer.headers["X-Export-Rows"])
        for piece in answer.iter_raw():
            size += len(piece)
    seconds = time.monotonic() - began
    return {
        "rows": rows,
        "megabytes": round(size / 1e6, 1),
        "seconds": round(seconds, 1),
        "rows_per_second": round(rows / seconds),
        "mib_before": round(before / 2**20),
        "most_mib": round(most[0] / 2**20),
    }


@contextmanager
def watched(api: ApiProcess) -> Generator[list[int]]:
    """The most resident bytes while this lasts."""
    most, over = [api.memory], threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            most[0] = max(most[0], api.memory)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description="How much memory an export takes.")
    parser.add_argument("--calls", type=int, nargs="+", default=[10_000, 1_000_000])
    with tempfile.TemporaryDirectory(prefix="dialer-bench-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        with running_postgres(home, throw_away=False) as server:
            told = {str(calls): asyncio.run(measure(server, calls, home)) for calls in parser.parse_args().calls}
    tell_and_leave(told)


if __name__ == "__main__":
    main()
