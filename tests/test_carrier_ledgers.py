"""Carrier logs: the simulator's and Twilio's, as JSON and as JSON lines, and what is none."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from dialer.carrier_ledgers import LedgerUnreadable, parse_ledger, read_ledger
from dialer.domain.carrier_events import CarrierStatus
from dialer.stack.ports import free_port
from tests.carriers.samples import CALL_SID, FROM, TO, call_resource, calls_page
from tests.domain.judging.ledgers import ACCOUNT_SID

CALL_ID = "019aa000-0000-7000-8000-000000000001"


def row(**changes: Any) -> dict[str, Any]:
    """A call as the simulator's ledger shows it."""
    return {
        "sid": CALL_SID,
        "call_id": CALL_ID,
        "account_sid": ACCOUNT_SID,
        "to": TO,
        "from": FROM,
        "status": "no-answer",
        "created_at": "2026-11-21T10:00:00.250000Z",
        "dialed_at": "2026-11-21T10:00:00.300000Z",
        "ringing_at": None,
        "answered_at": None,
        "ended_at": "2026-11-21T10:00:25Z",
        "duration_s": 0,
        "answered_by": None,
        "sip_code": 487,
        "error_code": None,
        **changes,
    }


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"items": [row(), row(sid="CA2")]}),
        json.dumps([row(), row(sid="CA2")]),
        json.dumps(row()) + "\n\n" + json.dumps(row(sid="CA2")) + "\n",
        json.dumps({"items": [row()]}) + "\n" + json.dumps({"items": [row(sid="CA2")]}),
    ],
    ids=["page", "list", "lines", "pages"],
)
def test_a_simulators_ledger_is_read_in_every_shape(text: str) -> None:
    first, second = parse_ledger(text)
    assert (first.carrier_call_id, second.carrier_call_id) == (CALL_SID, "CA2")
    assert first.call_id == UUID(CALL_ID)
    assert first.status is CarrierStatus.NO_ANSWER
    assert first.created_at == datetime(2026, 11, 21, 10, 0, 0, 250_000, tzinfo=UTC)
    assert first.created_by == first.created_at
    assert first.ended_at == datetime(2026, 11, 21, 10, 0, 25, tzinfo=UTC)


def test_a_call_that_nobody_of_ours_placed_has_no_id() -> None:
    assert [record.call_id for record in parse_ledger(json.dumps([row(call_id=None), row(call_id="x")]))] == [None] * 2


def test_twilios_list_is_read_page_by_page() -> None:
    pages = [
        calls_page(call_resource(status="completed", end_time="Sat, 21 Nov 2026 10:01:00 +0000")),
        calls_page(call_resource(sid="CA2", status="in-progress"), call_resource(direction="outbound-dial")),
    ]
    for text in (json.dumps(pages), "\n".join(json.dumps(page) for page in pages)):
        first, second = parse_ledger(text)
        assert (first.call_id, first.created_at) == (None, datetime(2026, 11, 21, 10, 0, tzinfo=UTC))
        assert (first.created_by - first.created_at).total_seconds() == 1
        assert first.ended_at == datetime(2026, 11, 21, 10, 1, tzinfo=UTC)
        assert (second.carrier_call_id, second.status, second.ended_at) == ("CA2", CarrierStatus.IN_PROGRESS, None)


def test_calls_that_came_in_are_told_from_ours() -> None:
    page = calls_page(
        call_resource(sid="CA1", direction="inbound", status="completed", end_time="Sat, 21 Nov 2026 10:01:00 +0000"),
        call_resource(sid="CA2", direction="inbound", status="no-answer"),
    )
    talked, missed = parse_ledger(json.dumps(page))
    assert (talked.inbound, talked.answered_at, missed.inbound, missed.answered_at) == (
        *(True, talked.created_at),
        *(True, None),
    )
    assert [each.inbound for each in parse_ledger(json.dumps([row(), row(direction="inbound")]))] == [False, True]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "3",
        "{}",
        '{"calls": 3}',
        '["x"]',
        json.dumps([row(status="dialing")]),
        json.dumps([row(created_at="yesterday")]),
        json.dumps([{"sid": "CA1"}]),
        json.dumps([call_resource(date_created="soon")]),
    ],
)
def test_what_is_no_log_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(LedgerUnreadable) as refused:
        list(parse_ledger(text))
    assert TO not in str(refused.value)


def test_an_empty_list_is_a_log() -> None:
    assert list(parse_ledger('{"items": []}')) == []


def test_a_log_is_read_from_a_file(tmp_path: Path) -> None:
    log = tmp_path / "calls.json"
    log.write_text(json.dumps([row()]))
    assert len(read_ledger(log)) == 1
    with pytest.raises(LedgerUnreadable, match="cannot be read"):
        read_ledger(tmp_path / "another.json")


def test_an_address_that_does_not_answer_is_told() -> None:
    with pytest.raises(LedgerUnreadable, match="ConnectError"):
        read_ledger(f"http://127.0.0.1:{free_port()}")
