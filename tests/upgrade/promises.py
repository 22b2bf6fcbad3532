"""What has to hold once the newer version has taken over. Each function raises AssertionError, or says what it saw."""

from collections import Counter
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowExecutionStatus

from tests.e2e.campaigns import Campaign, ok, until
from tests.fixtures_stack import Stack
from tests.upgrade import histories
from tests.upgrade.readings import additions, by_id, differences, read_campaign, read_workspace, size
from tests.upgrade.scenery import OTHER_KEY, ROWS, Scenery
from tests.upgrade.sites import Site

SHOWN = 5
#: Reported by the carrier when it likes, also after the end of a call.
LATE_NEWS = ("cost",)
#: Moves without an upgrade, too: the sweep notes at campaigns what it has counted, each start looks at the numbers.
MOVES = "updated_at"
WELL = (WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.CONTINUED_AS_NEW)
RUNS_S = 240.0


class Newer:
    """The newer version at work on what the older one has left."""

    def __init__(self, site: Site, stack: Stack, scenery: Scenery, took_over: datetime) -> None:
        self.site = site
        self.stack = stack
        self.old = scenery
        self.took_over = took_over
        self.campaigns = {name: Campaign(stack, each.body) for name, each in scenery.campaigns.items()}

    def reads_the_same(self, name: str) -> str:
        """A campaign that nothing has happened to reads as before, field by field."""
        old, new = self.old.read[name], read_campaign(self.campaigns[name])
        _same(old, new)
        return f"{len(old['calls'])} calls, {len(old['prospects'])} people, {size(old)} fields"

    def keeps_the_workspace(self) -> str:
        """Agents, numbers, accounts, suppressions, limits."""
        _same(self.old.workspace, read_workspace(self.stack))
        return f"{size(self.old.workspace)} fields"

    def knows_the_keys(self) -> str:
        """The first key still opens everything, the other one what it may, with its scopes."""
        ok(self.stack.api.get("/me"))
        other = {"X-API-Key": OTHER_KEY}
        ok(self.stack.api.get("/agents", headers=other), 200)
        ok(self.stack.api.get("/campaigns", headers=other), 403)
        return "one for all, one for agents"

    def replays_an_answer(self) -> str:
        """A request with a key that the older version has answered makes nothing new."""
        body, headers, made = self.old.repeated
        answer = self.stack.api.post("/campaigns", json=body, headers=headers)
        assert ok(answer)["id"] == made, "another campaign was made"
        assert answer.headers.get("Idempotent-Replayed") == "true"
        return "the same campaign"

    def has_new_defaults(self) -> str:
        """Settings that the older version did not know read as they do in a campaign made now."""
        settings = dict(self.campaigns["completed"].body)
        wanted = ("agent_id", "caller_numbers", "calling_hours", "redial", "pace", "ring_timeout_s", "max_call_s")
        body = {"name": "New", **{name: settings[name] for name in wanted}}
        made = ok(self.stack.api.post("/campaigns", json=body), 201)
        before, now = self.old.read["completed"]["campaign"], ok(self.stack.api.get(self._path("completed")))
        fresh = dict(additions(before, made))
        new = dict(additions(before, now))
        assert new == fresh, f"{new}, and in a new campaign {fresh}"
        return ", ".join(new) or "no new fields"

    def goes_on(self) -> str:
        """The running campaign calls everybody who is left, and completes."""
        campaign = self.campaigns["running"]
        campaign.until_status("completed", seconds=RUNS_S)
        calls = by_id(campaign.calls())
        _same(_without_late_news(self.old.ended_calls), _without_late_news(calls))
        ends = Counter(calls[each]["disposition"] for each in self.old.live_calls)
        states = Counter(person["state"] for person in campaign.prospects())
        assert states.keys() <= {"reached", "exhausted", "suppressed"}, states
        done = ", ".join(f"{number} {state}" for state, number in states.items())
        return f"{done}; in flight at the end: {', '.join(f'{n} {end}' for end, n in ends.items())}"

    def finishes_the_import(self) -> str:
        """The file is read to its end, each row once."""

        def over() -> Any:
            found = ok(self.stack.api.get(f"/imports/{self.old.import_id}"))
            return found if found["status"] != "running" else None

        found = until(over, seconds=120, what="the end of the import")
        assert (found["status"], found["rows_read"], found["created"]) == ("completed", ROWS, ROWS), found
        total = self.campaigns["importing"].status()["prospects_total"]
        assert total == ROWS, f"{total} people"
        return f"{self.old.rows_read} rows before, {ROWS - self.old.rows_read} after"

    def stays_paused_and_resumes(self) -> str:
        campaign = self.campaigns["paused"]
        assert campaign.status()["status"] == "paused"
        before = len(self.old.read["paused"]["calls"])
        assert len(campaign.calls()) == before, "somebody was called"
        ok(campaign.post("resume"))
        campaign.until_status("completed", seconds=RUNS_S)
        return f"{before} calls before, {len(campaign.calls()) - before} after"

    def stays_scheduled_and_starts(self) -> str:
        campaign = self.campaigns["scheduled"]
        assert campaign.status()["status"] == "scheduled"
        assert not campaign.calls(), "somebody was called"
        ok(campaign.post("launch"))
        campaign.until_status("completed", seconds=RUNS_S)
        return f"{len(campaign.calls())} calls after its launch"

    def calls_nobody_twice(self) -> str:
        """By the carrier's list: one call per attempt, none after a person was reached, none to the suppressed."""
        ledger = ok(self.stack.simulator.get("/_sim/calls"))["items"]
        calls = by_id([call for campaign in self.campaigns.values() for call in campaign.calls()])
        twice = [call_id for call_id, times in Counter(each["call_id"] for each in ledger).items() if times > 1]
        assert not twice, f"placed twice: {twice[:SHOWN]}"
        strangers = [each["call_id"] for each in ledger if each["call_id"] not in calls]
        assert not strangers, f"calls of nobody: {strangers[:SHOWN]}"
        reached = Counter(call["to"] for call in calls.values() if call["disposition"] == "human")
        again = [phone for phone, times in reached.items() if times > 1]
        assert not again, f"{len(again)} people were reached more than once"
        rung = {each["to"] for each in ledger} & set(self.old.suppressed)
        assert not rung, f"{len(rung)} suppressed phones rang"
        return f"{len(ledger)} calls at the carrier, {len(self.old.ledger)} of them before"

    def keeps_workflows(self) -> str:
        """What was open goes on to its end; no workflow task failed, in any workflow."""
        found = histories.read_all(self.stack.described["temporal_address"])
        failed = [f"{each.workflow_id}: {each.failures[0]}" for each in found if each.failures]
        assert not failed, "; ".join(failed[:SHOWN])
        ours = [each for each in found if (each.workflow_id, each.run_id) in self.old.workflows]
        went_on = [each for each in ours if any(moment > self.took_over for moment in each.tasks)]
        kinds = Counter(each.kind for each in went_on)
        assert kinds["CampaignWorkflow"] >= 3, f"only {dict(kinds)} went on"
        assert kinds["CallWorkflow"], f"only {dict(kinds)} went on"
        badly = [f"{each.workflow_id}: {each.status}" for each in ours if each.status not in WELL]
        assert not badly, "; ".join(badly[:SHOWN])
        return f"{', '.join(f'{n} {kind}' for kind, n in kinds.items())} went on; {len(found)} histories"

    def does_new_things(self) -> str:
        """What the newer version adds works with what is old: versions of settings."""
        path = self._path("completed")
        before = ok(self.stack.api.get(path))["settings_version"]
        ok(self.stack.api.patch(path, json={"pace": {"max_concurrent": 3}}))
        versions = [each["version"] for each in ok(self.stack.api.get(f"{path}/versions"))["items"]]
        assert versions[:2] == [before + 1, before], versions
        return f"versions {before} and {before + 1} of the settings"

    def is_verified(self, code: Path) -> str:
        """``dialer verify`` asks the carrier and finds every promise kept."""
        done = self.site.run(code, "-m", "dialer.cli", "verify", "--home", str(self.site.home), "--nobody-deleted")
        assert done.returncode == 0, f"code {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout.strip().splitlines()[-1]

    def _path(self, name: str) -> str:
        return f"/campaigns/{self.campaigns[name].id}"


def _same(old: Any, new: Any) -> None:
    found = list(islice((each for each in differences(old, new) if f".{MOVES} is " not in each), SHOWN))
    assert not found, "; ".join(found)


def _without_late_news(calls: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        call_id: {name: value for name, value in call.items() if name not in LATE_NEWS}
        for call_id, call in calls.items()
    }
