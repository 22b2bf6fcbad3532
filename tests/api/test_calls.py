"""Calls and the carrier's callbacks."""

from uuid import UUID, uuid4

from tests.api.apis import CALLER, PERSON, Api, fields_of
from tests.api.callbacks import SID, callback


async def _status(api: Api, call_id: object, status: str, sequence: int, **fields: str) -> None:
    answer = await callback(api, "status", call_id, {"CallStatus": status, "SequenceNumber": str(sequence), **fields})
    assert answer.status_code == 204, answer.text


async def test_callbacks_move_the_call_to_its_end_and_the_prospect_on(api: Api, call_id: UUID):
    await _status(api, call_id, "initiated", 0)
    await _status(api, call_id, "ringing", 1)
    live = (await api.get("/calls/live"))["items"]
    assert [(item["id"], item["state"]) for item in live] == [(str(call_id), "ringing")]
    await _status(api, call_id, "busy", 2, SipResponseCode="486")
    call = await api.get(f"/calls/{call_id}")
    assert (call["state"], call["disposition"], call["sip_code"]) == ("ended", "busy", 486)
    assert (call["from"], call["to"], call["carrier_call_id"]) == (CALLER, PERSON, SID)
    assert call["trace_url"].endswith(f"call-{call_id}")
    assert (await api.get("/calls/live"))["items"] == []
    prospect = await api.get(f"/prospects/{call['prospect_id']}")
    assert (prospect["state"], prospect["attempts"], prospect["last_disposition"]) == ("ready", 1, "busy")
    events = (await api.get(f"/calls/{call_id}/events"))["items"]
    assert [event["status"] for event in events] == ["initiated", "ringing", "busy"]


async def test_a_replayed_callback_changes_nothing(api: Api, call_id: UUID):
    for _ in range(3):
        await _status(api, call_id, "ringing", 1, To=PERSON, Caller=CALLER)
    events = (await api.get(f"/calls/{call_id}/events"))["items"]
    assert len(events) == 1
    assert PERSON not in str(events)
    await _status(api, call_id, "completed", 3, CallDuration="12", AnsweredBy="human")
    await _status(api, call_id, "ringing", 1)
    await _status(api, call_id, "busy", 4)
    assert (await api.get(f"/calls/{call_id}"))["disposition"] == "human"


