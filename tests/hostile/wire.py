"""Requests as bytes, and the smallest client that can send many of them: a flood must cost the flooder little."""

import asyncio
import base64
import hmac
import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha1
from urllib.parse import urlencode
from uuid import UUID, uuid4

from tests.hostile.live_calls import ACCOUNT_SID, AUTH_TOKEN, PUBLIC_URL

CALLBACKS = "/api/v1/carriers/twilio/"
#: What one call reports, in order, with the fields that Twilio adds to each.
REPORTS: Sequence[Mapping[str, str]] = (
    {"CallStatus": "initiated", "SequenceNumber": "0"},
    {"CallStatus": "ringing", "SequenceNumber": "1"},
    {"CallStatus": "in-progress", "SequenceNumber": "2"},
    {"CallStatus": "completed", "SequenceNumber": "3", "CallDuration": "12", "Duration": "1", "AnsweredBy": "human"},
)


def sid_of(call_id: UUID) -> str:
    return f"CA{call_id.hex}"


def report(call_id: UUID, number: int) -> dict[str, str]:
    """The form of one status report, as long as Twilio's."""
    return {
        "AccountSid": ACCOUNT_SID,
        "ApiVersion": "2010-04-01",
        "CallSid": sid_of(call_id),
        "CallbackSource": "call-progress-events",
        "Called": "+12025550123",
        "CalledCity": "WASHINGTON",
        "CalledCountry": "US",
        "CalledState": "DC",
        "CalledZip": "20001",
        "Caller": "+16505550150",
        "CallerCountry": "US",
        "CallerState": "CA",
        "Direction": "outbound-api",
        "From": "+16505550150",
        "FromCountry": "US",
        "Timestamp": "Sat, 21 Nov 2026 10:01:19 +0000",
        "To": "+12025550123",
        "ToCountry": "US",
        "ToState": "DC",
        **REPORTS[number],
    }


def signature(address: str, form: Mapping[str, str], token: str = AUTH_TOKEN) -> str:
    text = address + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), sha1).digest()).decode()


def post(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """One request over a connection that stays open."""
    given = {"Host": "dialer.example", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def callback(
    call_id: object, form: Mapping[str, str], *, token: str | None = AUTH_TOKEN, kind: str = "status"
) -> bytes:
    """A callback, signed with ``token``, or with no signature for None."""
    path = f"{CALLBACKS}{kind}?call_id={call_id}"
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    if token is not None:
        headers["X-Twilio-Signature"] = signature(PUBLIC_URL + path, form, token)
    return post(path, urlencode(form).encode(), headers)


def junk(number: int, call_ids: Sequence[UUID]) -> bytes:
    """One of many kinds of request that must change nothing."""
    call_id = call_ids[number % len(call_ids)]
    form = report(call_id, 3) | {"CallStatus": "busy", "SequenceNumber": "9"}
    match number % 6:
        case 0:
            return callback(call_id, form, token=None)
        case 1:
            return callback(call_id, form, token="a-guess")
        case 2:
            return callback(uuid4(), form, token="a-guess")
        case 3:
            return callback(call_id, form | {"AccountSid": f"AC{secrets.token_hex(16)}"}, token="their-own")
        case 4:
            return callback(call_id, {f"field{n}": str(n) for n in range(2000)}, token="a-guess")
        case _:
            return callback(call_id, {"SpeechResult": "x" * 1_000_000}, token="a-guess")


class Line:
    """One kept connection; opened again when the other side has closed it."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> int:
        """The status of the answer; 0 when the connection broke before there was one."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(*self._address)
            reader, writer = self._streams
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            fields = head.lower().split(b"\r\n")
            length = next((int(field[15:]) for field in fields if field.startswith(b"content-length:")), 0)
            await reader.readexactly(length)
            if b"connection: close" in fields:
                self.close()
            return int(head[9:12])
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None
