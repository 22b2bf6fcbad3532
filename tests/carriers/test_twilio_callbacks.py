"""Callback forms in our own words."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.carriers.base import CarrierCall
from dialer.carriers.twilio_callbacks import (
    MalformedCallback,
    event_of_call,
    read_amd,
    read_call_id,
    read_recording,
    read_status,
    read_voice,
)
from dialer.domain.carrier_events import AnsweredBy, CarrierEvent, CarrierStatus
from tests.carriers.samples import ACCOUNT_SID, CALL_ID, CALL_SID, FROM, TO, status_form

ENDED = datetime(2026, 11, 21, 10, 1, 19, tzinfo=UTC)


def test_a_status_callback_is_read_with_seconds_and_never_with_billed_minutes():
    assert read_status(status_form(AnsweredBy="human"), CALL_ID) == CarrierEvent(
        call_id=CALL_ID,
        carrier_call_id=CALL_SID,
        kind="status",
        account_sid=ACCOUNT_SID,
        sequence=3,
        status=CarrierStatus.COMPLETED,
        occurred_at=ENDED,
        answered_by=AnsweredBy.HUMAN,
        sip_code=200,
        error_code=None,
        duration_seconds=49,
    )


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("queued", CarrierStatus.QUEUED),
        ("initiated", CarrierStatus.INITIATED),
        ("ringing", CarrierStatus.RINGING),
        ("in-progress", CarrierStatus.IN_PROGRESS),
        ("completed", CarrierStatus.COMPLETED),
        ("busy", CarrierStatus.BUSY),
        ("no-answer", CarrierStatus.NO_ANSWER),
        ("failed", CarrierStatus.FAILED),
        ("canceled", CarrierStatus.CANCELED),
    ],
)
def test_every_word_of_twilio_for_a_status_is_known(word: str, status: CarrierStatus):
    assert read_status(status_form(CallStatus=word), None).status is status


def test_fields_that_are_missing_or_empty_are_none():
    form = {"CallSid": CALL_SID, "AccountSid": ACCOUNT_SID, "CallStatus": "ringing", "SipResponseCode": ""}
    assert read_status(form, None) == CarrierEvent(
        call_id=None,
        carrier_call_id=CALL_SID,
        kind="status",
        account_sid=ACCOUNT_SID,
        status=CarrierStatus.RINGING,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"CallSid": "CA1"},
        {"CallSid": ""},
        {"CallSid": CALL_SID + "0"},
        {"AccountSid": "someone"},
        {"CallStatus": ""},
        {"CallStatus": "dialing"},
        {"SequenceNumber": "-1"},
        {"SequenceNumber": "1.5"},
        {"SequenceNumber": "99999999999"},
        {"SequenceNumber": "3000000000"},
        {"SequenceNumber": "٣"},
        {"CallDuration": "long"},
        {"SipResponseCode": "busy"},
        {"ErrorCode": "0x1"},
        {"Timestamp": "yesterday"},
        {"CallSid": b"bytes"},
        {"Timestamp": "Sat, 99 Nov 2026 10:01:19 +0000"},
    ],
)
def test_a_field_that_cannot_be_read_is_named(changes: dict[str, Any]):
    with pytest.raises(MalformedCallback) as caught:
        read_status(status_form() | changes, CALL_ID)
    assert [caught.value.field] == list(changes)


def test_a_callback_without_its_ids_is_malformed():
    for field in ("CallSid", "AccountSid", "CallStatus"):
        form = status_form()
        del form[field]
        with pytest.raises(MalformedCallback):
            read_status(form, CALL_ID)


def test_an_answerer_nobody_has_heard_of_does_not_cost_the_end_of_the_call():
    event = read_status(status_form(AnsweredBy="hologram"), CALL_ID)
    assert (event.status, event.answered_by) == (CarrierStatus.COMPLETED, AnsweredBy.UNKNOWN)


def test_a_result_of_answering_machine_detection_has_no_status():
    form = {
        "CallSid": CALL_SID,
        "AccountSid": ACCOUNT_SID,
        "AnsweredBy": "machine_end_beep",
        "MachineDetectionDuration": "4120",
    }
    event = read_amd(form, CALL_ID)
    assert (event.kind, event.answered_by, event.status) == ("amd", AnsweredBy.MACHINE_END_BEEP, None)
    with pytest.raises(MalformedCallback):
        read_amd({"CallSid": CALL_SID, "AccountSid": ACCOUNT_SID}, CALL_ID)


def test_a_recording_has_an_address_once_it_can_be_heard():
    form = {
        "CallSid": CALL_SID,
        "AccountSid": ACCOUNT_SID,
        "RecordingSid": "RE" + "0" * 32,
        "RecordingUrl": "https://api.example/RE0",
        "RecordingStatus": "completed",
        "RecordingDuration": "12",
    }
    event = read_recording(form, CALL_ID)
    assert (event.kind, event.recording_url, event.duration_seconds) == ("recording", form["RecordingUrl"], 12)
    absent = read_recording(form | {"RecordingStatus": "absent", "ErrorCode": "16101"}, CALL_ID)
    assert (absent.recording_url, absent.error_code) == (None, 16101)
    running = read_recording(
        form | {"RecordingStatus": "in-progress", "RecordingDuration": "-1", "ErrorCode": "0"}, None
    )
    assert (running.recording_url, running.duration_seconds, running.error_code) == (None, None, None)
    with pytest.raises(MalformedCallback):
        read_recording(form | {"RecordingUrl": "javascript:alert(1)"}, CALL_ID)


def test_a_request_for_the_document_tells_who_answered_and_whether_they_spoke():
    form = status_form(CallStatus="in-progress", AnsweredBy="machine_start")
    del form["SequenceNumber"], form["Timestamp"], form["CallDuration"]
    voice = read_voice(form, CALL_ID)
    assert voice.event.status is CarrierStatus.IN_PROGRESS
    assert voice.event.answered_by is AnsweredBy.MACHINE_START
    assert (voice.gathered, voice.spoke) == (False, False)
    voice = read_voice(form | {"SpeechResult": "yes please", "Confidence": "0.9"}, CALL_ID)
    assert (voice.gathered, voice.spoke) == (True, True)
    assert "yes please" not in repr(voice)
    voice = read_voice(form | {"Digits": ""}, CALL_ID)
    assert (voice.gathered, voice.spoke) == (True, False)


def test_our_call_id_is_read_from_the_address():
    assert read_call_id(str(CALL_ID)) == CALL_ID
    assert read_call_id(None) is None
    with pytest.raises(MalformedCallback):
        read_call_id("1 OR 1=1")


def test_a_polled_call_becomes_the_same_kind_of_report():
    call = CarrierCall(
        carrier_call_id=CALL_SID,
        account_sid=ACCOUNT_SID,
        status=CarrierStatus.COMPLETED,
        to=TO,
        from_=FROM,
        created_at=ENDED.replace(minute=0),
        ended_at=ENDED,
        duration_seconds=49,
        price=Decimal("0.014"),
    )
    event = event_of_call(call, CALL_ID)
    assert (event.kind, event.occurred_at, event.duration_seconds) == ("poll", ENDED, 49)
    assert event_of_call(replace(call, ended_at=None), None).occurred_at == call.created_at


def test_no_report_holds_a_phone_number():
    for read in (read_status, read_voice):
        said = repr(read(status_form(), CALL_ID))
        assert TO not in said
        assert FROM not in said


@given(st.dictionaries(st.sampled_from(sorted(status_form()) + ["AnsweredBy", "RecordingUrl"]), st.text()))
def test_any_form_is_read_or_refused_by_type(form: dict[str, str]):
    complete = status_form() | form
    for read in (read_status, read_amd, read_recording, read_voice):
        try:
            asdict(read(complete, None))
        except MalformedCallback:
            continue
