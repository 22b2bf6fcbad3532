import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.campaigns import Campaign, fresh_phones, in_real_time, ok, script, until
from tests.fixtures_stack import Stack

pytestmark = pytest.mark.timeout(240)


def test_a_campaign_goes_from_csv_to_completion(stack: Stack) -> None:
    campaign = Campaign.make(stack)
    phones = fresh_phones(12)
    for phone in phones[:3]:
        script(stack, phone, {"behaviours": [{"kind": "busy"}, {"kind": "human"}]})
    for phone in phones[3:]:
        script(stack, phone, "human")
    imported = campaign.add(phones)
    assert (imported["status"], imported["created"]) == ("completed", 12)

    launched = campaign.post("launch")
    assert launched.status_code == 202
    campaign.until_status("completed")

    stats = campaign.stats()
    ledger = campaign.at_carrier()
    calls = campaign.calls()
    assert {p["state"] for p in campaign.prospects()} == {"reached"}
    assert len(ledger) == 15
    assert sorted(call["call_id"] for call in ledger) == sorted(call["id"] for call in calls)
    assert {call["carrier_call_id"] for call in calls} == {call["sid"] for call in ledger}
    assert sum(1 for call in calls if call["disposition"] == "busy") == 3
    assert stats["dispositions"] == {"busy": 3, "human": 12}


def test_an_attempt_can_be_opened_in_the_temporal_web_ui(stack: Stack) -> None:
    if stack.described["temporal_ui_url"] is None:
        pytest.skip("a Temporal server elsewhere, without its Web UI")
    campaign = Campaign.make(stack)
    phones = fresh_phones(1)
    script(stack, phones[0], "busy")
    campaign.add(phones)
    campaign.post("launch")
    first = until(lambda: campaign.calls(disposition="busy"), what="a busy call")[0]
    assert first["trace_url"].endswith(f"/namespaces/default/workflows/call-{first['id']}")
    ui = f"{stack.described['temporal_ui_url']}/api/v1/namespaces/default/workflows/{first['workflow_id']}"

    def closed() -> dict[str, object] | None:
        seen = httpx.get(ui, timeout=10).json()["workflowExecutionInfo"]
        return seen if seen["status"] == "WORKFLOW_EXECUTION_STATUS_COMPLETED" else None

    seen = until(closed, what="the workflow to close")
    attributes = json.dumps(seen["searchAttributes"])
    assert {"WorkspaceId", "CampaignId", "ProspectId", "Disposition", "AttemptNumber"} <= set(
        seen["searchAttributes"]["indexedFields"]
    )
    assert phones[0][1:] not in attributes
    campaign.post("stop")


def test_a_pause_stops_new_calls_and_a_resume_goes_on(stack: Stack) -> None:
    campaign = Campaign.make(stack, pace={"max_concurrent": 2, "calls_per_second": 4})
    phones = fresh_phones(24)
    for phone in phones:
        script(stack, phone, {"kind": "human", "talk_s": 60})
    campaign.add(phones)
    campaign.post("launch")
    until(lambda: len(campaign.at_carrier()) >= 3, what="three calls")
    paused = campaign.post("pause")
    assert paused.status_code == 200, paused.text
    dialed = len(campaign.at_carrier())
    assert campaign.post("pause").json()["status"] == "paused"
    until(lambda: campaign.status()["calls_in_flight"] == 0, what="calls to end")
    assert len(campaign.at_carrier()) == dialed
    assert campaign.status()["status"] == "paused"
    assert campaign.post("resume").json()["status"] == "running"
    campaign.until_status("completed")
    assert len(campaign.at_carrier()) == 24


def test_a_stop_is_final_and_hangs_up_when_asked(stack: Stack) -> None:
    campaign = Campaign.make(stack)
    phones = fresh_phones(4)
    for phone in phones:
        script(stack, phone, {"kind": "no_answer", "ring_s": 60})
    campaign.add(phones)
    with in_real_time(stack):
        campaign.post("launch")
        until(lambda: len(campaign.calls(state="ringing")) == 4, what="four phones to ring")
        stopped = campaign.post("stop", {"calls": "hang_up"})
        assert stopped.status_code == 200, stopped.text
        until(lambda: campaign.status()["calls_in_flight"] == 0, seconds=15, what="calls to be hung up")
    assert {call["disposition"] for call in campaign.calls()} == {"canceled"}
    assert {p["state"] for p in campaign.prospects()} == {"expired"}
    assert campaign.status()["status"] == "stopped"
    assert campaign.post("resume").status_code == 409


