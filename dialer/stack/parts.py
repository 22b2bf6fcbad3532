"""The children of the stack, each with how it is started, when it serves and how it ends."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

import httpx

from dialer.stack.children import Child
from dialer.stack.plan import Plan, bare_environment
from dialer.stack.ports import HOST
from dialer.stack.postgres import Cluster, answers, ensure_database, ensure_role
from dialer.stack.temporal import has_pollers, temporal_child

WORKER_STOP_S = 40.0
"""Longer than a worker waits for the calls that it is placing."""

BULK_NICENESS = 10
"""Imports take a back seat: a slow import is a nuisance, a slow dial is a false unknown."""


def python(module: str, *arguments: str) -> list[str]:
    """The command for one of our modules; the current folder is no place to look for it."""
    return [sys.executable, "-P", "-m", module, *arguments]


async def postgres(plan: Plan) -> Child:
    """PostgreSQL; at each start its role and database are made sure of. Raises ``PostgresError``."""
    password = plan.secrets["admin_password"]
    cluster = await asyncio.to_thread(Cluster.in_home, plan.home.path, admin_password=password)
    port = plan.ports["postgres"]
    admin_url = cluster.url(port)

    async def ready() -> bool:
        return await asyncio.to_thread(answers, admin_url)

    async def prepare() -> None:
        await asyncio.to_thread(ensure_role, admin_url, plan.secrets["database_password"])
        await asyncio.to_thread(ensure_database, admin_url)

    return Child(
        name="postgres",
        part="postgres",
        command=cluster.command(port),
        environment=bare_environment(),
        folder=cluster.data,
        log=plan.home.log("postgres"),
        port=port,
        ready=ready,
        after_start=prepare,
        stop_signal=signal.SIGINT,
        orphan_signal=signal.SIGINT,
        stop_s=30,
        stop_rank=0,
        account=cluster.account,
    )


def temporal(plan: Plan) -> Child:
    return temporal_child(
        file=plan.home.temporal_file,
        ports=plan.ports,
        log=plan.home.log("temporal"),
        environment=bare_environment(),
    )


def simulator(plan: Plan) -> Child:
    port = plan.ports["simulator"]
    return Child(
        name="simulator",
        part="simulator",
        command=python("dialer.simulator", "--host", HOST, "--port", str(port)),
        environment=plan.environment,
        folder=plan.home.path,
        log=plan.home.log("simulator"),
        port=port,
        ready=_serves(f"http://{HOST}:{port}/_sim/stats"),
        stop_rank=2,
    )


def api(plan: Plan) -> Child:
    return Child(
        name="api",
        part="api",
        command=python("api.app", "--host", HOST, "--port", str(plan.ports["api"])),
        environment=plan.environment,
        folder=plan.home.path,
        log=plan.home.log("api"),
        port=plan.ports["api"],
        ready=_serves(f"{plan.api_url}/readiness"),
        stop_rank=3,
    )


def workers(plan: Plan, count: int) -> list[Child]:
    """``count`` processes that dial, and one for imports, which would stall the others."""
    dialing = [_worker(plan, f"worker-{number}", "main", queue="control") for number in range(1, count + 1)]
    return [*dialing, _worker(plan, "bulk", "bulk", queue="bulk", nice=BULK_NICENESS)]


def _worker(plan: Plan, name: str, role: str, *, queue: str, nice: int = 0) -> Child:
    async def polls() -> bool:
        return await has_pollers(plan.ports["temporal_http"], queue)

    return Child(
        name=name,
        part=name.partition("-")[0],
        command=python("worker", "--role", role),
        environment=plan.environment,
        folder=plan.home.path,
        log=plan.home.log(name),
        ready=polls if plan.with_temporal else None,
        stop_s=WORKER_STOP_S,
        stop_rank=4,
        nice=nice,
    )


def _serves(url: str) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            try:
                return (await http.get(url)).is_success
            except httpx.TransportError:
                return False

    return ready
