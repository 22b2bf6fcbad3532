"""The carrier's own record of its calls: from a simulator, from a saved log, or from the carrier's list.

A log is JSON or JSON lines: what the simulator answers at ``/_sim/calls``, or pages of Twilio's Calls list as they were
fetched (https://www.twilio.com/docs/voice/api/call-resource#read-multiple-call-resources).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx

from dialer.carrier_accounts import CarrierAccounts
from dialer.carriers.base import CarrierCall
from dialer.carriers.twilio_callbacks import MalformedCallback, read_carrier_status
from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.judging.evidence import CarrierRecord, Evidence

SIMULATOR_PATH = "/_sim/calls"
#: Twilio's times have whole seconds.
TWILIO_RESOLUTION_S = 1.0
_TIMEOUT_S = 60.0


class LedgerUnreadable(Exception):
    """There is no such log, or it is none. The message names no content: there are phone numbers in it."""


def read_ledger(source: str | Path) -> tuple[CarrierRecord, ...]:
    """The records of a file, or of a simulator's address. Raises LedgerUnreadable."""
    where = str(source)
    text = _fetched(where) if where.startswith(("http://", "https://")) else _read(Path(where))
    return tuple(parse_ledger(text))


def parse_ledger(text: str) -> Iterator[CarrierRecord]:
    """The records of a log. Raises LedgerUnreadable."""
    if not text.strip():
        raise LedgerUnreadable("the log is empty")
    try:
        documents = [json.loads(text)]
    except ValueError:
        documents = _lines(text)
    for position, row in enumerate(_rows(documents), start=1):
        try:
            record = _of_simulator(row) if "created_at" in row else _of_twilio(row)
        except (KeyError, TypeError, ValueError, MalformedCallback) as error:
            raise LedgerUnreadable(f"call {position} of the log cannot be read ({type(error).__name__})") from None
        if record is not None:
            yield record


async def list_at_carrier(carriers: CarrierAccounts, evidence: Evidence) -> tuple[CarrierRecord, ...]:
    """Every call from the evidence's caller numbers since our first one, as the carriers list them.

    Raises CarrierError, LookupError and SealBroken as the accounts do.
    """
    since = min((call.gated_at for call in evidence.calls if call.gated_at is not None), default=None)
    if since is None:
        return ()
    found: list[CarrierRecord] = []
    for number in evidence.numbers:
        carrier = await carriers.of(number.workspace_id, number.carrier_account_id)
        calls = await carrier.placed_from(from_=number.phone, since=since)
        found += [record for call in calls if (record := record_of(call)) is not None]
    return tuple(found)


def record_of(call: CarrierCall) -> CarrierRecord | None:
    """A listed call as a record; None for one without a time."""
    if call.created_at is None:
        return None
    return CarrierRecord(
        carrier_call_id=call.carrier_call_id,
        account_sid=call.account_sid,
        call_id=None,
        to=call.to,
        from_=call.from_,
        status=call.status,
        created_at=call.created_at,
        ended_at=call.ended_at,
        resolution_s=TWILIO_RESOLUTION_S,
    )


def _fetched(url: str) -> str:
    address = url if url.rstrip("/").endswith(SIMULATOR_PATH) else url.rstrip("/") + SIMULATOR_PATH
    outside = not address.startswith(("http://127.0.0.1", "http://localhost"))
    try:
        answer = httpx.get(address, timeout=_TIMEOUT_S, trust_env=outside)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise LedgerUnreadable(f"no carrier log at this address ({type(error).__name__})") from None
    return answer.text


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerUnreadable(f"{path} cannot be read ({type(error).__name__})") from None


def _lines(text: str) -> list[Any]:
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        raise LedgerUnreadable("the log is neither JSON nor JSON lines") from None


def _rows(documents: Iterable[object]) -> Iterator[Mapping[str, Any]]:
    """Calls, out of pages and lists of them."""
    for document in documents:
        if isinstance(document, list):
            yield from _rows(cast("list[object]", document))
        elif isinstance(document, dict):
            given = cast("dict[str, Any]", document)
            if "sid" in given:
                yield given
                continue
            page = given.get("items", given.get("calls"))
            if not isinstance(page, list):
                raise LedgerUnreadable("the log holds something that is neither a call nor a page of calls")
            yield from _rows(cast("list[object]", page))
        else:
            raise LedgerUnreadable("the log holds something that is neither a call nor a page of calls")


def _of_simulator(row: Mapping[str, Any]) -> CarrierRecord:
    return CarrierRecord(
        carrier_call_id=str(row["sid"]),
        account_sid=str(row["account_sid"]),
        call_id=_uuid(row["call_id"]),
        to=str(row["to"]),
        from_=str(row["from"]),
        status=read_carrier_status(str(row["status"])),
        created_at=datetime.fromisoformat(row["created_at"]),
        answered_at=_moment(row["answered_at"]),
        ended_at=_moment(row["ended_at"]),
        inbound=row.get("direction") == "inbound",
    )


def _of_twilio(row: Mapping[str, Any]) -> CarrierRecord | None:
    """None for legs that a call has dialed. Of one that came in nobody tells when it was answered, only whether."""
    inbound = row["direction"] == "inbound"
    if not inbound and row["direction"] != "outbound-api":
        return None
    status, created_at = read_carrier_status(str(row["status"])), parsedate_to_datetime(row["date_created"])
    return CarrierRecord(
        carrier_call_id=str(row["sid"]),
        account_sid=str(row["account_sid"]),
        call_id=None,
        to=str(row["to"]),
        from_=str(row["from"]),
        status=status,
        created_at=created_at,
        answered_at=created_at if inbound and status is CarrierStatus.COMPLETED else None,
        inbound=inbound,
        ended_at=parsedate_to_datetime(row["end_time"]) if row["end_time"] else None,
        resolution_s=TWILIO_RESOLUTION_S,
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _uuid(text: object) -> UUID | None:
    """Our call id; None for what is none, as in a call that we did not place."""
    try:
        return UUID(str(text))
    except ValueError:
        return None
