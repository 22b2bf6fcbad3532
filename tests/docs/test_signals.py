"""The page's commands for Temporal's own program send what the campaign's workflow understands."""

import asyncio
import os
import re
import sys
from pathlib import Path
from uuid import uuid4

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.common import RawValue

from tests.api.conftest import temporal_address  # noqa: F401  # pyright: ignore[reportUnusedImport]
from workflows.campaign import ACTIONS, wants_hang_up

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
RECIPE = re.compile(r"<!-- recipe: ([a-z-]+) -->\n```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


async def test_the_recipes_signal_pause_resume_and_stop(temporal_address: str):  # noqa: F811
    recipes = dict(RECIPE.findall(PAGE.read_text()))
    assert set(recipes) == {"pause", "resume", "pause-now", "stop"}
    client = await Client.connect(temporal_address)
    campaign = str(uuid4())
    # Nobody works on it: what is sent stays in its history.
    handle = await client.start_workflow("CampaignWorkflow", id=f"campaign-{campaign}", task_queue=f"nobody-{campaign}")
    for commands in recipes.values():
        await _run(commands, temporal_address, campaign)
    sent: list[tuple[str, bool]] = []
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            signal = event.workflow_execution_signaled_event_attributes
            sent.append((signal.signal_name, wants_hang_up([_raw(each) for each in signal.input.payloads])))
    await handle.terminate()
    assert sorted(sent) == [("pause", False), ("pause", True), ("resume", False), ("stop", False)]
    assert {name for name, _ in sent} == set(ACTIONS)


def _raw(payload: Payload) -> RawValue:
    return RawValue(payload)


async def _run(commands: str, address: str, campaign: str) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    ran = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", commands),
        env={**os.environ, "PATH": path, "TEMPORAL_ADDRESS": address, "CAMPAIGN": campaign},
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await ran.communicate()
    assert ran.returncode == 0, complaint.decode()
