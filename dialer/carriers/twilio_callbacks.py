"""Twilio's callback forms and call records in our own words. Pure: nothing is fetched, nothing stored.

Fields that are missing are None, since Twilio leaves out what does not apply; a field that is there and
cannot be read is ``MalformedCallback``. Only ids, states and numbers are taken: names, places and phone
numbers stay behind.

Forms: https://www.twilio.com/docs/voice/api/call-resource (status), …/voice/answering-machine-detection
(amd), …/voice/api/recording (recording), …/voice/twiml (voice).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from uuid import UUID

from dialer.carriers.base import CarrierCall
from dialer.domain.carrier_events import AnsweredBy, CarrierEvent, CarrierStatus, EventKind

Form = Mapping[str, object]

_CALL_SID = re.compile(r"CA[0-9a-fA-F]{32}")
_ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")
_RECORDING_SID = re.compile(r"RE[0-9a-fA-F]{32}")
_PHONE = re.compile(r"\+[1-9][0-9]{5,14}")
_LARGEST = 2**31 - 1
#: No call is older than the carrier, and none has a time so far ahead that arithmetic with it fails.
_YEARS = range(2008, 2101)
#: What stands for a number that is not shown: https://help.twilio.com/articles/223179988
_WITHHELD = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
_LONGEST_ADDRESS = 2000
_LONGEST_KEPT = 200
_DEAREST = Decimal(1_000_000)
#: What is kept of a form: states, times, numbers and ids; never a phone number, a name or what was said.
_KEPT = (
    "AccountSid",
    "AnsweredBy",
    "ApiVersion",
    "CallDuration",
    "CallSid",
    "CallStatus",
    "CallbackSource",
    "Direction",
    "Duration",
    "ErrorCode",
    "MachineDetectionDuration",
    "RecordingChannels",
    "RecordingDuration",
    "RecordingSid",
    "RecordingStatus",
    "RecordingUrl",
    "SequenceNumber",
    "SipResponseCode",
    "Timestamp",
)


class MalformedCallback(ValueError):
    """A field that is there and cannot be read, or that has to be there and is not. Names the field, not its
    value.
    """

    def __init__(self, field: str) -> None:
        super().__init__(f"malformed callback: {field}")
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceRequest:
    """A request for the call's document. ``gathered``: it follows a <Gather>; ``spoke``: something was said
    in it; ``digits``: the keys that were pressed.
    """

    event: CarrierEvent
    gathered: bool
    spoke: bool
    digits: str = ""


def read_call_id(value: str | None) -> UUID | None:
    """Our call id from the callback's query string."""
    if not value:
        return None
    try:
        return UUID(value)
    except ValueError:
        raise MalformedCallback("call_id") from None


def read_status(form: Form, call_id: UUID | None) -> CarrierEvent:
    """A status callback, with the recording's address if there is one.

    The time connected is ``CallDuration``; ``Duration`` counts billed minutes.
    """
    status = read_carrier_status(_required(form, "CallStatus"), "CallStatus")
    return _event(
        form,
        call_id,
        "status",
        status=status,
        duration_seconds=_number(form, "CallDuration"),
        recording_url=_address(form, "RecordingUrl"),
    )


def read_amd(form: Form, call_id: UUID | None) -> CarrierEvent:
    """The result of asynchronous answering-machine detection."""
    if not _text(form, "AnsweredBy"):
        raise MalformedCallback("AnsweredBy")
    return _event(form, call_id, "amd", status=None)


def read_recording(form: Form, call_id: UUID | None) -> CarrierEvent:
    """A recording callback; the address of the recording only once it can be listened to."""
    url = _address(form, "RecordingUrl")
    if _text(form, "RecordingSid") is not None:
        _sid(form, "RecordingSid", _RECORDING_SID)
    done = _text(form, "RecordingStatus") in (None, "completed")
    # The duration of a recording that is not done is sent as -1.
    unknown = _text(form, "RecordingDuration") == "-1"
    return _event(
        form,
        call_id,
        "recording",
        status=None,
        duration_seconds=None if unknown else _number(form, "RecordingDuration"),
        recording_url=url if done else None,
    )


def read_voice(form: Form, call_id: UUID | None) -> VoiceRequest:
    """A request for the call's document: somebody or something has answered."""
    status = _text(form, "CallStatus")
    event = _event(
        form,
        call_id,
        "status",
        status=None if status is None else read_carrier_status(status, "CallStatus"),
    )
    speech, digits = _text(form, "SpeechResult"), _text(form, "Digits")
    gathered = "SpeechResult" in form or "Digits" in form
    return VoiceRequest(event=event, gathered=gathered, spoke=bool(speech or digits), digits=(digits or "").strip())


