"""One installation that outlives its versions: a home, a carrier beside it, and the stack of one version at a time.

The carrier is a process of its own, as in life: calls go on there while our processes are replaced.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from dialer.stack import launch
from dialer.stack.home import Home
from dialer.stack.placement import remove_data
from dialer.stack.ports import HOST, free_port
from dialer.stack.postgres import ADMIN, DATABASE
from tests.fixtures_stack import FOREIGN, QUICK, Stack, described_by

STOPPED_S = 90.0
CARRIER_S = 60.0
#: A virtual minute of ringing and talking takes twelve seconds.
TIMINGS = {**QUICK, "SIM_TIME_SCALE": "0.2"}
MODULES = ("dialer", "api", "workflows", "activities", "worker", "dialer.store.migrate")
OURS = ("stack", "api", "worker", "bulk")


class Site:
    """A folder with everything of one installation; :meth:`close` ends and removes all of it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="dialer-upgrade-"))
        self.home = self.folder / "home"
        self._stack: Stack | None = None
        self._processes: list[subprocess.Popen[bytes]] = []
        port = free_port()
        self.carrier_url = f"http://{HOST}:{port}"
        sid, token = "AC" + secrets.token_hex(16), secrets.token_hex(16)
        kept = {name: value for name, value in os.environ.items() if not name.startswith((*FOREIGN, "PYTHON"))}
        self._given = kept | TIMINGS | {"TWILIO_ACCOUNT_SID": sid, "TWILIO_AUTH_TOKEN": token}
        self._given |= {"SIM_ACCOUNT_SID": sid, "SIM_AUTH_TOKEN": token, "DIALER_CARRIER_URL": self.carrier_url}
        self._carrier_port = port

    def environment(self, code: Path) -> dict[str, str]:
        """Of every process that runs ``code``, which goes before what is installed."""
        return self._given | {"PYTHONPATH": str(code)}

    def start_carrier(self, code: Path) -> None:
        """The simulator, until the site is closed."""
        command = ["dialer.simulator", "--host", HOST, "--port", str(self._carrier_port)]
        process = self._start(command, code, self.folder / "carrier.txt")
        deadline = time.monotonic() + CARRIER_S
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.carrier_url}/health", trust_env=False).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "carrier.txt").read_text())

    def up(self, code: Path) -> Stack:
        """``dialer up`` of the version in ``code``, on the same home, serving."""
        output = self.folder / "up.txt"
        process = self._start(["dialer.cli", "up", "--home", str(self.home)], code, output)
        self._stack = Stack(self.home, described_by(self.home, process, output))
        return self._stack

    def down(self) -> int:
        """SIGTERM for the stack, as any supervisor does; its exit code."""
        if self._stack is not None:
            self._stack.close()
            self._stack = None
        process = self._processes.pop()
        process.send_signal(signal.SIGTERM)
        return process.wait(STOPPED_S)

    def close(self) -> None:
        """Ends every process and removes every file, also when something went wrong."""
        while self._processes:
            process = self._processes.pop()
            process.terminate()
            try:
                process.wait(STOPPED_S)
            except subprocess.TimeoutExpired:
                process.kill()  # what it has started ends with it: its watchdog sees to that
                process.wait()
        remove_data(self.home)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, code: Path, *command: str) -> "subprocess.CompletedProcess[str]":
        """A Python of this site's environment, to its end."""
        return subprocess.run(
            [sys.executable, "-P", *command],
            env=self.environment(code),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def assert_runs(self, code: Path) -> str:
        """Fails unless the modules come from ``code``, in a new process and in each one that runs; says what it saw."""
        program = f"import importlib, json; print(json.dumps([importlib.import_module(m).__file__ for m in {MODULES}]))"
        files = [Path(file) for file in json.loads(self.run(code, "-c", program).stdout)]
        strangers = [str(file) for file in files if not file.is_relative_to(code)]
        assert not strangers, f"not from {code}: {strangers}"
        pids: Mapping[str, Sequence[int]] = json.loads((self.home / "stack.json").read_text())["pids"]
        ours = [psutil.Process(pid) for part in OURS for pid in pids[part]]
        assert all(process.environ()["PYTHONPATH"] == str(code) for process in ours)
        return f"{len(MODULES)} modules, {len(ours)} processes"

    def database(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """As the superuser, whom row-level security does not bind."""
        home = Home.at(self.home)
        address = f"{HOST}:{home.ports()['postgres']}/{DATABASE}"
        url = f"postgresql://{ADMIN}:{home.secrets()['admin_password']}@{address}"
        return psycopg.connect(url)

    def schema(self) -> str:
        """The newest migration that the database has seen."""
        with self.database() as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        assert row is not None
        return str(row[0])

    def _start(self, command: Sequence[str], code: Path, output: Path) -> "subprocess.Popen[bytes]":
        """In a session of its own, so that a Ctrl-C is for us; it ends when we are killed (on Linux)."""
        launcher = [sys.executable, "-I", "-S", str(Path(launch.__file__)), str(int(signal.SIGTERM)), str(os.getpid())]
        with output.open("ab") as log:
            process = subprocess.Popen(
                [*launcher, "-1", "-1", "0", sys.executable, "-P", "-m", *command],
                env=self.environment(code),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process
