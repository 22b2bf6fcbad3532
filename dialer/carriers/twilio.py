"""Twilio's Calls API by the real SDK: one request per call, every error by its type.

https://www.twilio.com/docs/voice/api/call-resource. The API has no idempotency key, so a request whose answer
is lost is never repeated; our call id travels in the callback addresses and brings the call back to us.
"""

# pyright: reportMissingTypeStubs=false

import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from twilio.base import values
from twilio.base.exceptions import TwilioException
from twilio.base.page import Page
from twilio.rest import Client
from twilio.rest.api.v2010.account.call import CallInstance

from dialer.carriers.base import (
    AccountStatus,
    CallNotFound,
    CarrierCall,
    DialOrder,
    OutcomeUnknown,
    Placed,
    Refused,
)
from dialer.carriers.http import CarrierHttpClient, HttpLimits, last_look
from dialer.carriers.twilio_callbacks import (
    MalformedCallback,
    read_answered_by,
    read_carrier_status,
    read_number,
    read_price,
)
from dialer.domain.carrier_events import TERMINAL, CarrierStatus

CALLBACK_PATH = "/api/v1/carriers/twilio"
#: Twilio's own retries of a callback, asked for in the part of an address that it neither sends nor signs:
#: three, after any failure. https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
CALLBACK_RETRIES = "#rc=3&rp=all"
#: Not ``initiated``: it says what the answer to the request has said. Should that be lost, the next event brings the
#: carrier's id as well.
STATUS_EVENTS = ("ringing", "answered", "completed")

#: Lists are read this far and no further: 5 pages of 200 calls between the same two numbers.
_PAGE_SIZE = 200
_MOST_PAGES = 5
#: A whole history is read in the largest pages that the API gives.
_LARGEST_PAGE = 1000
_MOST_LARGEST_PAGES = 1000
_OUTBOUND = "outbound-api"

_CALL_SID = re.compile(r"CA[0-9a-fA-F]{32}")
_SEND_DIGITS = re.compile(r"[0-9A-D#*wW]{1,32}")
_ALREADY_OVER = 21220

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioCredentials:
    """``user`` and ``secret`` are the account SID and its auth token, or an API key and its secret."""

    account_sid: str
    user: str
    secret: str = field(repr=False)

    @classmethod
    def of_auth_token(cls, account_sid: str, auth_token: str) -> "TwilioCredentials":
        return cls(account_sid=account_sid, user=account_sid, secret=auth_token)

    @classmethod
    def of_api_key(cls, account_sid: str, key_sid: str, key_secret: str) -> "TwilioCredentials":
        return cls(account_sid=account_sid, user=key_sid, secret=key_secret)


