"""People with several phones, from the file to the carrier's ledger."""

import pytest

from tests.e2e.campaigns import Campaign, fresh_phones, script
from tests.fixtures_stack import Stack

pytestmark = pytest.mark.timeout(240)


def test_a_person_is_reached_on_their_second_phone_and_on_no_more_than_one_at_a_time(stack: Stack) -> None:
    campaign = Campaign.make(stack, redial={"max_attempts": 4, "delays": {"busy": ["PT1S", "PT1S"]}}, max_call_s=10)
    busy, first, invalid, second, dead, dead_too = fresh_phones(6)
    script(stack, busy, {"kind": "busy", "sip": 486})
    script(stack, first, "human")
    script(stack, invalid, {"kind": "human", "create_error": 21211})
    script(stack, second, "human")
    for phone in (dead, dead_too):
        script(stack, phone, {"kind": "human", "create_error": 21211})
    rows = f"ann,{busy},{first}\nbob,{invalid},{second}\ncat,{dead},{dead_too}\n"
    done = campaign.upload("external_id,phone,phone_2\n" + rows)
    assert (done["created"], done["failed"]) == (3, 0)
    campaign.post("launch")
    campaign.until_status("completed", seconds=120)

    people = {person["external_id"]: person for person in campaign.prospects()}
    assert {name: (p["state"], p["attempts"]) for name, p in people.items()} == {
        "ann": ("reached", 2),
        "bob": ("reached", 1),
        "cat": ("invalid", 0),
    }
    assert (people["ann"]["phone"], people["ann"]["other_phones"]) == (busy, [first])
    order = sorted(campaign.calls(state="ended"), key=lambda call: call["created_at"])
    dialed = {name: [c["to"] for c in order if c["prospect_id"] == person["id"]] for name, person in people.items()}
    assert dialed == {"ann": [busy, first], "bob": [invalid, second], "cat": [dead, dead_too]}
    assert sorted(call["to"] for call in campaign.at_carrier()) == sorted([busy, first, second])
