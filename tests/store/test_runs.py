import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from dialer.domain.carrier_events import AnsweredBy, CarrierStatus
from dialer.domain.runs import RunOutcome, RunReason
from dialer.domain.states import CompletedReason
from dialer.store import control, runs
from dialer.store.database import Database
from tests.store.lines import claim_one, finish, gate
from tests.store.recurring import changed, every_day, fire, make_recurring, now, runs_of, status_of


@pytest.fixture
async def database(module_database_url: str) -> AsyncIterator[Database]:
    found = Database(module_database_url)
    yield found
    await found.close()


async def test_a_recurring_campaign_that_is_launched_waits_for_its_first_run(database: Database) -> None:
    world = await make_recurring(database)
    assert await status_of(world) == "scheduled"
    assert await runs_of(world) == []


async def test_a_firing_starts_a_run_once(database: Database) -> None:
    world, due = await make_recurring(database), now()
    first, again = await fire(world, due), await fire(world, due)
    assert (first.verdict.outcome, first.changed) == (RunOutcome.RUNNING, True)
    assert (again.verdict.outcome, again.changed) == (RunOutcome.RUNNING, False)
    assert await status_of(world) == "running"
    assert await runs_of(world) == [("schedule", RunOutcome.RUNNING, None)]


async def test_of_firings_at_the_same_time_one_starts_the_run(database: Database) -> None:
    world = await make_recurring(database)
    moments = [now() - timedelta(seconds=n) for n in range(5)]
    begun = await asyncio.gather(*(fire(world, at) for at in moments))
    assert sorted(each.verdict.outcome for each in begun) == [RunOutcome.RUNNING, *[RunOutcome.SKIPPED] * 4]


async def test_a_firing_during_a_run_is_skipped_and_kept(database: Database) -> None:
    world = await make_recurring(database)
    await fire(world, now() - timedelta(minutes=1))
    await fire(world, now())
    assert await runs_of(world) == [
        ("schedule", RunOutcome.RUNNING, None),
        ("schedule", RunOutcome.SKIPPED, RunReason.PREVIOUS_RUN),
    ]


async def test_launching_a_campaign_that_waits_runs_it_now(database: Database) -> None:
    world = await make_recurring(database)
    await changed(world, control.launch)
    assert await status_of(world) == "running"
    assert await runs_of(world) == [("launch", RunOutcome.RUNNING, None)]


async def test_a_run_is_over_when_everybody_is_done_and_counts_its_calls(database: Database) -> None:
    world = await make_recurring(database, people=1)
    await fire(world, now())
    assert not await changed(world, control.await_next_run)
    call = await claim_one(world)
    await gate(world, call.call_id)
    await finish(world, call.call_id, CarrierStatus.COMPLETED, answered_by=AnsweredBy.HUMAN)
    assert await changed(world, control.await_next_run)
    assert await status_of(world) == "scheduled"
    newest = (await changed(world, runs.newest_runs, limit=5))[0]
    assert (newest.outcome, newest.calls, newest.reached) == (RunOutcome.COMPLETED, 1, 1)
    assert newest.ended_at is not None


async def test_a_run_that_was_paused_is_resumed_and_a_wait_goes_on_waiting(database: Database) -> None:
    world = await make_recurring(database)
    await changed(world, control.pause)
    await changed(world, control.resume)
    assert await status_of(world) == "scheduled"
    await fire(world, now())
    await changed(world, control.pause)
    await changed(world, control.resume)
    assert await status_of(world) == "running"
    assert await runs_of(world) == [("schedule", RunOutcome.RUNNING, None)]


async def test_stopping_ends_the_run(database: Database) -> None:
    world = await make_recurring(database)
    await fire(world, now())
    await changed(world, control.stop)
    assert await runs_of(world) == [("schedule", RunOutcome.STOPPED, None)]


async def test_a_campaign_that_runs_when_it_begins_to_recur_is_resumed_to_its_run(database: Database) -> None:
    world = await make_recurring(database, recurrence=None)
    assert await status_of(world) == "running"
    sql = "UPDATE campaigns SET settings = settings || CAST(:more AS jsonb) WHERE id = :c"
    await world.run(sql, more=json.dumps(every_day()))
    await changed(world, control.pause)
    await changed(world, control.resume)
    assert await status_of(world) == "running"


async def test_what_was_due_before_a_change_of_the_schedule_or_a_resume_is_not_owed(database: Database) -> None:
    world = await make_recurring(database)

    async def owed() -> object:
        return await changed(world, runs.owed_after)

    launched = await owed()
    sql = "UPDATE campaigns SET settings = settings || CAST(:more AS jsonb) WHERE id = :c"
    await world.run(sql, more=json.dumps({"ring_timeout_s": 30}))
    assert await owed() == launched
    await world.run(sql, more=json.dumps(every_day(start_at="2026-01-01T00:00:00Z")))
    edited = await owed()
    await changed(world, control.pause)
    await changed(world, control.resume)
    assert str(launched) < str(edited) < str(await owed())


async def test_a_campaign_that_waits_completes_only_when_asked_for_that(database: Database) -> None:
    world = await make_recurring(database, people=0)
    assert not await changed(world, control.complete, reason=CompletedReason.ALL_FINAL)
    assert await changed(
        world, control.complete, reason=CompletedReason.ALL_FINAL, status=control.CampaignStatus.SCHEDULED
    )


async def test_what_comes_too_early_leaves_the_run_to_its_time(database: Database) -> None:
    world, due = await make_recurring(database), now() + timedelta(hours=2)
    assert (await fire(world, due)).verdict.reason is RunReason.TOO_EARLY
    assert await runs_of(world) == []
