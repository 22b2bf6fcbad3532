"""Recordings of a call and of the account, through the real SDK."""

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.simulator.lines import ACCOUNT, line

PATIENT = {"status": "completed", "ring_s": 0.2, "talk_s": 6000}


async def test_a_recorded_call_reports_its_recording():
    async with line() as it:
        await it.script(**PATIENT)
        it.customer.twiml = "<Response><Pause length='8'/></Response>"
        call = await it.place(
            record=True,
            recording_channels="dual",
            recording_status_callback=f"{it.customer.url}/recording?call_id=c-1",
            recording_status_callback_event=["in-progress", "completed"],
        )
        heard = await it.customer.wait_for(lambda heard: len([h for h in heard if h.path == "/recording"]) == 2)
        first, last = (h for h in heard if h.path == "/recording")
        assert (first.form["RecordingStatus"], last.form["RecordingStatus"]) == ("in-progress", "completed")
        assert last.signed
        assert last.form["RecordingDuration"] == "8"
        assert last.form["RecordingChannels"] == "2"
        assert last.form["RecordingSource"] == "OutboundAPI"
        (of_call,) = await it.sdk.calls(call.sid).recordings.list_async()
        (of_account,) = await it.sdk.recordings.list_async(call_sid=call.sid)
        assert of_call.sid == of_account.sid == last.form["RecordingSid"]
        assert (of_call.duration, of_call.status) == ("8", "completed")
        assert (await it.sdk.recordings(of_call.sid).fetch_async()).sid == of_call.sid
        async with it.session.get(of_account.media_url.replace("http://127.0.0.1:8601", it.url) + ".wav") as media:
            assert media.status == 401, "the sound needs credentials too"


async def test_recordings_are_started_paused_stopped_and_deleted_while_the_call_is_up():
    async with line(time_scale=0.05) as it:
        await it.script(**PATIENT)
        it.customer.twiml = "<Response><Pause length='5000'/></Response>"
        call = await it.place()
        await it.customer.wait_for(lambda heard: any(h.path == "/voice" for h in heard))
        recordings = it.sdk.calls(call.sid).recordings
        started = await recordings.create_async()
        assert (started.status, started.source, started.duration) == ("in-progress", "StartCallRecordingAPI", None)
        context = it.sdk.calls(call.sid).recordings(started.sid)
        assert (await context.update_async(status="paused")).status == "paused"
        assert (await context.update_async(status="in-progress")).status == "in-progress"
        assert (await context.update_async(status="stopped")).status == "completed"
        assert (await context.fetch_async()).duration is not None
        assert await context.delete_async()
        assert await recordings.list_async() == []
        with pytest.raises(TwilioRestException) as gone:
            await it.sdk.recordings(started.sid).fetch_async()
        assert gone.value.code == 20404
        await it.sdk.calls(call.sid).update_async(status="completed")
        with pytest.raises(TwilioRestException) as over:
            await recordings.create_async()
        assert over.value.code == 21220


async def test_recordings_of_the_account_come_in_pages():
    async with line() as it:
        await it.script(**PATIENT)
        for _ in range(3):
            await it.place(record=True)
        await it.customer.until_ended(3)
        assert len(await it.sdk.recordings.list_async(page_size=2)) == 3
        assert len(await it.sdk.api.accounts(ACCOUNT).recordings.list_async(page_size=1)) == 3
