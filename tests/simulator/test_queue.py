"""Calls per second: real time whatever the time scale, queued beyond it, refused when the queue is endless."""

import asyncio
import time

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.simulator.lines import ACCOUNT, line


async def test_calls_beyond_the_rate_wait_their_turn_in_real_time():
    async with line(calls_per_second=20, time_scale=0.001) as it:
        began = time.monotonic()
        placed = await asyncio.gather(*(it.place(to=f"+1202555{n + 100:04d}") for n in range(20)))
        assert max(int(call.queue_time) for call in placed) > 700
        await it.customer.until_ended(20)
        assert time.monotonic() - began >= 0.85
        stats = await it.get("/_sim/stats")
        assert stats["peak_dials_per_second"] <= 21
        assert stats["peak_creates_per_second"] == 20
        assert stats["by_status"] == {"completed": 20}


async def test_calls_are_dialed_in_the_order_they_were_accepted():
    async with line(calls_per_second=50, time_scale=0.001) as it:
        placed = [(await it.place(to=f"+1202555{n + 100:04d}")).sid for n in range(10)]
        await it.customer.until_ended(10)
        rows = (await it.get("/_sim/calls"))["items"]
        assert [row["sid"] for row in rows] == placed
        dialed = [row["dialed_at"] for row in rows]
        assert dialed == sorted(dialed)


async def test_a_new_rate_acts_on_calls_that_wait_already():
    async with line(calls_per_second=0.01) as it:
        await it.place()
        waiting = await it.place()
        assert int(waiting.queue_time) > 90_000
        assert (await it.get("/_sim/stats"))["queued"] == 1
        await it.behave(calls_per_second=100)
        await it.customer.until_ended(2)


async def test_a_queue_that_would_take_longer_than_a_day_is_full():
    async with line(calls_per_second=0.00001) as it:
        await it.place()
        with pytest.raises(TwilioRestException) as full:
            await it.place()
        assert full.value.code == 22005
        assert len((await it.get("/_sim/calls"))["items"]) == 1


async def test_every_account_has_a_queue_of_its_own():
    from twilio.rest import Client

    from tests.simulator.lines import CALLER, PERSON, CheckedHttpClient

    async with line(calls_per_second=0.01) as it:
        await it.place()
        await it.place()
        other = "AC" + "8" * 32
        await it.session.put(f"{it.url}/_sim/accounts/{other}", json={"auth_token": "other"})
        client = Client(other, "other", http_client=CheckedHttpClient(it.session))
        client.api.base_url = it.url
        call = await client.calls.create_async(to=PERSON, from_=CALLER, twiml="<Response/>")
        assert call.queue_time == "0"
        assert call.account_sid != ACCOUNT
