"""The history of one caller number, as Twilio lists it: page by page, back to a moment."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from dialer.carrier_ledgers import record_of
from dialer.carriers.base import OutcomeUnknown
from dialer.carriers.twilio import TwilioCarrier
from dialer.domain.carrier_events import CarrierStatus
from tests.carriers.carriers import carrier_at
from tests.carriers.customers import line
from tests.carriers.odd_servers import answers, odd_server
from tests.carriers.samples import ACCOUNT_SID, FROM, TO, call_resource, calls_page, order

CALLS = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls"
TEN = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)


def created(second: int, **changes: Any) -> dict[str, Any]:
    sid = f"CA{second:032x}"
    return call_resource(sid=sid, date_created=f"Sat, 21 Nov 2026 10:00:{second:02} +0000", **changes)


async def listed(carrier: TwilioCarrier, since: int = 0) -> list[int]:
    calls = await carrier.placed_from(from_=FROM, since=TEN + timedelta(seconds=since, milliseconds=900))
    return [int(call.carrier_call_id[2:], 16) for call in calls]


async def test_every_page_is_read_until_calls_are_older_than_the_moment():
    more = f"{CALLS}.json?Page=1&PageSize=1000"
    pages = [
        answers(200, calls_page(created(31), created(30, to="+12025550199"), next_page_uri=more)),
        answers(200, calls_page(created(29), created(28), next_page_uri=more)),
        answers(200, calls_page(created(27), next_page_uri=more)),
    ]
    async with odd_server(*pages) as server, carrier_at(server.url) as carrier:
        assert await listed(carrier, since=28) == [31, 30, 29, 28]
        assert len(server.requests) == 3
        assert sorted(server.requests[0].query) == [("From", FROM), ("PageSize", "1000")]


async def test_calls_that_came_in_and_legs_that_a_call_dialed_are_left_out():
    page = calls_page(created(31, direction="inbound"), created(30, direction="outbound-dial"), created(29))
    async with odd_server(answers(200, page)) as server, carrier_at(server.url) as carrier:
        assert await listed(carrier) == [29]


async def test_a_page_that_cannot_be_read_is_not_the_end_of_the_list():
    more = f"{CALLS}.json?Page=1&PageSize=1000"
    pages = [answers(200, calls_page(created(31), next_page_uri=more)), answers(503, {})]
    async with odd_server(*pages) as server, carrier_at(server.url) as carrier:
        with pytest.raises(OutcomeUnknown):
            await listed(carrier)


async def test_the_list_says_the_same_as_the_carriers_own_ledger():
    """Against the simulator: what is listed over Twilio's API is what really happened, cut to the second."""
    async with line() as at:
        for number in range(5):
            await at.script(f"+1202555015{number}", kind="busy" if number % 2 else "no_answer")
            call_id = UUID(int=number + 1)
            to = f"+1202555015{number}"
            await at.carrier.place(order(callback_base_url=at.customer.url, call_id=call_id, to=to))
        await at.carrier.place(order(callback_base_url=at.customer.url, call_id=UUID(int=9), from_="+12025550199"))
        await at.customer.wait_for(lambda events: sum(event.status is CarrierStatus.BUSY for event in events) == 2)
        calls = await at.carrier.placed_from(from_=FROM, since=datetime.now(UTC) - timedelta(minutes=1))
        mine = {row["sid"]: row for row in await at.ledger() if row["from"] == FROM}
    assert [call.carrier_call_id for call in calls] == list(reversed(mine))
    for call in calls:
        record, row = record_of(call), mine[call.carrier_call_id]
        assert record is not None
        assert (record.to, record.from_, record.account_sid) == (row["to"], row["from"], row["account_sid"])
        really = datetime.fromisoformat(row["created_at"])
        assert record.created_at <= really < record.created_by
    assert TO not in repr(calls)
