"""The API as a process of its own, over a real database, and looks at both from outside."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from dialer.settings import Settings
from dialer.stack.ports import free_port
from tests.hostile.live_calls import PUBLIC_URL
from tests.hostile.streams import HOST

STARTED_S = 60.0
FOREIGN = ("DIALER_", "TWILIO_", "TEMPORAL_", "SIM_")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiProcess:
    """A running API."""

    process: psutil.Process
    port: int
    output: Path

    @property
    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return self.process.memory_info().rss


@contextmanager
def running_api(settings: Settings, home: Path, temporal: str = "127.0.0.1:1") -> Iterator[ApiProcess]:
    """``python -m api.app`` with these settings; by default without a Temporal server."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environment = {
        **kept,
        "DIALER_DATABASE_URL": settings.database_url,
        "DIALER_SECRET_KEY": settings.secret_key or "",
        "DIALER_PUBLIC_URL": PUBLIC_URL,
        "TEMPORAL_ADDRESS": temporal,
    }
    output = home / "api.log"
    with output.open("wb") as log:
        command = [sys.executable, "-m", "api.app", "--port", str(port)]
        child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _await_answer(port, child, output)
        yield ApiProcess(process=psutil.Process(child.pid), port=port, output=output)
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await_answer(port: int, child: "subprocess.Popen[bytes]", output: Path) -> None:
    deadline = time.monotonic() + STARTED_S
    while True:
        assert child.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        try:
            if httpx.get(f"http://{HOST}:{port}/liveness", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
