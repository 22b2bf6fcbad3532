"""The Calls resource, through the real SDK, every request and answer held against the strict schema."""

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client
from yarl import URL

from tests.simulator.lines import ACCOUNT, CALLER, PERSON, TOKEN, CheckedHttpClient, line


async def test_a_created_call_is_queued_and_ends_completed():
    async with line(price_delay_s=3600) as it:
        created = await it.place()
        assert (created.status, created.start_time, created.end_time) == ("queued", None, None)
        assert created.queue_time == "0"
        await it.customer.until_ended()
        fetched = await it.sdk.calls(created.sid).fetch_async()
        assert fetched.status == "completed"
        assert fetched.start_time is not None
        assert fetched.end_time is not None
        assert int(fetched.duration) >= 1
        assert fetched.price is None, "prices come late"


async def test_only_answered_calls_are_billed_each_begun_minute_and_late():
    async with line(price_delay_s=0) as it:
        await it.script(status="completed", ring_s=0, talk_s=61)
        it.customer.twiml = "<Response><Pause length='90'/></Response>"
        answered = await it.place()
        await it.customer.until_ended()
        await it.script(status="busy")
        busy = await it.place()
        await it.customer.until_ended(2)
        assert (await it.sdk.calls(answered.sid).fetch_async()).price == "-0.02800"
        assert (await it.sdk.calls(busy.sid).fetch_async()).price is None


async def test_initiated_is_never_a_status_of_the_resource():
    async with line(time_scale=1.0) as it:
        await it.script(status="no-answer", rings=False)
        created = await it.place()
        await it.customer.wait_for(lambda heard: bool(heard))
        assert it.customer.statuses() == ["initiated"]
        fetched = await it.sdk.calls(created.sid).fetch_async()
        assert fetched.status == "queued"
        assert fetched.start_time is not None


async def test_calls_are_listed_by_to_and_from_newest_first():
    async with line() as it:
        first, second = await it.place(), await it.place()
        await it.place(to="+12025550124")
        await it.place(from_="+12025550101")
        found = await it.sdk.calls.list_async(to=PERSON, from_=CALLER)
        assert [call.sid for call in found] == [second.sid, first.sid]
        assert len(await it.sdk.calls.list_async(to=PERSON)) == 3
        assert len(await it.sdk.calls.list_async(from_=CALLER)) == 3
        assert await it.sdk.calls.list_async(to="+12025550199") == []


async def test_pages_follow_each_other_and_new_calls_shift_nothing():
    async with line() as it:
        placed = [(await it.place()).sid for _ in range(5)]
        page = await it.sdk.calls.page_async(to=PERSON, page_size=2)
        seen = [call.sid for call in page]
        placed.append((await it.place()).sid)
        while (page := await page.next_page_async()) is not None:
            seen += [call.sid for call in page]
        assert seen == placed[:5][::-1]
        assert len(await it.sdk.calls.list_async(to=PERSON, page_size=2)) == 6


async def test_calls_are_filtered_by_status_and_times():
    async with line() as it:
        await it.script(status="busy")
        busy = await it.place()
        await it.customer.until_ended()
        await it.behave(calls_per_second=0.01)
        await it.place(to="+12025550125")
        queued = await it.place(to="+12025550124")
        assert [c.sid for c in await it.sdk.calls.list_async(status="busy")] == [busy.sid]
        assert queued.sid in [c.sid for c in await it.sdk.calls.list_async(status="queued")]
        hour = timedelta(hours=1)
        now = datetime.now(UTC)
        started = await it.sdk.calls.list_async(start_time_after=now - hour, start_time_before=now + hour)
        assert busy.sid in [c.sid for c in started]
        assert queued.sid not in [c.sid for c in started], "a queued call has no start time yet"
        assert await it.sdk.calls.list_async(start_time_after=now + hour) == []
        ended_at = (await it.sdk.calls(busy.sid).fetch_async()).end_time
        assert busy.sid in [c.sid for c in await it.sdk.calls.list_async(end_time=ended_at)]


