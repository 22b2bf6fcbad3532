"""Two dispatchers of one campaign at once, and which worker runs the leg just now."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from pathlib import Path

import httpx

from dialer.stack.temporal import NAMESPACE
from tests.chaos.clients import Clients
from tests.chaos.homes import ChaosHome
from tests.chaos.journal import Journal
from tests.chaos.plan import Kind

LEG_ENDS_S = 60.0
ROOT = Path(__file__).resolve().parents[2]


async def leg_pid(home: ChaosHome, campaign: str) -> int | None:
    """The process whose leg runs, as Temporal knows it; None while none does or nobody answers."""
    url = f"http://127.0.0.1:{home.ports['temporal_http']}/api/v1/namespaces/{NAMESPACE}/workflows/campaign-{campaign}"
    async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
        try:
            answer = await http.get(url)
        except httpx.TransportError:
            return None
    if not answer.is_success:
        return None
    for activity in answer.json().get("pendingActivities", []):
        if activity.get("activityType", {}).get("name") == "dispatch":
            pid = activity.get("lastWorkerIdentity", "").partition("@")[0]
            return int(pid) if pid.isdigit() else None
    return None


async def second_leg(home: ChaosHome, clients: Clients, journal: Journal, campaign: str) -> None:
    """A leg that Temporal knows nothing of, with the settings of this stack's workers."""
    workspace = (await clients.get("/me"))["workspace"]["id"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "tests.chaos.second_leg",
        workspace,
        campaign,
        env=home.environment | {"PYTHONPATH": str(ROOT)},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(LEG_ENDS_S):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    journal.note(
        Kind.SECOND_LEG,
        faults=1,
        campaign=campaign,
        code=process.returncode,
        claimed=output.decode().strip(),
        last_words=errors.decode(errors="replace")[-2000:],
    )
