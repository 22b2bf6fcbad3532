"""How soon what somebody asks for is so: ``python -m benchmarks.reaction``.

On the embedded stack, by the API and the carrier's own list: from a pause's answer to the last call after it (there
must be none), from a resume to the first call, from the end of a call that held the only slot to the next call, from
an edit to the first call under it. Seconds, p50, p99 and the longest of so many times.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks import machine, stacks
from tests.e2e.campaigns import Campaign, ok, until
from tests.fixtures_stack import Stack

#: Of the campaign that is paused, resumed and edited.
PER_SECOND = 8.0
PER_TIME = 40
SLOTS = 4
"""Campaigns with one slot each, side by side."""


def figures(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)

    return {"n": len(ordered), "p50_s": at(0.5), "p95_s": at(0.95), "p99_s": at(0.99), "longest_s": at(1.0)}


def measure(times: int) -> dict[str, Any]:
    with stacks.running() as stack:
        stacks.unlimited(stack)
        numbers = stacks.phones(times * PER_TIME)
        stacks.script_all(stack, numbers)
        told: dict[str, Any] = {"load_before": machine.load()}
        told |= pausing(stack, numbers, times)
        told["edit_to_call"] = figures(editing(stack, numbers, times))
        told["slot_to_call"] = figures(freeing(stack, numbers[: SLOTS * (times // 2 + 2)]))
        told["violations"] = stacks.violations(stack)
    return told


def pausing(stack: Stack, numbers: Sequence[str], times: int) -> dict[str, Any]:
    """Pause and resume while it calls."""
    campaign = launched(stack, numbers)
    pauses: list[tuple[datetime, datetime, datetime]] = []
    resumes: list[datetime] = []
    for _ in range(times):
        known = dialed(stack, campaign)
        until(lambda known=known: dialed(stack, campaign) > known + 3, what="some calls")
        asked = datetime.now(UTC)
        until(lambda: campaign.post("pause").status_code == 200, what="a pause with nothing undecided")
        answered = datetime.now(UTC)
        time.sleep(1)  # in which no call may begin
        resumes.append(datetime.now(UTC))
        pauses.append((asked, answered, resumes[-1]))
        paused_at = dialed(stack, campaign)
        ok(campaign.post("resume"))
        until(lambda paused_at=paused_at: dialed(stack, campaign) > paused_at, what="a call after the resume")
    ok(campaign.post("stop"))
    began = stacks.times(campaign.at_carrier(), "created_at")
    late = sum(answered < at < resumed for _, answered, resumed in pauses for at in began)
    firsts = [next(at for at in began if at > resumed) - resumed for resumed in resumes]
    return {
        "calls_after_a_pause_answered": late,
        "pause_to_answer": figures([(answered - asked).total_seconds() for asked, answered, _ in pauses]),
        "resume_to_call": figures([first.total_seconds() for first in firsts]),
    }


def editing(stack: Stack, numbers: Sequence[str], times: int) -> list[float]:
    """Seconds from each edit to the first call under it."""
    campaign = launched(stack, numbers)
    until(lambda: dialed(stack, campaign) > 3, what="the first calls")
    begun = "SELECT 1 FROM calls WHERE campaign_id = %s AND settings_version = %s AND dialed_at IS NOT NULL LIMIT 1"
    asked: dict[int, datetime] = {}
    for number in range(times):
        at = datetime.now(UTC)
        body = {"pace": {"calls_per_second": PER_SECOND + number % 2 + 0.5}}
        version = ok(stack.api.patch(f"/campaigns/{campaign.id}", json=body))["settings_version"]
        asked[version] = at
        until(lambda v=version: stacks.ask(stack, begun, [campaign.id, v]), what=f"a call under version {version}")
    ok(campaign.post("stop"))
    sql = """SELECT settings_version AS version, min(dialed_at) AS at FROM calls
             WHERE campaign_id = %s AND dialed_at IS NOT NULL GROUP BY 1"""
    first = {row.version: row.at for row in stacks.ask(stack, sql, [campaign.id])}
    return [(first[version] - at).total_seconds() for version, at in asked.items()]


def freeing(stack: Stack, numbers: Sequence[str]) -> list[float]:
    """Seconds from the end of a call to the next call, where only one may be under way."""
    share = len(numbers) // SLOTS
    campaigns = [
        stacks.campaign(stack, numbers[n * share : (n + 1) * share], at_once=1, per_second=50) for n in range(SLOTS)
    ]
    for campaign in campaigns:
        ok(campaign.post("launch"))
    gaps: list[float] = []
    for campaign in campaigns:
        campaign.until_status("completed", seconds=60 + 10 * share)
        calls = campaign.at_carrier()
        begins, ends = stacks.times(calls, "created_at"), stacks.times(calls, "ended_at")
        gaps += [(begin - end).total_seconds() for end, begin in zip(ends, begins[1:], strict=False)]
    return gaps


def launched(stack: Stack, numbers: Sequence[str]) -> Campaign:
    campaign = stacks.campaign(stack, numbers, at_once=100, per_second=PER_SECOND)
    ok(campaign.post("launch"))
    return campaign


def dialed(stack: Stack, campaign: Campaign) -> int:
    sql = "SELECT count(*) AS n FROM calls WHERE campaign_id = %s AND dialed_at IS NOT NULL"
    return stacks.ask(stack, sql, [campaign.id])[0].n


def main() -> None:
    parser = argparse.ArgumentParser(description="How soon what somebody asks for is so.")
    parser.add_argument("--times", type=int, default=30, help="how often each thing is tried")
    sys.stdout.write(json.dumps(measure(parser.parse_args().times)) + "\n")


if __name__ == "__main__":
    main()
