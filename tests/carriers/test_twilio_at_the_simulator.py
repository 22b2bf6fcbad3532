"""The real SDK and our callbacks against the simulator, which speaks Twilio's API over real connections."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dialer.carriers.base import (
    AccountRefused,
    CallNotFound,
    CarrierError,
    DialOrder,
    NotProcessed,
    OutcomeUnknown,
    Refused,
)
from dialer.carriers.http import HttpLimits
from dialer.carriers.twilio_callbacks import event_of_call
from dialer.domain.carrier_events import AnsweredBy, CarrierEvent, CarrierStatus
from dialer.domain.dispositions import Disposition, EndFacts, disposition_of
from tests.carriers.customers import Line, line
from tests.carriers.samples import CALL_ID, CALL_SID, FROM, TO, order


def dialed(at: Line, **changes: Any) -> DialOrder:
    return order(callback_base_url=at.customer.url, **changes)


def disposition(end: CarrierEvent, answered_by: AnsweredBy | None = None) -> Disposition:
    assert end.status is not None
    return disposition_of(
        EndFacts(
            status=end.status,
            sip_code=end.sip_code,
            answered_by=answered_by or end.answered_by,
            error_code=end.error_code,
            talk_seconds=end.duration_seconds,
        )
    )


async def test_a_person_is_called_hears_the_message_and_every_report_comes_home():
    async with line() as at:
        await at.script(TO, kind="human", talk_s=8)
        placed = await at.carrier.place(dialed(at))
        end = await at.customer.end()
        assert disposition(end) is Disposition.HUMAN
        assert [(event.sequence, event.status) for event in at.customer.events] == [
            (0, CarrierStatus.RINGING),
            (1, CarrierStatus.IN_PROGRESS),
            (2, CarrierStatus.COMPLETED),
        ]
        assert {event.call_id for event in at.customer.events} == {CALL_ID}
        assert {event.carrier_call_id for event in at.customer.events} == {placed.carrier_call_id}
        assert "<Say" in at.customer.documents[0]
        assert "Hello Ada" in at.customer.documents[0]
        assert [row["sid"] for row in await at.ledger()] == [placed.carrier_call_id]


async def test_a_person_who_presses_a_key_is_not_greeted_twice():
    async with line() as at:
        await at.script(TO, kind="human", talk_s=60, presses="1")
        await at.carrier.place(dialed(at))
        await at.customer.end()
        assert ["<Say" in document for document in at.customer.documents] == [True, False]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("busy", Disposition.BUSY),
        ("no_answer", Disposition.NO_ANSWER),
        ("voicemail", Disposition.VOICEMAIL_NO_MSG),
        ("disconnected", Disposition.DISCONNECTED),
        ("fax", Disposition.FAX),
        ("rejected", Disposition.REJECTED),
        ("unreachable", Disposition.UNREACHABLE),
        ("carrier_error", Disposition.CARRIER_ERROR),
        ("caller_id_blocked", Disposition.CALLER_ID_BLOCKED),
    ],
)
async def test_each_kind_of_phone_ends_in_its_disposition(kind: str, expected: Disposition):
    async with line() as at:
        await at.script(TO, kind=kind)
        placed = await at.carrier.place(dialed(at, ring_timeout_s=20))
        assert disposition(await at.customer.end()) is expected
        polled = event_of_call(await at.carrier.fetch(placed.carrier_call_id), CALL_ID)
        assert polled.status is (await at.customer.end()).status
        assert not any("<Say" in document for document in at.customer.documents)


async def test_detection_at_leisure_reports_later_while_the_call_goes_on():
    async with line() as at:
        await at.script(TO, kind="voicemail", amd_s=2, talk_s=30)
        await at.carrier.place(dialed(at, answering_machine="detect_async"))
        events = await at.customer.wait_for(lambda events: any(event.kind == "amd" for event in events))
        (found,) = [event for event in events if event.kind == "amd"]
        assert (found.answered_by, found.call_id) == (AnsweredBy.MACHINE_START, CALL_ID)
        assert disposition(await at.customer.end(), found.answered_by) is Disposition.VOICEMAIL_NO_MSG


async def test_the_end_of_a_greeting_is_waited_for_when_asked():
    async with line() as at:
        await at.script(TO, kind="voicemail", talk_s=60)
        await at.carrier.place(dialed(at, answering_machine="message_end"))
        assert (await at.customer.end()).answered_by is AnsweredBy.MACHINE_END_BEEP


async def test_a_recorded_call_reports_where_the_recording_is():
    async with line() as at:
        await at.script(TO, kind="human", talk_s=20)
        await at.carrier.place(dialed(at, record=True))
        events = await at.customer.wait_for(lambda events: any(event.kind == "recording" for event in events))
        (recording,) = [event for event in events if event.kind == "recording"]
        assert recording.recording_url is not None
        assert recording.call_id == CALL_ID


async def test_callbacks_signed_with_a_shared_key_are_believed():
    async with line() as at:
        await at.account(shared_key={"sid": "webhooks_sharedkey_1", "secret": "shared"})
        at.customer.shared_keys["webhooks_sharedkey_1"] = "shared"
        await at.script(TO, kind="busy")
        await at.carrier.place(dialed(at))
        assert (await at.customer.end()).status is CarrierStatus.BUSY


async def found(at: Line) -> list[str]:
    since = datetime.now(UTC) - timedelta(minutes=1)
    return [call.carrier_call_id for call in await at.carrier.find(to=TO, from_=FROM, placed_after=since)]


@pytest.mark.parametrize("mishap", ["error_after_accept", "drop_after_accept", "timeout_after_accept"])
async def test_a_call_whose_answer_was_lost_is_unknown_and_can_be_found(mishap: str):
    async with line(time_scale=1, limits=HttpLimits(total_s=0.5, connect_s=0.4)) as at:
        await at.behave(slow_answer_s=1)
        await at.script(TO, kind="human", create_error=mishap)
        with pytest.raises(OutcomeUnknown):
            await at.carrier.place(dialed(at))
        (row,) = await at.ledger()
        assert await found(at) == [row["sid"]]
        assert row["call_id"] == str(CALL_ID)


@pytest.mark.parametrize(
    ("mishap", "expected"),
    [
        ("http_500", OutcomeUnknown),
        ("http_503", OutcomeUnknown),
        ("refuse_before_accept", OutcomeUnknown),
        ("http_429", NotProcessed),
    ],
)
async def test_what_failed_before_the_carrier_took_it_left_nothing_behind(mishap: str, expected: type[CarrierError]):
    async with line() as at:
        await at.script(TO, kind="human", create_error=mishap)
        with pytest.raises(expected):
            await at.carrier.place(dialed(at))
        assert await at.ledger() == []
        assert await found(at) == []


@pytest.mark.parametrize(
    ("to", "code"),
    [("+15005550001", 21217), ("+15005550002", 21214), ("+15005550003", 21215), ("+15005550004", 21216)],
)
async def test_twilios_magic_numbers_are_refused_with_their_codes(to: str, code: int):
    async with line() as at:
        with pytest.raises(Refused) as caught:
            await at.carrier.place(dialed(at, to=to))
        assert (caught.value.code, type(caught.value)) == (code, Refused)


async def test_a_caller_number_that_is_not_ours_pauses_the_campaign():
    async with line() as at:
        await at.behave(owned_numbers=["+12025550111"])
        with pytest.raises(AccountRefused) as caught:
            await at.carrier.place(dialed(at))
        assert caught.value.code == 21210


async def test_a_suspended_account_and_wrong_credentials_are_refused_as_such():
    async with line() as at:
        assert (await at.carrier.check()).active
        await at.account(status="suspended")
        with pytest.raises(AccountRefused):
            await at.carrier.place(dialed(at))
        await at.account(status="active", auth_token="another")
        for attempt in (at.carrier.place(dialed(at)), at.carrier.check()):
            with pytest.raises(AccountRefused) as caught:
                await attempt
            assert caught.value.code == 20003
        assert await at.ledger() == []


@pytest.mark.parametrize("answered", [False, None, True])
async def test_a_ringing_call_is_hung_up_whatever_we_believe(answered: bool | None):
    async with line(time_scale=1) as at:
        await at.script(TO, kind="human", ring_s=600)
        placed = await at.carrier.place(dialed(at, ring_timeout_s=600))
        await at.customer.wait_for(lambda events: any(event.status is CarrierStatus.RINGING for event in events))
        await at.carrier.hang_up(placed.carrier_call_id, answered=answered)
        assert (await at.customer.end()).status is CarrierStatus.CANCELED
        await at.carrier.hang_up(placed.carrier_call_id, answered=answered)


@pytest.mark.parametrize("answered", [False, None, True])
async def test_an_answered_call_is_hung_up_whatever_we_believe(answered: bool | None):
    async with line(time_scale=1) as at:
        await at.script(TO, kind="human", ring_s=0, rings=False, amd_s=0, talk_s=600)
        at.customer.opening = replace(at.customer.opening, first_message="word " * 500)
        placed = await at.carrier.place(dialed(at, answering_machine="off"))
        await at.customer.wait_for(lambda events: any(event.status is CarrierStatus.IN_PROGRESS for event in events))
        await at.carrier.hang_up(placed.carrier_call_id, answered=answered)
        assert (await at.customer.end()).status is CarrierStatus.COMPLETED


async def test_a_queued_call_is_hung_up_before_it_rings():
    async with line(time_scale=1) as at:
        await at.behave(calls_per_second=0.01)
        await at.carrier.place(dialed(at, to="+12025550144"))
        placed = await at.carrier.place(dialed(at))
        assert placed.queue_time_s > 2
        assert placed.status is CarrierStatus.QUEUED
        await at.carrier.hang_up(placed.carrier_call_id, answered=False)
        assert (await at.carrier.fetch(placed.carrier_call_id)).status is CarrierStatus.CANCELED


async def test_a_call_of_nobody_is_not_found():
    async with line() as at:
        with pytest.raises(CallNotFound):
            await at.carrier.fetch(CALL_SID)
        with pytest.raises(CallNotFound):
            await at.carrier.hang_up(CALL_SID, answered=None)
