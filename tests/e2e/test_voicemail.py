"""Machines and keys, from the campaign's settings to the carrier and back."""

from tests.e2e.campaigns import Campaign, fresh_phones, script
from tests.fixtures_stack import Stack

LEAVE = {"action": "leave_message", "message": "Hello {{name|there}}, we will call again.", "max_messages": 1}
MACHINE = {"kind": "voicemail", "answered_by": "machine_end_beep"}


def test_a_machine_gets_one_message_a_second_call_none_and_a_person_who_presses_nine_no_call(stack: Stack) -> None:
    machine, opted_out = fresh_phones(2)
    script(stack, machine, MACHINE)
    script(stack, opted_out, {"kind": "human", "presses": "9"})
    campaign = Campaign.make(stack, voicemail=LEAVE, redial={"max_attempts": 2, "delays": {"voicemail": ["PT1S"]}})
    campaign.add([machine, opted_out])
    campaign.post("launch")
    campaign.until_status("completed")
    calls = {(call["to"], call["attempt"]): call for call in campaign.calls()}
    assert {which: call["disposition"] for which, call in calls.items()} == {
        (machine, 1): "voicemail_left",
        (machine, 2): "voicemail_no_msg",
        (opted_out, 1): "human",
    }
    assert calls[opted_out, 1]["outcome"] == "dnc_requested"
    states = {person["phone"]: person["state"] for person in campaign.prospects()}
    assert states == {machine: "exhausted", opted_out: "suppressed"}
    assert stack.api.get("/suppressions/check", params={"phone": opted_out}).json()["suppressed"]
