"""``dialer up`` as a person uses it: the real stack, its real children, and what is left of them afterwards."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from dialer.stack.placement import remove_data
from tests.fixtures_processes import is_alive, until

STARTED_S = 90.0
PARTS = {"stack", "postgres", "temporal", "simulator", "api", "worker", "bulk"}

pytestmark = pytest.mark.timeout(240)


class Up:
    """One ``dialer up`` in a folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.output = home.parent / "up.txt"

    async def start(self, *options: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DIALER_", "TWILIO_"))}
        with self.output.open("wb") as output:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "dialer.cli", "up", "--home", str(self.home), *options,
                stdout=output, stderr=subprocess.STDOUT, env=kept,
            )  # fmt: skip
        await until(
            lambda: (self.home / "stack.json").exists() or self.process.returncode is not None, seconds=STARTED_S
        )
        assert self.process.returncode is None, self.output.read_text()

    def described(self) -> dict[str, Any]:
        return json.loads((self.home / "stack.json").read_text())

    def pids(self) -> set[int]:
        return {pid for pids in self.described()["pids"].values() for pid in pids}

    async def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await self.process.wait()


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[Up]:
    one = Up(tmp_path / "home")
    yield one
    if one.process.returncode is None:
        await one.end(signal.SIGINT)
    remove_data(one.home)


async def test_the_stack_serves_mends_itself_and_leaves_nothing_behind(up: Up) -> None:
    await up.start("--workers", "2")
    first = up.described()
    assert set(first["pids"]) == PARTS
    assert len(first["pids"]["worker"]) == 2
    assert all(is_alive(pid) for pid in up.pids())
    await _serves(first)

    victim = first["pids"]["worker"][0]
    os.kill(victim, signal.SIGKILL)
    await until(lambda: victim not in up.pids(), what="the description of a new worker")
    assert all(is_alive(pid) for pid in up.pids())
    os.kill(first["pids"]["postgres"][0], signal.SIGKILL)
    await until(lambda: _answers(first["database_url"]), what="a database again")

    everybody = up.pids()
    assert await up.end(signal.SIGINT) == 0, up.output.read_text()
    await until(lambda: not any(is_alive(pid) for pid in everybody), what="the end of everything")
    assert not (up.home / "stack.json").exists()


async def test_a_killed_stack_leaves_nothing_and_starts_again_where_it_was(up: Up) -> None:
    await up.start()
    first = up.described()
    with psycopg.connect(first["database_url"]) as connection:
        connection.execute("CREATE TABLE kept (x int)")
    everybody = up.pids()
    await up.end(signal.SIGKILL)
    await until(lambda: not any(is_alive(pid) for pid in everybody), what="the end of all children")

    (up.home / "stack.json").unlink()
    await up.start()
    again = up.described()
    links = set(first) - {"pids"}
    assert {name: again[name] for name in links} == {name: first[name] for name in links}
    with psycopg.connect(again["database_url"]) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert await up.end(signal.SIGTERM) == 0, up.output.read_text()


async def _serves(described: dict[str, Any]) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        assert (await http.get(f"{described['api_url']}/readiness")).status_code == 200
        key = {"X-API-Key": described["api_key"]}
        numbers = await http.get(f"{described['api_url']}/api/v1/phone-numbers", headers=key)
        assert numbers.json()["items"]
        assert (await http.get(described["temporal_ui_url"])).status_code == 200


def _answers(database_url: str) -> bool:
    try:
        with psycopg.connect(database_url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False