def test_pause_resume_and_stop_work_from_temporal_with_empty_and_junk_arguments(stack: Stack) -> None:
    campaign = Campaign.make(stack, keep_open=True)
    campaign.post("launch")
    campaign.until_status("running")
    for name, argument, status in (
        ("pause", None, "paused"),
        ("resume", '"junk"', "running"),
        ("pause", '{"hang_up": 7}', "paused"),
        ("nonsense", "[]", "paused"),
        ("resume", None, "running"),
        ("stop", "true", "stopped"),
    ):
        signal_campaign(stack, campaign.id, name, argument)
        campaign.until_status(status, seconds=20)


def signal_campaign(stack: Stack, campaign_id: str, name: str, argument: str | None) -> None:
    """What ``temporal workflow signal`` does."""
    command = [str(Path(sys.executable).parent / "temporal"), "workflow", "signal", "--address"]
    command += [stack.described["temporal_address"], "--workflow-id", f"campaign-{campaign_id}", "--name", name]
    if argument is not None:
        command += ["--input", argument]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def test_a_worker_killed_in_the_middle_loses_and_doubles_nothing(stack: Stack) -> None:
    # A request that a killed worker had begun may end as unknown, and is redialed after a minute by default.
    redial = {"max_attempts": 3, "delays": {"unknown": ["PT1S"]}}
    campaign = Campaign.make(stack, pace={"max_concurrent": 10, "calls_per_second": 10}, redial=redial)
    phones = fresh_phones(60)
    for phone in phones:
        script(stack, phone, {"kind": "human", "talk_s": 60})
    campaign.add(phones)
    campaign.post("launch")
    until(lambda: len(campaign.at_carrier()) >= 10, what="ten calls")
    for pid in stack.pids("worker"):
        os.kill(pid, signal.SIGKILL)
    campaign.until_status("completed", seconds=150)
    ledger = campaign.at_carrier()
    ids = [call["call_id"] for call in ledger]
    assert len(ids) == len(set(ids))
    assert {p["state"] for p in campaign.prospects()} <= {"reached", "exhausted"}
    assert {call["carrier_call_id"] for call in campaign.calls() if call["carrier_call_id"]} == {
        call["sid"] for call in ledger
    }


def test_a_suppressed_phone_is_never_called(stack: Stack) -> None:
    campaign = Campaign.make(stack)
    phones = fresh_phones(3)
    for phone in phones:
        script(stack, phone, "human")
    ok(stack.api.post("/suppressions", json={"phone": phones[0], "reason": "asked"}), 201)
    campaign.add(phones)
    ok(stack.api.post("/suppressions", json={"phone": phones[1], "reason": "asked"}), 201)
    campaign.post("launch")
    campaign.until_status("completed")
    assert {call["to"] for call in campaign.at_carrier()} == {phones[2]}


def test_wrong_credentials_pause_the_campaign_and_leave_people_untouched(stack: Stack) -> None:
    account = ok(stack.api.get("/carrier-accounts"))["items"][0]
    campaign = Campaign.make(stack)
    phones = fresh_phones(3)
    for phone in phones:
        script(stack, phone, "human")
    campaign.add(phones)
    ok(stack.simulator.put(f"/_sim/accounts/{account['account_sid']}", json={"status": "suspended"}))
    try:
        campaign.post("launch")
        campaign.until_status("paused")
        # What had passed the gate before the pause is refused as well.
        until(lambda: campaign.status()["calls_in_flight"] == 0, what="calls to end")
    finally:
        ok(stack.simulator.put(f"/_sim/accounts/{account['account_sid']}", json={"status": "active"}))
    shown = ok(stack.api.get(f"/campaigns/{campaign.id}"))
    assert shown["paused_reason"] == "carrier_account_refused"
    assert {(p["state"], p["attempts"]) for p in campaign.prospects()} == {("ready", 0)}
    campaign.post("resume")
    campaign.until_status("completed")
    assert len(campaign.at_carrier()) == 3
