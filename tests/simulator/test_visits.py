"""People who ring the customer's numbers."""

from aiohttp import web

from tests.simulator.lines import ACCOUNT, CALLER, PERSON, Line, line


async def ring(it: Line, **more: object):
    body = {"from": PERSON, "to": CALLER, "voice_url": f"{it.customer.url}/voice", **more}
    body.setdefault("status_callback", f"{it.customer.url}/status")
    async with it.session.post(f"{it.url}/_sim/inbound", json=body) as response:
        return response.status, await response.json()


async def test_somebody_who_rings_follows_the_numbers_instructions_and_is_in_the_ledger():
    async with line() as it:
        it.customer.twiml = "<Response><Gather numDigits='1'><Say>Hello there</Say></Gather><Hangup/></Response>"
        status, call = await ring(it, presses="9", talk_s=60)
        assert (status, call["direction"], call["call_id"], call["status"]) == (201, "inbound", None, "ringing")
        heard = await it.customer.until_ended()
        assert all(each.signed for each in heard)
        assert {each.form["Direction"] for each in heard} == {"inbound"}
        first, pressed, last = (each.form for each in heard)
        assert (first["CallSid"], first["From"], first["To"]) == (call["sid"], PERSON, CALLER)
        assert (first["CallStatus"], pressed["CallStatus"], pressed["Digits"]) == ("ringing", "in-progress", "9")
        assert (last["CallStatus"], "call_id" in heard[0].query) == ("completed", False)
        (row,) = (await it.get("/_sim/calls"))["items"]
        assert (row["status"], row["direction"]) == ("completed", "inbound")
        fetched = await it.sdk.calls(call["sid"]).fetch_async()
        assert (fetched.direction, fetched.status) == ("inbound", "completed")
        assert (await it.get("/_sim/stats"))["peak_creates_per_second"] == 0


async def test_a_call_that_the_customer_rejects_or_cannot_answer_is_not_picked_up():
    async with line() as it:
        it.customer.twiml = "<Response><Reject/></Response>"
        _, refused = await ring(it)
        assert (await it.until_over(refused["sid"])).status == "busy"
        it.customer.answer = lambda heard: web.Response(status=500)
        _, failed = await ring(it)
        assert (await it.until_over(failed["sid"])).status == "failed"


async def test_a_visit_that_makes_no_sense_is_refused():
    async with line() as it:
        for wrong in ({"to": "nobody"}, {"voice_url": "here"}, {"presses": "x"}, {"account_sid": "AC0"}):
            assert (await ring(it, **wrong))[0] == 422
        assert (await ring(it, account_sid=ACCOUNT))[0] == 201
