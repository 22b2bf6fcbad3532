"""Each way in which a call can end, from the carrier's first answer to the person's next state."""

from typing import Any

import pytest

from tests.e2e.campaigns import Campaign, fresh_phones, ok, script, until
from tests.fixtures_stack import Stack

pytestmark = pytest.mark.timeout(240)

#: What the phone does → the disposition, the person's state with no redial allowed, and whether it was an attempt.
ENDS: dict[str, tuple[Any, str, str, int]] = {
    "refused as an invalid number": ({"kind": "human", "create_error": 21211}, "invalid_number", "invalid", 0),
    "refused as not reachable by policy": ({"kind": "human", "create_error": 21215}, "blocked", "invalid", 0),
    **{
        f"refused with {code} as invalid": ({"kind": "human", "create_error": code}, "invalid_number", "invalid", 0)
        for code in (21217, 13223, 13226)
    },
    **{
        f"refused with {code} as blocked": ({"kind": "human", "create_error": code}, "blocked", "invalid", 0)
        for code in (21216, 13225, 13227, 21202)
    },
    "a human": ({"kind": "human"}, "human", "reached", 1),
    "a machine": ({"kind": "voicemail", "answered_by": "machine_start"}, "voicemail_no_msg", "exhausted", 1),
    "a machine after the beep": (
        {"kind": "voicemail", "answered_by": "machine_end_beep"},
        "voicemail_no_msg",
        "exhausted",
        1,
    ),
    "a fax": ({"kind": "fax"}, "fax", "invalid", 1),
    "nobody knows who": ({"kind": "human", "answered_by": "unknown", "talk_s": 30}, "answered_unknown", "reached", 1),
    "our document failing": ({"kind": "human", "error_code": 11200}, "provider_error", "exhausted", 1),
    "busy": ({"kind": "busy", "sip": 486}, "busy", "exhausted", 1),
    "busy everywhere": ({"kind": "busy", "sip": 600}, "busy", "exhausted", 1),
    "no answer": ({"kind": "no_answer", "sip": 487}, "no_answer", "exhausted", 1),
    "no answer by 408": ({"status": "no-answer", "sip": 408}, "no_answer", "exhausted", 1),
    "unreachable": ({"status": "failed", "sip": 480}, "unreachable", "exhausted", 1),
    **{
        f"disconnected by {sip}": ({"status": "failed", "sip": sip}, "disconnected", "invalid", 1)
        for sip in (404, 410, 604, 484, 485)
    },
    "a phone that hangs up at once": (
        {"kind": "human", "answered_by": "unknown", "talk_s": 2},
        "short_hangup",
        "exhausted",
        1,
    ),
    "our number blocked, by code": (
        {"status": "failed", "error_code": 32017},
        "caller_id_blocked",
        "exhausted",
        1,
    ),
    **{
        f"a carrier error by code {code}": ({"status": "failed", "error_code": code}, "carrier_error", "exhausted", 1)
        for code in (32016, 32011)
    },
    "disconnected by another code": ({"status": "failed", "error_code": 21214}, "disconnected", "invalid", 1),
    "disconnected by code": ({"status": "failed", "error_code": 13224}, "disconnected", "invalid", 1),
    "rejected by 603": ({"status": "failed", "sip": 603}, "rejected", "exhausted", 1),
    "rejected by 403": ({"status": "failed", "sip": 403}, "rejected", "exhausted", 1),
    "unwanted": ({"status": "failed", "sip": 607}, "caller_id_blocked", "exhausted", 1),
    "blocked by analytics": ({"status": "failed", "sip": 608}, "caller_id_blocked", "exhausted", 1),
    **{
        f"a carrier error by {sip}": ({"status": "failed", "sip": sip}, "carrier_error", "exhausted", 1)
        for sip in (408, 500, 502, 503, 504)
    },
    **{
        f"our line refused by {sip}": ({"status": "failed", "sip": sip}, "provider_error", "exhausted", 1)
        for sip in (488, 415, 401, 407)
    },
    "no last callback": ({"kind": "human", "lose_callbacks": ["completed"]}, "human", "reached", 1),
    "accepted, then a server error": (
        {"kind": "human", "create_error": "error_after_accept"},
        "human",
        "reached",
        1,
    ),
    "accepted and the answer lost": ({"kind": "human", "create_error": "timeout_after_accept"}, "human", "reached", 1),
    "a server error before": ({"kind": "human", "create_error": "http_500"}, "unknown", "exhausted", 1),
}
NEVER = {
    key: []
    for key in (
        "busy", "no_answer", "voicemail", "failed", "rejected", "caller_id_blocked", "answered_unknown", "unknown",
        "canceled", "short_hangup",
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def ended(stack: Stack) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """One campaign over all of them: name → (call, prospect)."""
    campaign = Campaign.make(stack, redial={"max_attempts": 3, "delays": NEVER}, max_call_s=10)
    phones = dict(zip(ENDS, fresh_phones(len(ENDS)), strict=True))
    for name, phone in phones.items():
        script(stack, phone, ENDS[name][0])
    campaign.add(list(phones.values()))
    campaign.post("launch")
    campaign.until_status("completed", seconds=180)
    calls = {call["to"]: call for call in campaign.calls()}
    people = {prospect["phone"]: prospect for prospect in campaign.prospects()}
    ledger = [call["to"] for call in campaign.at_carrier()]
    assert len(ledger) == len(set(ledger)), "nobody was called twice"
    return {name: (calls[phone], people[phone]) for name, phone in phones.items()}


@pytest.mark.parametrize("name", ENDS)
def test_a_call_that_meets(name: str, ended: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> None:
    _, disposition, state, attempts = ENDS[name]
    call, prospect = ended[name]
    assert (call["disposition"], prospect["state"], prospect["attempts"]) == (disposition, state, attempts)


@pytest.mark.parametrize("error", ["http_429", 22005, 10004])
def test_a_throttled_request_is_no_attempt_and_is_made_again_later(stack: Stack, error: str | int) -> None:
    campaign = Campaign.make(stack)
    phones = fresh_phones(1)
    script(stack, phones[0], {"behaviours": [{"kind": "human", "create_error": error}]})
    campaign.add(phones)
    campaign.post("launch")
    until(lambda: campaign.calls(state="deferred"), what="a deferred call")
    assert campaign.prospects()[0]["attempts"] == 0
    script(stack, phones[0], "human")
    campaign.until_status("completed")
    assert len(campaign.at_carrier()) == 1


@pytest.mark.parametrize("code", [20003, 20005, 21205, 21210, 21212, 21219])
def test_a_refused_account_or_setting_pauses_the_campaign(stack: Stack, code: int) -> None:
    campaign = Campaign.make(stack)
    phones = fresh_phones(1)
    script(stack, phones[0], {"kind": "human", "create_error": code})
    campaign.add(phones)
    campaign.post("launch")
    campaign.until_status("paused")
    call = until(lambda: campaign.calls(state="ended"), what="the call to end")[0]
    assert (call["disposition"], call["error_code"]) == ("provider_error", code)
    assert [(p["state"], p["attempts"]) for p in campaign.prospects()] == [("ready", 0)]
    ok(campaign.post("stop"))


@pytest.mark.parametrize(
    ("who", "disposition", "state"),
    [("human", "human", "reached"), ("machine_start", "voicemail_no_msg", "exhausted")],
)
def test_asynchronous_detection_decides_after_the_call(stack: Stack, who: str, disposition: str, state: str) -> None:
    campaign = Campaign.make(stack, answering_machine="detect_async", redial={"max_attempts": 3, "delays": NEVER})
    phones = fresh_phones(1)
    kind = "human" if who == "human" else "voicemail"
    script(stack, phones[0], {"kind": kind, "answered_by": who})
    campaign.add(phones)
    campaign.post("launch")
    campaign.until_status("completed")
    assert campaign.calls()[0]["disposition"] == disposition
    assert campaign.prospects()[0]["state"] == state
