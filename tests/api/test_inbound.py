"""People who ring back: answered, matched, recorded as no attempt, and not called again."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from twilio.request_validator import RequestValidator

from tests.api.apis import CALLER, PERSON, Api, fields_of
from tests.api.callbacks import callback
from tests.api.conftest import ACCOUNT_SID, AUTH_TOKEN, PUBLIC_URL

SID = "CA" + "2" * 32
STRANGER = "+12125550199"


async def ring(
    api: Api, fields: Mapping[str, str] | None = None, *, kind: str = "inbound", sid: str = SID, token: str = AUTH_TOKEN
) -> Any:
    """What the carrier sends of a call that comes in, and what it is answered."""
    path = f"/api/v1/carriers/twilio/{kind}"
    given = {"From": PERSON, "To": CALLER, "Direction": "inbound", "CallStatus": "ringing", **(fields or {})}
    form = {"AccountSid": ACCOUNT_SID, "CallSid": sid, **given}
    signature = RequestValidator(token).compute_signature(PUBLIC_URL + path, form)
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded", "X-API-Key": ""}
    return await api.http.post(path, content=urlencode(form), headers=headers)


async def hang_up(api: Api, seconds: int = 20, *, sid: str = SID, **fields: str) -> None:
    """The carrier tells of the end."""
    ended = {"CallStatus": "completed", "CallDuration": str(seconds), **fields}
    assert (await ring(api, ended, kind="inbound/status", sid=sid)).status_code == 204


async def inbound(api: Api, **query: Any) -> list[dict[str, Any]]:
    return (await api.get("/calls", params={"direction": "inbound", **query}))["items"]


async def the_person(api: Api) -> dict[str, Any]:
    (campaign,) = (await api.get("/campaigns"))["items"]
    (person,) = (await api.get(f"/campaigns/{campaign['id']}/prospects"))["items"]
    return person


@pytest.fixture
async def missed(api: Api, call_id: UUID) -> UUID:
    """A call that nobody has answered: its person is called again in four hours."""
    ended = {"CallStatus": "no-answer", "SequenceNumber": "3"}
    assert (await callback(api, "status", call_id, ended)).status_code == 204
    assert (await the_person(api))["state"] == "ready"
    return call_id


async def test_who_rings_back_hears_the_agent_that_called_them_and_is_matched(api: Api, missed: UUID):
    answer = await ring(api)
    assert answer.status_code == 200
    assert "Hi Ada" in answer.text
    (call,) = await inbound(api)
    person = await the_person(api)
    assert (call["prospect_id"], call["campaign_id"]) == (person["id"], person["campaign_id"])
    assert (call["from"], call["to"], call["attempt"], call["state"]) == (PERSON, CALLER, None, "in_progress")
    assert call["workflow_id"] is None
    assert [each["id"] for each in (await api.get("/calls/live"))["items"]] == [call["id"]]
    assert await inbound(api, state="in_progress", prospect_id=person["id"]) == [call]


async def test_the_same_request_again_gets_the_same_answer_and_makes_no_second_call(api: Api, missed: UUID):
    first = await ring(api)
    again = await ring(api)
    assert (again.status_code, again.text) == (200, first.text)
    assert len(await inbound(api)) == 1


async def test_who_has_talked_is_reached_and_their_redial_cancelled(api: Api, missed: UUID):
    await ring(api)
    await hang_up(api)
    (call,) = await inbound(api)
    assert (call["state"], call["disposition"], call["talk_seconds"]) == ("ended", "human", 20)
    assert (call["next_state"], call["next_reason"]) == ("reached", "they rang back")
    person = await the_person(api)
    assert (person["state"], person["next_due_at"], person["attempts"]) == ("reached", None, 1)
    stats = await api.get(f"/campaigns/{person['campaign_id']}/stats")
    assert (stats["inbound"], stats["calls_total"], stats["answered"]) == (1, 0, 0)
    assert stats["dispositions"] == {"no_answer": 1}


async def test_a_campaign_that_keeps_redials_calls_again(api: Api, missed: UUID):
    campaign_id = (await the_person(api))["campaign_id"]
    changed = await api.call("PATCH", f"/campaigns/{campaign_id}", expect=200, json={"inbound": {"redial": "keep"}})
    assert changed.json()["inbound"] == {"redial": "keep"}
    await ring(api)
    await hang_up(api)
    assert (await the_person(api))["state"] == "ready"


async def test_a_campaign_that_records_has_their_call_recorded_too(api: Api, missed: UUID):
    campaign_id = (await the_person(api))["campaign_id"]
    await api.call("PATCH", f"/campaigns/{campaign_id}", expect=200, json={"record": True})
    answer = await ring(api)
    (call,) = await inbound(api)
    assert f"/carriers/twilio/recording?call_id={call['id']}" in answer.text
    url = "https://recordings.example/RE1"
    told = {"RecordingStatus": "completed", "RecordingUrl": url, "RecordingSid": "RE" + "1" * 32, "CallSid": SID}
    assert (await callback(api, "recording", UUID(call["id"]), told)).status_code == 204
    assert (await api.get(f"/calls/{call['id']}"))["recording_url"] == url


async def test_who_hangs_up_at_once_is_called_again(api: Api, missed: UUID):
    await ring(api)
    await hang_up(api, seconds=2)
    (call,) = await inbound(api)
    assert call["disposition"] == "short_hangup"
    assert (await the_person(api))["state"] == "ready"


async def test_a_call_that_was_promised_for_a_time_is_kept(api: Api, missed: UUID):
    person = await the_person(api)
    sql = """UPDATE prospects SET callback_id = uuidv7(), callback_at = next_due_at RETURNING 1"""
    await api.read(sql)
    await ring(api)
    await hang_up(api)
    assert (await the_person(api))["next_due_at"] == person["next_due_at"]


async def test_who_presses_the_key_is_suppressed_before_the_goodbye_is_said(api: Api, missed: UUID):
    await ring(api)
    answer = await ring(api, {"CallStatus": "in-progress", "Digits": "9"})
    assert "You will not be called again" in answer.text
    assert (await api.get("/suppressions/check", params={"phone": PERSON}))["suppressed"]
    assert (await the_person(api))["state"] == "suppressed"
    await hang_up(api)
    (call,) = await inbound(api)
    assert call["outcome"] == "dnc_requested"
    assert (await the_person(api))["state"] == "suppressed"


async def test_who_is_suppressed_is_answered_and_not_called(api: Api, missed: UUID):
    await api.post("/suppressions", {"phone": PERSON}, expect=201)
    assert "Hi Ada" in (await ring(api)).text
    await hang_up(api)
    assert (await the_person(api))["state"] == "suppressed"


async def test_who_rings_while_we_call_them_stays_in_that_call_and_is_not_called_again(api: Api, call_id: UUID):
    assert "Hi Ada" in (await ring(api)).text
    await hang_up(api)
    assert (await the_person(api))["state"] == "in_call"
    await callback(api, "status", call_id, {"CallStatus": "no-answer", "SequenceNumber": "3"})
    assert (await the_person(api))["state"] == "reached"
    attempt = await api.get(f"/calls/{call_id}")
    assert (attempt["next_state"], attempt["next_reason"]) == ("reached", "they rang back")


async def test_a_stranger_is_thanked_unless_the_number_has_an_agent(api: Api, missed: UUID):
    assert "Thank you for calling" in (await ring(api, {"From": STRANGER})).text
    await hang_up(api, From=STRANGER)
    number = await api.get(f"/phone-numbers/{CALLER}")
    (agent,) = (await api.get("/agents"))["items"]
    await api.call("PATCH", f"/phone-numbers/{number['id']}", expect=200, json={"agent_id": agent["id"]})
    other = "CA" + "3" * 32
    assert "Hi there" in (await ring(api, {"From": STRANGER}, sid=other)).text
    second, first = await inbound(api)
    assert (first["disposition"], first["agent_id"], first["prospect_id"]) == ("abandoned", None, None)
    assert (second["agent_id"], second["campaign_id"]) == (agent["id"], None)


async def test_a_withheld_number_is_answered_and_recorded_without_one(api: Api, missed: UUID):
    assert (await ring(api, {"From": "anonymous"})).status_code == 200
    (call,) = await inbound(api)
    assert (call["from"], call["prospect_id"]) == (None, None)


async def test_a_number_that_is_not_ours_is_not_picked_up(api: Api, missed: UUID):
    answer = await ring(api, {"To": "+16505550199"})
    assert answer.status_code == 200
    assert "<Reject" in answer.text
    assert await inbound(api) == []


async def test_a_call_that_we_never_heard_of_is_recorded_when_it_is_over(api: Api, missed: UUID):
    await hang_up(api, seconds=0)
    (call,) = await inbound(api)
    assert (call["disposition"], call["answered_at"]) == ("no_answer", None)
    assert "<Say" not in (await ring(api)).text
    assert (await the_person(api))["state"] == "ready"


async def test_a_forged_call_is_forbidden_and_changes_nothing(api: Api, missed: UUID):
    for kind in ("inbound", "inbound/status"):
        answer = await ring(api, {"CallStatus": "completed"}, kind=kind, token="wrong")
        assert (answer.status_code, answer.json()["code"]) == (403, "bad_signature")
    assert await inbound(api) == []


async def test_a_call_of_ours_is_none_that_came_in(api: Api, missed: UUID):
    (attempt,) = (await api.get("/calls"))["items"]
    answer = await ring(api, sid=attempt["carrier_call_id"])
    assert "<Reject" in answer.text
    assert await inbound(api) == []


@pytest.mark.parametrize("fields", [{"To": ""}, {"To": "sip:us"}, {"CallStatus": "tired"}])
async def test_a_form_that_cannot_be_read_is_refused(api: Api, missed: UUID, fields: dict[str, str]):
    assert (await ring(api, fields)).status_code == 400
    assert await inbound(api) == []


async def test_a_setting_that_is_none_is_refused(api: Api, missed: UUID):
    campaign_id = (await the_person(api))["campaign_id"]
    body = {"inbound": {"redial": "perhaps"}}
    assert fields_of(await api.refused("PATCH", f"/campaigns/{campaign_id}", 422, json=body)) == {"inbound.redial"}


async def test_a_last_word_written_at_the_call_ends_redials_that_are_kept(api: Api, missed: UUID):
    campaign_id = (await the_person(api))["campaign_id"]
    await api.call("PATCH", f"/campaigns/{campaign_id}", expect=200, json={"inbound": {"redial": "keep"}})
    await ring(api)
    await hang_up(api)
    (call,) = await inbound(api)
    await api.call("PATCH", f"/calls/{call['id']}", expect=200, json={"outcome": "goal"})
    assert (await the_person(api))["state"] == "reached"
