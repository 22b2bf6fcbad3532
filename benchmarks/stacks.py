"""The embedded stack as processes, as ``dialer up`` starts it, and looks at it from outside: processor time, rows, the
carrier's list."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import psycopg
from psycopg.rows import namedtuple_row

from tests.e2e.campaigns import Campaign, ok
from tests.fixtures_stack import Stack, running_stack

#: All parts whose processor time is told apart.
PARTS = ("temporal", "postgres", "worker", "api", "simulator", "bulk")
#: Area codes of which the numbers 555-0100 to 555-0199 are reserved for fiction.
AREAS = (
    *(201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228),
    *(229, 231, 234, 239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 276, 281, 301, 302),
)
#: Nobody is called again.
ONCE: Mapping[str, Any] = MappingProxyType({"max_attempts": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Temporal server that runs already (``benchmarks/cluster.md``), in place of the embedded one.

    ``pids`` are its processes by what they are told as, such as ``temporal`` and ``temporal_postgres``.
    """

    address: str = ""
    namespace: str = "default"
    pids: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def environment(self) -> dict[str, str]:
        """What points the stack at it; nothing for the embedded server."""
        return {"TEMPORAL_ADDRESS": self.address, "TEMPORAL_NAMESPACE": self.namespace} if self.address else {}


def phones(how_many: int) -> list[str]:
    """Numbers that nobody has. Raises ValueError for more than there are."""
    if how_many > len(AREAS) * 100:
        raise ValueError(f"there are {len(AREAS) * 100} such numbers")
    return [f"+1{AREAS[n // 100]}55501{n % 100:02}" for n in range(how_many)]


@contextmanager
def running(*, workers: int = 1, **environment: str) -> Generator[Stack]:
    """``dialer up`` in a folder of its own, with the timings of production; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="dialer-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # who runs PostgreSQL must pass
        with running_stack(Path(folder) / "home", workers=workers, environment=environment) as stack:
            yield stack


def unlimited(stack: Stack) -> None:
    """No limit of the workspace, of its account or of the simulated carrier is in the way."""
    most = {"max_concurrent": 5000, "calls_per_second": 500}
    account = ok(stack.api.get("/carrier-accounts"))["items"][0]
    ok(stack.api.patch(f"/carrier-accounts/{account['id']}", json=most))
    ok(stack.api.patch("/workspace", json=most))
    ok(stack.simulator.put("/_sim/behaviour", json={"calls_per_second": 1000}))


def script_all(stack: Stack, numbers: Sequence[str], *, ring_s: float = 0.3, talk_s: float = 1.0) -> None:
    """Everybody is there, picks up after ``ring_s``, and hangs up after ``talk_s``."""
    body = {"behaviour": {"kind": "human", "ring_s": ring_s, "talk_s": talk_s, "amd_s": 0}}

    def script(number: str) -> None:
        ok(stack.simulator.put(f"/_sim/phones/{number}", json=body))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(script, numbers))


def campaign(
    stack: Stack,
    numbers: Sequence[str],
    *,
    at_once: int,
    per_second: float,
    redial: Mapping[str, Any] = ONCE,
) -> Campaign:
    """A draft with these people, each called once unless said otherwise."""
    made = Campaign.make(
        stack,
        redial=dict(redial),
        pace={"max_concurrent": at_once, "calls_per_second": per_second},
        breaker=None,
    )
    for start in range(0, len(numbers), 1000):
        items = [{"phone": number} for number in numbers[start : start + 1000]]
        ok(made.post("prospects:upsert", {"items": items}))
    return made


def cpu_seconds(stack: Stack, cluster: Cluster) -> dict[str, float]:
    """Processor seconds of each part until now, its children included, those that have ended too."""
    ours = {part: sum(map(cpu_of, stack.pids(part))) for part in PARTS}
    return ours | {part: cpu_of(pid) for part, pid in cluster.pids.items()}


def cpu_of(pid: int) -> float:
    """Processor seconds of a process and its children until now; 0 when it is gone."""
    with suppress(psutil.NoSuchProcess):
        main = psutil.Process(pid)
        own = main.cpu_times()
        children = sum(map(_own, main.children(recursive=True)))
        return own.user + own.system + own.children_user + own.children_system + children
    return 0.0


def mib_of(pids: Sequence[int]) -> float:
    """Memory of these processes and their children; what several share is counted once.

    Of another user's processes it cannot be told what they share: there each counts it.
    """
    total = 0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for each in (process, *process.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    total += _bytes_of(each)
    return round(total / 2**20, 1)


def _bytes_of(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except psutil.AccessDenied:
        return process.memory_info().rss


def _own(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return times.user + times.system
    return 0.0  # its time is its parent's now


def ask(stack: Stack, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
    """Rows of all workspaces."""
    with psycopg.connect(stack.described["database_url"], autocommit=True, row_factory=namedtuple_row) as connection:
        connection.execute("SELECT set_config('dialer.workspace', '*', false)")
        return connection.execute(sql, parameters).fetchall()  # pyright: ignore[reportArgumentType]


def violations(stack: Stack) -> int:
    """How much ``dialer verify`` finds broken, and says what. Raises SystemExit when it cannot judge."""
    command = [sys.executable, "-m", "dialer.cli", "verify", "--home", str(stack.home), "--json", "--nobody-deleted"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode not in (0, 1):
        raise SystemExit(f"the judge cannot judge: {ran.stderr.strip() or ran.stdout.strip()}")
    found = json.loads(ran.stdout)["violations"]
    for each in found:
        sys.stderr.write(f"\n{json.dumps(each)}\n")
    return len(found)


def times(calls: Sequence[dict[str, Any]], field: str) -> list[datetime]:
    return sorted(datetime.fromisoformat(call[field]) for call in calls if call[field] is not None)


def sustained(moments: Sequence[datetime]) -> float:
    """How many a second between the first tenth and the last."""
    tenth = len(moments) // 10
    middle = moments[tenth : len(moments) - tenth]
    return (len(middle) - 1) / (middle[-1] - middle[0]).total_seconds()
