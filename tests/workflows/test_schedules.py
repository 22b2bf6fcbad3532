"""Schedules on a real server: when they fire, and that rows and Schedules follow each other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import Client, Schedule, ScheduleUpdate, ScheduleUpdateInput
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.runs import RunActivities
from activities.schedule_repairs import ScheduleRepairs
from dialer.domain.recurrence import Recurrence, recurrence_from_json
from dialer.domain.runs import RunOutcome, RunReason
from dialer.domain.schedules import Repair, WantedSchedule, repair_for, timetable_of
from dialer.schedule_mirror import mirror
from dialer.store import control
from dialer.store.database import Database
from tests.activities.recorders import Recorder
from tests.store.recurring import changed, make_recurring, now, runs_of, status_of
from tests.store.worlds import World
from tests.workers import at_work
from workflows.options import CONTROL_QUEUE
from workflows.scheduled_run import ScheduledRunWorkflow
from workflows.schedules import CampaignSchedules, schedule_id

CRONS = ("0 9 * * *", "30 2 * * *", "30 1 * * *", "*/15 0-3 * * *", "10 2 * * 0", "40 1 * * sun")
#: Clocks that are moved by night, at midnight, by half an hour, in the south, and never.
ZONES = (
    ("Europe/Rome", (3, 10)),
    ("America/New_York", (3, 11)),
    ("Asia/Beirut", (3, 10)),
    ("Australia/Lord_Howe", (4, 10)),
    ("Asia/Kolkata", (3, 10)),
)


@pytest.fixture
async def database(module_database_url: str) -> AsyncIterator[Database]:
    database = Database(module_database_url, pool_size=6)
    yield database
    await database.close()


async def test_the_server_fires_when_we_say_and_what_else_it_fires_is_stray(
    dev_server: WorkflowEnvironment,
) -> None:
    schedules, here = CampaignSchedules(dev_server.client), datetime.now(UTC)
    for zone, months in ZONES:
        recurrence = recurrence_from_json({"time_zone": zone, "recurrence": {"cron": CRONS}})
        assert recurrence is not None
        campaign_id, wanted = uuid4(), WantedSchedule(timetable=timetable_of(recurrence, here), paused_reason=None)
        await schedules.write(uuid4(), campaign_id, "Spring sale", wanted)
        assert repair_for(wanted, await schedules.read(campaign_id)) is Repair.NOTHING
        for month in months:
            begin = datetime(here.year + 1, month, 1, tzinfo=UTC)
            await agree(dev_server.client, schedule_id(campaign_id), recurrence, begin)
        described = await dev_server.client.get_schedule_handle(schedule_id(campaign_id)).describe()
        at = described.info.next_action_times
        assert at == recurrence.next_runs(at[0] - timedelta(seconds=1), len(at))


async def agree(client: Client, schedule: str, recurrence: Recurrence, begin: datetime) -> None:
    """A month, minute by minute: we and the server."""
    until = begin + timedelta(days=35)
    request = ListScheduleMatchingTimesRequest(namespace=client.namespace, schedule_id=schedule)
    request.start_time.CopyFrom(stamp(begin))
    request.end_time.CopyFrom(stamp(until))
    answer = await client.workflow_service.list_schedule_matching_times(request)
    theirs = [each.ToDatetime(UTC) for each in answer.start_time]
    ours = recurrence.runs_between(begin, until, most=10_000)
    assert set(ours) <= set(theirs)
    assert all(recurrence.is_stray(at) for at in set(theirs) - set(ours))


def stamp(at: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(at)
    return found


async def test_rows_and_schedules_follow_each_other(dev_server: WorkflowEnvironment, database: Database) -> None:
    schedules, workflows = CampaignSchedules(dev_server.client), Recorder()
    world = await make_recurring(database)
    handle = dev_server.client.get_schedule_handle(schedule_id(world.campaign_id))

    async def look() -> Repair:
        return (await mirror(database, schedules, world.workspace_id, world.campaign_id)).repair

    assert [await look(), await look()] == [Repair.WRITE, Repair.NOTHING]
    made = await handle.describe()
    assert (made.schedule.spec.time_zone_name, made.schedule.state.paused) == ("UTC", False)

    await handle.pause(note="too loud")
    assert await look() is Repair.PAUSE_CAMPAIGN
    assert (await row(world)).paused_reason == "schedule_paused"
    await handle.unpause()
    assert await look() is Repair.RESUME_CAMPAIGN
    assert await status_of(world) == "scheduled"

    await changed(world, control.pause)
    assert await look() is Repair.WRITE
    assert (await handle.describe()).schedule.state.paused
    await changed(world, control.resume)
    assert await look() is Repair.WRITE
    assert [(await handle.describe()).schedule.state.paused, await look()] == [False, Repair.NOTHING]

    await handle.update(without_times)
    await world.run("UPDATE campaigns SET name = 'Summer sale' WHERE id = :c")
    assert [await look(), await look()] == [Repair.WRITE, Repair.NOTHING]
    await handle.delete()
    await eventually_repaired(ScheduleRepairs(database, schedules, workflows), handle.describe)
    await changed(world, control.stop)
    assert [await look(), await look()] == [Repair.DELETE, Repair.NOTHING]


def without_times(given: ScheduleUpdateInput) -> ScheduleUpdate:
    schedule: Schedule = given.description.schedule
    schedule.spec.calendars = []
    return ScheduleUpdate(schedule)


async def eventually_repaired(repairs: ScheduleRepairs, ask: Callable[[], Any]) -> None:
    """A sweep sees what a listing shows, which may be some seconds old."""
    for _ in range(100):
        await repairs.repair()
        try:
            await ask()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        else:
            return
    raise AssertionError("no sweep has made it good")


async def row(world: World) -> Any:
    return (await world.read("SELECT * FROM campaigns WHERE id = :c"))[0]


async def test_a_firing_begins_a_run_and_one_during_it_is_skipped(
    dev_server: WorkflowEnvironment, database: Database
) -> None:
    client, workflows = dev_server.client, Recorder()
    world = await make_recurring(database)
    runs = RunActivities(database, workflows)
    await mirror(database, CampaignSchedules(client), world.workspace_id, world.campaign_id)
    handle = client.get_schedule_handle(schedule_id(world.campaign_id))
    worker = Worker(client, task_queue=CONTROL_QUEUE, workflows=[ScheduledRunWorkflow], activities=[runs.begin_run])
    async with at_work(worker):
        first = await fired(client, handle.trigger, world, known=0)
        assert (first["outcome"], first["workflow_id"]) == ("running", f"campaign-{world.campaign_id}")
        assert await status_of(world) == "running"
        assert workflows.campaigns == workflows.nudged == [world.campaign_id]
        await another_second(datetime.fromisoformat(first["due_at"]))
        second = await fired(client, handle.trigger, world, known=1)
    assert (second["outcome"], second["reason"]) == ("skipped", "previous_run")
    assert await runs_of(world) == [
        ("schedule", RunOutcome.RUNNING, None),
        ("schedule", RunOutcome.SKIPPED, RunReason.PREVIOUS_RUN),
    ]


async def another_second(than: datetime) -> None:
    """Firings are told apart by the second."""
    for _ in range(500):
        if now().replace(microsecond=0) > than:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("time stands still")


async def fired(client: Client, trigger: Callable[[], Any], world: World, *, known: int) -> dict[str, Any]:
    """The result of the run's workflow, found as people find it in the Temporal Web UI."""
    await trigger()
    query = f"WorkflowType = 'ScheduledRunWorkflow' AND CampaignId = '{world.campaign_id}'"
    for _ in range(1000):
        found = [each async for each in client.list_workflows(query)]
        if len(found) > known:
            newest = max(found, key=lambda each: each.start_time)
            assert newest.id.startswith(f"campaign-{world.campaign_id}-run-")
            return await client.get_workflow_handle(newest.id).result()
    raise AssertionError("the Schedule has not fired")


async def test_a_run_that_never_came_is_begun_and_one_too_long_ago_is_noted(database: Database) -> None:
    world, workflows = await make_recurring(database), Recorder()
    repairs = ScheduleRepairs(database, NoServer(), workflows)
    due = (now() - timedelta(minutes=20)).replace(second=0, microsecond=0)
    sql = """UPDATE campaigns SET settings = jsonb_set(settings, '{schedule,recurrence,calendars,0,at,0}',
                to_jsonb(CAST(:at AS text))) WHERE id = :c"""
    await world.run(sql, at=f"{due:%H:%M}")
    await world.run("UPDATE campaigns SET recurs_since = :at WHERE id = :c", at=now() - timedelta(hours=40))
    await repairs.repair()
    await repairs.repair()
    assert await runs_of(world) == [
        ("schedule", RunOutcome.MISSED, RunReason.TOO_LATE),
        ("schedule", RunOutcome.RUNNING, None),
    ]
    assert set(workflows.campaigns) == {world.campaign_id}


class NoServer(CampaignSchedules):
    """Temporal does not answer."""

    def __init__(self) -> None:
        pass

    async def listed(self) -> Any:
        raise RPCError("down", RPCStatusCode.UNAVAILABLE, b"")
