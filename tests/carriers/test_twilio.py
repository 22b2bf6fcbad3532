"""What the adapter sends, and what it makes of the answers."""

import base64
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from dialer.carriers.base import AccountRefused, AccountStatus, CarrierCall, OutcomeUnknown, Placed
from dialer.carriers.twilio import TwilioCarrier, TwilioCredentials, callback_address, digits_for_extension
from dialer.domain.carrier_events import AnsweredBy, CarrierStatus
from tests.carriers.carriers import carrier_at
from tests.carriers.odd_servers import Request, answers, odd_server
from tests.carriers.samples import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    CALL_ID,
    CALL_SID,
    FROM,
    PUBLIC_URL,
    TO,
    call_resource,
    calls_page,
    error_body,
    order,
)

CALLS = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls"
TEN = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)


async def sent_by_placing(**changes: Any) -> Request:
    async with odd_server(answers(201, call_resource())) as server, carrier_at(server.url) as carrier:
        await carrier.place(order(**changes))
        assert len(server.requests) == 1
        return server.requests[0]


def callback(kind: str) -> str:
    return f"{PUBLIC_URL}/api/v1/carriers/twilio/{kind}?call_id={CALL_ID}#rc=3&rp=all"


async def test_a_placed_call_asks_for_everything_that_the_dialer_needs():
    request = await sent_by_placing()
    assert (request.method, request.path) == ("POST", f"{CALLS}.json")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    password = base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
    assert request.headers["authorization"] == f"Basic {password}"
    assert sorted(request.form) == sorted(
        [
            ("To", TO),
            ("From", FROM),
            ("Url", callback("voice")),
            ("Method", "POST"),
            ("StatusCallback", callback("status")),
            ("StatusCallbackMethod", "POST"),
            ("StatusCallbackEvent", "ringing"),
            ("StatusCallbackEvent", "answered"),
            ("StatusCallbackEvent", "completed"),
            ("Timeout", "25"),
            ("TimeLimit", "300"),
            ("MachineDetection", "Enable"),
        ]
    )


DETECTIONS: list[tuple[str, dict[str, str]]] = [
    ("off", {}),
    ("detect", {"MachineDetection": "Enable"}),
    ("message_end", {"MachineDetection": "DetectMessageEnd"}),
    (
        "detect_async",
        {
            "MachineDetection": "Enable",
            "AsyncAmd": "true",
            "AsyncAmdStatusCallback": callback("amd"),
            "AsyncAmdStatusCallbackMethod": "POST",
        },
    ),
]


@pytest.mark.parametrize(("mode", "expected"), DETECTIONS)
async def test_answering_machine_detection_is_asked_for_by_mode(mode: str, expected: dict[str, str]):
    form = dict((await sent_by_placing(answering_machine=mode)).form)
    assert {key: value for key, value in form.items() if "Machine" in key or "Amd" in key} == expected


async def test_digits_for_an_extension_switch_the_detection_off():
    request = await sent_by_placing(send_digits=digits_for_extension("55"), answering_machine="detect_async")
    form = dict(request.form)
    assert form["SendDigits"] == "ww55"
    assert not [key for key in form if "Machine" in key or "Amd" in key]


@pytest.mark.parametrize("digits", ["", "1" * 33, "12a", "+1", "1 2"])
async def test_digits_that_no_phone_sends_are_refused_before_anything_is_sent(digits: str):
    async with odd_server(answers(201, call_resource())) as server, carrier_at(server.url) as carrier:
        with pytest.raises(ValueError, match="send_digits"):
            await carrier.place(order(send_digits=digits))
        assert server.requests == []


async def test_a_recording_is_asked_for_with_its_callback():
    form = (await sent_by_placing(record=True)).form
    assert ("Record", "true") in form
    assert ("RecordingStatusCallback", callback("recording")) in form
    assert ("RecordingStatusCallbackEvent", "absent") in form


