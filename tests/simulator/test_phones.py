"""The town is the same town every time, and every row of the status table can be had on purpose."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from twilio.base.exceptions import TwilioRestException

from dialer.simulator.behaviour import Behaviour
from dialer.simulator.phones import DEFAULT_MIX, PhoneKind, behave, draw_kind
from dialer.simulator.scripts import PhoneScripts, Town
from tests.simulator.lines import EVERY_EVENT, PERSON, line

NUMBERS = [f"+1202555{n:04d}" for n in range(2000)]


@given(seed=st.integers(0, 10), number=st.sampled_from(NUMBERS), attempt=st.integers(0, 5))
def test_a_phone_behaves_the_same_for_the_same_seed_number_and_attempt(seed, number, attempt):
    town, behaviour = Town(), Behaviour(seed=seed)
    assert town.phone(number, attempt, behaviour) == Town().phone(number, attempt, behaviour)


def test_the_mix_decides_how_many_phones_are_what():
    kinds = [draw_kind(7, number, 0, DEFAULT_MIX) for number in NUMBERS]
    for kind, share in DEFAULT_MIX.items():
        assert abs(kinds.count(kind) / len(kinds) - share) < 0.04


def test_another_seed_is_another_town():
    assert [draw_kind(1, n, 0, DEFAULT_MIX) for n in NUMBERS] != [draw_kind(2, n, 0, DEFAULT_MIX) for n in NUMBERS]


def test_a_busy_person_may_be_free_later_but_a_dead_line_stays_dead():
    busy = [n for n in NUMBERS if draw_kind(1, n, 0, DEFAULT_MIX) is PhoneKind.BUSY]
    dead = [n for n in NUMBERS if draw_kind(1, n, 0, DEFAULT_MIX) is PhoneKind.DISCONNECTED]
    assert any(draw_kind(1, n, 1, DEFAULT_MIX) is PhoneKind.HUMAN for n in busy)
    assert all(draw_kind(1, n, k, DEFAULT_MIX) is PhoneKind.DISCONNECTED for n in dead for k in range(4))


@pytest.mark.parametrize("kind", list(PhoneKind))
def test_every_kind_of_phone_has_times_that_can_be(kind):
    for number in NUMBERS[:50]:
        phone = behave(1, number, 0, kind)
        assert phone.ring_s > 0
        assert math.isfinite(phone.talk_s)
        assert phone.status != "completed" or phone.talk_s > 0


def test_shares_left_out_of_a_mix_keep_their_proportions():
    changed = Behaviour().changed({"mix": {"busy": 0.5}})
    assert changed.mix[PhoneKind.BUSY] == 0.5
    assert math.isclose(sum(changed.mix.values()), 1)
    before = DEFAULT_MIX[PhoneKind.HUMAN] / DEFAULT_MIX[PhoneKind.VOICEMAIL]
    assert math.isclose(changed.mix[PhoneKind.HUMAN] / changed.mix[PhoneKind.VOICEMAIL], before)
    everyone = Behaviour().changed({"mix": {"human": 1.0}})
    assert draw_kind(3, PERSON, 0, everyone.mix) is PhoneKind.HUMAN
    assert math.isclose(sum(everyone.changed({"mix": {"human": 0.5}}).mix.values()), 1)


@pytest.mark.parametrize(
    "patch",
    [
        {"mix": {"busy": 0.7, "human": 0.7}},
        {"mix": {"busy": -0.1}},
        {"mix": {"ghost": 0.5}},
        {"mix": {"busy": "often"}},
        {"mix": []},
        {"faults": {"lost_callback": 1.1}},
        {"faults": {"lost_callback": -0.1}},
        {"faults": {"gremlins": 0.1}},
        {"faults": 1},
        {"time_scale": 0},
        {"calls_per_second": -1},
        {"calls_per_second": None},
        {"seed": "x"},
        {"suffixes": {"4a": "busy"}},
        {"unknown": 1},
    ],
)
def test_a_behaviour_that_cannot_be_is_refused(patch):
    with pytest.raises(ValidationError):
        Behaviour().changed(patch)


def test_the_longest_matching_suffix_decides():
    behaviour = Behaviour().changed({"suffixes": {"3": "busy", "23": "fax"}})
    assert Town().phone("+12025550123", 0, behaviour).kind is PhoneKind.FAX
    assert Town().phone("+12025550133", 0, behaviour).kind is PhoneKind.BUSY


def test_a_script_can_change_from_attempt_to_attempt():
    scripts = PhoneScripts.model_validate({"behaviours": ["busy", {"status": "no-answer"}, "human"]})
    town = Town()
    town.script(PERSON, scripts)
    kinds = [town.phone(PERSON, attempt, Behaviour()).kind for attempt in range(4)]
    assert kinds == ["busy", "no_answer", "human", "human"]


ROWS = [
    ({"status": "completed", "answered_by": "human"}, "completed", "200", "human", None),
    ({"status": "completed", "answered_by": "machine_start"}, "completed", "200", "machine_start", None),
    ({"status": "completed", "answered_by": "machine_end_beep"}, "completed", "200", "machine_end_beep", None),
    ({"status": "completed", "answered_by": "machine_end_silence"}, "completed", "200", "machine_end_silence", None),
    ({"status": "completed", "answered_by": "machine_end_other"}, "completed", "200", "machine_end_other", None),
    ({"status": "completed", "answered_by": "fax"}, "completed", "200", "fax", None),
    ({"status": "completed", "answered_by": "unknown"}, "completed", "200", "unknown", None),
    ({"status": "completed", "error_code": 11200}, "completed", "200", "human", "11200"),
    ({"status": "busy"}, "busy", "486", None, None),
    ({"status": "busy", "sip": 600}, "busy", "600", None, None),
    ({"status": "no-answer"}, "no-answer", "487", None, None),
    ({"status": "no-answer", "sip": 408}, "no-answer", "408", None, None),
    *(
        ({"status": "failed", "sip": sip}, "failed", str(sip), None, None)
        for sip in (480, 404, 410, 604, 484, 485, 603, 403, 607, 608, 408, 500, 502, 503, 504, 488, 415, 401, 407)
    ),
    *(
        ({"status": "failed", "error_code": code}, "failed", "503", None, str(code))
        for code in (13224, 21214, 32017, 32016, 32011, 32101)
    ),
]


async def test_every_row_of_the_status_table_can_be_had_on_purpose():
    async with line() as it:
        wanted = {}
        for index, (script, *row) in enumerate(ROWS):
            number = f"+1202555{index + 100:04d}"
            await it.script(number=number, ring_s=0.2, **script)
            await it.place(to=number, machine_detection="Enable", status_callback_event=["completed"])
            wanted[number] = row
        heard = await it.customer.until_ended(len(ROWS))
        got = {
            h.form["To"]: [h.form.get(k) for k in ("CallStatus", "SipResponseCode", "AnsweredBy", "ErrorCode")]
            for h in heard
            if h.path == "/status"
        }
        assert got == wanted


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(21211, 400, 21211), (13225, 400, 13225), (20003, 401, 20003), ("http_429", 429, 20429), (22005, 429, 22005),
     (10004, 429, 10004), ("http_500", 500, 20500), ("http_503", 503, 20503)],
)  # fmt: skip
async def test_a_create_can_be_refused_on_purpose_for_one_number(error, status, code):
    async with line() as it:
        await it.script(create_error=error)
        with pytest.raises(TwilioRestException) as refused:
            await it.place()
        assert (refused.value.status, refused.value.code) == (status, code)
        assert (await it.get("/_sim/calls"))["items"] == []
        await it.place(to="+12025550124")


async def test_a_short_call_ends_when_the_person_hangs_up():
    async with line() as it:
        await it.script(status="completed", ring_s=0, talk_s=2)
        it.customer.twiml = "<Response><Pause length='60'/></Response>"
        await it.place()
        last = (await it.customer.until_ended())[-1]
        assert last.form["CallDuration"] == "2"


async def test_a_failing_phone_does_not_ring_and_one_that_rejects_does():
    async with line() as it:
        await it.script(kind="disconnected")
        await it.place(status_callback_event=EVERY_EVENT)
        await it.customer.until_ended()
        assert it.customer.statuses() == ["initiated", "failed"]
        it.customer.heard.clear()
        await it.script(kind="rejected")
        await it.place(status_callback_event=EVERY_EVENT)
        await it.customer.until_ended()
        assert it.customer.statuses() == ["initiated", "ringing", "failed"]
