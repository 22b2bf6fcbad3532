"""Files as people send them while a campaign runs."""

import csv
import io
import time
from typing import Any

import pytest

from tests.e2e.campaigns import Campaign, fresh_phones, ok, until
from tests.fixtures_stack import Stack

pytestmark = pytest.mark.timeout(240)

SECONDS_TO_STOP = 10


def upload(campaign: Campaign, content: bytes, **options: str) -> str:
    """The import's id."""
    path = f"/campaigns/{campaign.id}/prospects:upload"
    files = {"file": ("people.csv", content, "text/csv")}
    return ok(campaign.stack.api.post(path, data=options, files=files), 202)["import_id"]


def state(campaign: Campaign, import_id: str) -> dict[str, Any]:
    return ok(campaign.stack.api.get(f"/imports/{import_id}"))


def ended(campaign: Campaign, import_id: str, *, seconds: float = 120) -> dict[str, Any]:
    return until(
        lambda: (now := state(campaign, import_id))["status"] != "running" and now, seconds=seconds, what="the end"
    )


def add_up(found: dict[str, Any]) -> bool:
    return found["rows_read"] == found["created"] + found["updated"] + found["skipped"] + found["failed"]


def test_a_pause_during_an_import_stays_a_pause_and_a_cancelled_import_goes_on_when_retried(stack: Stack) -> None:
    campaign = Campaign.make(stack, keep_open=True)
    campaign.add(fresh_phones(1))
    ok(campaign.post("launch"))
    people = 20_000
    # One number for all would be one person: the file repeats ten thousand that are reserved for fiction.
    rows = "".join(f"Person {number},+1305555{number % 10_000:04d}\n" for number in range(people))
    import_id = upload(campaign, ("name,phone\n" + rows).encode())
    until(lambda: state(campaign, import_id)["rows_read"] > 0, what="the first rows")
    ok(campaign.post("pause", {"calls": "hang_up"}), 200, 202)
    dialed = len(campaign.at_carrier())
    began = time.monotonic()
    stopped = ok(stack.api.post(f"/imports/{import_id}/cancel"))
    assert (stopped["status"], add_up(stopped)) == ("cancelled", True)
    assert stopped["rows_read"] < people, "it was over before"
    until(lambda: state(campaign, import_id)["status"] == "cancelled", what="the cancelling")
    assert time.monotonic() - began < SECONDS_TO_STOP
    again = state(campaign, import_id)
    assert again["rows_read"] == stopped["rows_read"]
    ok(stack.api.post(f"/imports/{import_id}/retry"), 202)
    done = ended(campaign, import_id)
    assert (done["status"], done["rows_read"], add_up(done)) == ("completed", people, True)
    assert done["created"] + done["skipped"] == people
    assert campaign.status()["status"] == "paused"
    assert len(campaign.at_carrier()) <= dialed + 1  # one may have been on its way when the pause was answered
    ok(campaign.post("stop", {"calls": "hang_up"}), 200, 202)


def test_a_file_is_tried_dry_corrected_and_dialed_at_once(stack: Stack) -> None:
    campaign = Campaign.make(stack, keep_open=True)
    first, good, bad = fresh_phones(3)
    campaign.add([first])
    ok(campaign.post("launch"))
    until(lambda: campaign.calls(), what="the first call")
    content = f"name,phone,plan\nAnn,{good},gold\nBob,12,silver\nCid,{good},gold\n".encode()
    dry = ended(campaign, upload(campaign, content, dry_run="true"))
    assert [dry[name] for name in ("created", "updated", "skipped", "failed")] == [1, 0, 1, 1]
    assert dry["report"]["states"] == {"ready": 1}
    assert dry["report"]["duplicates"] == {"in_file": 1, "in_campaign": 0}
    assert sum(hour["calls"] for hour in dry["report"]["first_calls"]["hours"]) == 1
    assert len(campaign.prospects()) == 1
    done = ended(campaign, upload(campaign, content))
    assert [done[name] for name in ("created", "updated", "skipped", "failed")] == [1, 0, 1, 1]
    until(lambda: len({call["to"] for call in campaign.calls()}) == 2, seconds=20, what="the call to who was added")
    errors = stack.api.get(f"/imports/{done['id']}/errors", headers={"Accept": "text/csv"})
    header, row = csv.reader(io.StringIO(errors.content.decode("utf-8-sig")))
    row[header.index("phone")] = bad
    text = io.StringIO()
    csv.writer(text).writerows([header, row])
    corrected = ended(campaign, upload(campaign, text.getvalue().encode()))
    assert [corrected[name] for name in ("created", "updated", "skipped", "failed")] == [1, 0, 0, 0]
    (bob,) = [each for each in campaign.prospects() if each["phone"] == bad]
    assert (bob["name"], bob["variables"]) == ("Bob", {"plan": "silver"})
    ok(campaign.post("stop"), 200, 202)
