"""A carrier's records and forms, with numbers from the ranges reserved for fiction."""

from typing import Any
from uuid import UUID

from dialer.carriers.base import DialOrder

ACCOUNT_SID = "AC" + "0" * 31 + "1"
AUTH_TOKEN = "a-token-of-the-tests"
CALL_SID = "CA" + "0" * 31 + "a"
CALL_ID = UUID("019aa000-0000-7000-8000-000000000001")
TO = "+12025550143"
FROM = "+12025550100"
PUBLIC_URL = "https://dialer.example"


def order(**changes: Any) -> DialOrder:
    fields: dict[str, Any] = {
        "call_id": CALL_ID,
        "to": TO,
        "from_": FROM,
        "ring_timeout_s": 25,
        "max_call_s": 300,
        "callback_base_url": PUBLIC_URL,
    }
    return DialOrder(**(fields | changes))


def call_resource(**changes: Any) -> dict[str, Any]:
    """A call as the REST API shows it right after it was created."""
    uri = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls/{CALL_SID}"
    resource: dict[str, Any] = {
        "sid": CALL_SID,
        "date_created": "Sat, 21 Nov 2026 10:00:00 +0000",
        "date_updated": "Sat, 21 Nov 2026 10:00:00 +0000",
        "parent_call_sid": None,
        "account_sid": ACCOUNT_SID,
        "to": TO,
        "to_formatted": TO,
        "from": FROM,
        "from_formatted": FROM,
        "phone_number_sid": "PN" + "0" * 32,
        "status": "queued",
        "start_time": None,
        "end_time": None,
        "duration": None,
        "price": None,
        "price_unit": "USD",
        "direction": "outbound-api",
        "answered_by": None,
        "api_version": "2010-04-01",
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "queue_time": "1500",
        "trunk_sid": None,
        "uri": f"{uri}.json",
        "subresource_uris": {"recordings": f"{uri}/Recordings.json"},
    }
    return resource | changes


def calls_page(*calls: dict[str, Any], next_page_uri: str | None = None) -> dict[str, Any]:
    uri = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"
    return {
        "calls": list(calls),
        "end": len(calls),
        "first_page_uri": uri,
        "next_page_uri": next_page_uri,
        "page": 0,
        "page_size": 200,
        "previous_page_uri": None,
        "start": 0,
        "uri": uri,
    }


def error_body(code: int, status: int) -> dict[str, Any]:
    """Twilio's messages quote the numbers of the request."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": code, "message": f"The number {TO} is at fault", "more_info": more, "status": status}


def status_form(**changes: str) -> dict[str, str]:
    form = {
        "AccountSid": ACCOUNT_SID,
        "ApiVersion": "2010-04-01",
        "CallSid": CALL_SID,
        "CallStatus": "completed",
        "CallbackSource": "call-progress-events",
        "CallDuration": "49",
        "Called": TO,
        "CalledCity": "WASHINGTON",
        "Caller": FROM,
        "Direction": "outbound-api",
        "Duration": "1",
        "From": FROM,
        "SequenceNumber": "3",
        "SipResponseCode": "200",
        "Timestamp": "Sat, 21 Nov 2026 10:01:19 +0000",
        "To": TO,
    }
    return form | changes
