"""Callbacks: their order, their fields, their signature, and what happens to them on the way."""

import asyncio
from email.utils import parsedate_to_datetime

import pytest
from aiohttp import web

from dialer.simulator.accounts import Account, SharedKey
from dialer.simulator.callbacks import DeliveryRules, delivery_rules, signature_headers
from tests.simulator.lines import ACCOUNT, CALLER, EVERY_EVENT, PERSON, TOKEN, Heard, customer, is_last, line


async def test_an_answered_call_reports_every_step_in_order():
    async with line() as it:
        await it.place()
        heard = await it.customer.until_ended()
        news = [h for h in heard if h.path == "/status"]
        assert [h.form["CallStatus"] for h in news] == ["initiated", "ringing", "in-progress", "completed"]
        assert [h.form["SequenceNumber"] for h in news] == ["0", "1", "2", "3"]
        assert all(h.signed and h.method == "POST" for h in heard)
        assert all(h.query == {"call_id": "c-1"} for h in heard)


async def test_a_terminal_callback_has_every_captured_field():
    async with line() as it:
        await it.script(answered_by="human", ring_s=1, talk_s=70)
        it.customer.twiml = "<Response><Pause length='61'/></Response>"
        await it.place(machine_detection="Enable", record=True)
        last = (await it.customer.until_ended())[-1].form
    assert {
        "AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "Direction": "outbound-api", "To": PERSON,
        "Called": PERSON, "From": CALLER, "Caller": CALLER, "CallStatus": "completed", "AnsweredBy": "human",
        "CallbackSource": "call-progress-events", "SequenceNumber": "3", "SipResponseCode": "200",
        "Duration": "2", "ToCountry": "US", "FromCountry": "US",
    }.items() <= last.items()  # fmt: skip
    places = {
        f"{who}{what}" for who in ("To", "From", "Called", "Caller") for what in ("City", "State", "Zip", "Country")
    }
    assert places <= last.keys()
    assert last["CallSid"].startswith("CA")
    assert 61 <= int(last["CallDuration"]) <= 66
    assert parsedate_to_datetime(last["Timestamp"]).utcoffset() is not None
    assert last["Timestamp"].endswith("+0000")
    assert last["RecordingSid"].startswith("RE")
    assert last["RecordingUrl"].endswith(last["RecordingSid"])
    assert int(last["RecordingDuration"]) >= 61


async def test_without_a_choice_only_the_end_is_reported_and_counts_from_zero():
    async with line() as it:
        await it.place(status_callback_event=["completed"])
        heard = await it.customer.until_ended()
        assert [h.form["SequenceNumber"] for h in heard if h.path == "/status"] == ["0"]


async def test_callbacks_by_get_carry_their_fields_in_the_signed_query():
    async with line() as it:
        await it.place(status_callback_method="GET", status_callback_event=["completed"])
        heard = await it.customer.wait_for(lambda heard: any(h.path == "/status" for h in heard))
        news = next(h for h in heard if h.path == "/status")
        assert news.method == "GET"
        assert news.signed
        assert news.form == {}
        assert news.query["CallStatus"] == "completed"
        assert news.query["call_id"] == "c-1"


async def test_an_account_with_a_shared_key_signs_with_sha256():
    async with line() as it:
        key = {"sid": "webhooks_sharedkey_1", "secret": "shared"}
        await it.session.put(f"{it.url}/_sim/accounts/{ACCOUNT}", json={"shared_key": key})
        it.customer.secret = "shared"
        await it.place()
        heard = await it.customer.until_ended()
        assert all(h.signed for h in heard)
        settings = heard[0].headers["X-Twilio-Webhooks-Signature-Settings"]
        assert settings == "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"


def test_signatures_are_those_of_the_sdk():
    from twilio.request_validator import RequestValidator

    form = {"To": "+12025550123", "CallStatus": "completed", "Z": "", "a": "ü"}
    url = "https://example.com/status?call_id=1&x=%2B"
    account = Account(sid=ACCOUNT, auth_token=TOKEN)
    headers = signature_headers(account, url, form)
    assert headers["X-Twilio-Signature"] == RequestValidator(TOKEN).compute_signature(url, form)
    shared = Account(sid=ACCOUNT, auth_token=TOKEN, shared_key=SharedKey(sid="k", secret="s"))
    signature = signature_headers(shared, url, form)["X-Twilio-Signature"]
    assert signature == RequestValidator("s").compute_signature(url, form, "HMAC_SHA256")