async def test_a_forged_callback_is_refused_and_changes_nothing(api: Api, call_id: UUID):
    fields = {"CallStatus": "busy", "SequenceNumber": "2"}
    answers = [
        await callback(api, "status", call_id, fields, token="another-token"),
        await callback(api, "status", call_id, fields, account="AC" + "6" * 32),
        await callback(api, "status", call_id, fields, base="https://elsewhere.example"),
        await callback(api, "status", uuid4(), fields),
        await callback(api, "status", "nonsense", fields),
        await callback(api, "status", "", fields),
        await callback(api, "amd", call_id, {"AnsweredBy": "human"}, token="x"),
        await callback(api, "recording", call_id, {}, token="x"),
        await callback(api, "voice", call_id, {}, token="x"),
        await api.http.post(f"/api/v1/carriers/twilio/status?call_id={call_id}", data=fields),
        await api.http.post("/api/v1/carriers/twilio/status"),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert {answer.json()["code"] for answer in answers} == {"bad_signature"}
    assert (await api.get(f"/calls/{call_id}"))["state"] == "dialing"
    assert (await api.get(f"/calls/{call_id}/events"))["items"] == []


async def test_a_callback_that_cannot_be_read_or_is_too_large_is_refused(api: Api, call_id: UUID):
    assert (await callback(api, "status", call_id, {})).status_code == 400
    assert (await callback(api, "status", call_id, {"CallStatus": "asleep"})).status_code == 400
    assert (await callback(api, "status", call_id, {"CallStatus": "busy", "x": "y" * 70_000})).status_code == 413
    answer = await callback(api, "status", call_id, {f"f{n}": "" for n in range(500)})
    assert answer.status_code == 400
    assert (await api.get(f"/calls/{call_id}"))["state"] == "dialing"


async def test_the_doctor_may_ask_with_the_zero_id(api: Api):
    zero = UUID(int=0)
    assert (await callback(api, "status", zero, {"CallStatus": "completed"})).status_code == 204
    assert (await callback(api, "status", zero, {"CallStatus": "completed"}, token="x")).status_code == 403
    assert (await callback(api, "status", zero, {}, account="AC" + "6" * 32)).status_code == 403
    assert (await callback(api, "voice", zero, {})).status_code == 403


async def test_an_answered_call_hears_its_agent_and_a_machine_hears_nothing(api: Api, call_id: UUID):
    fields = {"CallStatus": "in-progress", "AnsweredBy": "human"}
    answer = await callback(api, "voice", call_id, fields)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert "Hi Ada" in answer.text
    assert "<Gather" in answer.text
    call = await api.get(f"/calls/{call_id}")
    assert (call["state"], call["answered_by"]) == ("in_progress", "human")
    machine = await callback(api, "voice", call_id, {"CallStatus": "in-progress", "AnsweredBy": "machine_start"})
    assert "Hi Ada" not in machine.text
    assert "<Hangup" in machine.text


async def test_a_recording_is_kept_with_its_call(api: Api, call_id: UUID):
    fields = {"RecordingSid": "RE" + "1" * 32, "RecordingStatus": "completed", "RecordingUrl": "https://x.example/r"}
    assert (await callback(api, "recording", call_id, fields)).status_code == 204
    assert (await api.get(f"/calls/{call_id}"))["recording_url"] == "https://x.example/r"


async def test_calls_are_filtered_noted_and_redacted(api: Api, call_id: UUID):
    assert (await api.get("/calls", params={"phone": PERSON}))["items"][0]["id"] == str(call_id)
    assert (await api.get("/calls", params={"phone": "+12025550199"}))["items"] == []
    assert (await api.get("/calls", params={"disposition": "busy"}))["items"] == []
    query = {"started_after": "2000-01-01T00:00:00Z", "state": "dialing", "sort": "-started_at"}
    assert len((await api.get("/calls", params=query))["items"]) == 1
    assert fields_of(await api.refused("GET", "/calls", 422, params={"state": "asleep"})) == {"state"}
    noted = await api.call("PATCH", f"/calls/{call_id}", expect=200, json={"notes": "call back"})
    assert noted.json()["notes"] == "call back"
    assert fields_of(await api.refused("PATCH", f"/calls/{call_id}", 422, json={"outcome": "sold"})) == {"outcome"}
    assert (await api.refused("DELETE", f"/calls/{call_id}", 409))["current_status"] == "dialing"
    await _status(api, call_id, "completed", 3, CallDuration="12", AnsweredBy="human")
    await api.call("DELETE", f"/calls/{call_id}", expect=204)
    call = await api.get(f"/calls/{call_id}")
    assert (call["to"], call["notes"], call["disposition"]) == (None, None, "human")
    assert call["ended_at"] is not None
    await api.refused("GET", f"/calls/{uuid4()}", 404)


async def test_hanging_up_marks_a_call_whose_carrier_id_is_not_known_yet(api: Api, call_id: UUID):
    answer = await api.post(f"/calls/{call_id}/hang-up", expect=200)
    assert answer["state"] == "dialing"
    (row,) = await api.read("SELECT hang_up_at, cancel_reason FROM calls")
    assert row.hang_up_at is not None
    await _status(api, call_id, "canceled", 1)
    assert (await api.post(f"/calls/{call_id}/hang-up", expect=200))["disposition"] == "canceled"


async def test_a_single_call_passes_the_same_gates(api_with_temporal: Api):
    api = api_with_temporal
    agent = await api.agent()
    body = {"agent_id": agent["id"], "from": CALLER, "to": PERSON, "variables": {"name": "Ada"}}
    await api.post("/suppressions", {"phone": PERSON})
    problem = await api.refused("POST", "/calls", 409, json=body)
    assert problem["code"] == "gates_closed"
    closed = [gate["name"] for gate in problem["gates"] if not gate["pass"]]
    assert "suppression" in closed
    for changes, field in (
        ({"agent_id": str(uuid4())}, "agent_id"),
        ({"from": "+16505550199"}, "from"),
        ({"from": None}, "from"),
        ({"to": "12"}, "to"),
        ({"from_": CALLER}, "from_"),
    ):
        assert fields_of(await api.refused("POST", "/calls", 422, json={**body, **changes})) == {field}
    assert await api.read("SELECT 1 FROM calls") == []