class TwilioCarrier:
    """One carrier account; one pool of connections for the life of the process. Build it inside a running
    loop.

    ``base_url`` replaces https://api.twilio.com, for the simulator and for carriers that speak the same API.
    """

    def __init__(
        self,
        credentials: TwilioCredentials,
        *,
        base_url: str | None = None,
        limits: HttpLimits | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        surroundings = os.environ if environment is None else environment
        if base_url is not None:
            _refuse_routing(surroundings)
        self._credentials = credentials
        self._http = CarrierHttpClient(limits or HttpLimits())
        self._client = Client(
            credentials.user,
            credentials.secret,
            credentials.account_sid,
            region=surroundings.get("TWILIO_REGION"),
            edge=surroundings.get("TWILIO_EDGE"),
            http_client=self._http,
            # Never empty, since the SDK would then read the process's own.
            environment={"TWILIO_ACCOUNT_SID": credentials.account_sid},
        )
        if base_url is not None:
            self._client.api.base_url = base_url.rstrip("/")

    @property
    def name(self) -> str:
        return "twilio"

    async def place(self, order: DialOrder, may_still_dial: Callable[[], None] | None = None) -> Placed:
        """See ``Carrier.place``. Raises ValueError for digits that no phone can send, before anything is
        sent.
        """
        options = _create_options(order)
        with last_look(may_still_dial):
            call = await _read(self._client.calls.create_async(to=order.to, from_=order.from_, **options))
            return _placed(call)

    async def find(self, *, to: str, from_: str, placed_after: datetime) -> Sequence[CarrierCall]:
        """See ``Carrier.find``.

        No filter on the start time, which is empty while a call is queued. The carrier's times have whole
        seconds, so a call of the same second as ``placed_after`` is found.
        """
        since = placed_after.replace(microsecond=0)
        page: Page | None
        page = await _read(self._client.calls.page_async(to=to, from_=from_, page_size=_PAGE_SIZE))
        found: list[CarrierCall] = []
        for _ in range(_MOST_PAGES):
            if page is None:
                return found
            calls = [_carrier_call(record) for record in _records(page)]
            recent = [call for call in calls if call.created_at is None or call.created_at >= since]
            found += [call for call in recent if call.to == to and call.from_ == from_]
            if not recent:
                # Newest first: what follows is older still.
                return found
            page = await _read(page.next_page_async())
        if page is None:
            return found
        raise OutcomeUnknown("more calls than are read")

    async def placed_from(self, *, from_: str | None, since: datetime) -> Sequence[CarrierCall]:
        """See ``Carrier.placed_from``. Calls that came in, and legs that a call has dialed, are left out."""
        earliest = since.replace(microsecond=0)
        page: Page | None
        page = await _read(self._client.calls.page_async(from_=from_ or values.unset, page_size=_LARGEST_PAGE))
        found: list[CarrierCall] = []
        for _ in range(_MOST_LARGEST_PAGES):
            if page is None:
                return found
            listed = [(_carrier_call(record), str(record.direction)) for record in _records(page)]
            recent = [each for each in listed if each[0].created_at is None or each[0].created_at >= earliest]
            found += [call for call, direction in recent if direction == _OUTBOUND and from_ in (None, call.from_)]
            if not recent:
                return found
            page = await _read(page.next_page_async())
        raise OutcomeUnknown("more calls than are read")

    async def fetch(self, carrier_call_id: str) -> CarrierCall:
        """See ``Carrier.fetch``."""
        try:
            return _carrier_call(await _read(self._client.calls(carrier_call_id).fetch_async()))
        except Refused as refusal:
            raise _not_found(refusal) from None

    async def hang_up(self, carrier_call_id: str, *, answered: bool | None) -> None:
        """See ``Carrier.hang_up``.

        ``canceled`` ends calls that are queued or ringing and leaves answered ones alone; ``completed`` ends
        answered ones. The call may be answered, or not yet, between our look and our request: what the first
        word did not end, the second does, and a call that both refuse is over.
        """
        first, second = ("canceled", "completed") if answered is False else ("completed", "canceled")
        status = await self._update(carrier_call_id, first)
        if status is None or (first == "canceled" and status not in TERMINAL):
            await self._update(carrier_call_id, second)

    async def check(self) -> AccountStatus:
        """See ``Carrier.check``.

        API keys may not read the account itself; with one, reading a single call shows that it is accepted.
        """
        account_sid = self._credentials.account_sid
        if self._credentials.user != account_sid:
            await _read(self._client.calls.page_async(page_size=1))
            return AccountStatus(account_sid=account_sid, status="active", active=True)
        account = await _read(self._client.api.accounts(account_sid).fetch_async())
        status = str(account.status)
        return AccountStatus(account_sid=account_sid, status=status, active=status == "active")

    async def close(self) -> None:
        await self._http.close()

    async def _update(self, carrier_call_id: str, status: str) -> CarrierStatus | None:
        """The call's status after the update; None when the carrier says that it cannot be updated any more."""
        try:
            call = await _read(self._client.calls(carrier_call_id).update_async(status=status))
        except Refused as refusal:
            if refusal.code == _ALREADY_OVER:
                return None
            raise _not_found(refusal) from None
        return _carrier_call(call).status


def callback_address(public_base_url: str, kind: str, call_id: object) -> str:
    """Where the carrier reports to; ``kind`` is ``status``, ``voice``, ``amd`` or ``recording``."""
    return f"{public_base_url.rstrip('/')}{CALLBACK_PATH}/{kind}?call_id={call_id}{CALLBACK_RETRIES}"


def digits_for_extension(extension: str) -> str:
    """The digits for an extension: a second of silence first, for whatever answers to begin to listen."""
    return f"ww{extension}"


def _create_options(order: DialOrder) -> dict[str, Any]:
    def callback(kind: str) -> str:
        return callback_address(order.callback_base_url, kind, order.call_id)

    options: dict[str, Any] = {
        "url": callback("voice"),
        "method": "POST",
        "status_callback": callback("status"),
        "status_callback_method": "POST",
        "status_callback_event": list(STATUS_EVENTS),
        "timeout": order.ring_timeout_s,
        "time_limit": order.max_call_s,
    }
    if order.record:
        options |= {
            "record": True,
            "recording_status_callback": callback("recording"),
            "recording_status_callback_method": "POST",
            "recording_status_callback_event": ["completed", "absent"],
        }
    if order.send_digits is not None:
        if not _SEND_DIGITS.fullmatch(order.send_digits):
            raise ValueError("send_digits: at most 32 of 0-9 A-D # * w W")
        # The carrier ignores answering-machine detection beside digits.
        return options | {"send_digits": order.send_digits}
    return options | _machine_detection(order, callback("amd"))


def _machine_detection(order: DialOrder, address: str) -> dict[str, Any]:
    match order.answering_machine:
        case "off":
            return {}
        case "detect":
            return {"machine_detection": "Enable"}
        case "message_end":
            return {"machine_detection": "DetectMessageEnd"}
        case "detect_async":
            return {
                "machine_detection": "Enable",
                "async_amd": "true",
                "async_amd_status_callback": address,
                "async_amd_status_callback_method": "POST",
            }


def _refuse_routing(environment: Mapping[str, str]) -> None:
    """The SDK would write region and edge into any host name, an IP address included."""
    for name in ("TWILIO_REGION", "TWILIO_EDGE"):
        if environment.get(name):
            raise ValueError(f"{name} cannot be used together with another base URL")


async def _read(answer: Awaitable[T]) -> T:
    """What the SDK makes of an answer. Its parsing has no errors of its own: whatever it stumbles over is
    unreadable.
    """
    try:
        return await answer
    except (TwilioException, ValueError, TypeError, AttributeError, LookupError) as error:
        raise OutcomeUnknown(f"unreadable answer ({type(error).__name__})") from None


def _records(page: Page) -> list[CallInstance]:
    try:
        return list(page)
    except (TwilioException, ValueError, TypeError, AttributeError, LookupError) as error:
        raise OutcomeUnknown(f"unreadable answer ({type(error).__name__})") from None


def _placed(call: CallInstance) -> Placed:
    """An acceptance without a call id that we can use later is none that we can rely on."""
    try:
        status = CarrierStatus.QUEUED if not call.status else read_carrier_status(str(call.status))
        queue_ms = read_number(_optional(call.queue_time), "queue_time") or 0
    except MalformedCallback as error:
        raise OutcomeUnknown(f"unreadable answer ({error.field})") from None
    return Placed(carrier_call_id=_sid(call), queue_time_s=queue_ms / 1000, status=status)


def _carrier_call(call: CallInstance) -> CarrierCall:
    try:
        queue_ms = read_number(_optional(call.queue_time), "queue_time")
        return CarrierCall(
            carrier_call_id=_sid(call),
            account_sid=str(call.account_sid),
            status=read_carrier_status(str(call.status)),
            to=str(call.to),
            from_=str(call._from),  # pyright: ignore[reportPrivateUsage]  # its only name in the SDK
            created_at=call.date_created,
            started_at=call.start_time,
            ended_at=call.end_time,
            answered_by=read_answered_by(call.answered_by),
            duration_seconds=read_number(_optional(call.duration), "duration"),
            queue_time_s=None if queue_ms is None else queue_ms / 1000,
            price=read_price(_optional(call.price)),
        )
    except MalformedCallback as error:
        raise OutcomeUnknown(f"unreadable answer ({error.field})") from None


def _sid(call: CallInstance) -> str:
    if not isinstance(call.sid, str) or not _CALL_SID.fullmatch(call.sid):
        raise OutcomeUnknown("unreadable answer (sid)")
    return call.sid


def _optional(value: object) -> str | None:
    return None if value is None else str(value)


def _not_found(refusal: Refused) -> Exception:
    return CallNotFound() if refusal.http_status == 404 else refusal
