"""People who were not reached, from the last attempt of the policy to the callback that one of them asked for."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from tests.e2e.campaigns import Campaign, fresh_phones, ok, script
from tests.e2e.test_verify import broken, verify
from tests.fixtures_stack import Stack

pytestmark = pytest.mark.timeout(240)


def dialer(stack: Stack, *words: str) -> str:
    """What the command line says."""
    done = subprocess.run(
        [sys.executable, "-m", "dialer.cli", *words, "--home", str(stack.home)],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return done.stdout


def test_the_unreached_are_called_again_and_the_judge_counts_each_allowance(stack: Stack) -> None:
    once = {"max_attempts": 1, "delays": {"busy": []}}
    campaign = Campaign.make(stack, redial=once, keep_open=False)
    busy, reached = fresh_phones(2)
    script(stack, busy, "busy")
    script(stack, reached, "human")
    campaign.add([busy, reached])
    ok(campaign.post("launch"))
    campaign.until_status("completed")

    assert "1 would be called again" in dialer(stack, "campaign", "requeue", campaign.id, "--dry-run")
    said = dialer(stack, "campaign", "requeue", campaign.id, "--disposition", "busy", "--launch")
    assert "1 are called again" in said
    campaign.until_status("completed")
    people = {person["phone"]: person for person in campaign.prospects()}
    assert (people[busy]["state"], people[busy]["attempts"]) == ("exhausted", 2)

    script(stack, busy, "human")
    asked = dialer(stack, "prospects", "callback", people[busy]["id"], "--at", datetime.now(UTC).isoformat())
    assert asked.startswith("due at ")
    ok(campaign.post("launch"))
    campaign.until_status("completed")
    people = {person["phone"]: person for person in campaign.prospects()}
    assert (people[busy]["state"], people[busy]["attempts"], people[busy]["callback_at"]) == ("reached", 3, None)
    assert [call["to"] for call in campaign.at_carrier()].count(busy) == 3
    calls = sorted(campaign.calls(prospect_id=people[busy]["id"], state="ended"), key=lambda call: call["attempt"])
    assert [(bool(call["requeue_id"]), bool(call["callback_id"])) for call in calls] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    code, verdict = verify(stack, "--campaign", campaign.id)
    assert (code, broken(verdict)) == (0, set())
    (listed,) = (line for line in dialer(stack, "campaign", "list").splitlines() if campaign.id in line)
    assert listed.split()[-4:] == ["completed", "2", "4", "2"], "people, calls, people who were reached"
    assert "reached: 2" in dialer(stack, "campaign", "stats", campaign.id)
    assert "2 (50.0% of all)" in dialer(stack, "campaign", "stats", campaign.id, "--disposition", "busy")
