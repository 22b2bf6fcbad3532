"""One ``dialer up`` in a folder of its own, and everything about it that a run needs to know."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from dialer.clock import format_offset
from dialer.stack import launch
from dialer.stack.home import Home
from dialer.stack.placement import remove_data
from dialer.stack.plan import make_plan
from dialer.stack.postgres import ADMIN, DATABASE
from tests.chaos.clocks import Scene
from tests.chaos.plan import TIME_SCALE
from tests.fixtures_stack import FOREIGN, QUICK

STARTED_S = 180.0
STOPPED_S = 90.0
#: Minutes of the product in seconds of a run; see docs/reliability.md for what that means for the figures.
TIMINGS = {**QUICK, "SIM_TIME_SCALE": str(TIME_SCALE), "DIALER_TIMING_WINDOW_MARGIN_S": "5"}


class StackFailed(Exception):
    """The stack did not start; the message carries what it printed."""


class ChaosHome:
    """A running stack: its addresses, secrets and processes.

    ``offset`` is how far its clocks are from the machine's.
    """

    def __init__(self, path: Path, process: "subprocess.Popen[bytes]", given: Mapping[str, str], offset: timedelta):
        self.path = path
        self.process = process
        self.offset = offset
        self.described: dict[str, Any] = json.loads((path / "stack.json").read_text())
        self.secrets: dict[str, str] = json.loads((path / "secrets.json").read_text())
        self.ports: dict[str, int] = json.loads((path / "ports.json").read_text())
        self._given = given

    @property
    def api_url(self) -> str:
        return self.described["api_url"]

    @property
    def admin_url(self) -> str:
        """The database as its superuser, whom row-level security does not bind. Its clock is the product's."""
        address = f"127.0.0.1:{self.ports['postgres']}/{DATABASE}"
        return f"postgresql://{ADMIN}:{self.secrets['admin_password']}@{address}"

    @property
    def environment(self) -> dict[str, str]:
        """What the workers of this stack have."""
        return dict(make_plan(Home.at(self.path), self._given, self.ports).environment)

    def processes(self, part: str) -> list[psutil.Process]:
        """The living processes of a part: those that ``stack.json`` names and that this very stack has started.

        A pid that belongs to somebody else by now has another parent, so nothing else is ever touched.
        """
        pids = json.loads((self.path / "stack.json").read_text())["pids"].get(part, [])
        found: list[psutil.Process] = []
        for pid in pids:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if process.ppid() == self.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


@asynccontextmanager
async def running_home(scene: Scene | None, *, workers: int = 2) -> AsyncGenerator[ChaosHome]:
    """A stack that runs until the block ends, however it ends. The folder is left to :func:`remove_home`."""
    folder = Path(tempfile.mkdtemp(prefix="dialer-chaos-"))
    path = folder / "home"
    offset = timedelta(0) if scene is None else scene.offset(datetime.now(UTC))
    given = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)} | TIMINGS
    if scene is not None:
        given["DIALER_CLOCK"] = format_offset(offset)
    command = [*_dies_with_us(), "-m", "dialer.cli", "up", "--home", str(path), "--workers", str(workers)]
    with (folder / "up.txt").open("wb") as log:
        process = _start(command, log, given)
    started = False
    try:
        await _until_described(path, process, folder / "up.txt")
        started = True
        yield ChaosHome(path, process, given, offset)
    finally:
        await asyncio.shield(asyncio.to_thread(_end, process))
        if not started:
            remove_home(path)


def remove_home(path: Path) -> None:
    """Deletes a home whose stack has ended, and its data wherever they are."""
    remove_data(path)
    shutil.rmtree(path.parent, ignore_errors=True)


def code_version() -> str:
    """A fingerprint of the product's own source, so that a report says what it was about."""
    root = Path(__file__).resolve().parents[2]
    files = [root / "worker.py"]
    for package in ("dialer", "workflows", "activities", "api"):
        files += sorted((root / package).rglob("*.py"))
        files += sorted((root / package).rglob("*.sql"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _start(command: list[str], log: BinaryIO, given: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """In a session of its own: a Ctrl-C is for the harness, which ends the stack in order."""
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=given, start_new_session=True
    )


def _dies_with_us() -> list[str]:
    """A Python whose parent's death ends it, and by that its children, also when the harness is killed (on Linux)."""
    launcher = [sys.executable, "-I", "-S", str(Path(launch.__file__)), str(int(signal.SIGTERM)), str(os.getpid())]
    return [*launcher, "-1", "-1", "0", sys.executable]


async def _until_described(path: Path, process: "subprocess.Popen[bytes]", output: Path) -> None:
    deadline = time.monotonic() + STARTED_S
    while not (path / "stack.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise StackFailed(await asyncio.to_thread(output.read_text))
        await asyncio.sleep(0.1)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """In order if possible. A stack that is killed takes its children along: its watchdog sees to that."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOPPED_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
