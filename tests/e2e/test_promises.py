"""Never twice, never lost, never wrong: what a person could not easily provoke, asked of the whole product."""

import os
import signal
import time
from collections import Counter

from tests.e2e.campaigns import ALL_DAY, Campaign, fresh_phones, ok, script, until
from tests.fixtures_stack import Stack

FINAL = {"reached", "exhausted", "invalid"}


def test_people_whose_hours_could_never_open_are_called_once_the_hours_are_mended(stack: Stack) -> None:
    window = {**ALL_DAY["windows"][0], "start": "09:00", "end": "09:30"}
    campaign = Campaign.make(stack, calling_hours={"windows": [window]})
    # Area code 850 lies in two time zones, where it is never half past nine at the same time.
    two_zones = "+18505550142"
    campaign.add([two_zones, *fresh_phones(1)])
    ok(campaign.post("launch"))

    def person() -> dict[str, object]:
        return next(each for each in campaign.prospects() if each["phone"] == two_zones)

    until(lambda: person()["state"] == "held", seconds=20, what="that nobody can be called")
    ok(stack.api.patch(f"/campaigns/{campaign.id}", json={"calling_hours": ALL_DAY}))
    until(lambda: person()["state"] in FINAL, seconds=30, what="the call after the change")


def test_workers_that_freeze_and_wake_up_dial_nobody_twice_and_lose_nobody(stack: Stack) -> None:
    campaign = Campaign.make(stack, pace={"max_concurrent": 10, "calls_per_second": 10})
    phones = fresh_phones(40)
    for phone in phones:
        script(stack, phone, {"kind": "human", "talk_s": 60})
    campaign.add(phones)
    ok(campaign.post("launch"))
    until(lambda: len(campaign.at_carrier()) >= 8, what="the first calls")
    workers = stack.pids("worker")
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        frozen = time.monotonic()
        # Longer than a gate may be old; the carrier goes on meanwhile.
        until(lambda: time.monotonic() - frozen > 3, what="the time")
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    campaign.until_status("completed")
    rung = Counter(call["call_id"] for call in campaign.at_carrier())
    assert set(rung.values()) == {1}
    assert {person["state"] for person in campaign.prospects()} <= FINAL
    ours = {call["id"]: call for call in campaign.calls()}
    assert all(ours[call_id]["state"] == "ended" for call_id in rung), "no call that rang was taken for undialed"