def read_phones(form: Form) -> tuple[str, str | None]:
    """Who is rung and who rings, of a call that comes in; None for a caller who shows no phone number.

    Raises MalformedCallback for a call to what is no phone number.
    """
    to, caller = _required(form, "To"), _text(form, "From")
    if not _PHONE.fullmatch(to):
        raise MalformedCallback("To")
    withheld = caller is None or caller in _WITHHELD or not _PHONE.fullmatch(caller)
    return to, None if withheld else caller


def kept_fields(form: Form) -> dict[str, str]:
    """What a call's log keeps of a form, in a shape that every database takes: short, and without zero bytes."""
    kept = {name: str(form[name]).replace("\0", "\ufffd") for name in _KEPT if name in form}
    return {
        name: value[: _LONGEST_ADDRESS if name == "RecordingUrl" else _LONGEST_KEPT] for name, value in kept.items()
    }


def read_carrier_status(value: str, field: str = "status") -> CarrierStatus:
    """Twilio writes ``in-progress`` and ``no-answer``."""
    try:
        return CarrierStatus(value.replace("-", "_"))
    except ValueError:
        raise MalformedCallback(field) from None


def read_answered_by(value: str | None) -> AnsweredBy | None:
    """A value nobody has heard of is ``unknown``: the report that carries it may be the one that ends the
    call.
    """
    if not value:
        return None
    try:
        return AnsweredBy(value)
    except ValueError:
        return AnsweredBy.UNKNOWN


def read_time(value: str | None, field: str) -> datetime | None:
    """RFC 2822, as an aware time in UTC."""
    if not value:
        return None
    try:
        time = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        raise MalformedCallback(field) from None
    if time.year not in _YEARS:
        raise MalformedCallback(field)
    return (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).astimezone(UTC)


def read_number(value: str | None, field: str) -> int | None:
    """A whole number that is not negative and fits a database integer."""
    if not value:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", value) or int(value) > _LARGEST:
        raise MalformedCallback(field)
    return int(value)


def read_price(value: str | None, field: str = "price") -> Decimal | None:
    """What the call cost, positive; Twilio books it as a negative amount."""
    if not value:
        return None
    try:
        price = Decimal(value)
    except InvalidOperation:
        raise MalformedCallback(field) from None
    if not price.is_finite() or abs(price) > _DEAREST:
        raise MalformedCallback(field)
    return abs(price)


def event_of_call(call: CarrierCall, call_id: UUID | None) -> CarrierEvent:
    """What a look at the carrier's record says, in the same form as a callback."""
    return CarrierEvent(
        call_id=call_id,
        carrier_call_id=call.carrier_call_id,
        kind="poll",
        account_sid=call.account_sid,
        status=call.status,
        occurred_at=call.ended_at or call.started_at or call.created_at,
        answered_by=call.answered_by,
        duration_seconds=call.duration_seconds,
        price=call.price,
    )


def _event(
    form: Form,
    call_id: UUID | None,
    kind: EventKind,
    *,
    status: CarrierStatus | None,
    duration_seconds: int | None = None,
    recording_url: str | None = None,
) -> CarrierEvent:
    return CarrierEvent(
        call_id=call_id,
        carrier_call_id=_sid(form, "CallSid", _CALL_SID),
        kind=kind,
        account_sid=_sid(form, "AccountSid", _ACCOUNT_SID),
        sequence=_number(form, "SequenceNumber"),
        status=status,
        occurred_at=read_time(_text(form, "Timestamp"), "Timestamp"),
        answered_by=read_answered_by(_text(form, "AnsweredBy")),
        sip_code=_number(form, "SipResponseCode"),
        error_code=_number(form, "ErrorCode") or None,  # recordings say 0 for none
        duration_seconds=duration_seconds,
        recording_url=recording_url,
    )


def _text(form: Form, field: str) -> str | None:
    value = form.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise MalformedCallback(field)
    return value.strip() or None


def _required(form: Form, field: str) -> str:
    value = _text(form, field)
    if value is None:
        raise MalformedCallback(field)
    return value


def _sid(form: Form, field: str, pattern: re.Pattern[str]) -> str:
    value = _required(form, field)
    if not pattern.fullmatch(value):
        raise MalformedCallback(field)
    return value


def _address(form: Form, field: str) -> str | None:
    value = _text(form, field)
    if value is None:
        return None
    if not value.startswith(("https://", "http://")) or len(value) > _LONGEST_ADDRESS or "\0" in value:
        raise MalformedCallback(field)
    return value


def _number(form: Form, field: str) -> int | None:
    return read_number(_text(form, field), field)
