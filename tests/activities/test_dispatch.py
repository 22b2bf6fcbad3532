import asyncio
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.dispatch import LONGEST_IDLE_S, CampaignRef, DispatchActivities, Leg, LegEnd
from activities.wakeups import Wakeups, Woken
from dialer.domain.call_results import moment
from dialer.domain.carrier_events import AnsweredBy, CarrierStatus
from dialer.domain.restores import Mark
from dialer.domain.timing import Timing
from dialer.store.database import Database, one
from dialer.store.recoveries import close_recoveries
from dialer.store.waking import wake
from tests.activities.recorders import Recorder
from tests.store.lines import ALL_DAY, add_people, claim_one, finish, gate, make_line
from tests.store.worlds import World

SHORT = Timing(leg_s=0.2)
#: A leg that ends by itself once it has noticed what it is to notice, on a busy machine too.
NOTICED = Timing(leg_s=10)
AT_ONCE = Timing(leg_s=0)
PEOPLE = 3
NEVER_SEEN = Mark()


async def leg(
    line: World,
    workflows: Recorder,
    timing: Timing = AT_ONCE,
    wakeups: Wakeups | None = None,
    *,
    seen: Mark = NEVER_SEEN,
    told: Sequence[Any] = (),
) -> Leg:
    """One leg; ``told`` are the heartbeats of a try before it that failed."""
    activities = DispatchActivities(line.database, workflows, wakeups or Wakeups(line.database.url), timing=timing)
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, heartbeat_details=told)
    return await environment.run(activities.dispatch, reference(line, seen))


def reference(line: World, seen: Mark = NEVER_SEEN) -> CampaignRef:
    return CampaignRef(workspace_id=str(line.workspace_id), campaign_id=str(line.campaign_id), seen=seen)


async def campaign_row(line: World) -> Any:
    return (await line.read("SELECT *, dialer_now() AS now FROM campaigns WHERE id = :c"))[0]


def in_hours(count: int) -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=count)