async def test_canceling_ends_a_ringing_call_but_not_an_answered_one():
    async with line(time_scale=1.0) as it:
        await it.script(status="no-answer")
        ringing = await it.place()
        await it.customer.wait_for(lambda heard: "ringing" in it.customer.statuses())
        canceled = await it.sdk.calls(ringing.sid).update_async(status="canceled")
        assert canceled.status == "canceled"
        heard = await it.customer.until_ended()
        assert (heard[-1].form["CallStatus"], heard[-1].form["SipResponseCode"]) == ("canceled", "487")
        assert heard[-1].form["CallDuration"] == "0"

        await it.script(status="completed", ring_s=0, talk_s=600)
        it.customer.twiml = "<Response><Pause length='600'/></Response>"
        answered = await it.place()
        await it.customer.wait_for(lambda heard: "in-progress" in it.customer.statuses())
        assert (await it.sdk.calls(answered.sid).update_async(status="canceled")).status == "in-progress"
        assert (await it.sdk.calls(answered.sid).update_async(status="completed")).status == "completed"
        await it.customer.until_ended(2)
        with pytest.raises(TwilioRestException) as over:
            await it.sdk.calls(answered.sid).update_async(status="completed")
        assert (over.value.status, over.value.code) == (400, 21220)


async def test_canceling_a_queued_call_keeps_it_from_being_dialed():
    async with line(calls_per_second=0.5) as it:
        await it.place()
        waiting = await it.place(to="+12025550124")
        assert int(waiting.queue_time) > 1000
        assert (await it.sdk.calls(waiting.sid).update_async(status="canceled")).status == "canceled"
        heard = await it.customer.wait_for(lambda heard: any(h.form.get("CallStatus") == "canceled" for h in heard))
        news = [h.form["CallStatus"] for h in heard if h.form["CallSid"] == waiting.sid]
        assert news == ["canceled"]
        fetched = await it.sdk.calls(waiting.sid).fetch_async()
        assert fetched.start_time is None


async def test_a_live_call_takes_other_instructions():
    async with line(time_scale=0.05) as it:
        await it.script(status="completed", ring_s=0, talk_s=600)
        it.customer.twiml = "<Response><Pause length='600'/></Response>"
        call = await it.place()
        await it.customer.wait_for(lambda heard: any(h.path == "/voice" for h in heard))
        await it.sdk.calls(call.sid).update_async(twiml="<Response><Hangup/></Response>")
        await it.customer.until_ended()
        with pytest.raises(TwilioRestException) as over:
            await it.sdk.calls(call.sid).update_async(url=f"{it.customer.url}/voice")
        assert over.value.code == 21220