@pytest.mark.parametrize(
    ("fragment", "rules"),
    [
        ("", DeliveryRules()),
        ("#rc=3&rp=all", DeliveryRules(retries=3, retry_on=frozenset({"all"}))),
        ("#rc=9", DeliveryRules(retries=5)),
        ("#rp=5xx,rt&ct=2000&rt=3000&tt=9000", DeliveryRules(
            connect_s=2, read_s=3, total_s=9, retry_on=frozenset({"5xx", "rt"}))),
        ("#rc=no&ct=-1&rp=sometimes", DeliveryRules()),
    ],
)  # fmt: skip
def test_the_fragment_says_how_patiently_an_address_is_called(fragment, rules):
    assert delivery_rules("https://example.com/status?x=1" + fragment) == ("https://example.com/status?x=1", rules)


def _failing_first(path: str, times: int):
    tries: list[Heard] = []

    def answer(heard: Heard) -> web.Response | None:
        if heard.path != path or not is_last(heard):
            return None
        tries.append(heard)
        return web.Response(status=500) if len(tries) <= times else None

    return tries, answer


async def test_a_failing_receiver_is_tried_again_with_the_same_token_when_asked_to():
    async with line() as it:
        tries, it.customer.answer = _failing_first("/status", times=2)
        await it.place()
        await it.customer.wait_for(lambda heard: len(tries) == 3)
        tokens = {h.headers["I-Twilio-Idempotency-Token"] for h in tries}
        assert len(tokens) == 1
        assert (await it.get("/_sim/stats"))["callbacks_retried"] == 2


async def test_by_default_a_failing_receiver_loses_the_callback():
    async with line() as it:
        tries, it.customer.answer = _failing_first("/status", times=1)
        await it.place(status_callback=f"{it.customer.url}/status")
        await it.customer.until_ended()
        await it.place(to="+12025550124")
        await it.customer.until_ended(2)
        assert [h.form["To"] for h in tries] == [PERSON, "+12025550124"]
        stats = await it.get("/_sim/stats")
        assert (stats["callbacks_failed"], stats["callbacks_retried"]) == (1, 0)


async def test_a_receiver_that_hangs_does_not_hold_up_the_others():
    async with line() as it, customer() as slow:
        release = asyncio.Event()
        original = slow.handle

        async def hang(request: web.Request) -> web.Response:
            await release.wait()
            return await original(request)

        slow_app = web.Application()
        slow_app.router.add_route("*", "/{tail:.*}", hang)
        runner = web.AppRunner(slow_app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}/status"
        try:
            for _ in range(20):
                await it.place(to="+12025550124", status_callback=address)
            await it.place()
            heard = await it.customer.wait_for(lambda heard: any(is_last(h) for h in heard))
            assert [h for h in heard if is_last(h)][0].form["To"] == PERSON
        finally:
            release.set()
            await runner.cleanup()


async def test_lost_callbacks_are_counted_and_never_sent():
    async with line(faults={"lost_callback": 1.0}) as it:
        call = await it.place()
        await it.customer.wait_for(lambda heard: any(h.path == "/voice" for h in heard))
        assert (await it.until_over(call.sid)).status == "completed"
        assert it.customer.statuses() == []
        assert (await it.get("/_sim/stats"))["callbacks_lost"] == 4


async def test_duplicates_arrive_twice_with_the_same_token():
    async with line(faults={"duplicate_callback": 1.0}) as it:
        await it.place()
        heard = await it.customer.until_ended(2)
        news = [h for h in heard if h.path == "/status"]
        tokens = [h.headers["I-Twilio-Idempotency-Token"] for h in news]
        assert len(tokens) == 8
        assert len(set(tokens)) == 4
        assert (await it.get("/_sim/stats"))["callbacks_duplicated"] == 4


async def test_reordered_callbacks_arrive_after_the_next_one():
    async with line(faults={"reordered_callback": 1.0}) as it:
        await it.place()
        heard = await it.customer.wait_for(lambda heard: len([h for h in heard if h.path == "/status"]) == 4)
        order = [int(h.form["SequenceNumber"]) for h in heard if h.path == "/status"]
        assert order != [0, 1, 2, 3]
        assert sorted(order) == [0, 1, 2, 3]
        assert (await it.get("/_sim/stats"))["callbacks_reordered"] >= 1


async def test_late_callbacks_arrive_after_the_call_is_over():
    async with line(faults={"late_callback": 1.0}, late_callback_s=60) as it:
        call = await it.place(status_callback_event=["initiated"])
        assert (await it.until_over(call.sid)).status == "completed"
        assert it.customer.statuses() == []
        await it.customer.wait_for(lambda heard: "initiated" in it.customer.statuses())


async def test_one_event_of_one_phone_can_be_lost_on_purpose():
    async with line() as it:
        await it.script(lose_callbacks=["completed"])
        call = await it.place()
        assert (await it.until_over(call.sid)).status == "completed"
        await it.script(number="+12025550124")
        await it.place(to="+12025550124", status_callback_event=EVERY_EVENT)
        heard = await it.customer.until_ended()
        last = [h.form["CallStatus"] for h in heard if h.path == "/status" and h.form["CallSid"] == call.sid]
        assert last == ["initiated", "ringing", "in-progress"]