async def test_an_acceptance_tells_call_id_status_and_the_wait_in_seconds():
    async with odd_server(answers(201, call_resource())) as server, carrier_at(server.url) as carrier:
        placed = await carrier.place(order())
    assert placed == Placed(carrier_call_id=CALL_SID, queue_time_s=1.5, status=CarrierStatus.QUEUED)


async def test_a_public_base_url_may_have_a_path_and_a_slash_at_its_end():
    expected = "https://dialer.example/calls/api/v1/carriers/twilio/status?call_id=7#rc=3&rp=all"
    assert callback_address("https://dialer.example/calls/", "status", 7) == expected


async def test_an_api_key_opens_the_account_and_is_checked_by_reading_calls():
    key = TwilioCredentials.of_api_key(ACCOUNT_SID, "SK" + "0" * 32, "the-secret-of-the-key")
    async with odd_server(answers(200, calls_page())) as server:
        async with carrier_at(server.url, credentials=key) as carrier:
            assert (await carrier.check()).active
        (request,) = server.requests
        assert request.path == f"{CALLS}.json"
        assert base64.b64decode(request.headers["authorization"].split()[1]).startswith(b"SK00")
    assert "the-secret-of-the-key" not in repr(key)


@pytest.mark.parametrize(("status", "active"), [("active", True), ("suspended", False), ("closed", False)])
async def test_the_account_is_checked_by_looking_at_it(status: str, active: bool):
    resource = {"sid": ACCOUNT_SID, "status": status, "type": "Full", "friendly_name": "Somebody"}
    async with odd_server(answers(200, resource)) as server, carrier_at(server.url) as carrier:
        expected = AccountStatus(account_sid=ACCOUNT_SID, status=status, active=active)
        assert await carrier.check() == expected
        assert server.requests[0].path == f"/2010-04-01/Accounts/{ACCOUNT_SID}.json"


async def test_wrong_credentials_are_told_by_the_check():
    refused = answers(401, error_body(20003, 401))
    async with odd_server(refused) as server, carrier_at(server.url) as carrier:
        with pytest.raises(AccountRefused):
            await carrier.check()


async def test_a_finished_call_is_read_with_times_duration_and_price():
    finished = call_resource(
        status="completed",
        start_time="Sat, 21 Nov 2026 10:00:02 +0000",
        end_time="Sat, 21 Nov 2026 10:00:51 +0000",
        duration="49",
        price="-0.0140",
        answered_by="human",
    )
    async with odd_server(answers(200, finished)) as server, carrier_at(server.url) as carrier:
        call = await carrier.fetch(CALL_SID)
        assert server.requests[0].path == f"{CALLS}/{CALL_SID}.json"
    assert call == CarrierCall(
        carrier_call_id=CALL_SID,
        account_sid=ACCOUNT_SID,
        status=CarrierStatus.COMPLETED,
        to=TO,
        from_=FROM,
        created_at=TEN,
        started_at=TEN.replace(second=2),
        ended_at=TEN.replace(second=51),
        answered_by=AnsweredBy.HUMAN,
        duration_seconds=49,
        queue_time_s=1.5,
        price=Decimal("0.0140"),
    )
    assert TO not in repr(call)


@pytest.mark.parametrize("changes", [{"status": "dialing"}, {"duration": "long"}, {"sid": None}, {"price": "dear"}])
async def test_a_record_that_cannot_be_read_says_nothing_about_the_call(changes: dict[str, Any]):
    async with odd_server(answers(200, call_resource(**changes))) as server, carrier_at(server.url) as carrier:
        with pytest.raises(OutcomeUnknown):
            await carrier.fetch(CALL_SID)


def created(second: int, **changes: Any) -> dict[str, Any]:
    sid = f"CA{second:032x}"
    return call_resource(sid=sid, date_created=f"Sat, 21 Nov 2026 10:00:{second:02} +0000", **changes)


async def find(carrier: TwilioCarrier, second: int, microsecond: int = 0) -> list[int]:
    since = TEN.replace(second=second, microsecond=microsecond)
    calls = await carrier.find(to=TO, from_=FROM, placed_after=since)
    return [int(call.carrier_call_id[2:], 16) for call in calls]