async def test_a_deleted_call_is_gone_from_the_api_and_stays_in_the_ledger():
    async with line() as it:
        call = await it.place()
        await it.customer.until_ended()
        assert await it.sdk.calls(call.sid).delete_async()
        with pytest.raises(TwilioRestException) as gone:
            await it.sdk.calls(call.sid).fetch_async()
        assert (gone.value.status, gone.value.code) == (404, 20404)
        assert await it.sdk.calls.list_async(to=PERSON) == []
        assert [row["sid"] for row in (await it.get("/_sim/calls"))["items"]] == [call.sid]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"to": ""}, 21201),
        ({"from_": ""}, 21213),
        ({"to": "12025550123"}, 21211),
        ({"to": "+1202"}, 21211),
        ({"to": "911"}, 21211),
        ({"from_": "Alice"}, 21212),
        ({"url": "ftp://example.com/"}, 21205),
        ({"url": "http:///nowhere"}, 21205),
        ({"url": "http://example.com:99999/"}, 21205),
        ({"status_callback": "http://my_host.example/"}, 21609),
        ({"timeout": 0}, 20001),
        ({"timeout": 601}, 20001),
        ({"method": "PUT"}, None),
        ({"machine_detection": "Maybe"}, 21263),
        ({"machine_detection": "Enable", "machine_detection_timeout": 2}, 21263),
        ({"machine_detection": "Enable", "async_amd": "true"}, 21262),
        ({"application_sid": "AP" + "0" * 32}, 21218),
        ({"to": "+15005550001"}, 21217),
        ({"to": "+15005550002"}, 21214),
        ({"to": "+15005550003"}, 21215),
        ({"to": "+15005550004"}, 21216),
        ({"from_": "+15005550001"}, 21212),
        ({"from_": "+15005550005"}, 21210),
    ],
)
async def test_a_create_that_cannot_work_is_refused_with_twilios_code(change, code):
    async with line() as it:
        if code is None:  # the schema would stop the SDK here
            form = {"To": PERSON, "From": CALLER, "Url": f"{it.customer.url}/voice", "Method": "PUT"}
            async with it.session.post(
                f"{it.url}/2010-04-01/Accounts/{ACCOUNT}/Calls.json",
                data=form,
                headers={"Authorization": aiohttp.encode_basic_auth(ACCOUNT, TOKEN)},
            ) as response:
                assert response.status == 400
        else:
            with pytest.raises(TwilioRestException) as refused:
                await it.place(**change)
            assert (refused.value.status, refused.value.code) == (400, code)
            assert PERSON not in str(refused.value.msg)
        assert (await it.get("/_sim/calls"))["items"] == []


async def test_the_magic_caller_number_and_inline_instructions_are_accepted():
    async with line() as it:
        call = await it.sdk.calls.create_async(to=PERSON, from_="+15005550006", twiml="<Response><Hangup/></Response>")
        assert call.status == "queued"


async def test_only_owned_caller_numbers_may_call_when_they_are_listed():
    async with line(owned_numbers=[CALLER]) as it:
        await it.place()
        with pytest.raises(TwilioRestException) as refused:
            await it.place(from_="+12025550101")
        assert refused.value.code == 21210


async def test_names_that_are_no_events_are_warned_about_and_ignored():
    async with line() as it:
        form = {"To": PERSON, "From": CALLER, "Twiml": "<Response/>", "StatusCallbackEvent": "answered busy"}
        async with it.session.post(
            f"{it.url}/2010-04-01/Accounts/{ACCOUNT}/Calls.json",
            data=form,
            headers={"Authorization": aiohttp.encode_basic_auth(ACCOUNT, TOKEN)},
        ) as response:
            assert response.status == 201
        assert (await it.get("/_sim/stats"))["warnings"] == {"21626": 1}


@pytest.mark.parametrize(
    ("username", "password"), [(ACCOUNT, "wrong"), ("AC" + "6" * 32, TOKEN), ("SK" + "6" * 32, TOKEN)]
)
async def test_wrong_credentials_are_refused_with_20003(username, password):
    async with line() as it:
        stranger = Client(username, password, ACCOUNT, http_client=CheckedHttpClient(it.session))
        stranger.api.base_url = it.url
        with pytest.raises(TwilioRestException) as refused:
            await stranger.api.accounts(ACCOUNT).fetch_async()
        assert (refused.value.status, refused.value.code) == (401, 20003)
        with pytest.raises(TwilioRestException) as refused:
            await stranger.calls.create_async(to=PERSON, from_=CALLER, twiml="<Response/>")
        assert (refused.value.status, refused.value.code) == (401, 20003)
        with pytest.raises(TwilioException, match="20003"):  # the SDK has no code for a failed list
            await stranger.calls.list_async()


async def test_a_request_without_credentials_is_refused():
    async with line() as it, it.session.get(f"{it.url}/2010-04-01/Accounts/{ACCOUNT}.json") as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic")


