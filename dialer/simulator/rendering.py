"""What REST shows: calls, recordings, accounts and pages, field by field as Twilio publishes them."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Literal
from urllib.parse import urlencode

from dialer.simulator.accounts import Account
from dialer.simulator.ledger import Call, Recording

VERSION = "2010-04-01"
_NANP = re.compile(r"\+1([0-9]{3})([0-9]{3})([0-9]{4})")
_CALL_PARTS = (
    "events", "notifications", "payments", "recordings", "siprec", "streams", "transcriptions",
    "user_defined_message_subscriptions", "user_defined_messages",
)  # fmt: skip
_PRICE_PER_MINUTE = "0.01400"


def render_call(call: Call, now: datetime) -> dict[str, object]:
    """A call resource as it is ``now``: prices come late.

    Times are RFC 2822, ``duration`` and ``price`` strings, ``queue_time`` milliseconds.
    """
    uri = f"/{VERSION}/Accounts/{call.account_sid}/Calls/{call.sid}"
    ours = call.to if call.direction == "inbound" else call.from_
    return {
        "account_sid": call.account_sid,
        "answered_by": call.answered_by,
        "api_version": VERSION,
        "caller_name": None,
        "date_created": _time(call.created_at),
        "date_updated": _time(call.updated_at),
        "direction": call.direction,
        "duration": str(call.duration_s) if call.duration_s is not None else None,
        "end_time": _time(call.ended_at),
        "forwarded_from": None,
        "from": call.from_,
        "from_formatted": _formatted(call.from_),
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": "PN" + hashlib.md5(ours.encode(), usedforsecurity=False).hexdigest(),
        "price": _price(call, now),
        "price_unit": "USD",
        "queue_time": str(call.queue_time_ms),
        "sid": call.sid,
        "start_time": _time(call.dialed_at),
        "status": call.status,
        "subresource_uris": {part: f"{uri}/{_camel(part)}.json" for part in _CALL_PARTS},
        "to": call.to,
        "to_formatted": _formatted(call.to),
        "trunk_sid": None,
        "uri": f"{uri}.json",
    }


def render_call_recording(recording: Recording) -> dict[str, object]:
    """A recording as a subresource of its call."""
    base = f"/{VERSION}/Accounts/{recording.account_sid}/Calls/{recording.call_sid}/Recordings"
    return _recording(recording) | {
        "track": recording.track,
        "price": None,
        "uri": f"{base}/{recording.sid}.json",
    }


def render_recording(recording: Recording) -> dict[str, object]:
    """A recording as a subresource of its account."""
    base = f"/{VERSION}/Accounts/{recording.account_sid}/Recordings/{recording.sid}"
    return _recording(recording) | {
        "price": None,
        "uri": f"{base}.json",
        "media_url": recording.url,
        "subresource_uris": {
            "add_on_results": f"{base}/AddOnResults.json",
            "transcriptions": f"{base}/Transcriptions.json",
        },
    }


def render_account(account: Account, since: datetime) -> dict[str, object]:
    """An account resource, without its secret."""
    base = f"/{VERSION}/Accounts/{account.sid}"
    return {
        "auth_token": None,
        "date_created": _time(since),
        "date_updated": _time(since),
        "friendly_name": "Simulated account",
        "owner_account_sid": account.sid,
        "sid": account.sid,
        "status": account.status,
        "subresource_uris": {"calls": f"{base}/Calls.json", "recordings": f"{base}/Recordings.json"},
        "type": "Full",
        "uri": f"{base}.json",
    }


def render_page(
    name: Literal["calls", "recordings"],
    items: Sequence[Mapping[str, object]],
    *,
    path: str,
    filters: Sequence[tuple[str, str]],
    page: int,
    page_size: int,
    next_token: str | None,
) -> dict[str, object]:
    """One page of a list. Its addresses repeat the filters and are relative to the server."""

    def address(number: int, token: str | None) -> str:
        paging = [("PageSize", str(page_size)), ("Page", str(number))]
        return f"{path}?{urlencode([*filters, *paging, *([('PageToken', token)] if token else [])])}"

    start = page * page_size
    return {
        name: list(items),
        "start": start,
        "end": start + max(len(items) - 1, 0),
        "page": page,
        "page_size": page_size,
        "uri": address(page, None),
        "first_page_uri": address(0, None),
        "next_page_uri": address(page + 1, next_token) if next_token else None,
        "previous_page_uri": address(page - 1, None) if page else None,
    }


def _recording(recording: Recording) -> dict[str, object]:
    duration = recording.duration_s
    return {
        "account_sid": recording.account_sid,
        "api_version": VERSION,
        "call_sid": recording.call_sid,
        "conference_sid": None,
        "channels": recording.channels,
        "date_created": _time(recording.started_at),
        "date_updated": _time(recording.updated_at),
        "start_time": _time(recording.started_at),
        "duration": str(duration) if duration is not None else None,
        "encryption_details": None,
        "error_code": None,
        "price_unit": "USD",
        "sid": recording.sid,
        "source": recording.source,
        "status": recording.status,
    }


def _time(at: datetime | None) -> str | None:
    return format_datetime(at) if at is not None else None


def _price(call: Call, now: datetime) -> str | None:
    """Only answered calls are billed, each begun minute, some time after their end."""
    if call.priced_at is None or now < call.priced_at:
        return None
    minutes = max(-(-(call.duration_s or 0) // 60), 1)
    return f"-{minutes * float(_PRICE_PER_MINUTE):.5f}"


def _formatted(number: str) -> str:
    match = _NANP.fullmatch(number)
    return f"({match[1]}) {match[2]}-{match[3]}" if match else number


def _camel(part: str) -> str:
    return "".join(word.capitalize() for word in part.split("_"))
