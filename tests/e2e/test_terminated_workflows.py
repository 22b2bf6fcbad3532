"""Rows are the truth: a workflow that somebody terminates, as after going back to an older version, is no loss."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.campaigns import Campaign, fresh_phones, in_real_time, ok, script, until
from tests.fixtures_stack import Stack

pytestmark = pytest.mark.timeout(240)


def terminate(stack: Stack, workflow_id: str) -> None:
    """What ``temporal workflow terminate`` does."""
    command = [str(Path(sys.executable).parent / "temporal"), "workflow", "terminate"]
    command += ["--address", stack.described["temporal_address"], "--workflow-id", workflow_id, "--reason", "a test"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def test_a_campaign_goes_on_when_its_workflow_and_those_of_its_calls_are_terminated(stack: Stack) -> None:
    campaign = Campaign.make(
        stack, redial={"max_attempts": 1, "delays": {}}, pace={"max_concurrent": 5, "calls_per_second": 5}
    )
    phones = fresh_phones(20)
    for phone in phones:
        script(stack, phone, {"kind": "human", "ring_s": 1, "talk_s": 4})
    campaign.add(phones)
    with in_real_time(stack):
        ok(campaign.post("launch"))
        talking = until(lambda: campaign.calls(state="in_progress"), what="an answered call")
        for call in talking:
            terminate(stack, call["workflow_id"])
        terminate(stack, f"campaign-{campaign.id}")
        campaign.until_status("completed", seconds=120)
    assert Counter(call["to"] for call in campaign.at_carrier()) == dict.fromkeys(phones, 1)
    assert {person["state"] for person in campaign.prospects()} == {"reached"}
    ended = {call["id"]: call["disposition"] for call in campaign.calls()}
    assert {ended[call["id"]] for call in talking} == {"human"}