async def test_a_suspended_account_is_refused_with_20005_until_it_is_active_again():
    async with line() as it:
        assert (await it.sdk.api.accounts(ACCOUNT).fetch_async()).status == "active"
        async with it.session.put(f"{it.url}/_sim/accounts/{ACCOUNT}", json={"status": "suspended"}) as response:
            assert TOKEN not in await response.text()
        with pytest.raises(TwilioRestException) as refused:
            await it.sdk.api.accounts(ACCOUNT).fetch_async()
        assert refused.value.code == 20005
        with pytest.raises(TwilioRestException) as refused:
            await it.place()
        assert refused.value.code == 20005
        async with it.session.put(f"{it.url}/_sim/accounts/{ACCOUNT}", json={"status": "active"}):
            assert (await it.place()).status == "queued"


async def test_an_api_key_opens_its_account():
    async with line() as it:
        key = "SK" + "7" * 32
        await it.session.put(f"{it.url}/_sim/accounts/{ACCOUNT}", json={"api_keys": {key: "key-secret"}})
        client = Client(key, "key-secret", ACCOUNT, http_client=CheckedHttpClient(it.session))
        client.api.base_url = it.url
        assert (await client.api.accounts(ACCOUNT).fetch_async()).sid == ACCOUNT


async def test_accounts_do_not_see_each_others_calls():
    async with line() as it:
        other = "AC" + "8" * 32
        await it.session.put(f"{it.url}/_sim/accounts/{other}", json={"auth_token": "other-token"})
        client = Client(other, "other-token", http_client=CheckedHttpClient(it.session))
        client.api.base_url = it.url
        call = await it.place()
        assert await client.calls.list_async(to=PERSON) == []
        with pytest.raises(TwilioRestException) as hidden:
            await client.calls(call.sid).fetch_async()
        assert hidden.value.code == 20404


async def test_unknown_paths_and_methods_are_answered_in_twilios_shape():
    async with line() as it:
        async with it.session.get(f"{it.url}/2010-04-01/Nothing.json") as response:
            assert (response.status, (await response.json())["code"]) == (404, 20404)
        async with it.session.put(f"{it.url}/2010-04-01/Accounts/{ACCOUNT}/Calls.json") as response:
            assert (response.status, (await response.json())["code"]) == (405, 20004)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "Calls.json?PageSize=0", None, 400),
        ("GET", "Calls.json?Page=-1", None, 400),
        ("GET", "Calls.json?Page=" + "9" * 30, None, 400),
        ("GET", "Calls.json?Page=999999999", None, 200),
        ("GET", "Calls.json?PageSize=5000", None, 200),
        ("GET", "Calls.json?PageToken=PAnothing", None, 400),
        ("GET", "Calls.json?Status=dialing", None, 400),
        ("GET", "Calls.json?StartTime=yesterday", None, 400),
        ("GET", "Calls.json?StartTime%3E=2026-11-21", None, 200),
        ("GET", "Calls/CAnothing.json", None, 404),
        ("GET", "Recordings/REnothing.json", None, 404),
        ("POST", "Calls.json", b"\xff\xfe=1", 400),
        ("POST", "Calls.json", b"To=" + b"1" * 70_000, 400),
        ("POST", "Calls.json", b"&&&&==", 400),
    ],
)
async def test_odd_requests_are_answered_in_twilios_shape(method, path, body, status):
    async with line() as it:
        headers = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT, TOKEN)}
        address = URL(f"{it.url}/2010-04-01/Accounts/{ACCOUNT}/{path}", encoded=True)
        async with it.session.request(method, address, data=body, headers=headers) as response:
            assert response.status == status
            if status >= 400:
                assert (await response.json()).keys() == {"code", "message", "more_info", "status"}


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic \xe9", "Basic " + "YWJj", "Bearer x", "Basic /w=="])
async def test_credentials_that_are_none_are_refused(header):
    async with line() as it:
        address = f"{it.url}/2010-04-01/Accounts/{ACCOUNT}.json"
        async with it.session.get(address, headers={"Authorization": header}) as response:
            assert response.status == 401
