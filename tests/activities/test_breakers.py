"""A carrier that fails, by the real simulator: nobody is lost, and dialing goes on by itself once it answers again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.dispatch import Leg, LegEnd
from dialer.carriers.twilio import TwilioCarrier, TwilioCredentials
from dialer.domain.slots import Blocked
from dialer.domain.timing import Timing
from dialer.stack.ports import free_port
from dialer.store import control
from dialer.store.claims import Claim
from dialer.store.database import Database
from tests.activities.recorders import Recorder
from tests.activities.scenes import PATIENT, Scene, scene
from tests.activities.test_dispatch import leg
from tests.simulator.lines import ACCOUNT, TOKEN
from tests.store.lines import claim_due, make_line
from tests.store.worlds import World

PACE = {"pace": {"max_concurrent": 4, "calls_per_second": 1000}}
#: Back-offs of a few tenths of a second, people who are due again at once, and turns that no slow machine misses: each
#: missed one would be followed by another, for as long as the gate is young.
BRIEF = Timing(
    backoff_first_s=0.1,
    backoff_most_s=0.4,
    defer_s=0.01,
    grace_s=0,
    undecided_s=0,
    gate_age_s=60,
    turn_slack_s=30,
)
LONG = replace(BRIEF, backoff_first_s=60.0, backoff_most_s=60.0)
PATIENCE_S = 60.0


@asynccontextmanager
async def unreachable(at: Scene) -> AsyncIterator[None]:
    """Nobody listens where the carrier should be."""
    real = at.carriers.carrier
    nobody = TwilioCarrier(
        TwilioCredentials.of_auth_token(ACCOUNT, TOKEN),
        base_url=f"http://127.0.0.1:{free_port()}",
        limits=PATIENT,
        environment={},
    )
    at.carriers.carrier = nobody
    yield
    at.carriers.carrier = real
    await nobody.close()


async def faults(at: Scene, **chances: float) -> None:
    none = dict.fromkeys(("throttled", "error_before_accept", "error_after_accept"), 0.0)
    await at.town.session.put(f"{at.town.url}/_sim/behaviour", json={"faults": none | chances})


async def round_of_calls(at: Scene, timing: Timing) -> Claim:
    """Claim once and place all; what is unknown is looked for at the carrier."""
    found = await claim_due(at.line, timing)
    await asyncio.gather(*(at.place(call.call_id, timing) for call in found.calls))
    for row in await at.line.read("SELECT id FROM calls WHERE state = 'unknown' AND campaign_id = :c"):
        with suppress(ApplicationError):  # not decided yet: the next round looks again
            await at.reconcile(row.id, timing)
    return found


async def everybody_hangs_up(at: Scene) -> None:
    """Nobody reports on calls here: those that a slow machine has found at the carrier would keep all slots."""
    await at.line.run("""UPDATE calls SET state = 'ended', disposition = 'human'
                         WHERE state IN ('accepted', 'ringing', 'in_progress')""")


async def backoff(at: Scene) -> Any:
    found = await at.line.read("SELECT *, open_until > dialer_now() AS is_open FROM backoffs")
    return found[0] if found else None


@pytest.mark.parametrize("storm", ["unreachable", "throttled", "error_before_accept", "error_after_accept"])
async def test_after_a_storm_everybody_is_called_or_ready_and_nobody_did_anything(
    storm: str, database: Database, workflows: Recorder
) -> None:
    settings = {**PACE, "redial": {"max_attempts": 50, "delays": {"unknown": ["PT0S"] * 50}}}
    async with scene(database, workflows, people=8, settings=settings) as at, asyncio.timeout(PATIENCE_S):
        async with unreachable(at) if storm == "unreachable" else faulty(at, storm):
            while (await backoff(at)) is None or (await backoff(at)).trips < 3:
                await round_of_calls(at, BRIEF)
                await everybody_hangs_up(at)
        sent = "SELECT count(*) AS n FROM calls WHERE deferred_reason IS DISTINCT FROM 'gate_too_old'"
        made = (await at.line.read(sent))[0].n
        while len({call["to"] for call in await at.ledger()}) < 8:
            await round_of_calls(at, BRIEF)
            await everybody_hangs_up(at)
        people = await at.line.read("SELECT state, next_due_at FROM prospects")
        campaign = await at.campaign()
        assert await backoff(at) is None
    assert campaign.status == "running"
    assert made <= 4 + 2, "a slot's worth until it was left alone, and one call for each time that it was asked"
    assert {person.state for person in people} <= {"in_call", "ready", "reached"}
    assert all(person.next_due_at is not None for person in people if person.state == "ready")


@asynccontextmanager
async def faulty(at: Scene, storm: str) -> AsyncIterator[None]:
    await faults(at, **{storm: 1.0})
    yield
    await faults(at)


async def test_an_account_that_is_left_alone_costs_nobody_anything(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows, people=8, settings=PACE, faults={"throttled": 1.0}) as at:
        await round_of_calls(at, LONG)
        before = await at.line.read("SELECT id, state, attempts, next_due_at FROM prospects ORDER BY id")
        assert (await backoff(at)).reason == "throttled"
        found = await claim_due(at.line, LONG)
        ended = await leg(at.line, workflows)
        after = await at.line.read("SELECT id, state, attempts, next_due_at FROM prospects ORDER BY id")
    assert (found.calls, found.blocked) == ((), Blocked.CARRIER)
    assert (ended.end, workflows.calls, after) == (LegEnd.IDLE, [], before)
    assert ended.waiting_for == "the carrier to answer again (it says that there are too many requests)"
    assert ended.idle_s == pytest.approx(60, abs=15)


async def test_a_call_that_was_claimed_before_is_given_back_without_a_request(
    database: Database, workflows: Recorder
) -> None:
    async with scene(database, workflows, people=4, settings=PACE) as at:
        *calls, last = [call.call_id for call in (await claim_due(at.line)).calls]
        async with unreachable(at):
            for call_id in calls:
                await at.place(call_id, LONG)
        placed = await at.place(last, LONG)
        assert await at.ledger() == []
        person = await at.prospect(last)
    assert placed.ended is not None
    assert (placed.ended.state, placed.ended.why) == ("deferred", "carrier_unavailable")
    assert (person.state, person.attempts) == ("ready", 0)


async def test_one_call_asks_and_its_answer_wakes_those_who_wait(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows, people=8, settings=PACE) as at:
        async with unreachable(at):
            while (found := await backoff(at)) is None or not found.is_open:
                await round_of_calls(at, LONG)
        await at.line.run("UPDATE backoffs SET open_until = dialer_now()")
        await at.line.run("UPDATE prospects SET next_due_at = dialer_now()")
        await at.fall_asleep()
        probe = await claim_due(at.line, LONG)
        assert len(probe.calls) == 1
        assert (await claim_due(at.line, LONG)).blocked is Blocked.CARRIER
        workflows.nudged.clear()
        await at.place(probe.calls[0].call_id, LONG)
        assert await backoff(at) is None
        assert workflows.nudged == [at.line.campaign_id]
        assert len((await claim_due(at.line, LONG)).calls) == 3


async def test_a_probe_that_fails_waits_twice_as_long(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows, people=8, settings=PACE, faults={"throttled": 1.0}) as at:
        await round_of_calls(at, replace(LONG, backoff_first_s=20.0))
        await at.line.run("UPDATE backoffs SET open_until = dialer_now()")
        await round_of_calls(at, replace(LONG, backoff_first_s=20.0))
        (row,) = await at.line.read(
            "SELECT trips, open_until - dialer_now() > interval '25 s' AS doubled FROM backoffs"
        )
    assert (row.trips, row.doubled) == (2, True)


async def test_an_answer_in_between_is_no_storm(database: Database, workflows: Recorder) -> None:
    async with scene(database, workflows, people=4, settings=PACE) as at:
        calls = [call.call_id for call in (await claim_due(at.line)).calls]
        async with unreachable(at):
            await at.place(calls[0], LONG)
            await at.place(calls[1], LONG)
        await at.place(calls[2], LONG)
        async with unreachable(at):
            await at.place(calls[3], LONG)
        assert (await backoff(at)).failures == 1


async def failed_calls(line: World, count: int, disposition: str = "carrier_error") -> None:
    sql = f"""INSERT INTO calls (workspace_id, campaign_id, state, disposition, claimed_at, ended_at)
              SELECT workspace_id, id, 'ended', '{disposition}', dialer_now(), dialer_now()
              FROM campaigns, generate_series(1, {count}) WHERE id = :c"""
    await line.run(sql)


async def one_leg(line: World, workflows: Recorder, leg_s: float = 0.0) -> tuple[Leg, Any]:
    ended = await leg(line, workflows, Timing(leg_s=leg_s))
    return ended, (await line.read("SELECT * FROM campaigns WHERE id = :c"))[0]


async def test_a_campaign_whose_calls_fail_is_paused_under_its_leg_until_somebody_resumes_it(
    database: Database, workflows: Recorder
) -> None:
    line = await make_line(database)
    await failed_calls(line, 20)
    ended, campaign = await one_leg(line, workflows, leg_s=PATIENCE_S)
    assert (campaign.status, campaign.paused_reason, workflows.calls) == ("paused", "carrier_failing", [])
    assert campaign.paused_details == {
        "calls": 20,
        "failed": 20,
        "share": 1.0,
        "threshold": 0.5,
        "dispositions": {"carrier_error": 20},
    }
    assert (ended.end, ended.waiting_for) == (LegEnd.IDLE, "paused (carrier_failing)")
    async with database.transaction(line.workspace_id) as session:
        await control.resume(session, line.campaign_id)
    _, campaign = await one_leg(line, workflows)
    assert (campaign.status, campaign.paused_details) == ("running", None)
    assert len(workflows.calls) == 3


async def test_a_campaign_without_a_breaker_goes_on(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, settings={"breaker": None})
    await failed_calls(line, 50, "disconnected")
    _, campaign = await one_leg(line, workflows)
    assert (campaign.status, len(workflows.calls)) == ("running", 3)
