"""Answered calls: detection of machines, and the TwiML that decides what is said and for how long."""

import asyncio

import pytest
from aiohttp import web

from dialer.simulator.twiml import TwimlError, parse
from tests.simulator.lines import Heard, line

PATIENT = {"status": "completed", "ring_s": 0.2, "talk_s": 600}


def _duration(heard: list[Heard]) -> int:
    return int(heard[-1].form["CallDuration"])


@pytest.mark.parametrize(
    ("kind", "mode", "found"),
    [
        ("human", "Enable", "human"),
        ("human", "DetectMessageEnd", "human"),
        ("voicemail", "Enable", "machine_start"),
        ("voicemail", "DetectMessageEnd", "machine_end_beep"),
        ("fax", "Enable", "fax"),
        ("ivr", "Enable", "machine_start"),
    ],
)
async def test_synchronous_detection_is_known_when_instructions_are_fetched(kind, mode, found):
    async with line() as it:
        await it.script(kind=kind, ring_s=0.2)
        call = await it.place(machine_detection=mode)
        heard = await it.customer.until_ended()
        voice = next(h for h in heard if h.path == "/voice")
        assert voice.form["AnsweredBy"] == found
        assert voice.form["CallStatus"] == "in-progress"
        assert heard[-1].form["AnsweredBy"] == found
        answered = next(h for h in heard if h.form.get("CallStatus") == "in-progress" and h.path == "/status")
        assert "AnsweredBy" not in answered.form
        assert (await it.sdk.calls(call.sid).fetch_async()).answered_by == found


async def test_waiting_for_the_beep_takes_longer_than_recognising_a_machine():
    async with line() as it:
        it.customer.twiml = "<Response><Hangup/></Response>"
        await it.script(kind="voicemail", ring_s=0.2)
        await it.place(machine_detection="Enable")
        soon = _duration(await it.customer.until_ended())
        await it.place(machine_detection="DetectMessageEnd")
        late = _duration(await it.customer.until_ended(2))
        assert late >= soon + 5


async def test_detection_that_takes_too_long_finds_nothing():
    async with line() as it:
        await it.script(**PATIENT, amd_s=10)
        await it.place(machine_detection="Enable", machine_detection_timeout=5)
        assert (await it.customer.until_ended())[-1].form["AnsweredBy"] == "unknown"


async def test_asynchronous_detection_is_reported_by_a_callback_of_its_own():
    async with line(time_scale=0.02) as it:
        await it.script(**PATIENT, amd_s=2)
        it.customer.twiml = "<Response><Pause length='10'/></Response>"
        call = await it.place(
            machine_detection="Enable", async_amd="true", async_amd_status_callback=f"{it.customer.url}/amd?call_id=c-1"
        )
        heard = await it.customer.until_ended()
        voice, amd = (next(h for h in heard if h.path == path) for path in ("/voice", "/amd"))
        assert "AnsweredBy" not in voice.form
        assert amd.signed
        assert amd.form == {
            "AccountSid": call.account_sid,
            "CallSid": call.sid,
            "AnsweredBy": "human",
            "MachineDetectionDuration": "2000",
        }
        assert heard[-1].form["AnsweredBy"] == "human"


async def test_asynchronous_detection_may_come_after_the_end():
    async with line(time_scale=0.02) as it:
        await it.script(**PATIENT, amd_s=20, answered_by="machine_start")
        it.customer.twiml = "<Response><Hangup/></Response>"
        await it.place(machine_detection="Enable", async_amd="true", async_amd_status_callback=f"{it.customer.url}/amd")
        heard = await it.customer.wait_for(lambda heard: any(h.path == "/amd" for h in heard))
        assert heard[-1].form["AnsweredBy"] == "machine_start"
        assert "AnsweredBy" not in heard[-2].form


async def test_sending_digits_switches_detection_off():
    async with line() as it:
        await it.script(**PATIENT)
        await it.place(machine_detection="Enable", send_digits="12#")
        assert "AnsweredBy" not in (await it.customer.until_ended())[-1].form


@pytest.mark.parametrize(
    ("twiml", "seconds"),
    [
        ("<Response/>", 0),
        ("<Response><Say/></Response>", 0),
        ("<Response><Say loop='0'>For ever</Say></Response>", 600),
        ("<Response><Say>one two three four five six seven eight nine ten</Say></Response>", 4),
        ("<Response><Pause/><Pause length='9'/></Response>", 10),
        ("<Response><Play>https://example.com/a.mp3</Play></Response>", 5),
        ("<Response><Gather timeout='7'><Say>one two three four five</Say></Gather></Response>", 9),
        ("<Response><Pause length='3'/><Hangup/><Pause length='30'/></Response>", 3),
        ("<Response><Record maxLength='4'/></Response>", None),
    ],
)
async def test_instructions_decide_how_long_a_call_lasts(twiml, seconds):
    async with line() as it:
        await it.script(**PATIENT)
        it.customer.twiml = twiml
        if seconds is None:
            it.customer.answer = lambda heard: (
                web.Response(text="<Response><Hangup/></Response>")
                if "RecordingUrl" in heard.form and heard.path == "/voice"
                else None
            )
        await it.place()
        assert _duration(await it.customer.until_ended()) == (4 if seconds is None else seconds)


