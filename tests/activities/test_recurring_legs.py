"""Legs of a campaign that recurs: between its runs it waits, and after its last it is over."""

from datetime import UTC, datetime, timedelta

from activities.dispatch import DispatchActivities, LegEnd
from activities.runs import DueRun, RunActivities
from activities.wakeups import Wakeups
from dialer.domain.carrier_events import CarrierStatus
from dialer.domain.timing import Timing
from dialer.store import control
from dialer.store.database import Database
from tests.activities.recorders import Recorder, run
from tests.activities.test_dispatch import reference
from tests.store.lines import claim_one, finish, gate
from tests.store.recurring import changed, fire, make_recurring, now, runs_of, status_of
from tests.store.worlds import World

#: One look and what follows from it.
AT_ONCE = Timing(leg_s=0)
LONGER = Timing(leg_s=3)


async def leg(world: World, workflows: Recorder, timing: Timing = AT_ONCE) -> LegEnd:
    wakeups = Wakeups(world.database.url)
    activities = DispatchActivities(world.database, workflows, wakeups, timing=timing)
    return (await run(activities.dispatch, reference(world))).end


async def test_nobody_is_called_between_two_runs(database: Database, workflows: Recorder) -> None:
    world = await make_recurring(database)
    assert await leg(world, workflows) is LegEnd.IDLE
    assert workflows.calls == []
    idle = (await world.read("SELECT idle_until - dialer_now() AS left FROM campaigns WHERE id = :c"))[0].left
    assert timedelta(hours=11) < idle < timedelta(hours=13)


async def test_a_run_whose_people_are_done_ends_in_the_wait_for_the_next(
    database: Database, workflows: Recorder
) -> None:
    world = await make_recurring(database, people=0)
    await fire(world, now())
    assert await leg(world, workflows, LONGER) is LegEnd.IDLE
    assert await status_of(world) == "scheduled"
    assert await runs_of(world) == [("schedule", "completed", None)]


async def test_after_the_last_run_the_campaign_is_completed(database: Database, workflows: Recorder) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    world = await make_recurring(database, people=0, end_at=soon)
    await fire(world, now())
    assert await leg(world, workflows, LONGER) is LegEnd.FINISHED
    assert await status_of(world) == "completed"


async def test_at_its_end_a_campaign_that_waits_expires_whom_it_never_called(
    database: Database, later: Database, workflows: Recorder
) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    world = await make_recurring(database, end_at=soon)
    assert await leg(world, workflows) is LegEnd.IDLE
    in_ten_minutes = World(database=later, workspace_id=world.workspace_id, campaign_id=world.campaign_id)
    assert await leg(in_ten_minutes, workflows, LONGER) is LegEnd.FINISHED
    assert (await status_of(world), await world.tally()) == ("completed", {"expired": 2})


async def test_a_run_calls_those_again_whom_the_last_did_not_reach(database: Database, workflows: Recorder) -> None:
    world = await make_recurring(database, people=1)
    sql = """UPDATE campaigns SET settings = jsonb_set(settings, '{schedule,recurrence,dial}', '"not_reached"')
                || '{"redial": {"max_attempts": 1}}' WHERE id = :c"""
    await world.run(sql)
    runs = RunActivities(database, workflows)
    for attempt in (1, 2):
        due = DueRun(workspace_id=str(world.workspace_id), campaign_id=str(world.campaign_id), due_at=now().isoformat())
        assert (await run(runs.begin_run, due)).outcome == "running"
        assert (await run(runs.begin_run, due)).outcome == "running"
        call = await claim_one(world)
        assert call.attempt == attempt
        await gate(world, call.call_id)
        await finish(world, call.call_id, CarrierStatus.NO_ANSWER)
        assert await world.tally() == {"exhausted": 1}
        assert await changed(world, control.await_next_run)
    assert [
        run.requeued
        for run in await world.read("SELECT requeued FROM requeues WHERE campaign_id = :c ORDER BY created_at")
    ] == [0, 1]
