"""Requests that fail before or after the call is created: the client cannot tell, the ledger can."""

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException

from dialer.simulator.faults import Dice, Faults, Mishap
from tests.simulator.lines import ACCOUNT, CALLER, PERSON, TOKEN, line


async def _sids(it) -> list[str]:
    return [row["sid"] for row in (await it.get("/_sim/calls"))["items"]]


async def test_throttled_requests_create_nothing():
    async with line(faults={"throttled": 1.0}) as it:
        with pytest.raises(TwilioRestException) as refused:
            await it.place()
        assert (refused.value.status, refused.value.code) == (429, 20429)
        assert await _sids(it) == []


async def test_an_error_before_acceptance_creates_nothing():
    async with line(faults={"error_before_accept": 1.0}) as it:
        with pytest.raises(TwilioRestException) as failed:
            await it.place()
        assert failed.value.status in (500, 503)
        assert await _sids(it) == []


async def test_an_error_after_acceptance_has_created_the_call_and_it_can_be_found():
    async with line() as it:
        await it.script(create_error="error_after_accept")
        with pytest.raises(TwilioRestException) as failed:
            await it.place()
        assert failed.value.status == 500
        found = await it.sdk.calls.list_async(to=PERSON, from_=CALLER)
        assert [call.sid for call in found] == await _sids(it)
        assert len(found) == 1
        await it.customer.until_ended()


@pytest.mark.parametrize(("error", "created"), [("drop_after_accept", 1), ("refuse_before_accept", 0)])
async def test_a_connection_can_close_without_an_answer(error, created):
    async with line() as it:
        await it.script(create_error=error)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await it.place()
        assert len(await _sids(it)) == created


async def test_what_went_wrong_is_counted_by_kind_until_the_ledger_is_emptied():
    async with line(faults={"throttled": 1.0}) as it:
        for _ in range(2):
            with pytest.raises(TwilioRestException):
                await it.place()
        await it.script(create_error="http_503")
        with pytest.raises(TwilioRestException):
            await it.place()
        assert (await it.get("/_sim/stats"))["mishaps"] == {"http_429": 2, "http_503": 1}
        await it.session.delete(f"{it.url}/_sim/calls")
        assert (await it.get("/_sim/stats"))["mishaps"] == {}


async def test_an_answer_can_come_after_the_client_gave_up():
    async with line(faults={"slow_answer": 1.0}, slow_answer_s=5) as it:
        form = {"To": PERSON, "From": CALLER, "Twiml": "<Response/>"}
        with pytest.raises(TimeoutError):
            await it.session.post(
                f"{it.url}/2010-04-01/Accounts/{ACCOUNT}/Calls.json",
                data=form,
                headers={"Authorization": aiohttp.encode_basic_auth(ACCOUNT, TOKEN)},
                timeout=aiohttp.ClientTimeout(total=0.2),
            )
        assert len(await _sids(it)) == 1


def test_the_same_seed_meets_the_same_faults():
    faults = Faults(throttled=0.2, error_after_accept=0.3, lost_callback=0.1, duplicate_callback=0.2)
    first, second = Dice(4), Dice(4)
    assert [first.mishap(faults) for _ in range(200)] == [second.mishap(faults) for _ in range(200)]
    assert [first.fate(faults) for _ in range(200)] == [second.fate(faults) for _ in range(200)]


def test_faults_happen_about_as_often_as_asked():
    dice = Dice(1)
    seen = [dice.mishap(Faults(throttled=0.3)) for _ in range(5000)]
    assert abs(seen.count(Mishap.THROTTLED) / 5000 - 0.3) < 0.03
    after = {dice.mishap(Faults(error_after_accept=1.0)) for _ in range(50)}
    assert after == {Mishap.ERROR_AFTER, Mishap.DROP_AFTER}
