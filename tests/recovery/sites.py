"""An installation whose parts can be killed, backed up and restored one by one: real processes, quick delays."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from dialer.stack import launch, parts
from dialer.stack.children import Child
from dialer.stack.home import Home
from dialer.stack.plan import make_plan, wanted_ports
from dialer.stack.ports import PortLease
from tests.e2e.campaigns import Campaign, until
from tests.fixtures_postgres import TestPostgres
from tests.fixtures_stack import FOREIGN, described_by

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
#: Minutes of the product in seconds of a test; the promises between the delays hold.
QUICK = {
    "DIALER_TIMING_HTTP_TIMEOUT_S": "3",
    "DIALER_TIMING_UNDECIDED_S": "5",
    "DIALER_TIMING_GRACE_S": "3",
    "DIALER_TIMING_RECONCILE_S": "1",
    "DIALER_TIMING_RING_AFTER_S": "3",
    "DIALER_TIMING_DEADLINE_MARGIN_S": "2",
    "DIALER_TIMING_DEFER_S": "1",
    "DIALER_TIMING_CLAIM_EXPIRY_S": "6",
    "DIALER_TIMING_SWEEP_S": "3",
    "DIALER_TIMING_LEG_S": "2",
    "SIM_TIME_SCALE": "0.01",
}


class Site:
    """PostgreSQL is the test session's server; everything else runs here. Looks like a stack to ``Campaign``."""

    def __init__(self, postgres: TestPostgres, database: str, folder: Path, lease: PortLease) -> None:
        self.postgres = postgres
        self.database = database
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        given = {**kept, "DIALER_DATABASE_URL": postgres.url(database), **QUICK}
        self.plan = make_plan(Home.at(folder), given, lease.ports)
        self.temporal_file = self.plan.home.temporal_file
        self.api = httpx.Client(
            base_url=f"{self.plan.api_url}/api/v1",
            headers={"X-API-Key": self.plan.environment["DIALER_API_KEY"]},
            timeout=30,
        )
        assert self.plan.simulator_url is not None
        self.simulator = httpx.Client(base_url=self.plan.simulator_url, timeout=30)
        self._children: dict[str, Child] = {
            "temporal": parts.temporal(self.plan),
            "simulator": parts.simulator(self.plan),
            "api": parts.api(self.plan),
            **{child.part: child for child in parts.workers(self.plan, 1)},
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        """Start parts (``temporal``, ``simulator``, ``api``, ``worker``, ``bulk``)."""
        for name in names:
            child = self._children[name]
            launcher = [sys.executable, "-I", "-S", str(Path(launch.__file__)), str(int(signal.SIGKILL))]
            with child.log.open("ab") as log:
                self._running[name] = subprocess.Popen(
                    [*launcher, str(os.getpid()), "-1", "-1", "0", *child.command],
                    env=dict(child.environment),
                    cwd=child.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        for name in names:
            if name in ("temporal", "api", "simulator"):
                until(lambda name=name: self._serves(name), seconds=60, what=f"{name} to serve")

    def kill(self, *names: str) -> None:
        """As a crash would, at once and together."""
        for name in names:
            self._running[name].send_signal(signal.SIGKILL)
        for name in names:
            self._running.pop(name).wait(30)

    def end(self, *names: str) -> None:
        """In order, so that files are whole."""
        for name in names:
            self._running[name].send_signal(signal.SIGTERM)
        for name in names:
            self._running.pop(name).wait(60)

    def close(self) -> None:
        self.kill(*self._running)
        self.api.close()
        self.simulator.close()

    def run(self, drill: str, *, backup: Path | None = None) -> str:
        """A command of the page about operations, as it stands there; what it printed."""
        found = re.search(rf"<!-- drill: {drill} -->\n+```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
        assert found is not None, f"{PAGE.name} has no command for {drill}"
        tools = f"{Path(sys.executable).parent}{os.pathsep}{self.postgres.cluster.bin}"
        environment = {
            **self.plan.environment,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "SERVER_URL": self.postgres.admin_url("").rstrip("/"),
            "DATABASE": self.database,
            "BACKUP": str(backup),
        }
        done = subprocess.run(
            ["bash", "-eu", "-c", found[1]], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def up(self, *options: str, home: Path) -> None:
        """``dialer up`` over the same databases and carrier, until it serves; then it is ended."""
        command = parts.python("dialer.cli", "up", "--home", str(home), *options)
        own = ("DIALER_HOME", "DIALER_PUBLIC_URL")
        environment = {name: value for name, value in self.plan.environment.items() if name not in own}
        output = home.with_suffix(".txt")
        with output.open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            described_by(home, process, output)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)

    def verify(self, campaign: Campaign) -> str:
        """What the product's own judge says of the campaign."""
        command = parts.python("dialer.cli", "verify", "--campaign", campaign.id, "--carrier-log")
        command.append(str(self.plan.simulator_url))
        environment = dict(self.plan.environment)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """As the superuser sees it."""
        with psycopg.connect(self.postgres.admin_url(self.database), row_factory=dict_row) as connection:
            return connection.execute(sql, parameters).fetchall()

    def copy_temporal(self, target: Path) -> None:
        """Temporal must not run."""
        target.mkdir()
        for file in self.temporal_file.parent.glob(f"{self.temporal_file.name}*"):
            shutil.copy2(file, target / file.name)

    def remove_temporal(self) -> None:
        for file in self.temporal_file.parent.glob(f"{self.temporal_file.name}*"):
            file.unlink()

    def put_back_temporal(self, source: Path) -> None:
        self.remove_temporal()
        for file in source.iterdir():
            shutil.copy2(file, self.temporal_file.parent / file.name)

    def _serves(self, name: str) -> bool:
        address = {
            "temporal": f"http://127.0.0.1:{self.plan.ports['temporal_http']}/api/v1/namespaces/default",
            "simulator": f"{self.plan.simulator_url}/_sim/stats",
            "api": f"{self.plan.api_url}/readiness",
        }[name]
        process = self._running[name]
        assert process.poll() is None, self._children[name].log.read_text()[-3000:]
        try:
            return httpx.get(address, trust_env=False, timeout=5).is_success
        except httpx.TransportError:
            return False


@contextmanager
def running_site(postgres: TestPostgres, database: str, folder: Path) -> Iterator[Site]:
    """Everything running, nothing in it but the first workspace."""
    with PortLease({}, wanted=wanted_ports({"DIALER_DATABASE_URL": "elsewhere"})) as lease:
        site = Site(postgres, database, folder, lease)
        try:
            command = parts.python("dialer.store.bootstrap")
            subprocess.run(command, env=dict(site.plan.environment), check=True, capture_output=True, timeout=60)
            site.start("temporal", "simulator")
            site.start("api", "worker", "bulk")
            yield site
        finally:
            site.close()


def judge(site: Site, campaign: Campaign, *, most: int) -> None:
    """Never twice, never lost: by the carrier's own ledger."""
    ledger = campaign.at_carrier()
    ids = [call["call_id"] for call in ledger]
    assert len(ids) == len(set(ids)), "no attempt is dialed twice"
    known = {row["carrier_call_id"] for row in site.rows("SELECT carrier_call_id FROM calls")}
    assert {call["sid"] for call in ledger} <= known, "every call at the carrier is known in the end"
    sql = "SELECT phone, state, attempts FROM prospects WHERE campaign_id = %(id)s"
    for person in site.rows(sql, id=campaign.id):
        theirs = [call for call in ledger if call["to"] == person["phone"]]
        assert len(theirs) <= person["attempts"] <= most, "every call is counted, and no more are made than allowed"
        assert all(call["status"] != "completed" for call in theirs[:-1]), "whoever was reached is left alone"
        assert person["state"] in ("reached", "exhausted"), "nobody is left behind"
        assert theirs, "everybody is called"
