"""The whole product as a person runs it: ``dialer up`` with its children, once per test session."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dialer.stack.placement import remove_data

STARTED_S = 120.0
FOREIGN = ("DIALER_", "TWILIO_", "TEMPORAL_", "SIM_")
#: Minutes of the product in seconds of a test: an unknown call is looked for for 3 s instead of 60.
QUICK = {
    "DIALER_TIMING_GRACE_S": "3",
    "DIALER_TIMING_RECONCILE_S": "1",
    "DIALER_TIMING_HTTP_TIMEOUT_S": "3",
    "DIALER_TIMING_DEADLINE_MARGIN_S": "3",
    "DIALER_TIMING_SWEEP_S": "10",
    "DIALER_TIMING_CLAIM_EXPIRY_S": "20",
    "SIM_TIME_SCALE": "0.01",
}


class Stack:
    """A running stack: its description, and clients of its API and of its simulator."""

    def __init__(self, home: Path, described: Mapping[str, Any]) -> None:
        self.home = home
        self.described = described
        self.api = httpx.Client(
            base_url=described["api_url"] + "/api/v1", headers={"X-API-Key": described["api_key"]}, timeout=30
        )
        self.simulator = httpx.Client(base_url=described["simulator_url"], timeout=30)

    def pids(self, name: str) -> list[int]:
        """The processes of one part now: restarts change them."""
        return json.loads((self.home / "stack.json").read_text())["pids"].get(name, [])

    def close(self) -> None:
        self.api.close()
        self.simulator.close()


@contextmanager
def running_stack(home: Path, *, workers: int, environment: Mapping[str, str]) -> Generator[Stack]:
    """``dialer up`` in a folder whose parent exists, with this environment and no other settings; gone at the end."""
    output = home.parent / "up.txt"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dialer.cli", "up", "--home", str(home), "--workers", str(workers)],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**kept, **environment},
        )
    try:
        running = Stack(home, described_by(home, process, output))
        yield running
        running.close()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(90)
        remove_data(home)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """``dialer up --workers 2`` in a folder of its own, with quick timings.

    On a Temporal server that runs already if ``E2E_TEMPORAL`` names one (``benchmarks/cluster.md``).
    """
    environment = {**QUICK, **elsewhere()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPORAL_NAMESPACE", environment.get("TEMPORAL_NAMESPACE", "default"))  # for Temporal's own CLI
        with running_stack(tmp_path_factory.mktemp("stack") / "home", workers=2, environment=environment) as running:
            yield running


def elsewhere() -> Mapping[str, str]:
    """What points a stack at the server of ``E2E_TEMPORAL=127.0.0.1:7233/namespace``; nothing without it."""
    address, _, namespace = os.environ.get("E2E_TEMPORAL", "").partition("/")
    return {"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": namespace or "default"} if address else {}


def described_by(home: Path, process: "subprocess.Popen[bytes]", output: Path) -> Mapping[str, Any]:
    """``stack.json``, as soon as the stack has written it."""
    deadline = time.monotonic() + STARTED_S
    while not (home / "stack.json").exists():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.1)
    return json.loads((home / "stack.json").read_text())
