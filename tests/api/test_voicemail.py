"""What machines are told, and the key that ends all calls."""

from typing import Any
from uuid import UUID

import pytest

from tests.api.apis import PERSON, Api, fields_of
from tests.api.callbacks import callback

BEEP = {"CallStatus": "in-progress", "AnsweredBy": "machine_end_beep"}
LEAVE = {"action": "leave_message", "message": "Hi {{name}}, your {{plan}} plan ends soon."}


async def _set(api: Api, **settings: Any) -> dict[str, Any]:
    (campaign,) = (await api.get("/campaigns"))["items"]
    return (await api.call("PATCH", f"/campaigns/{campaign['id']}", expect=200, json=settings)).json()


async def _completed(api: Api, call_id: UUID, sequence: int = 3) -> dict[str, Any]:
    fields = {**BEEP, "CallStatus": "completed", "SequenceNumber": str(sequence), "CallDuration": "20"}
    assert (await callback(api, "status", call_id, fields)).status_code == 204
    return await api.get(f"/calls/{call_id}")


async def test_a_machine_hears_nothing_unless_asked_for(api: Api, call_id: UUID):
    answer = await callback(api, "voice", call_id, BEEP)
    assert "<Say" not in answer.text
    assert (await _completed(api, call_id))["disposition"] == "voicemail_no_msg"


async def test_a_message_is_left_behind_the_beep_and_counts_once_the_carrier_has_said_all_of_it(
    api: Api, call_id: UUID
):
    assert (await _set(api, voicemail=LEAVE))["voicemail"]["max_messages"] == 1
    answer = await callback(api, "voice", call_id, BEEP)
    assert "Hi Ada, your gold plan ends soon." in answer.text
    assert f"call_id={call_id}&amp;stage=message_left" in answer.text
    after = await callback(api, "voice", call_id, BEEP, further="&stage=message_left")
    assert "<Say" not in after.text
    assert (await _completed(api, call_id))["disposition"] == "voicemail_left"


async def test_a_message_that_was_cut_off_was_not_left(api: Api, call_id: UUID):
    await _set(api, voicemail=LEAVE)
    await callback(api, "voice", call_id, BEEP)
    assert (await _completed(api, call_id))["disposition"] == "voicemail_no_msg"


async def test_a_machine_that_still_greets_hears_nothing(api: Api, call_id: UUID):
    await _set(api, voicemail=LEAVE)
    answer = await callback(api, "voice", call_id, {**BEEP, "AnsweredBy": "machine_start"})
    assert "<Say" not in answer.text


async def test_nobody_gets_more_messages_than_allowed(api: Api, call_id: UUID):
    await _set(api, voicemail=LEAVE)
    sql = """INSERT INTO calls (workspace_id, campaign_id, prospect_id, attempt, state, disposition, message_played)
             SELECT workspace_id, campaign_id, prospect_id, 0, 'ended', 'voicemail_left', true FROM calls
             RETURNING id"""
    await api.read(sql)
    assert "<Say" not in (await callback(api, "voice", call_id, BEEP)).text
    await _set(api, voicemail={"max_messages": 2})
    assert "Hi Ada" in (await callback(api, "voice", call_id, BEEP)).text


@pytest.mark.parametrize(
    ("voicemail", "field"),
    [
        ({"action": "leave_message"}, "voicemail"),
        ({"action": "leave_message", "message": "..."}, "voicemail.message"),
        ({"action": "shout"}, "voicemail.action"),
        ({"max_messages": 0}, "voicemail.max_messages"),
    ],
)
async def test_what_cannot_be_left_is_refused_by_name(api: Api, call_id: UUID, voicemail: dict[str, Any], field: str):
    (campaign,) = (await api.get("/campaigns"))["items"]
    problem = await api.refused("PATCH", f"/campaigns/{campaign['id']}", 422, json={"voicemail": voicemail})
    assert fields_of(problem) == {field}


async def test_who_presses_the_key_is_never_called_again(api: Api, call_id: UUID):
    heard = await callback(api, "voice", call_id, {"CallStatus": "in-progress", "AnsweredBy": "human"})
    assert "<Gather" in heard.text
    answer = await callback(api, "voice", call_id, {"CallStatus": "in-progress", "Digits": "9"})
    assert "You will not be called again" in answer.text
    assert (await api.get("/suppressions/check", params={"phone": PERSON}))["suppressed"] is True
    fields = {"CallStatus": "completed", "SequenceNumber": "3", "CallDuration": "9", "AnsweredBy": "human"}
    await callback(api, "status", call_id, fields)
    call = await api.get(f"/calls/{call_id}")
    assert call["outcome"] == "dnc_requested"
    assert (await api.get(f"/prospects/{call['prospect_id']}"))["state"] == "suppressed"


@pytest.mark.parametrize(("digits", "key"), [("1", "9"), ("9", None), ("99", "9"), ("", "9")])
async def test_another_key_ends_the_call_and_nothing_else(api: Api, call_id: UUID, digits: str, key: str | None):
    await _set(api, opt_out={"digit": key})
    answer = await callback(api, "voice", call_id, {"CallStatus": "in-progress", "Digits": digits})
    assert "<Say" not in answer.text
    assert (await api.get("/suppressions/check", params={"phone": PERSON}))["suppressed"] is False
