"""``dialer verify`` against a running stack: it acquits what happened, and convicts what was tampered with."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.campaigns import Campaign, fresh_phones, ok, script, until
from tests.fixtures_stack import FOREIGN, Stack


def verify(
    stack: Stack, *arguments: str, home: Path | None = None, environment: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """The exit code and the verdict."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    done = subprocess.run(
        [sys.executable, "-m", "dialer.cli", "verify", "--json", "--home", str(home or stack.home), *arguments],
        capture_output=True,
        text=True,
        env={**kept, **(environment or {})},
        timeout=90,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def broken(verdict: dict[str, Any]) -> set[str]:
    return {violation["rule"] for violation in verdict["violations"]}


@pytest.fixture(scope="module")
def campaign(stack: Stack) -> Campaign:
    """A campaign with redials, a pause in its middle and an opt-out, seen to its end; and somebody rings back."""
    redial = {"max_attempts": 3, "delays": {"busy": ["PT1S", "PT2S"], "no_answer": ["PT1S"], "failed": []}}
    campaign = Campaign.make(stack, pace={"max_concurrent": 6, "calls_per_second": 20}, redial=redial)
    phones = fresh_phones(30)
    behaviours = ("human", "busy", "no_answer", "disconnected")
    for number, phone in enumerate(phones):
        script(stack, phone, behaviours[number % len(behaviours)])
    campaign.add(phones)
    ok(campaign.post("launch"))
    until(lambda: len(campaign.at_carrier()) >= 5, what="the first calls")
    ok(campaign.post("pause"))
    ok(stack.api.post("/suppressions", json={"phone": phones[-1]}))
    ok(campaign.post("resume"))
    campaign.until_status("completed")
    _ring_back(stack, campaign, phones[0])
    return campaign


def _ring_back(stack: Stack, campaign: Campaign, phone: str) -> None:
    hook = f"{stack.described['api_url']}/api/v1/carriers/twilio/inbound"
    (ours,) = campaign.body["caller_numbers"]
    body = {"from": phone, "to": ours, "talk_s": 600, "voice_url": hook, "status_callback": f"{hook}/status"}
    ok(stack.simulator.post("/_sim/inbound", json=body))
    ended = {"campaign_id": campaign.id, "direction": "inbound", "state": "ended"}
    until(lambda: ok(stack.api.get("/calls", params=ended))["items"], what="the end of the call that came in")


def change(stack: Stack, sql: str, *values: object) -> None:
    """What no part of the product does: a row is altered behind its back."""
    with psycopg.connect(stack.described["database_url"], autocommit=True) as connection:
        connection.execute("SELECT set_config('dialer.workspace', '*', false)")
        assert connection.execute(sql, values).rowcount == 1


def test_a_real_campaign_is_acquitted_of_everything(stack: Stack, campaign: Campaign) -> None:
    code, verdict = verify(stack, "--campaign", campaign.id)
    assert verdict["violations"] == []
    assert code == 0
    assert verdict["clean"]
    rules = {rule["rule"]: rule for rule in verdict["rules"]}
    looked_at = [name for name, rule in rules.items() if rule["checked"]]
    assert set(rules) - set(looked_at) == set(), "every rule had something to look at"
    assert verdict["counts"]["carrier_calls"] == len(campaign.at_carrier())


def test_the_carriers_list_convicts_nobody_either(stack: Stack, campaign: Campaign, tmp_path: Path) -> None:
    """Elsewhere than at the stack's home the carrier account is asked, whose times have whole seconds."""
    known = {
        "DIALER_DATABASE_URL": stack.described["database_url"],
        "DIALER_SECRET_KEY": json.loads((stack.home / "secrets.json").read_text())["secret_key"],
    }
    code, verdict = verify(stack, "--campaign", campaign.id, home=tmp_path, environment=known)
    assert (code, verdict["violations"]) == (0, [])
    assert verdict["counts"]["carrier_calls"] == len(campaign.at_carrier())


def test_without_the_carriers_word_the_verdict_is_not_clean(stack: Stack, campaign: Campaign, tmp_path: Path) -> None:
    known = {"DIALER_DATABASE_URL": stack.described["database_url"]}
    code, verdict = verify(stack, "--campaign", campaign.id, home=tmp_path, environment=known)
    assert (code, verdict["clean"], verdict["violations"]) == (2, False, [])
    assert any(rule["not_judged"] for rule in verdict["rules"])


def test_a_call_that_the_carrier_made_and_our_row_does_not_know_is_convicted(stack: Stack, campaign: Campaign) -> None:
    call = next(call for call in campaign.calls() if call["disposition"] == "busy")
    sid = next(record["sid"] for record in campaign.at_carrier() if record["call_id"] == call["id"])
    change(stack, "UPDATE calls SET carrier_call_id = NULL WHERE id = %s", call["id"])
    try:
        code, verdict = verify(stack, "--campaign", campaign.id)
    finally:
        change(stack, "UPDATE calls SET carrier_call_id = %s WHERE id = %s", sid, call["id"])
    assert code == 1
    assert "carrier_calls_known" in broken(verdict)


def test_a_call_in_the_carriers_log_that_is_not_ours_is_convicted(
    stack: Stack, campaign: Campaign, tmp_path: Path
) -> None:
    ledger = ok(stack.simulator.get("/_sim/calls"))
    mine = campaign.at_carrier()[-1]
    ledger["items"].append({**mine, "sid": "CA" + "f" * 32, "call_id": None})
    log = tmp_path / "ledger.json"
    log.write_text(json.dumps(ledger))
    code, verdict = verify(stack, "--campaign", campaign.id, "--carrier-log", str(log))
    assert code == 1
    assert broken(verdict) == {"carrier_calls_known"}
    told = json.dumps(verdict["violations"])
    assert mine["to"] not in told, "no phone number is repeated"
    assert mine["from"] not in told


def test_the_verdict_on_everything_names_the_campaigns_that_break_a_rule(stack: Stack, campaign: Campaign) -> None:
    """Other tests of the session may have left calls of their own behind, so only the tampering is looked for."""
    person = campaign.prospects()[0]["id"]
    change(stack, "UPDATE prospects SET attempts = attempts + 1 WHERE id = %s", person)
    try:
        code, verdict = verify(stack)
    finally:
        change(stack, "UPDATE prospects SET attempts = attempts - 1 WHERE id = %s", person)
    assert code == 1
    assert any(
        violation["rule"] == "attempts_within_policy" and violation["ids"]["prospect"] == person
        for violation in verdict["violations"]
    )
