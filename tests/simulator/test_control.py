"""``/_sim``: the truth about what was dialed, and the knobs."""

import pytest

from dialer.simulator.ledger import Call, Ledger, PeakRate
from tests.simulator.lines import CALLER, PERSON, line


async def test_the_ledger_tells_every_accepted_call_with_the_customers_id():
    async with line() as it:
        first = await it.place()
        await it.place(to="+12025550124", url=f"{it.customer.url}/voice", status_callback=f"{it.customer.url}/status")
        await it.customer.until_ended(2)
        rows = (await it.get("/_sim/calls"))["items"]
        assert [row["call_id"] for row in rows] == ["c-1", None]
        row = rows[0]
        assert (row["sid"], row["to"], row["from"], row["status"]) == (first.sid, PERSON, CALLER, "completed")
        times = [row[name] for name in ("created_at", "ringing_at", "answered_at", "ended_at")]
        assert times == sorted(times)
        assert all(time.endswith("Z") for time in times)


async def test_clearing_the_ledger_starts_the_counts_anew_and_leaves_live_calls_alone():
    async with line(time_scale=0.05) as it:
        await it.place()
        await it.customer.until_ended()
        await it.script(status="completed", ring_s=0, talk_s=600)
        it.customer.twiml = "<Response><Pause length='600'/></Response>"
        live = await it.place()
        await it.customer.wait_for(lambda heard: sum(each.form.get("CallSid") == live.sid for each in heard) >= 4)
        async with it.session.delete(f"{it.url}/_sim/calls") as response:
            assert await response.json() == {"deleted": 2}
        stats = await it.get("/_sim/stats")
        assert (stats["calls"], stats["by_status"], stats["callbacks_sent"]) == (0, {}, 0)
        assert (await it.get("/_sim/calls"))["items"] == []
        assert (await it.sdk.calls(live.sid).update_async(status="completed")).sid == live.sid
        await it.customer.until_ended(2)


async def test_stats_know_the_peak_of_calls_at_once():
    async with line(time_scale=1.0) as it:
        for n in range(3):
            await it.script(number=f"+120255501{n:02d}", status="no-answer")
            await it.place(to=f"+120255501{n:02d}", from_="+12025550199")
        await it.customer.wait_for(lambda heard: it.customer.statuses().count("ringing") == 3)
        for row in (await it.get("/_sim/calls"))["items"]:
            await it.sdk.calls(row["sid"]).update_async(status="canceled")
        stats = await it.get("/_sim/stats")
        assert (stats["peak_concurrency"], stats["concurrency"]) == (3, 0)
        assert stats["by_status"] == {"canceled": 3}


async def test_knobs_left_out_stay_as_they_are():
    async with line() as it:
        await it.behave(faults={"lost_callback": 0.5}, seed=9)
        await it.behave(faults={"throttled": 0.25})
        behaviour = await it.get("/_sim/behaviour")
        assert behaviour["faults"]["lost_callback"] == 0.5
        assert behaviour["faults"]["throttled"] == 0.25
        assert (behaviour["seed"], behaviour["time_scale"]) == (9, 0.005)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"faults": {"lost_callback": 2}}, 422, "faults.lost_callback"),
        ({"mix": {"busy": 0.8, "human": 0.8}}, 422, "mix"),
        ({"speed": 3}, 422, "speed"),
        ([], 400, ""),
    ],
)
async def test_knobs_that_cannot_be_turned_that_far_are_named_and_nothing_changes(body, status, field):
    async with line() as it:
        before = await it.get("/_sim/behaviour")
        async with it.session.put(f"{it.url}/_sim/behaviour", json=body) as response:
            assert response.status == status
            assert (await response.json())["errors"][0]["field"] == field
        assert await it.get("/_sim/behaviour") == before


async def test_scripts_are_shown_refused_when_wrong_and_forgotten():
    async with line() as it:
        await it.script(status="busy", sip=600)
        assert await it.get("/_sim/phones") == {PERSON: {"behaviour": {"status": "busy", "sip": 600}}}
        for wrong in (
            {"behaviour": {"status": "asleep"}},
            {},
            {"behaviour": "busy", "behaviours": ["busy"]},
            {"kind": "busy"},
        ):
            async with it.session.put(f"{it.url}/_sim/phones/{PERSON}", json=wrong) as response:
                assert response.status == 422
        async with it.session.delete(f"{it.url}/_sim/phones/{PERSON}") as response:
            assert response.status == 204
        assert await it.get("/_sim/phones") == {}


async def test_a_new_account_needs_a_token():
    async with line() as it:
        async with it.session.put(f"{it.url}/_sim/accounts/AC{'9' * 32}", json={"status": "active"}) as response:
            assert response.status == 422
        async with it.session.get(f"{it.url}/health") as response:
            assert await response.json() == {"status": "ok"}


def test_the_peak_is_counted_in_any_window_of_one_second():
    rate = PeakRate()
    for at in (0.0, 0.9, 0.95, 1.5, 1.85, 1.91, 5.0):
        rate.count(at)
    assert rate.peak == 4  # 0.95, 1.5, 1.85 and 1.91


def test_finding_a_pair_among_a_hundred_thousand_calls_does_not_read_them_all():
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    ledger = Ledger()
    for n in range(100_000):
        serial = ledger.next_serial()
        call = Call(
            serial=serial, sid=f"CA{serial:032x}", account_sid="AC", call_id=None, to=f"+1202{n % 50_000:07d}",
            from_=CALLER, created_at=now, updated_at=now,
        )  # fmt: skip
        ledger.add(call, float(n))
    found = list(ledger.newest("+12020000007", CALLER, None))
    assert [call.serial for call in found] == [50_008, 8]
    assert ledger.attempts("+12020000007") == 2