async def test_the_time_limit_ends_a_call():
    async with line() as it:
        await it.script(**PATIENT)
        it.customer.twiml = "<Response><Pause length='500'/></Response>"
        await it.place(time_limit=30)
        assert _duration(await it.customer.until_ended()) == 30


async def test_a_phone_that_rings_longer_than_the_timeout_is_not_answered():
    async with line() as it:
        await it.script(status="completed", ring_s=30)
        await it.place(timeout=20)
        last = (await it.customer.until_ended())[-1].form
        assert (last["CallStatus"], last["SipResponseCode"]) == ("no-answer", "487")


async def test_a_person_who_presses_a_key_is_taken_to_the_action():
    async with line() as it:
        await it.script(**PATIENT, presses="9")
        it.customer.twiml = "<Response><Gather action='/pressed?x=1&amp;y=2'><Say>Press nine</Say></Gather></Response>"
        it.customer.answer = lambda heard: (
            web.Response(text="<Response><Hangup/></Response>") if heard.path == "/pressed" else None
        )
        await it.place()
        heard = await it.customer.until_ended()
        pressed = next(h for h in heard if h.path == "/pressed")
        assert pressed.form["Digits"] == "9"
        assert pressed.query == {"x": "1", "y": "2"}
        assert pressed.signed


async def test_a_redirect_is_followed():
    async with line() as it:
        await it.script(**PATIENT)
        it.customer.twiml = "<Response><Pause length='2'/><Redirect>/next</Redirect></Response>"
        it.customer.answer = lambda heard: (
            web.Response(text="<Response><Pause length='3'/></Response>") if heard.path == "/next" else None
        )
        await it.place()
        assert _duration(await it.customer.until_ended()) == 5


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda: web.Response(status=500), "11200"),
        (lambda: web.Response(status=404), "11200"),
        (lambda: web.Response(text="hello"), "12100"),
        (lambda: web.Response(text="<Response><Sing/></Response>"), "12200"),
        (lambda: web.Response(text="<Answer/>"), "12200"),
        (lambda: web.Response(text="<Response><Redirect/></Response>"), "11215"),
        (lambda: web.Response(text='<!DOCTYPE x [<!ENTITY a "b">]><Response>&a;</Response>'), "12100"),
    ],
)
async def test_instructions_that_fail_end_an_answered_call_with_an_error_code(answer, code):
    async with line() as it:
        await it.script(**PATIENT)
        it.customer.answer = lambda heard: answer() if heard.path == "/voice" else None
        await it.place()
        last = (await it.customer.until_ended())[-1].form
        assert (last["CallStatus"], last["ErrorCode"]) == ("completed", code)


async def test_the_fallback_address_is_asked_when_instructions_fail():
    async with line() as it:
        await it.script(**PATIENT)
        it.customer.answer = lambda heard: (
            web.Response(status=500)
            if heard.path == "/voice"
            else web.Response(text="<Response><Pause length='6'/></Response>")
            if heard.path == "/fallback"
            else None
        )
        await it.place(fallback_url=f"{it.customer.url}/fallback")
        heard = await it.customer.until_ended()
        assert next(h for h in heard if h.path == "/fallback").form["ErrorCode"] == "11200"
        assert _duration(heard) == 6
        assert "ErrorCode" not in heard[-1].form


async def test_hanging_up_while_instructions_are_fetched_ends_the_call_at_once():
    async with line() as it, asyncio.timeout(5):
        await it.script(**PATIENT)
        release = asyncio.Event()
        handle = it.customer.handle

        def wait(heard: Heard) -> None:
            if heard.path == "/voice":
                release.set()

        it.customer.answer = wait
        it.customer.twiml = "<Response><Pause length='600'/></Response>"
        call = await it.place()
        await release.wait()
        assert handle is not None
        assert (await it.sdk.calls(call.sid).update_async(status="completed")).status == "completed"
        assert _duration(await it.customer.until_ended()) < 600


def test_relative_actions_are_resolved_against_the_document():
    (step,) = parse("<Response><Gather action='b?c=1'/></Response>", "https://example.com/a/x?call_id=1")
    assert step.action is not None
    assert step.action.url == "https://example.com/a/b?c=1"
    (step,) = parse("<Response><Gather/></Response>", "https://example.com/a/x?call_id=1")
    assert step.action is not None
    assert step.action.url == "https://example.com/a/x?call_id=1"


@pytest.mark.parametrize("text", ["", "<", "plain", "<Response>", "<a/><b/>"])
def test_what_is_no_document_is_refused(text):
    with pytest.raises(TwimlError) as refused:
        parse(text, "")
    assert refused.value.code == 12100
