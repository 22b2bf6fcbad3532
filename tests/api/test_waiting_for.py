"""The status says how many people wait for what, in words and for programs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.apis import Api

NINE_TO_FIVE = {
    "windows": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "09:00", "end": "17:00"}],
    "zone": "prospect",
}


def somewhere_at(hour: int, now: datetime) -> str:
    """A time zone whose clock reads ``hour`` now."""
    east = (hour - now.hour + 11) % 24 - 11
    return f"Etc/GMT{-east:+d}"  # POSIX signs: Etc/GMT-13 lies thirteen hours east


async def _running(api: Api, people: int, zone: str, **fields: Any) -> str:
    """The path of a campaign that runs as far as its row says."""
    campaign = await api.campaign(calling_hours=NINE_TO_FIVE, **fields)
    path = f"/campaigns/{campaign['id']}"
    items = [{"phone": f"+1202555{100 + n:04d}", "time_zone": zone} for n in range(people)]
    await api.post(f"{path}/prospects:upsert", {"items": items}, expect=200)
    await _write(api, "UPDATE campaigns SET status = 'running'")
    return path


async def _write(api: Api, sql: str, **parameters: Any) -> None:
    await api.read(f"{sql} RETURNING 1", **parameters)


async def test_people_outside_their_hours_a_redial_and_the_held_are_counted(api: Api):
    now = datetime.now(UTC)
    asleep = somewhere_at(3, now)
    path = await _running(api, 5, asleep, schedule={"time_zone": "Europe/Paris"})
    due = now + timedelta(hours=9)
    await _write(
        api,
        "UPDATE prospects SET next_due_at = :due, attempts = 1 WHERE phone IN ('+12025550100', '+12025550101')",
        due=due,
    )
    await _write(
        api,
        """UPDATE prospects SET state = 'held', held_reason = 'zone_unresolved', zone_set = ''
           WHERE phone = '+12025550102'""",
    )
    status = await api.get(f"{path}/status")
    by_reason = {wait["reason"]: wait for wait in status["waiting"]}
    assert {reason: wait["count"] for reason, wait in by_reason.items()} == {"window": 2, "due": 2, "held": 1}
    assert by_reason["window"]["time_zone"] == asleep
    assert status["waiting_for"] == "; ".join(wait["text"] for wait in status["waiting"])
    assert status["waiting_for"].startswith("2 people wait for their calling hours: the next window opens 09:00 Etc/")
    assert "2 people wait for a redial, the first at" in status["waiting_for"]
    assert status["waiting_for"].endswith("Europe/Paris; 1 held: no time zone")
    assert status["next_call_at"] == by_reason["window"]["until"]


async def test_while_calls_go_out_nothing_is_waited_for_and_the_groups_are_told(api: Api):
    path = await _running(api, 3, somewhere_at(12, datetime.now(UTC)))
    status = await api.get(f"{path}/status")
    assert status["waiting_for"] is None
    assert [(wait["reason"], wait["count"]) for wait in status["waiting"]] == [("turn", 3)]


async def test_a_full_campaign_says_so(api: Api):
    path = await _running(api, 3, somewhere_at(12, datetime.now(UTC)), pace={"max_concurrent": 1})
    await _write(
        api,
        """WITH one AS (UPDATE prospects SET state = 'in_call' WHERE phone = '+12025550100' RETURNING *)
           INSERT INTO calls (workspace_id, campaign_id, prospect_id, contact_id, state)
           SELECT workspace_id, campaign_id, id, contact_id, 'ringing' FROM one""",
    )
    status = await api.get(f"{path}/status")
    assert status["waiting_for"] == "2 people wait for a slot: 1 of 1 are taken"
    assert [(wait["reason"], wait["count"]) for wait in status["waiting"]] == [("slots", 2)]


async def _call_in_flight(api: Api) -> None:
    """The first person is in a call over the campaign's number."""
    await _write(
        api,
        """WITH one AS (UPDATE prospects SET state = 'in_call' WHERE phone = '+12025550100' RETURNING *)
           INSERT INTO calls (workspace_id, campaign_id, prospect_id, contact_id, state, dialed_at, phone_number_id,
               carrier_account_id)
           SELECT o.workspace_id, o.campaign_id, o.id, o.contact_id, 'ringing', dialer_now(), n.id, n.carrier_account_id
           FROM one o JOIN campaign_numbers m ON m.campaign_id = o.campaign_id
               JOIN phone_numbers n ON n.id = m.phone_number_id""",
    )


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("workspaces SET max_concurrent = 1", "2 people wait for a slot: all 1 of the workspace are taken"),
        ("carrier_accounts SET max_concurrent = 1", "2 people wait for a slot: all 1 of its carrier account are taken"),
        ("phone_numbers SET max_concurrent = 1", "2 people wait for a slot: all of its caller numbers are taken"),
    ],
)
async def test_a_limit_that_is_shared_with_others_says_so(api: Api, limit: str, words: str):
    path = await _running(api, 3, somewhere_at(12, datetime.now(UTC)))
    await _call_in_flight(api)
    await _write(api, f"UPDATE {limit}")
    status = await api.get(f"{path}/status")
    assert status["waiting_for"] == words
    assert [(wait["reason"], wait["count"]) for wait in status["waiting"]] == [("slots", 2)]


async def test_numbers_that_have_made_their_calls_of_a_day_say_when_the_next_is_allowed(api: Api):
    path = await _running(api, 3, somewhere_at(12, datetime.now(UTC)))
    await _call_in_flight(api)
    await _write(api, "UPDATE phone_numbers SET calls_per_day = 1")
    status = await api.get(f"{path}/status")
    (wait,) = status["waiting"]
    assert (wait["reason"], wait["count"]) == ("numbers", 2)
    assert status["waiting_for"].startswith(
        "2 people wait for a caller number: it has made all calls of 24 hours, the next may leave at "
    )
    left = datetime.fromisoformat(status["next_call_at"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)


async def test_whatever_else_a_campaign_waits_for_is_told_in_its_own_words(api: Api):
    path = await _running(api, 2, somewhere_at(12, datetime.now(UTC)))
    await _write(api, "UPDATE campaigns SET status = 'paused', paused_reason = 'carrier_account_refused'")
    status = await api.get(f"{path}/status")
    assert status["waiting_for"] == "paused (carrier_account_refused)"
    assert [(wait["reason"], wait["count"]) for wait in status["waiting"]] == [("paused", 2)]
    await _write(api, "UPDATE campaigns SET status = 'completed'")
    status = await api.get(f"{path}/status")
    assert (status["waiting_for"], status["waiting"], status["next_call_at"]) == (None, [], None)


async def test_more_people_than_are_looked_at_are_counted_all_the_same(api: Api):
    path = await _running(api, 1, somewhere_at(3, datetime.now(UTC)))
    await _write(
        api,
        """WITH c AS (INSERT INTO contacts (workspace_id, phone)
                SELECT p.workspace_id, '+9' || n FROM prospects p, generate_series(1, 2500) n RETURNING id, phone)
           INSERT INTO prospects (workspace_id, campaign_id, contact_id, phone, zone_set, state, next_due_at)
           SELECT p.workspace_id, p.campaign_id, c.id, c.phone, p.zone_set, 'ready', p.next_due_at
           FROM prospects p, c""",
    )
    (wait,) = (await api.get(f"{path}/status"))["waiting"]
    assert (wait["reason"], wait["count"], wait["exact"]) == ("window", 2501, True)
