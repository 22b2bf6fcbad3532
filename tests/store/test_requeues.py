"""Calling those again who were not reached: whom a requeue takes, what they get, and what it leaves as evidence."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.dispositions import Disposition, Outcome
from dialer.domain.judging.judge import judge
from dialer.domain.states import CompletedReason, ProspectState
from dialer.store import requeues
from dialer.store.claims import ClaimedCall
from dialer.store.control import StateConflict, complete, launch, stop
from dialer.store.database import Database
from dialer.store.endings import read_ended
from dialer.store.evidence import read_evidence, snapshot
from dialer.store.outcomes import note_outcome
from dialer.store.requeues import Chosen, Requeued, count_requeue, requeue_people
from dialer.store.suppressing import suppress
from tests.store.lines import TIMING, add_people, call_row, claim_due, finish, gate, make_line, prospect_row
from tests.store.worlds import World

ONCE: dict[str, Any] = {"redial": {"max_attempts": 1, "delays": {}}}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=6)
    yield database
    await database.close()


async def requeue(world: World, chosen: Chosen | None = None, requeue_id: UUID | None = None) -> Requeued:
    return await requeue_people(
        world.database, world.workspace_id, world.campaign_id, chosen or Chosen(), requeue_id=requeue_id
    )


async def call_everybody(world: World, status: CarrierStatus = CarrierStatus.NO_ANSWER) -> tuple[ClaimedCall, ...]:
    calls = (await claim_due(world)).calls
    for call in calls:
        await gate(world, call.call_id)
        await finish(world, call.call_id, status)
    return calls


async def states(world: World) -> dict[str, int]:
    return await world.tally()


async def test_people_who_were_not_reached_are_ready_again_with_a_fresh_allowance(database: Database) -> None:
    world = await make_line(database, people=2, settings=ONCE)
    await call_everybody(world)
    assert await states(world) == {"exhausted": 2}
    done = await requeue(world)
    assert (done.requeued, done.skipped) == (2, {})
    assert await states(world) == {"ready": 2}
    again = await call_everybody(world)
    assert [call.attempt for call in again] == [2, 2]
    assert [call.attempt_of for call in again] == ["1 of 1", "1 of 1"]
    assert await states(world) == {"exhausted": 2}
    assert (await claim_due(world)).calls == ()


async def test_a_fresh_allowance_may_have_another_number_of_attempts(database: Database) -> None:
    world = await make_line(database, people=1, settings={"redial": {"max_attempts": 1, "delays": {"busy": ["PT0S"]}}})
    await call_everybody(world, CarrierStatus.BUSY)
    await requeue(world, Chosen(attempts=2))
    (second,) = await call_everybody(world, CarrierStatus.BUSY)
    (third,) = await call_everybody(world, CarrierStatus.BUSY)
    assert (second.attempt_of, third.attempt_of) == ("1 of 2", "2 of 2")
    assert (await claim_due(world)).calls == ()
    async with database.transaction(world.workspace_id) as session:
        assert (await read_ended(session, third.call_id)).attempt == "2 of 2"


async def test_redial_delays_begin_anew(database: Database) -> None:
    world = await make_line(database, people=1, settings={"redial": {"max_attempts": 9, "delays": {"busy": ["PT0S"]}}})
    for _ in range(2):
        await call_everybody(world, CarrierStatus.BUSY)
    assert await states(world) == {"exhausted": 1}
    await requeue(world)
    (call,) = await call_everybody(world, CarrierStatus.BUSY)
    assert (await call_row(world, call.call_id)).next_reason == "busy: redial 1 of 1"
    assert await states(world) == {"ready": 1}


async def test_only_those_are_taken_whose_last_call_ended_so(database: Database) -> None:
    world = await make_line(database, people=3, settings=ONCE)
    calls = (await claim_due(world)).calls
    ends = (CarrierStatus.BUSY, CarrierStatus.NO_ANSWER, CarrierStatus.COMPLETED)
    for call, status in zip(calls, ends, strict=True):
        await gate(world, call.call_id)
        facts = {"answered_by": "human", "duration_seconds": 20} if status is CarrierStatus.COMPLETED else {}
        await finish(world, call.call_id, status, **facts)
    done = await requeue(world, Chosen(dispositions=(Disposition.BUSY, Disposition.HUMAN)))
    assert (done.requeued, done.skipped) == (1, {"reached": 1})
    assert (await prospect_row(world, calls[0].prospect_id)).state == "ready"
    await world.run("UPDATE prospects SET last_outcome = 'incomplete' WHERE id = :id", id=calls[2].prospect_id)
    named = Chosen(states=(ProspectState.REACHED,), outcomes=(Outcome.INCOMPLETE,))
    assert (await requeue(world, named)).requeued == 1


async def test_nobody_is_taken_who_opted_out_or_is_in_a_call(database: Database) -> None:
    world = await make_line(database, people=4, settings=ONCE)
    (first, second, third, fourth) = (await claim_due(world)).calls
    for call in (first, second, third):
        await gate(world, call.call_id)
        await finish(world, call.call_id, CarrierStatus.NO_ANSWER)
    phone = (await prospect_row(world, first.prospect_id)).phone
    async with database.transaction(world.workspace_id) as session:
        await suppress(session, world.workspace_id, phone)
    await world.run("UPDATE prospects SET last_outcome = 'dnc_requested' WHERE id = :id", id=second.prospect_id)
    everyone = Chosen(states=tuple(requeues.REQUEUEABLE))
    async with database.transaction(world.workspace_id) as session:
        seen = await count_requeue(session, world.campaign_id, everyone)
    done = await requeue(world, everyone)
    assert (done.requeued, done.skipped) == (1, {"live": 1, "opted_out": 1, "suppressed": 1})
    assert (seen.requeued, seen.skipped) == (done.requeued, done.skipped)
    assert (await prospect_row(world, fourth.prospect_id)).state == "in_call"


@pytest.mark.parametrize("state", [ProspectState.READY, ProspectState.IN_CALL, ProspectState.HELD])
async def test_people_who_wait_or_talk_cannot_be_named(database: Database, state: ProspectState) -> None:
    world = await make_line(database, people=1)
    with pytest.raises(ValueError, match="are not requeued"):
        await requeue(world, Chosen(states=(state,)))
    assert await world.read("SELECT 1 FROM requeues WHERE campaign_id = :c") == []


async def test_nobody_is_due_before_the_time_that_is_given(database: Database) -> None:
    world = await make_line(database, people=1, settings=ONCE)
    await call_everybody(world)
    at = (await world.read("SELECT dialer_now() + interval '1 hour' AS at"))[0].at
    await requeue(world, Chosen(not_before=at))
    assert [row.next_due_at for row in await world.read("SELECT next_due_at FROM prospects")] == [at]
    await requeue(world, Chosen(states=(ProspectState.EXHAUSTED,), not_before=at - timedelta(days=9)))
    assert (await claim_due(world)).calls == ()


async def test_an_outcome_of_a_call_before_a_requeue_brings_nobody_forward(database: Database) -> None:
    world = await make_line(database, people=1, settings=ONCE)
    (call,) = (await claim_due(world)).calls
    await gate(world, call.call_id)
    await finish(world, call.call_id, CarrierStatus.COMPLETED, answered_by="machine_start", duration_seconds=9)
    assert await states(world) == {"exhausted": 1}
    later = (await world.read("SELECT dialer_now() AS at"))[0].at + timedelta(days=7)
    requeued = await requeue(world, Chosen(not_before=later))
    async with database.transaction(world.workspace_id) as session:
        await note_outcome(session, call.call_id, Outcome.INCOMPLETE, TIMING)
    person = await prospect_row(world, call.prospect_id)
    assert (person.state, person.next_due_at, person.requeue_id) == ("ready", later, requeued.requeue_id)
    assert person.last_outcome == "incomplete"
    async with database.transaction(world.workspace_id) as session:
        await note_outcome(session, call.call_id, Outcome.GOAL, TIMING)
    assert await states(world) == {"reached": 1}


async def test_a_completed_campaign_calls_them_after_its_next_launch(database: Database) -> None:
    world = await make_line(database, people=1, settings=ONCE)
    await call_everybody(world)
    async with database.transaction(world.workspace_id) as session:
        assert await complete(session, world.campaign_id, CompletedReason.ALL_FINAL)
    await requeue(world)
    async with database.transaction(world.workspace_id) as session:
        await launch(session, world.campaign_id)
    assert len(await call_everybody(world)) == 1


async def test_a_stopped_campaign_requeues_nobody(database: Database) -> None:
    world = await make_line(database, people=1, settings=ONCE)
    await call_everybody(world)
    async with database.transaction(world.workspace_id) as session:
        await stop(session, world.campaign_id)
    with pytest.raises(StateConflict):
        await requeue(world)
    assert await states(world) == {"exhausted": 1}


async def test_a_requeue_that_broke_off_goes_on_where_it_stopped(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requeues, "BATCH", 2)
    world = await make_line(database, people=0, settings=ONCE)
    await add_people(world, 5)
    await call_everybody(world)
    mine = uuid4()
    async with database.transaction(world.workspace_id) as session:
        await requeues.begin_requeue(session, world.campaign_id, Chosen(), requeue_id=mine)
    async with database.transaction(world.workspace_id) as session:
        step = await requeues.requeue_batch(session, mine)
    assert (step.requeued, step.finished) == (2, False)
    assert (await requeue(world, requeue_id=mine)).requeued == 5
    await call_everybody(world)
    again = await requeue(world, requeue_id=mine)
    assert (again.requeued, again.finished) == (5, True)
    assert await states(world) == {"exhausted": 5}


async def test_a_phone_that_is_left_out_stays_so_unless_nothing_is_left(database: Database) -> None:
    world = await make_line(database, people=2, settings=ONCE)
    calls = await call_everybody(world)
    sql = """INSERT INTO prospect_phones (prospect_id, position, workspace_id, campaign_id, contact_id, phone)
             SELECT id, 1, workspace_id, campaign_id, contact_id, phone || '9' FROM prospects"""
    await world.run(sql)
    for call, bad in zip(calls, (1, 3), strict=True):
        sql = "UPDATE prospects SET bad_phones = :bad, phone_at = 0 WHERE id = :id"
        await world.run(sql, bad=bad, id=call.prospect_id)
    await requeue(world)
    turns = [(row.phone_at, row.bad_phones) for row in [await prospect_row(world, c.prospect_id) for c in calls]]
    assert turns == [(1, 1), (0, 0)]


async def test_the_judge_reads_why_people_were_called_more_often(database: Database) -> None:
    world = await make_line(database, people=2, settings=ONCE)
    await call_everybody(world)
    await requeue(world)
    await call_everybody(world)
    async with snapshot(database) as session:
        evidence = await read_evidence(session, campaign_id=world.campaign_id)
    assert [record.requeued for record in evidence.requeues] == [2]
    rules = {result.rule: result for result in judge(evidence).rules}
    assert rules["attempts_within_policy"].violations == ()
    assert rules["redial_delays_respected"].violations == ()
    await world.run("UPDATE calls SET requeue_id = NULL WHERE campaign_id = :c")
    async with snapshot(database) as session:
        doctored = judge(await read_evidence(session, campaign_id=world.campaign_id))
    assert {violation.rule for violation in doctored.violations} >= {"attempts_within_policy"}