def open_between(start: datetime, end: datetime) -> dict[str, Any]:
    """Calling hours by the clock of UTC, whatever the person's zone."""
    return {
        "windows": [{"days": ALL_DAY["windows"][0]["days"], "start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}],
        "zone": "UTC",
    }


def closed() -> dict[str, Any]:
    """Open again in two hours, for one."""
    return open_between(in_hours(2), in_hours(3))


def schedule(**times: datetime) -> dict[str, dict[str, str]]:
    return {"schedule": {name: at.isoformat() for name, at in times.items()}}


async def test_a_leg_claims_everybody_who_is_due_and_starts_their_calls(
    database: Database, workflows: Recorder
) -> None:
    line = await make_line(database, people=PEOPLE)
    ended = await leg(line, workflows, SHORT)
    rows = await line.read("SELECT id, prospect_id, state FROM calls WHERE campaign_id = :c")
    assert {(call.call_id, call.prospect_id) for call in workflows.calls} == {(row.id, row.prospect_id) for row in rows}
    assert {row.state for row in rows} == {"claimed"}
    assert ended.claimed == len(workflows.calls) == PEOPLE
    assert {call.summary for call in workflows.calls} == {"Spring sale · attempt 1 of 4"}
    assert {call.campaign_id for call in workflows.calls} == {line.campaign_id}


async def test_a_call_is_committed_before_its_workflow_is_started(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=PEOPLE)
    seen: list[int] = []

    async def look() -> None:
        seen.append(len(await line.read("SELECT id FROM calls WHERE campaign_id = :c")))

    workflows.before_calls = look
    await leg(line, workflows, SHORT)
    assert seen == [PEOPLE]


async def test_a_leg_does_not_claim_beyond_the_pace(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=9, settings={"pace": {"max_concurrent": 9, "calls_per_second": 2}})
    ended = await leg(line, workflows, SHORT)
    assert ended.end is LegEnd.MORE
    assert len(workflows.calls) == 2


async def test_a_leg_goes_on_with_the_next_while_every_slot_is_taken(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=3, settings={"pace": {"max_concurrent": 1, "calls_per_second": 1000}})
    assert (await leg(line, workflows, SHORT)).end is LegEnd.MORE
    assert len(workflows.calls) == 1
    assert (await campaign_row(line)).idle_until is None


async def test_closed_windows_are_waited_out_by_a_durable_timer(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, settings={"calling_hours": closed()})
    ended = await leg(line, workflows)
    opening = in_hours(2)
    row = await campaign_row(line)
    assert (ended.end, ended.waiting_for, ended.idle_until) == (LegEnd.IDLE, "calling hours to open", moment(opening))
    assert row.now + timedelta(seconds=ended.idle_s) == pytest.approx(opening, abs=timedelta(seconds=5))
    assert row.idle_until == pytest.approx(opening, abs=timedelta(seconds=1))
    assert workflows.calls == []


async def test_the_next_redial_is_waited_for(database: Database, workflows: Recorder) -> None:
    line = await make_line(database)
    due = in_hours(5)
    await line.run("UPDATE prospects SET next_due_at = :due WHERE campaign_id = :c", due=due)
    ended = await leg(line, workflows)
    assert (ended.end, ended.waiting_for, ended.idle_until) == (LegEnd.IDLE, "the next redial", moment(due))


async def test_numbers_that_have_made_their_calls_of_a_day_are_waited_for_by_a_durable_timer(
    database: Database, workflows: Recorder
) -> None:
    line = await make_line(database, people=PEOPLE)
    await line.run("UPDATE phone_numbers SET calls_per_day = 1")
    call = await claim_one(line)
    await gate(line, call.call_id)
    ended = await leg(line, workflows)
    (row,) = await line.read("SELECT dialed_at + interval '24 hours' AS again FROM calls WHERE campaign_id = :c")
    assert (ended.end, ended.claimed, ended.idle_until) == (LegEnd.IDLE, 0, moment(row.again))
    assert ended.waiting_for == "a caller number: it has made all calls of 24 hours"


async def test_a_wait_that_ends_within_the_leg_is_no_reason_to_go_idle(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=1)
    await line.run("UPDATE prospects SET next_due_at = dialer_now() + interval '0.3 s' WHERE campaign_id = :c")
    await leg(line, workflows, Timing(leg_s=1.0))
    assert len(workflows.calls) == 1


async def test_a_campaign_with_nobody_left_is_completed(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=1)
    call = await claim_one(line)
    await gate(line, call.call_id)
    await finish(line, call.call_id, CarrierStatus.COMPLETED, answered_by=AnsweredBy.HUMAN)
    assert (await leg(line, workflows)).end is LegEnd.FINISHED
    row = await campaign_row(line)
    assert (row.status, row.completed_reason) == ("completed", "all_final")


async def test_a_campaign_that_is_kept_open_waits_for_people(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=0, settings={"keep_open": True})
    ended = await leg(line, workflows)
    assert (ended.end, ended.idle_until, ended.idle_s) == (LegEnd.IDLE, None, LONGEST_IDLE_S)
    assert (await campaign_row(line)).status == "running"
    await add_people(line, 1)
    await leg(line, workflows, SHORT)
    assert len(workflows.calls) == 1


async def test_a_running_import_keeps_a_campaign_from_completing(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=0)
    await line.run(
        "INSERT INTO imports (workspace_id, campaign_id, filename, options) VALUES (:w, :c, 'f', '{}')",
        w=line.workspace_id,
    )
    ended = await leg(line, workflows)
    assert (ended.end, ended.waiting_for) == (LegEnd.IDLE, "an import to finish")
    assert (await campaign_row(line)).status == "running"


async def test_calls_in_flight_keep_a_campaign_from_completing(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=1)
    await claim_one(line)
    ended = await leg(line, workflows)
    assert (ended.end, ended.waiting_for) == (LegEnd.IDLE, "calls in flight to end")


async def test_a_stopped_campaign_expires_who_was_ready_and_lets_calls_finish(
    database: Database, workflows: Recorder
) -> None:
    line = await make_line(database, people=PEOPLE, settings={"pace": {"max_concurrent": 1, "calls_per_second": 1000}})
    call = await claim_one(line)
    await gate(line, call.call_id)
    await line.run("UPDATE campaigns SET status = 'stopped' WHERE id = :c")
    waiting = await leg(line, workflows, SHORT)
    assert (waiting.end, waiting.waiting_for) == (LegEnd.IDLE, "calls in flight to end")
    assert await line.tally() == {"expired": PEOPLE - 1, "in_call": 1}
    await finish(line, call.call_id, CarrierStatus.BUSY)
    assert (await leg(line, workflows)).end is LegEnd.FINISHED
    assert await line.tally() == {"expired": PEOPLE}


async def test_a_campaign_past_its_end_is_completed_and_nobody_is_called(
    database: Database, workflows: Recorder
) -> None:
    line = await make_line(database, settings=schedule(end_at=in_hours(-1)))
    assert (await leg(line, workflows, Timing(leg_s=5))).end is LegEnd.FINISHED
    row = await campaign_row(line)
    assert (row.status, row.completed_reason) == ("completed", "end_at")
    assert await line.tally() == {"expired": PEOPLE}
    assert workflows.calls == []


@pytest.mark.parametrize("kept_open", [False, True], ids=["closed", "kept open"])
async def test_no_campaign_sleeps_past_its_end(database: Database, workflows: Recorder, kept_open: bool) -> None:
    end = in_hours(1)
    people = 0 if kept_open else 1
    settings: dict[str, Any] = {"keep_open": True} if kept_open else {"calling_hours": closed()}
    line = await make_line(database, people=people, settings={**settings, **schedule(end_at=end)})
    ended = await leg(line, workflows)
    assert (ended.end, ended.waiting_for, ended.idle_until) == (LegEnd.IDLE, "its end", moment(end))


async def test_a_scheduled_campaign_waits_for_its_start(database: Database, workflows: Recorder) -> None:
    start = in_hours(30)
    line = await make_line(database, status="scheduled", settings=schedule(start_at=start))
    ended = await leg(line, workflows)
    assert (ended.end, ended.waiting_for, ended.idle_until) == (LegEnd.IDLE, "waits for its start", moment(start))
    assert workflows.calls == []


async def test_a_scheduled_campaign_starts_at_its_time(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, status="scheduled", settings=schedule(start_at=in_hours(-1)))
    await leg(line, workflows, Timing(leg_s=0.4))
    assert (await campaign_row(line)).status == "running"
    assert len(workflows.calls) == PEOPLE


async def test_a_paused_campaign_completes_at_its_end_unless_the_database_was_restored(
    database: Database, workflows: Recorder
) -> None:
    end = in_hours(1)
    line = await make_line(database, status="paused", settings=schedule(end_at=end))
    await line.run("UPDATE campaigns SET paused_reason = 'user' WHERE id = :c")
    ended = await leg(line, workflows)
    assert (ended.end, ended.waiting_for, ended.idle_until) == (LegEnd.IDLE, "its end", moment(end))
    past = {"end_at": in_hours(-1).isoformat()}
    sql = (
        "UPDATE campaigns SET settings = settings || jsonb_build_object('schedule', CAST(:past AS jsonb)) WHERE id = :c"
    )
    await line.run(sql, past=json.dumps(past))
    await line.run("UPDATE campaigns SET paused_reason = 'database_restored' WHERE id = :c")
    assert (await leg(line, workflows)).end is LegEnd.IDLE
    await line.run("UPDATE campaigns SET paused_reason = 'user' WHERE id = :c")
    assert (await leg(line, workflows, Timing(leg_s=5))).end is LegEnd.FINISHED
    row = await campaign_row(line)
    assert (row.status, row.completed_reason) == ("completed", "end_at")
    assert await line.tally() == {"expired": PEOPLE}


async def test_a_paused_campaign_waits_without_a_time(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, status="paused")
    await line.run("UPDATE campaigns SET paused_reason = 'user' WHERE id = :c")
    ended = await leg(line, workflows)
    assert (ended.end, ended.waiting_for, ended.idle_until) == (LegEnd.IDLE, "paused (user)", None)
    assert workflows.calls == []


@pytest.mark.parametrize("status", ["draft", "completed"])
async def test_a_campaign_that_does_not_run_needs_no_leg(database: Database, workflows: Recorder, status: str) -> None:
    line = await make_line(database, status=status)
    assert (await leg(line, workflows)).end is LegEnd.FINISHED
    assert workflows.calls == []


async def test_a_campaign_that_is_gone_ends_its_workflow(database: Database, workflows: Recorder) -> None:
    line = replace(await make_line(database, people=0), campaign_id=uuid4())
    assert (await leg(line, workflows)).end is LegEnd.FINISHED


async def test_a_leg_goes_on_with_held_people_whom_an_edit_left_and_completes_nothing_before(
    database: Database, workflows: Recorder
) -> None:
    line = await make_line(database, people=PEOPLE)
    await line.run("UPDATE prospects SET state = 'held', held_reason = 'never_open' WHERE campaign_id = :c")
    await line.run("UPDATE campaigns SET reopening = true WHERE id = :c")
    first, second = [await leg(line, workflows) for _ in range(2)]
    assert (first.end, first.claimed) == (LegEnd.MORE, 0)
    assert (second.end, second.claimed) == (LegEnd.MORE, PEOPLE)
    assert not (await campaign_row(line)).reopening


async def test_people_whose_zones_never_open_together_are_held_and_do_not_block(
    database: Database, workflows: Recorder
) -> None:
    hours = {"windows": [{**ALL_DAY["windows"][0], "start": "09:00", "end": "17:00"}], "zone": "prospect"}
    line = await make_line(database, people=0, settings={"calling_hours": hours})
    await add_people(line, 2, zone_set="America/New_York|Asia/Tokyo", zone_source="explicit")
    assert (await leg(line, workflows)).end is LegEnd.FINISHED
    assert await line.tally() == {"held": 2}
    assert {row.held_reason for row in await line.read("SELECT held_reason FROM prospects")} == {"never_open"}


async def test_a_leg_that_begins_is_not_idle_any_more(database: Database, workflows: Recorder) -> None:
    line = await make_line(database)
    await line.run("UPDATE campaigns SET idle_until = dialer_now() + interval '1 hour' WHERE id = :c")
    await leg(line, workflows, SHORT)
    async with database.transaction(line.workspace_id) as session:
        row = await one(session, "SELECT state FROM calls LIMIT 1")
    assert row is not None
    assert len(workflows.calls) == PEOPLE


class PatientWakeups(Wakeups):
    """Listens as the real one does, and never looks on its own: only a notification ends a wait."""

    @contextmanager
    def listen(self, campaign_id: UUID) -> Generator[Woken]:
        with super().listen(campaign_id) as woken:
            yield PatientWoken(woken)


class PatientWoken(Woken):
    def __init__(self, real: Woken) -> None:
        super().__init__()
        self._real = real
        self.waits = 0

    async def wait(self, seconds: float) -> bool:
        return await self._real.wait(0 if seconds == 0 else 30)


async def test_a_notification_wakes_a_leg_that_runs(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=1)
    await line.run("UPDATE prospects SET next_due_at = dialer_now() + interval '20 s' WHERE campaign_id = :c")
    wakeups = PatientWakeups(database.url)
    listening = asyncio.create_task(wakeups.run())
    called = asyncio.Event()

    async def note() -> None:
        called.set()

    workflows.before_calls = note
    running = asyncio.create_task(leg(line, workflows, Timing(leg_s=25), wakeups))
    async with asyncio.timeout(10):
        await line.run("UPDATE prospects SET next_due_at = dialer_now() WHERE campaign_id = :c")
        while not called.is_set():  # whoever notifies before the connection listens is not heard
            async with database.transaction(line.workspace_id) as session:
                assert not await wake(session, line.campaign_id)
            await asyncio.wait([asyncio.create_task(called.wait())], timeout=0.05)
    for task in (running, listening):
        task.cancel()
    await asyncio.gather(running, listening, return_exceptions=True)
    assert len(workflows.calls) == 1


async def newest_call(line: World) -> int:
    return (await line.read("SELECT max(number) AS n FROM calls WHERE campaign_id = :c"))[0].n


async def test_a_leg_tells_the_next_one_how_far_the_campaign_has_come(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=PEOPLE)
    assert (await leg(line, workflows, SHORT)).seen == Mark(newest_call=await newest_call(line))
    idle = await leg(line, workflows, seen=Mark(newest_call=await newest_call(line)))
    assert idle.seen == Mark(newest_call=await newest_call(line)), "although it has claimed nobody"


@pytest.mark.parametrize("from_heartbeat", [False, True])
async def test_a_leg_dials_nobody_from_a_database_that_has_gone_backwards(
    database: Database, workflows: Recorder, from_heartbeat: bool
) -> None:
    line, other = await make_line(database, people=PEOPLE), await make_line(database)
    await claim_one(line)
    await add_people(line, 2 * PEOPLE)
    seen = Mark(newest_call=await newest_call(line) + 1)
    told = {"told": seen.packed()} if from_heartbeat else {"seen": seen}
    ended = await leg(line, workflows, NOTICED, **told)
    assert (ended.claimed, ended.end, ended.waiting_for) == (0, LegEnd.IDLE, "paused (database_restored)")
    assert ended.seen == seen, "until it is recovered"
    for paused in (line, other):
        row = await campaign_row(paused)
        assert (row.status, row.paused_reason) == ("paused", "database_restored")
    await line.run("UPDATE campaigns SET status = 'running' WHERE id = :c")
    assert (await leg(line, workflows, SHORT, seen=ended.seen)).claimed == 0, "resumed too early"
    assert (await leg(line, workflows, SHORT)).claimed == 0, "and paused again"


async def test_a_leg_goes_on_after_a_recovery(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=PEOPLE)
    async with database.transaction_over_all() as session:
        recovered_at = await close_recoveries(session, datetime.now(UTC), {})
    ended = await leg(line, workflows, NOTICED, seen=Mark(newest_call=10**9))
    assert ended.claimed == PEOPLE
    assert ended.seen == Mark(newest_call=await newest_call(line), recovered_at=recovered_at)


async def test_a_database_that_goes_backwards_under_a_leg_is_noticed(database: Database, workflows: Recorder) -> None:
    line = await make_line(database, people=PEOPLE, settings={"pace": {"max_concurrent": 1, "calls_per_second": 1000}})

    async def restore() -> None:
        await line.run("UPDATE calls SET campaign_id = NULL, prospect_id = NULL WHERE campaign_id = :c")

    workflows.before_calls = restore
    ended = await leg(line, workflows, NOTICED)
    assert (ended.claimed, ended.waiting_for) == (1, "paused (database_restored)")
