"""Calling again those who were not reached, and those who asked for it, as a client does."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from dialer.domain.states import CompletedReason
from dialer.store.control import complete
from tests.api.apis import PERSON, Api, fields_of

SOON = (datetime.now(UTC) + timedelta(days=100)).replace(microsecond=0)
TIMES = {"at": SOON.isoformat()}


async def _exhausted(api: Api, **fields: Any) -> tuple[str, str]:
    """The paths of a campaign and of its only person, who was not reached."""
    campaign = await api.campaign(**fields)
    path = f"/campaigns/{campaign['id']}"
    person = await api.post(f"{path}/prospects", {"phone": PERSON, "time_zone": "America/New_York"})
    await _set(
        api, "prospects", person["id"], "state = 'exhausted', next_due_at = NULL, last_disposition = 'no_answer'"
    )
    return path, f"/prospects/{person['id']}"


async def _set(api: Api, table: str, row_id: str, what: str) -> None:
    await api.read(f"UPDATE {table} SET {what} WHERE id = :id RETURNING 1", id=UUID(row_id))


async def test_the_unreached_are_called_again(api: Api):
    path, person = await _exhausted(api)
    counted = await api.post(f"{path}/requeue", {"dry_run": True}, expect=200)
    assert (counted["requeued"], counted["requeue_id"], counted["dry_run"]) == (1, None, True)
    assert (await api.get(person))["state"] == "exhausted"
    none = await api.post(f"{path}/requeue", {"dispositions": ["busy"]}, expect=200)
    assert (none["requeued"], none["skipped"]) == (0, {})
    done = await api.post(f"{path}/requeue", {"dispositions": ["no_answer"], "attempts": 2}, expect=200)
    assert (done["requeued"], done["status"]) == (1, "draft")
    assert (await api.get(person))["state"] == "ready"
    attempts = (await api.get(f"{person}/explain"))["gates"][-1]
    assert attempts["why"] == "0 of 2 attempts made"
    again = await api.post(f"{path}/requeue", expect=200)
    assert (again["requeued"], again["skipped"]) == (0, {"ready": 1})


async def test_the_same_request_with_its_key_requeues_once(api: Api):
    path, person = await _exhausted(api)
    headers = {"Idempotency-Key": "again-1"}
    first = await api.call("POST", f"{path}/requeue", json={}, headers=headers, expect=200)
    await _set(api, "prospects", person.rpartition("/")[2], "state = 'exhausted', next_due_at = NULL")
    second = await api.call("POST", f"{path}/requeue", json={}, headers=headers, expect=200)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.json() == first.json()
    assert (await api.get(person))["state"] == "exhausted"


async def test_a_completed_campaign_is_launched_when_the_request_says_so(api_with_temporal: Api):
    api = api_with_temporal
    path, person = await _exhausted(api, keep_open=True)
    await api.post(f"{path}/launch", expect=202)
    async with api.services.database.transaction(api.workspace_id) as session:
        assert await complete(session, UUID(path.rpartition("/")[2]), CompletedReason.ALL_FINAL)
    done = await api.post(f"{path}/requeue", {}, expect=200)
    assert (done["requeued"], done["status"]) == (1, "completed")
    await _set(api, "prospects", person.rpartition("/")[2], "state = 'expired', next_due_at = NULL")
    done = await api.post(f"{path}/requeue", {"launch": True}, expect=200)
    assert (done["requeued"], done["status"]) == (1, "running")
    await api.post(f"{path}/stop", expect=200)
    problem = await api.refused("POST", f"{path}/requeue", 409, json={})
    assert problem["current_status"] == "stopped"


async def test_a_completed_campaign_with_a_new_start_calls_them_then(api_with_temporal: Api):
    api = api_with_temporal
    path, person = await _exhausted(api)
    await _set(api, "campaigns", path.rpartition("/")[2], "status = 'completed', completed_reason = 'all_final'")
    await api.call("PATCH", path, expect=200, json={"schedule": {"start_at": "2036-12-01T08:00:00Z"}})
    done = await api.post(f"{path}/requeue", {"launch": True}, expect=200)
    assert (done["requeued"], done["status"]) == (1, "scheduled")
    explained = await api.get(f"{person}/explain")
    assert (explained["callable"], explained["next_eligible_at"]) == (False, "2036-12-01T08:00:00Z")


async def test_a_requeue_whose_launch_was_refused_launches_when_it_is_sent_again(api: Api):
    path, _ = await _exhausted(api)
    await _set(api, "campaigns", path.rpartition("/")[2], "status = 'completed', completed_reason = 'all_final'")
    await api.read("UPDATE agents SET active = false RETURNING 1")
    wanted = {"dispositions": ["no_answer"], "launch": True}
    assert fields_of(await api.refused("POST", f"{path}/requeue", 422, json=wanted)) == {"agent_id"}
    await api.read("UPDATE agents SET active = true RETURNING 1")
    others = await api.post(f"{path}/requeue", {**wanted, "dispositions": ["busy"]}, expect=200)
    assert (others["requeued"], others["status"]) == (0, "completed")
    again = await api.post(f"{path}/requeue", wanted, expect=200)
    assert (again["requeued"], again["skipped"], again["status"]) == (0, {"ready": 1}, "running")


BAD_REQUEUES: list[tuple[dict[str, Any], str]] = [
    ({"dispositions": ["sleeping"]}, "dispositions[0]"),
    ({"outcomes": ["sold"]}, "outcomes[0]"),
    ({"states": ["ready"]}, "states[0]"),
    ({"states": []}, "states"),
    ({"attempts": 0}, "attempts"),
    ({"attempts": 51}, "attempts"),
    ({"not_before": "tomorrow"}, "not_before"),
    ({"not_before": "2036-12-01T15:00:00"}, "not_before"),
    ({"everybody": True}, "everybody"),
]


async def test_a_bad_requeue_names_the_field_and_changes_nothing(api: Api):
    path, person = await _exhausted(api)
    for body, field in BAD_REQUEUES:
        assert fields_of(await api.refused("POST", f"{path}/requeue", 422, json=body)) == {field}
    assert (await api.get(person))["state"] == "exhausted"


async def test_somebody_who_asks_is_called_at_their_time(api: Api):
    _, person = await _exhausted(api)
    asked = await api.post(f"{person}/callback", TIMES, expect=200)
    assert datetime.fromisoformat(asked["asked_for"]) == datetime.fromisoformat(asked["due_at"]) == SOON
    shown = await api.get(person)
    assert (shown["state"], shown["callback_at"], shown["next_due_at"]) == ("ready", asked["due_at"], asked["due_at"])
    gates = {gate["name"]: gate for gate in (await api.get(f"{person}/explain"))["gates"]}
    assert gates["attempts"]["why"] == "0 of 4 attempts made, and a callback asked for"


async def test_a_time_by_the_clock_on_the_wall_is_the_persons(api: Api):
    _, person = await _exhausted(api)
    july = date(SOON.year if SOON.month < 7 else SOON.year + 1, 7, 1)
    march = next(day for day in _days_from(SOON) if (day.month, day.weekday()) == (3, 6) and 8 <= day.day <= 14)
    for given, due in (
        ({"local_time": f"{july}T15:00"}, f"{july}T19:00:00Z"),
        ({"local_time": f"{july}T15:00", "time_zone": "Europe/Rome"}, f"{july}T13:00:00Z"),
        # A time that the clocks leave out is as much later.
        ({"local_time": f"{march}T02:30"}, f"{march}T07:30:00Z"),
    ):
        assert (await api.post(f"{person}/callback", given, expect=200))["due_at"] == due


def _days_from(moment: datetime) -> Iterator[date]:
    return (moment.date() + timedelta(days=n) for n in range(366))


BAD_TIMES: list[tuple[dict[str, Any], str]] = [
    ({}, "body"),
    ({**TIMES, "local_time": "2036-12-01T15:00"}, "body"),
    ({**TIMES, "time_zone": "Europe/Rome"}, "body"),
    ({"at": "2020-01-01T00:00:00Z"}, "at"),
    ({"at": "2096-01-01T00:00:00Z"}, "at"),
    ({"at": "15:00"}, "at"),
    ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
    ({"local_time": "2036-02-30T15:00"}, "local_time"),
    ({"local_time": "0001-01-01T00:00", "time_zone": "Asia/Tokyo"}, "local_time"),
    ({"local_time": "9999-12-31T23:59", "time_zone": "America/New_York"}, "local_time"),
    ({"local_time": "2036-12-01T15:00", "time_zone": "Rome"}, "time_zone"),
]


async def test_a_bad_time_names_the_field_and_changes_nothing(api: Api):
    _, person = await _exhausted(api)
    for body, field in BAD_TIMES:
        assert fields_of(await api.refused("POST", f"{person}/callback", 422, json=body)) == {field}
    assert (await api.get(person))["state"] == "exhausted"


async def test_who_is_on_the_do_not_call_list_is_not_called_back(api: Api):
    _, person = await _exhausted(api)
    await api.post("/suppressions", {"phone": PERSON})
    assert (await api.refused("POST", f"{person}/callback", 409, json=TIMES))["code"] == "suppressed"
    assert (await api.refused("POST", f"/prospects/{UUID(int=1)}/callback", 404, json=TIMES))["code"] == "not_found"


async def test_an_outcome_with_a_time_is_a_callback(api: Api):
    path, person = await _exhausted(api)
    sql = """INSERT INTO calls (workspace_id, campaign_id, prospect_id, contact_id, to_phone, state, disposition,
                claimed_at, ended_at, answered_at)
             SELECT workspace_id, campaign_id, id, contact_id, phone, 'ended', 'human', dialer_now(), dialer_now(),
                dialer_now() FROM prospects WHERE id = :id RETURNING id"""
    call_id = (await api.read(sql, id=UUID(person.rpartition("/")[2])))[0].id
    at = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)
    said = {"outcome": "callback_requested", "callback_at": at.isoformat(), "notes": "after lunch"}
    call = (await api.call("PATCH", f"/calls/{call_id}", json=said, expect=200)).json()
    assert (call["outcome"], call["notes"]) == ("callback_requested", "after lunch")
    shown = await api.get(person)
    assert datetime.fromisoformat(shown["callback_at"]) == at
    assert shown["last_outcome"] == "callback_requested"
    for bad in ({"callback_at": at.isoformat()}, {"outcome": "goal", "callback_at": at.isoformat()}, {"outcome": None}):
        await api.refused("PATCH", f"/calls/{call_id}", 422, json=bad)
    past = {"outcome": "callback_requested", "callback_at": "2020-01-01T00:00:00Z"}
    assert fields_of(await api.refused("PATCH", f"/calls/{call_id}", 422, json=past)) == {"callback_at"}
    await api.call("PATCH", f"/calls/{call_id}", json={"outcome": "goal"}, expect=200)
    shown = await api.get(person)
    assert (shown["state"], shown["callback_at"]) == ("reached", None)
    assert (await api.get(f"{path}/stats"))["outcomes"] == {"goal": 1}
    await _set(api, "calls", str(call_id), "disposition = 'busy'")
    refused = await api.refused("PATCH", f"/calls/{call_id}", 409, json={"outcome": "incomplete"})
    assert refused["code"] == "not_answered"
