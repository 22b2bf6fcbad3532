"""Everything that the adapter sends is what Twilio's published API takes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.carriers.carriers import carrier_at
from tests.carriers.odd_servers import Request, answers, odd_server
from tests.carriers.samples import CALL_SID, FROM, TO, call_resource, calls_page, order
from tests.twilio_schema import check_request, check_response


def check(request: Request) -> str:
    return check_request(request.method, request.path, request.query, request.form)


ORDERS: list[dict[str, Any]] = [
    {},
    {"answering_machine": "off"},
    {"answering_machine": "detect_async"},
    {"answering_machine": "message_end", "record": True},
    {"send_digits": "ww55#"},
]


@pytest.mark.parametrize("changes", ORDERS)
async def test_every_way_to_place_a_call_fits_the_schema(changes: dict[str, Any]):
    async with odd_server(answers(201, call_resource())) as server, carrier_at(server.url) as carrier:
        await carrier.place(order(**changes))
        assert [check(request) for request in server.requests] == ["CreateCall"]


async def test_looking_listing_and_hanging_up_fit_the_schema():
    replies = [answers(200, calls_page()), answers(200, call_resource()), answers(200, call_resource())]
    async with odd_server(*replies) as server, carrier_at(server.url) as carrier:
        await carrier.find(to=TO, from_=FROM, placed_after=datetime(2026, 11, 21, tzinfo=UTC))
        await carrier.fetch(CALL_SID)
        await carrier.hang_up(CALL_SID, answered=None)
        assert [check(request) for request in server.requests] == ["ListCall", "FetchCall", "UpdateCall"]


def test_the_samples_of_these_tests_are_what_twilio_answers():
    path = f"/2010-04-01/Accounts/{call_resource()['account_sid']}/Calls.json"
    check_response("POST", path, 201, call_resource())
    check_response("GET", path, 200, calls_page(call_resource()))
