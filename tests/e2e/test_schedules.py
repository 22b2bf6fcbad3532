"""A recurring campaign as people see it: from the command line, and from the Temporal Web UI and CLI."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.campaigns import Campaign, fresh_phones, ok, script, until
from tests.fixtures_stack import Stack

pytestmark = pytest.mark.timeout(240)


def ask(stack: Stack, program: str, *arguments: str) -> str:
    """What one of our programs prints."""
    where = ["--home", str(stack.home)] if program == "dialer" else ["--address", stack.described["temporal_address"]]
    command = [str(Path(sys.executable).parent / program), *arguments, *where]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_a_campaign_runs_again_and_follows_its_schedule(stack: Stack) -> None:
    schedule = {"time_zone": "Europe/Rome", "recurrence": {"cron": ["0 4 1 1 *"], "dial": "not_reached"}}
    campaign = Campaign.make(stack, schedule=schedule, redial={"max_attempts": 1})
    phone = fresh_phones(1)[0]
    script(stack, phone, "no_answer")
    campaign.add([phone])
    assert ok(campaign.post("launch"), 202)["status"] == "scheduled"
    assert "01 Jan" in ask(stack, "dialer", "campaign", "next", campaign.id)

    def schedule_of(*arguments: str) -> str:
        return ask(
            stack, "temporal", "schedule", arguments[0], "--schedule-id", f"campaign-{campaign.id}", *arguments[1:]
        )

    def read() -> dict[str, Any]:
        return ok(stack.api.get(f"/campaigns/{campaign.id}/schedule"))

    def outcomes() -> list[str]:
        return [run["outcome"] for run in read()["runs"]]

    schedule_of("trigger")
    until(lambda: outcomes() == ["completed"], what="the end of the first run")
    schedule_of("trigger")
    until(lambda: outcomes() == ["completed", "completed"], what="the end of the second run")
    assert [run["calls"] for run in read()["runs"]] == [1, 1]
    assert sorted(call["attempt"] for call in campaign.calls()) == [1, 2]
    assert campaign.status()["status"] == "scheduled"

    schedule_of("toggle", "--pause", "--reason", "too loud")
    assert (read()["status"], read()["paused_reason"]) == ("paused", "schedule_paused")
    ok(campaign.post("resume"), 200)
    assert read()["temporal"] == "active"
    schedule_of("delete")
    until(lambda: "not found" not in describe(stack, campaign.id), what="the sweep's repair")
    ok(campaign.post("stop"), 200)
    assert "not found" in describe(stack, campaign.id)


def describe(stack: Stack, campaign_id: str) -> str:
    """Also of a Schedule that is not there."""
    command = [str(Path(sys.executable).parent / "temporal"), "schedule", "describe"]
    command += ["--schedule-id", f"campaign-{campaign_id}", "--address", stack.described["temporal_address"]]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return (ended.stdout + ended.stderr).lower()