async def test_calls_are_found_by_their_numbers_and_the_time_of_their_creation():
    page = calls_page(created(31), created(30), created(29), created(8))
    async with odd_server(answers(200, page)) as server, carrier_at(server.url) as carrier:
        assert await find(carrier, 29, 999_999) == [31, 30, 29]
        (request,) = server.requests
        assert request.path == f"{CALLS}.json"
        assert sorted(request.query) == [("From", FROM), ("PageSize", "200"), ("To", TO)]


async def test_calls_between_other_numbers_are_left_out_whatever_the_carrier_lists():
    page = calls_page(created(31, to="+12025550199"), created(30, **{"from": "+12025550198"}), created(29))
    async with odd_server(answers(200, page)) as server, carrier_at(server.url) as carrier:
        assert await find(carrier, 0) == [29]


async def test_further_pages_are_read_until_calls_are_older():
    next_page = f"{CALLS}.json?Page=1&PageSize=200"
    pages = [
        answers(200, calls_page(created(31), created(30), next_page_uri=next_page)),
        answers(200, calls_page(created(29), created(9), next_page_uri=next_page)),
        answers(200, calls_page(created(8), next_page_uri=next_page)),
    ]
    async with odd_server(*pages) as server, carrier_at(server.url) as carrier:
        assert await find(carrier, 20) == [31, 30, 29]
        assert len(server.requests) == 3


async def test_a_list_without_end_is_not_taken_for_the_whole():
    endless = calls_page(created(31), next_page_uri=f"{CALLS}.json?Page=1")
    async with odd_server(answers(200, endless)) as server, carrier_at(server.url) as carrier:
        with pytest.raises(OutcomeUnknown):
            await find(carrier, 20)
        assert len(server.requests) <= 6


@pytest.mark.parametrize(
    "body", [{}, {"calls": None}, {"calls": [None]}, {"calls": 3}, {"items": [], "calls": []}, {"calls": ["x"]}]
)
async def test_a_list_that_cannot_be_read_is_not_an_empty_list(body: dict[str, Any]):
    async with odd_server(answers(200, body)) as server, carrier_at(server.url) as carrier:
        with pytest.raises(OutcomeUnknown):
            await find(carrier, 0)


OVER = answers(400, error_body(21220, 400))


def updated(status: str):
    return answers(200, call_resource(status=status))


HANG_UPS = [
    # known to be unanswered, and it was
    (False, [updated("canceled")], ["canceled"]),
    # it was answered before the request came: cancelling leaves it alone, or is refused
    (False, [updated("in-progress"), updated("completed")], ["canceled", "completed"]),
    (False, [OVER, updated("completed")], ["canceled", "completed"]),
    # known to be answered
    (True, [updated("completed")], ["completed"]),
    (True, [updated("in-progress")], ["completed"]),
    # nobody knows: ``completed`` ends any call, and if it is refused for a queued one, ``canceled`` ends that
    (None, [updated("completed")], ["completed"]),
    (None, [OVER, updated("canceled")], ["completed", "canceled"]),
    # over
    (None, [OVER, OVER], ["completed", "canceled"]),
    (True, [OVER, OVER], ["completed", "canceled"]),
    (False, [OVER, OVER], ["canceled", "completed"]),
]


@pytest.mark.parametrize(("answered", "replies", "expected"), HANG_UPS)
async def test_hanging_up_ends_the_call_in_whatever_state_it_is(
    answered: bool | None, replies: list[Any], expected: list[str]
):
    async with odd_server(*replies) as server, carrier_at(server.url) as carrier:
        await carrier.hang_up(CALL_SID, answered=answered)
        assert [request.form for request in server.requests] == [[("Status", word)] for word in expected]
        assert {request.path for request in server.requests} == {f"{CALLS}/{CALL_SID}.json"}


async def test_connections_are_used_again():
    async with odd_server(answers(201, call_resource())) as server, carrier_at(server.url) as carrier:
        for _ in range(3):
            await carrier.place(order())
        assert (server.connections, len(server.requests)) == (1, 3)
