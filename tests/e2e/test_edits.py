"""Edits of a campaign that calls, by the API and by the command line: in force when they are answered."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.campaigns import Campaign, fresh_phones, ok, until
from tests.fixtures_stack import Stack

#: More of them give a distribution: ``DIALER_EDITS=30`` with ``-s`` prints it.
EDITS = int(os.environ.get("DIALER_EDITS", "3"))
PEOPLE_PER_EDIT = 22

pytestmark = [pytest.mark.timeout(120 + 6 * EDITS), pytest.mark.seconds]


def dialer(stack: Stack, *arguments: str) -> str:
    """What a person reads after ``dialer campaign …``."""
    command = [sys.executable, "-m", "dialer.cli", "campaign", *arguments, "--home", str(stack.home)]
    wide = os.environ | {"COLUMNS": "200"}
    ran = subprocess.run(command, env=wide, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def by_version(campaign: Campaign) -> dict[int, list[datetime]]:
    """When the carrier had calls under each version, oldest first."""
    at = {call["call_id"]: datetime.fromisoformat(call["created_at"]) for call in campaign.at_carrier()}
    found: dict[int, list[datetime]] = {}
    for call in campaign.calls():
        if call["id"] in at:
            found.setdefault(call["settings_version"], []).append(at[call["id"]])
    return {version: sorted(times) for version, times in found.items()}


def figures(name: str, seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))]
    return f"{name}: p50 {p50:.2f} s, p99 {p99:.2f} s, longest {ordered[-1]:.2f} s ({len(ordered)} edits)"


def test_an_edit_is_in_force_when_it_answers_and_no_call_is_dialed_under_the_one_before(stack: Stack) -> None:
    campaign = Campaign.make(stack, pace={"max_concurrent": 50, "calls_per_second": 5}, redial={"max_attempts": 1})
    people = [{"phone": phone} for phone in fresh_phones(20 + PEOPLE_PER_EDIT * EDITS)]
    ok(campaign.post("prospects:upsert", {"items": people}))
    ok(campaign.post("launch"))
    until(lambda: len(campaign.at_carrier()) >= 3, what="the first calls")
    asked: dict[int, datetime] = {}
    answered: dict[int, datetime] = {}
    for n in range(EDITS):
        began = datetime.now(UTC)
        body: dict[str, Any] = {"pace": {"calls_per_second": 6 - n % 3}, "expected_version": n + 1}
        version = ok(stack.api.patch(f"/campaigns/{campaign.id}", json=body))["settings_version"]
        asked[version], answered[version] = began, datetime.now(UTC)
        query = {"campaign_id": campaign.id, "settings_version": version, "sort": "created_at"}
        until(
            lambda q=query: any(call["carrier_call_id"] for call in ok(stack.api.get("/calls", params=q))["items"]),
            what=f"the first call under version {version}",
        )
    told = dialer(stack, "edit", campaign.id, "--max-concurrent", "1", "--set", "ring_timeout_s=20")
    assert f"version {EDITS + 2} is in force" in told
    assert f"version {EDITS + 3} is in force" in dialer(stack, "rollback", campaign.id, "1")
    history = dialer(stack, "history", campaign.id)
    assert "back to version 1" in history
    assert "pace.max_concurrent: 50 → 1" in history
    ok(campaign.post("stop"))
    calls = by_version(campaign)
    firsts = {version: calls[version][0] for version in answered}
    for version, at in answered.items():
        older = [time for known, times in calls.items() if known < version for time in times]
        assert max(older) <= at, f"dialed under an earlier version after version {version} was answered"
    after_answer = [(firsts[version] - answered[version]).total_seconds() for version in answered]
    after_request = [(firsts[version] - asked[version]).total_seconds() for version in answered]
    answers = [(answered[version] - asked[version]).total_seconds() for version in answered]
    sys.stdout.write(figures("from the request to its answer", answers) + "\n")
    sys.stdout.write(figures("from the request to the first call under it", after_request) + "\n")
    sys.stdout.write(figures("from the answer to the first call under it", after_answer) + "\n")
    assert max(after_answer) < 2
