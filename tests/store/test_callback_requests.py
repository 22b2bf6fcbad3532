"""Calls that people asked for, and outcomes that are told while a call lasts or after its end."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.dispositions import Disposition, Outcome
from dialer.domain.judging.judge import judge
from dialer.domain.zones import ZoneSet
from dialer.store.callback_requests import AfterEnd, Asked, NoOpening, NotToBeCalled, ask_callback
from dialer.store.claims import ClaimedCall
from dialer.store.control import StateConflict, stop
from dialer.store.database import Database
from dialer.store.endings import Ending, end_call, read_ended
from dialer.store.evidence import read_evidence, snapshot
from dialer.store.gates import defer
from dialer.store.outcomes import CalledSince, NobodysCall, NotAnswered, Noted, note_outcome
from dialer.store.suppressing import suppress
from tests.store.lines import (
    TIMING,
    call_row,
    claim_due,
    claim_one,
    finish,
    gate,
    make_line,
    prospect_row,
    report,
    tell,
)
from tests.store.worlds import World

ONCE: dict[str, Any] = {"redial": {"max_attempts": 1, "delays": {}}}
HUMAN: dict[str, Any] = {"answered_by": "human", "duration_seconds": 20}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=6)
    yield database
    await database.close()


async def called(world: World, status: CarrierStatus = CarrierStatus.COMPLETED, **facts: Any) -> ClaimedCall:
    call = await claim_one(world)
    await gate(world, call.call_id)
    await finish(world, call.call_id, status, **(facts or (HUMAN if status is CarrierStatus.COMPLETED else {})))
    return call


async def ask(world: World, prospect_id: UUID, at: datetime, **facts: Any) -> Asked:
    async with world.database.transaction(world.workspace_id) as session:
        return await ask_callback(session, prospect_id, at, TIMING, **facts)


async def note(world: World, call_id: UUID, outcome: Outcome, at: datetime | None = None) -> Noted:
    async with world.database.transaction(world.workspace_id) as session:
        return await note_outcome(session, call_id, outcome, TIMING, callback_at=at)


def now() -> datetime:
    return datetime.now(UTC)


async def make_due(world: World, prospect_id: UUID) -> None:
    """Let the time come that somebody asked for."""
    await world.run(
        "UPDATE callback_requests SET due_at = dialer_now(), asked_for = dialer_now() WHERE prospect_id = :id",
        id=prospect_id,
    )
    await world.run("UPDATE prospects SET next_due_at = dialer_now() WHERE id = :id", id=prospect_id)


async def test_a_callback_is_one_more_call_when_every_attempt_is_used_up(database: Database) -> None:
    world = await make_line(database, people=1, settings=ONCE)
    first = await called(world, CarrierStatus.NO_ANSWER)
    asked = await ask(world, first.prospect_id, now() + timedelta(hours=2))
    person = await prospect_row(world, first.prospect_id)
    assert (person.state, person.next_due_at, person.callback_at) == ("ready", asked.due_at, asked.asked_for)
    assert (await claim_due(world)).calls == ()
    await make_due(world, first.prospect_id)
    second = await called(world, CarrierStatus.NO_ANSWER)
    assert (second.attempt, second.attempt_of) == (2, "2, a callback asked for")
    person = await prospect_row(world, first.prospect_id)
    assert (person.state, person.callback_id, person.callback_at, person.attempts) == ("exhausted", None, None, 2)
    assert (await call_row(world, second.call_id)).callback_id == asked.id
    async with database.transaction(world.workspace_id) as session:
        assert (await read_ended(session, second.call_id)).attempt == "2, a callback asked for"


async def test_the_judge_accepts_a_callback_by_its_request_only(database: Database) -> None:
    world = await make_line(database, people=1, settings=ONCE)
    first = await called(world, CarrierStatus.NO_ANSWER)
    await ask(world, first.prospect_id, now() + timedelta(hours=2))
    await make_due(world, first.prospect_id)
    await called(world, CarrierStatus.NO_ANSWER)

    async def broken() -> set[str]:
        async with snapshot(database) as session:
            return {each.rule for each in judge(await read_evidence(session, campaign_id=world.campaign_id)).violations}

    rules = {"attempts_within_policy", "redial_delays_respected"}
    assert not rules & await broken()
    await world.run("DELETE FROM callback_requests")
    assert "attempts_within_policy" in await broken()


async def test_callbacks_come_before_everybody_else_and_nobody_else_waits_for_them(database: Database) -> None:
    world = await make_line(database, people=4, settings={"pace": {"max_concurrent": 2, "calls_per_second": 1000}})
    people = await world.read("SELECT id FROM prospects ORDER BY id")
    await world.run("UPDATE prospects SET priority = -900 WHERE id = :id", id=people[0].id)
    sql = """INSERT INTO lanes (workspace_id, campaign_id, zone_set, priority)
             SELECT workspace_id, campaign_id, zone_set, -900 FROM lanes"""
    await world.run(sql)
    await ask(world, people[3].id, now() - timedelta(days=3))
    await make_due(world, people[3].id)
    calls = (await claim_due(world)).calls
    assert [call.prospect_id for call in calls] == [people[3].id, people[0].id]


async def test_a_callback_outside_the_calling_hours_waits_for_them_to_open(database: Database) -> None:
    weekdays = {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "20:00"}
    world = await make_line(database, people=1, settings={"calling_hours": {"windows": [weekdays]}})
    person = (await world.read("SELECT id FROM prospects"))[0]
    saturday = datetime(2036, 11, 22, 18, 0, tzinfo=UTC)
    asked = await ask(world, person.id, saturday)
    assert asked.due_at == datetime(2036, 11, 24, 17, 0, tzinfo=UTC)
    far_apart = ZoneSet(("America/Los_Angeles", "America/New_York")).key
    await world.run("UPDATE prospects SET zone_set = :zones", zones=far_apart)
    late = datetime(2036, 11, 25, 2, 0, tzinfo=UTC)  # 21:00 in New York, 18:00 in Los Angeles
    assert (await ask(world, person.id, late)).due_at == datetime(2036, 11, 25, 17, 0, tzinfo=UTC)


async def test_a_request_replaces_one_that_was_not_answered(database: Database) -> None:
    world = await make_line(database, people=1)
    person = (await world.read("SELECT id FROM prospects"))[0]
    await ask(world, person.id, now() + timedelta(hours=1))
    later = await ask(world, person.id, now() + timedelta(hours=5))
    row = await prospect_row(world, person.id)
    assert (row.callback_id, row.next_due_at) == (later.id, later.due_at)


async def test_somebody_who_asks_during_a_call_is_called_back_after_it(database: Database) -> None:
    world = await make_line(database, people=1, settings=ONCE)
    call = await claim_one(world)
    await gate(world, call.call_id)
    await tell(world, report(call.call_id, CarrierStatus.IN_PROGRESS))
    at = now() + timedelta(hours=3)
    noted = await note(world, call.call_id, Outcome.CALLBACK_REQUESTED, at)
    assert noted.asked is not None
    assert (await prospect_row(world, call.prospect_id)).state == "in_call"
    ended = await finish(world, call.call_id, CarrierStatus.COMPLETED, **HUMAN)
    assert ended is not None
    assert (ended.prospect_state, ended.why) == ("ready", "a callback was asked for")
    row = await prospect_row(world, call.prospect_id)
    assert (row.next_due_at, row.last_outcome, row.callback_id) == (at, "callback_requested", noted.asked.id)


async def test_somebody_who_asks_before_their_call_is_dialed_waits_for_the_time_when_it_is_given_back(
    database: Database,
) -> None:
    world = await make_line(database, people=1)
    call = await claim_one(world)
    at = now() + timedelta(hours=3)
    asked = await ask(world, call.prospect_id, at)
    async with database.transaction(world.workspace_id) as session:
        assert await defer(session, call.call_id, "window", TIMING)
    person = await prospect_row(world, call.prospect_id)
    assert (person.state, person.next_due_at, person.callback_id) == ("ready", asked.due_at, asked.id)
    assert (await claim_due(world)).calls == ()


async def test_a_callback_that_the_carrier_refused_is_still_to_be_made(database: Database) -> None:
    world = await make_line(
        database, people=1, settings={"redial": {"max_attempts": 1, "delays": {"failed": ["PT1M"]}}}
    )
    first = await called(world, CarrierStatus.NO_ANSWER)
    asked = await ask(world, first.prospect_id, now() + timedelta(hours=2))
    await make_due(world, first.prospect_id)
    second = await claim_one(world)
    await gate(world, second.call_id)
    async with database.transaction(world.workspace_id) as session:
        await end_call(session, second.call_id, Ending(disposition=Disposition.CARRIER_ERROR, attempted=False), TIMING)
    row = await prospect_row(world, first.prospect_id)
    assert (row.state, row.attempts, row.callback_id) == ("ready", 1, asked.id)
    assert row.next_due_at > now() + timedelta(seconds=30)


async def test_whoever_opted_out_is_not_called_back_and_a_stopped_campaign_calls_nobody(database: Database) -> None:
    world = await make_line(database, people=2)
    first, second = await world.read("SELECT id, phone FROM prospects ORDER BY id")
    async with database.transaction(world.workspace_id) as session:
        await suppress(session, world.workspace_id, first.phone)
    with pytest.raises(NotToBeCalled):
        await ask(world, first.id, now())
    async with database.transaction(world.workspace_id) as session:
        await stop(session, world.campaign_id)
    with pytest.raises(StateConflict):
        await ask(world, second.id, now())


async def test_a_time_after_the_end_or_without_an_opening_is_refused(database: Database) -> None:
    world = await make_line(database, people=1, settings={"schedule": {"end_at": "2036-01-01T00:00:00+00:00"}})
    person = (await world.read("SELECT id FROM prospects"))[0]
    with pytest.raises(AfterEnd):
        await ask(world, person.id, datetime(2036, 1, 1, tzinfo=UTC))
    await world.run("UPDATE prospects SET zone_set = ''")
    with pytest.raises(NoOpening):
        await ask(world, person.id, now())
    assert await world.read("SELECT 1 FROM callback_requests") == []


# -- outcomes ------------------------------------------------------------------------------------------------------


async def test_an_outcome_told_after_the_end_decides_again(database: Database) -> None:
    world = await make_line(database, people=1)
    call = await called(world)
    assert (await prospect_row(world, call.prospect_id)).state == "reached"
    assert (await note(world, call.call_id, Outcome.INCOMPLETE)).decided
    row, ended = await prospect_row(world, call.prospect_id), await call_row(world, call.call_id)
    assert (row.state, row.last_outcome, row.attempts) == ("ready", "incomplete", 1)
    assert row.next_due_at == ended.next_due_at == ended.ended_at + timedelta(days=1)
    assert not (await note(world, call.call_id, Outcome.INCOMPLETE)).decided
    assert (await note(world, call.call_id, Outcome.GOAL)).decided
    assert (await prospect_row(world, call.prospect_id)).state == "reached"
    assert await world.tally("outcome") == {"goal": 1}


async def test_a_callback_is_withdrawn_with_the_outcome_that_asked_for_it(database: Database) -> None:
    world = await make_line(database, people=1)
    call = await called(world)
    await note(world, call.call_id, Outcome.CALLBACK_REQUESTED, now() + timedelta(hours=3))
    assert (await prospect_row(world, call.prospect_id)).callback_id is not None
    assert (await call_row(world, call.call_id)).next_reason == "a callback was asked for"
    await note(world, call.call_id, Outcome.GOAL)
    row = await prospect_row(world, call.prospect_id)
    assert (row.state, row.callback_id, row.next_due_at) == ("reached", None, None)


async def test_an_outcome_leaves_what_was_asked_for_elsewhere(database: Database) -> None:
    world = await make_line(database, people=1)
    call = await called(world)
    asked = await ask(world, call.prospect_id, now() + timedelta(hours=3))
    await note(world, call.call_id, Outcome.GOAL)
    row = await prospect_row(world, call.prospect_id)
    assert (row.state, row.callback_id, row.next_due_at) == ("ready", asked.id, asked.due_at)


async def test_nobody_is_called_back_for_a_single_call(database: Database) -> None:
    world = await make_line(database, people=1)
    call = await called(world)
    await world.run("UPDATE calls SET prospect_id = NULL, campaign_id = NULL")
    assert not (await note(world, call.call_id, Outcome.GOAL)).decided
    with pytest.raises(NobodysCall):
        await note(world, call.call_id, Outcome.CALLBACK_REQUESTED, now() + timedelta(hours=1))


async def test_whoever_wants_no_more_calls_is_suppressed_at_once(database: Database) -> None:
    world = await make_line(database, people=1)
    call = await called(world)
    await note(world, call.call_id, Outcome.DNC_REQUESTED)
    assert (await prospect_row(world, call.prospect_id)).state == "suppressed"
    assert [row.source for row in await world.read("SELECT source FROM suppressions")] == ["outcome"]


@pytest.mark.parametrize("during", [True, False], ids=["during the next call", "after it"])
async def test_an_opt_out_is_kept_also_when_the_person_was_called_since(database: Database, during: bool) -> None:
    world = await make_line(database, people=1)
    first = await called(world)
    await note(world, first.call_id, Outcome.CALLBACK_REQUESTED, now() + timedelta(hours=1))
    await make_due(world, first.prospect_id)
    second = await claim_one(world)
    await gate(world, second.call_id)
    if not during:
        await finish(world, second.call_id, CarrierStatus.NO_ANSWER)
    await note(world, first.call_id, Outcome.DNC_REQUESTED)
    if during:
        await finish(world, second.call_id, CarrierStatus.NO_ANSWER)
    assert (await prospect_row(world, first.prospect_id)).state == "suppressed"
    assert (await call_row(world, first.call_id)).outcome == "dnc_requested"


async def test_an_outcome_needs_an_answer_and_no_call_since(database: Database) -> None:
    world = await make_line(database, people=1, settings={"redial": {"delays": {"busy": ["PT0S"]}}})
    busy = await called(world, CarrierStatus.BUSY)
    with pytest.raises(NotAnswered):
        await note(world, busy.call_id, Outcome.GOAL)
    second = await called(world)
    await note(world, second.call_id, Outcome.CALLBACK_REQUESTED, now() + timedelta(hours=1))
    await make_due(world, second.prospect_id)
    third = await claim_one(world)
    with pytest.raises(CalledSince):
        await note(world, second.call_id, Outcome.GOAL)
    with pytest.raises(NotAnswered):
        await note(world, third.call_id, Outcome.GOAL)
