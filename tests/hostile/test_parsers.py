"""The callback parser and the signature check under any form: only their own errors, and nothing lost."""

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import ImmutableMultiDict

from dialer.carriers.signatures import is_signed, may_be_signature
from dialer.carriers.twilio_callbacks import (
    MalformedCallback,
    kept_fields,
    read_amd,
    read_call_id,
    read_recording,
    read_status,
    read_voice,
)
from dialer.domain.carrier_events import AnsweredBy, CarrierEvent, CarrierStatus, EventKind
from dialer.store.callbacks import dedupe_key
from tests.hostile.wire import report, signature

BASE = "https://dialer.example"
PATH = "/api/v1/carriers/twilio/status"
READERS: Mapping[EventKind, Callable[[Any, UUID | None], CarrierEvent]] = {
    "status": read_status,
    "amd": read_amd,
    "recording": read_recording,
}
NAMES = sorted({*report(UUID(int=1), 3), "ErrorCode", "SipResponseCode", "RecordingUrl", "RecordingSid", "Digits"})
VALUES = st.text(max_size=60) | st.sampled_from(
    ["", " ", "0", "-1", "9" * 30, "٣", "in-progress", "https://x", "Mon, 01 Jan 0001 00:00:00 +2300", "\0", "human"]
)
FORMS = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=9), VALUES, max_size=12)
NUMBERS = st.none() | st.integers(0, 2**31 - 1)
BYTES = st.binary(max_size=80)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(changes=FORMS, whole=st.booleans())
def test_any_form_is_read_or_refused_by_type(changes: dict[str, str], whole: bool):
    form = {**(report(UUID(int=1), 3) if whole else {}), **changes}
    for read in (read_status, read_amd, read_recording, read_voice):
        try:
            found = read(form, None)
        except MalformedCallback:
            continue
        event = found if isinstance(found, CarrierEvent) else found.event
        assert len(dedupe_key(event)) < 200
        assert event.occurred_at is None or 2000 < event.occurred_at.year < 2102


@settings(max_examples=300, deadline=None, derandomize=True)
@given(form=FORMS)
def test_what_is_kept_of_a_form_fits_the_database_and_names_nobody(form: dict[str, str]):
    kept = kept_fields(form)
    assert not any("\0" in value or len(value) > 2000 for value in kept.values())
    assert not {"To", "From", "Called", "Caller", "SpeechResult", "Digits", "CalledCity"} & kept.keys()


def events() -> st.SearchStrategy[CarrierEvent]:
    seconds = (datetime(year, 6, 1, tzinfo=UTC).timestamp() for year in (2008, 2100))
    moments = st.integers(*map(int, seconds)).map(lambda second: datetime.fromtimestamp(second, UTC))
    sids = st.text("0123456789abcdefABCDEF", min_size=32, max_size=32)
    common = {
        "call_id": st.uuids(),
        "carrier_call_id": sids.map("CA".__add__),
        "account_sid": sids.map("AC".__add__),
        "sequence": NUMBERS,
        "occurred_at": st.none() | moments,
        "sip_code": NUMBERS,
        "error_code": st.none() | st.integers(1, 2**31 - 1),
    }
    answered = st.none() | st.sampled_from(AnsweredBy)
    urls = st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=90).map(
        "https://r/".__add__
    )
    return st.one_of(
        st.builds(
            CarrierEvent,
            kind=st.just("status"),
            status=st.sampled_from(CarrierStatus),
            answered_by=answered,
            duration_seconds=NUMBERS,
            recording_url=urls,
            **common,
        ),
        st.builds(CarrierEvent, kind=st.just("amd"), answered_by=st.sampled_from(AnsweredBy), **common),
        st.builds(
            CarrierEvent,
            kind=st.just("recording"),
            answered_by=answered,
            duration_seconds=NUMBERS,
            recording_url=urls,
            **common,
        ),
    )


def rendered(event: CarrierEvent) -> dict[str, str]:
    """The form that says this, written from Twilio's documentation and not with the reader's code."""
    values: dict[str, Any] = {
        "CallSid": event.carrier_call_id,
        "AccountSid": event.account_sid,
        "SequenceNumber": event.sequence,
        "CallStatus": event.status and str(event.status).replace("_", "-"),
        "Timestamp": event.occurred_at and format_datetime(event.occurred_at),
        "AnsweredBy": event.answered_by,
        "SipResponseCode": event.sip_code,
        "ErrorCode": event.error_code,
        "RecordingDuration" if event.kind == "recording" else "CallDuration": event.duration_seconds,
        "RecordingUrl": event.recording_url,
    }
    return {name: str(value) for name, value in values.items() if value is not None}


@settings(max_examples=400, deadline=None, derandomize=True)
@given(event=events())
def test_what_is_said_in_a_form_is_read_from_it(event: CarrierEvent):
    form = dict(parse_qsl(urlencode(rendered(event)), keep_blank_values=True))
    assert READERS[event.kind](form, event.call_id) == event


@settings(max_examples=300, deadline=None, derandomize=True)
@given(pairs=st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=8), extra=st.text(max_size=9))
def test_a_form_is_signed_by_its_own_signature_and_by_no_other(pairs: list[tuple[str, str]], extra: str):
    form = dict(parse_qsl(urlencode(pairs, errors="replace"), keep_blank_values=True))
    right = signature(BASE + PATH, form, "secret")
    assert may_be_signature(right)

    def check(form: Mapping[str, object], token: str = "secret", given: str | None = right, path: str = PATH) -> bool:
        return is_signed(auth_token=token, public_base_url=BASE, path=path, query="", form=form, signature=given)

    assert check(ImmutableMultiDict(list(form.items())))
    assert not check(form, token="another")
    assert not check({**form, "zz" + extra.encode("utf-8", "replace").decode(): "more"})
    assert not check(form, path=PATH + "x")
    assert not check(form, given=right[::-1])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(header=BYTES, setting=BYTES, path=BYTES, query=BYTES, body=BYTES, call_id=st.text(max_size=40))
def test_any_bytes_prove_nothing_and_never_raise(
    header: bytes, setting: bytes, path: bytes, query: bytes, body: bytes, call_id: str
):
    """As the route decodes them: headers as Latin-1, the address as ASCII, the body as UTF-8."""
    form = ImmutableMultiDict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    assert not is_signed(
        auth_token="secret",
        public_base_url=BASE,
        path="/" + path.decode("ascii", "replace"),
        query=query.decode("ascii", "replace"),
        form=form,
        signature=header.decode("latin-1"),
        settings=setting.decode("latin-1"),
    )
    with contextlib.suppress(MalformedCallback):
        read_call_id(call_id)
