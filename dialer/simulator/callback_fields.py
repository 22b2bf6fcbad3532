"""The form fields of the requests a carrier makes to its customer."""

import random
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime

import phonenumbers

from dialer.simulator.ledger import Call, Recording

_PLACES = (
    ("SPRINGFIELD", "IL", "62701"), ("FAIRVIEW", "NJ", "07022"), ("RIVERSIDE", "CA", "92501"),
    ("FRANKLIN", "TN", "37064"), ("GREENVILLE", "SC", "29601"), ("MADISON", "WI", "53703"),
    ("CLINTON", "IA", "52732"), ("SALEM", "OR", "97301"),
)  # fmt: skip
"""Invented: the carrier looks places up, we only fill the fields so that nobody forgets they are there."""


def base_fields(call: Call) -> dict[str, str]:
    """What never changes during a call. ``Called`` and ``Caller`` repeat ``To`` and ``From``."""
    called, caller = _place(call.to), _place(call.from_)
    return {
        "AccountSid": call.account_sid,
        "ApiVersion": "2010-04-01",
        "CallSid": call.sid,
        "Direction": call.direction,
        "To": call.to,
        "Called": call.to,
        "From": call.from_,
        "Caller": call.from_,
        **{f"{who}{what}": value for who in ("To", "Called") for what, value in called.items()},
        **{f"{who}{what}": value for who in ("From", "Caller") for what, value in caller.items()},
    }


def status_fields(base: Mapping[str, str], call: Call, status: str, sequence: int, at: datetime) -> dict[str, str]:
    """A status callback. ``status`` is the event's (``initiated`` exists here only)."""
    fields = {
        **base,
        "CallStatus": status,
        "CallbackSource": "call-progress-events",
        "SequenceNumber": str(sequence),
        "Timestamp": format_datetime(at),
    }
    if call.answered_by is not None:
        fields["AnsweredBy"] = call.answered_by
    if call.ended_at is None:
        return fields
    duration = call.duration_s or 0
    fields["CallDuration"] = str(duration)
    if call.answered_at is not None:
        fields["Duration"] = str(-(-duration // 60))  # billed minutes
    if call.sip_code is not None:
        fields["SipResponseCode"] = str(call.sip_code)
    if call.error_code is not None:
        fields["ErrorCode"] = str(call.error_code)
        fields["ErrorMessage"] = f"Error {call.error_code}"
    done = [recording for recording in call.recordings if recording.duration_s is not None]
    if done:
        fields |= {
            "RecordingUrl": done[-1].url,
            "RecordingSid": done[-1].sid,
            "RecordingDuration": str(done[-1].duration_s),
        }
    return fields


def voice_fields(base: Mapping[str, str], call: Call) -> dict[str, str]:
    """A request for instructions while the call is up, or before a call that came in is picked up."""
    fields = {**base, "CallStatus": "in-progress" if call.answered_at is not None else "ringing"}
    if call.answered_by is not None:
        fields["AnsweredBy"] = call.answered_by
    return fields


def amd_fields(call: Call, answered_by: str, took_s: float) -> dict[str, str]:
    """The result of asynchronous answering-machine detection. The duration is in milliseconds."""
    return {
        "AccountSid": call.account_sid,
        "CallSid": call.sid,
        "AnsweredBy": answered_by,
        "MachineDetectionDuration": str(round(took_s * 1000)),
    }


def recording_fields(recording: Recording) -> dict[str, str]:
    """News of a recording."""
    return {
        "AccountSid": recording.account_sid,
        "CallSid": recording.call_sid,
        "RecordingSid": recording.sid,
        "RecordingUrl": recording.url,
        "RecordingStatus": recording.status,
        "RecordingDuration": str(recording.duration_s if recording.duration_s is not None else -1),
        "RecordingChannels": str(recording.channels),
        "RecordingStartTime": format_datetime(recording.started_at),
        "RecordingSource": recording.source,
        "RecordingTrack": recording.track,
        "ErrorCode": "0",
    }


def _place(number: str) -> dict[str, str]:
    """City, state, zip and country of a number; other countries than the US have the country only."""
    try:
        country = phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""
    except phonenumbers.NumberParseException:
        country = ""
    if not country and number.startswith("+1"):
        country = "US"  # fiction ranges belong to no region
    city, state, code = random.Random(number[:6]).choice(_PLACES) if country == "US" else ("", "", "")
    return {"City": city, "State": state, "Zip": code, "Country": country}
